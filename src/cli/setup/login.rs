//! How the brokers of a document are spoken to.

use rdkafka::ClientConfig;

use super::plan::Login;
use crate::config::{SecretRef, Settings};
use crate::source::kafka::client;
use crate::worker::outlets;

pub(super) fn config(login: Login<'_>, settings: &Settings) -> Result<ClientConfig, String> {
    let resolve =
        |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok());
    let mut config = match login {
        Login::Source(kafka) => client::config(&kafka.bootstrap_servers, &kafka.security, &resolve)?,
        Login::Sink(kafka) => outlets::client_config(kafka, &resolve)?,
    };
    // What the client has to say of a broker that is not there is said by us, once.
    config.set("log_level", "2");
    Ok(config)
}
