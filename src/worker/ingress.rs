//! What the settings ask of those who post events: TLS, certificates, tokens.

use std::sync::Arc;

use hyper::Uri;

use super::listener::{Files, Tls};
use super::start::size;
use crate::client::{Client, Limits, Trust};
use crate::config::{Broker, Config, Reach, Settings};
use crate::source::Names;
use crate::source::http::{self, Authority, Jwks, Kept, Oidc, Place, Tokens};

/// The certificate and key are there together, which the settings' check has seen to.
pub(super) fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>, String> {
    let pair = settings.http_tls_certificate.clone().zip(settings.http_tls_key.clone());
    let Some((certificate, key)) = pair else { return Ok(None) };
    let client_ca = settings.http_tls_client_ca.clone();
    Tls::open(Files { certificate, key, client_ca }).map(|tls| Some(Arc::new(tls)))
}

async fn authority(settings: &Settings) -> Result<Authority, String> {
    let one = settings.http_token.iter().map(|reference| ("http.token", reference.clone()));
    let more = settings.http_tokens.0.iter().map(|reference| ("http.tokens", reference.clone()));
    let kept = Kept { references: one.chain(more).collect(), secrets_dir: settings.secrets_dir.clone() };
    Ok(Authority { tokens: Arc::new(Tokens::open(kept)?), oidc: oidc(settings).await? })
}

/// All three of its settings are there, or none.
async fn oidc(settings: &Settings) -> Result<Option<Oidc>, String> {
    let Some(issuer) = settings.http_oidc_issuer.clone() else { return Ok(None) };
    let audience = settings.http_oidc_audience.clone().unwrap_or_default();
    let place = settings.http_oidc_jwks.clone().unwrap_or_default();
    let place = if place.starts_with("https://") {
        let url: Uri = place.parse().map_err(|e| format!("http.oidc.jwks: {place}: {e}"))?;
        // The operator says where it is.
        let client = Client::new(Limits::default(), Arc::new(Reach::everywhere()), &trust(settings)?);
        Place::Url(Box::new(client), url)
    } else {
        Place::File(place.into())
    };
    Ok(Some(Oidc::new(issuer, audience, Jwks::open(place).await?)))
}

/// The system's authorities, and the one that the settings name for the keys' URL.
fn trust(settings: &Settings) -> Result<Trust, String> {
    let Some(path) = &settings.http_oidc_ca else { return Ok(Trust::system()) };
    let wrong = |error: &dyn std::fmt::Display| format!("http.oidc.ca: {}: {error}", path.display());
    let pem = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
    Trust::system().and(&pem).map_err(|e| wrong(&e))
}

/// What the listener for events goes by.
pub(super) async fn http_settings(settings: &Settings) -> Result<http::Settings, String> {
    Ok(http::Settings {
        max_body: size(settings.http_max_body),
        max_batch: settings.http_max_batch as usize,
        request_timeout: settings.http_request_timeout,
        max_concurrent_requests: settings.http_max_concurrent_requests as usize,
        requests_per_second: settings.http_rate_limit_per_second,
        // 0: as many at once as in a second.
        burst: match settings.http_rate_limit_burst {
            0 => settings.http_rate_limit_per_second,
            burst => burst,
        },
        authority: authority(settings).await?,
        allowed_origins: settings.http_allowed_origins.0.clone(),
    })
}

/// The brokers that events can be posted to.
pub(super) fn broker_names(config: &Config, settings: &Settings) -> Names {
    // What would be kept here alone is not taken in.
    let lasts = |broker: &&Broker| settings.data_durable || broker.backing.is_some();
    let paths =
        config.brokers.iter().filter(lasts).map(|b| (format!("{}/{}", b.namespace, b.name), b.uid)).collect();
    let elsewhere = config.brokers.iter().filter(|b| b.backing.is_some()).map(|b| b.uid).collect();
    Names { paths, elsewhere }
}
