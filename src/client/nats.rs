//! How NATS is reached: servers, a login and TLS, with the secrets that they take.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::Trust;
use crate::config::{NatsAuth, NatsConnection, Secret, SecretRef, certificates};

/// By name, as the other clients of brokers have it: secrets stand among them.
#[derive(Clone, PartialEq, Eq)]
pub struct Login(BTreeMap<String, String>);

const SERVERS: &str = "servers";
const TOKEN: &str = "token";
const USER: &str = "user";
const PASSWORD: &str = "password";
const NKEY: &str = "nkey";
const CREDS: &str = "creds";
const TLS: &str = "tls";
const CA: &str = "tls.ca";
const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";

/// How long a server may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection that is dead is noticed after two of these.
const PING: Duration = Duration::from_secs(10);
/// How long to wait between tries to reach a server, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Login {
    /// As the document says; `resolve` finds its secrets.
    pub fn of(
        connection: &NatsConnection,
        resolve: &dyn Fn(&SecretRef) -> Result<Secret, String>,
    ) -> Result<Login, String> {
        let servers: Vec<String> = connection.servers.iter().map(ToString::to_string).collect();
        let mut said = BTreeMap::from([(SERVERS.to_owned(), servers.join(","))]);
        let mut secret = |name: &str, reference: &SecretRef| -> Result<(), String> {
            said.insert(name.to_owned(), resolve(reference)?.expose().trim().to_owned());
            Ok(())
        };
        match &connection.auth {
            None => {}
            Some(NatsAuth::Token(token)) => secret(TOKEN, token)?,
            Some(NatsAuth::Password { user, password }) => {
                secret(USER, user)?;
                secret(PASSWORD, password)?;
            }
            Some(NatsAuth::Nkey(seed)) => secret(NKEY, seed)?,
            Some(NatsAuth::Creds(creds)) => secret(CREDS, creds)?,
        }
        if let Some(tls) = &connection.tls {
            tls.ca.as_ref().map_or(Ok(()), |ca| secret(CA, ca))?;
            if let Some(client) = &tls.client {
                secret(CERTIFICATE, &client.certificate)?;
                secret(KEY, &client.key)?;
            }
            said.insert(TLS.to_owned(), "yes".to_owned());
        }
        let login = Login(said);
        // What is wrong with a key is said before anybody is asked.
        login.options().map(|_| login)
    }

    /// In the clear, as anybody: for a command that names a server alone.
    pub fn plain(servers: &str) -> Login {
        Login(BTreeMap::from([(SERVERS.to_owned(), servers.to_owned())]))
    }

    pub fn properties(self) -> BTreeMap<String, String> {
        self.0
    }

    pub fn of_properties<'p>(properties: impl Iterator<Item = (&'p str, &'p str)>) -> Login {
        Login(properties.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// `nats:4222,nats-2:4222`
    pub fn servers(&self) -> &str {
        self.said(SERVERS).unwrap_or_default()
    }

    fn said(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A client that connects by itself, now or when a server is there, again and again. `heard` is told what happens to it.
    pub async fn connect(
        &self,
        heard: impl Fn(Event) + Send + Sync + Clone + 'static,
    ) -> Result<Client, String> {
        let heard = move |event| {
            heard(event);
            async {}
        };
        let options = self.options()?.retry_on_initial_connect().event_callback(heard);
        options.connect(self.addresses()).await.map_err(|error| error.to_string())
    }

    /// A client that is connected, or the reason why it is not: for who can't wait.
    pub async fn connect_now(&self) -> Result<Client, String> {
        let connected = self.options()?.connect(self.addresses()).await;
        connected.map_err(|error| format!("NATS at {} can't be reached: {error}", self.servers()))
    }

    fn addresses(&self) -> Vec<String> {
        let scheme = if self.said(TLS).is_some() { "tls" } else { "nats" };
        self.servers().split(',').map(|server| format!("{scheme}://{server}")).collect()
    }

    fn options(&self) -> Result<ConnectOptions, String> {
        let mut options = ConnectOptions::new()
            .name("weir")
            .ping_interval(PING)
            .request_timeout(Some(PATIENCE))
            .reconnect_delay_callback(|attempts| {
                LONGEST_WAIT
                    .min(Duration::from_millis(50) * u32::try_from(attempts).unwrap_or(u32::MAX).min(100))
            });
        if let Some(token) = self.said(TOKEN) {
            options = options.token(token.to_owned());
        }
        if let (Some(user), Some(password)) = (self.said(USER), self.said(PASSWORD)) {
            options = options.user_and_password(user.to_owned(), password.to_owned());
        }
        if let Some(seed) = self.said(NKEY) {
            options = options.nkey(seed.to_owned());
        }
        if let Some(creds) = self.said(CREDS) {
            // Its last line has to end, and secrets are trimmed. The error would show what stands there.
            options = options.credentials(&format!("{creds}\n")).map_err(|_| {
                "the creds are none: a JWT and its seed, as 'nsc generate creds' writes them".to_owned()
            })?;
        }
        if self.said(TLS).is_some() {
            options = options.require_tls(true).tls_client_config(self.tls()?);
        }
        Ok(options)
    }

    fn tls(&self) -> Result<rustls::ClientConfig, String> {
        let trust = match self.said(CA) {
            Some(ca) => Trust::only(ca).map_err(|error| format!("tls.caCert: {error}"))?,
            None => Trust::system(),
        };
        let (Some(certificate), Some(key)) = (self.said(CERTIFICATE), self.said(KEY)) else {
            return Ok(trust.config());
        };
        let chain = certificates(certificate).map_err(|error| format!("tls.cert: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| "tls.key: it is no private key in PEM".to_owned())?;
        trust.config_as(chain, key).map_err(|error| format!("tls.cert and tls.key: {error}"))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Login").field(&self.servers()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Server, Tls};

    fn made(auth: Option<NatsAuth>, tls: Option<Tls>, value: &'static str) -> Result<Login, String> {
        let servers = ["one", "::1"].map(|host| Server { host: host.to_owned(), port: 4222 }).to_vec();
        Login::of(&NatsConnection { servers, auth, tls }, &|_| Ok(Secret::new(value)))
    }

    fn secret() -> SecretRef {
        SecretRef::new("nats", "key").unwrap()
    }

    #[test]
    fn a_login_shows_where_it_goes_and_no_secret() {
        let login = made(Some(NatsAuth::Token(secret())), None, "hunter2\n").unwrap();
        assert_eq!(login.said(TOKEN), Some("hunter2"));
        assert_eq!(format!("{login:?}"), "Login(\"one:4222,[::1]:4222\")");
        assert_eq!(login.addresses(), ["nats://one:4222", "nats://[::1]:4222"]);
        assert_eq!(made(None, Some(Tls::default()), "").unwrap().addresses()[0], "tls://one:4222");
        let again = login.clone().properties();
        assert_eq!(Login::of_properties(again.iter().map(|(n, v)| (&**n, &**v))), login);
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said_without_showing_it() {
        let creds = made(Some(NatsAuth::Creds(secret())), None, "hunter2").unwrap_err();
        assert!(creds.contains("nsc") && !creds.contains("hunter2"), "{creds}");
        let tls = Tls { ca: Some(secret()), client: None };
        let ca = made(None, Some(tls), "hunter2").unwrap_err();
        assert!(ca.starts_with("tls.caCert: ") && !ca.contains("hunter2"), "{ca}");
    }
}
