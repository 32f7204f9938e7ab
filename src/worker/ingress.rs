//! What the settings ask of those who post events: TLS, certificates, tokens.

use std::sync::Arc;

use hyper::Uri;

use super::listener::{Files, Tls};
use crate::client::{Client, Limits, Trust};
use crate::config::{Reach, SecretRef, Settings};
use crate::source::http::{Authority, Jwks, Oidc, Place};

/// The certificate and key are there together, which the settings' check has seen to.
pub(super) fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>, String> {
    let pair = settings.http_tls_certificate.clone().zip(settings.http_tls_key.clone());
    let Some((certificate, key)) = pair else { return Ok(None) };
    let client_ca = settings.http_tls_client_ca.clone();
    Tls::open(Files { certificate, key, client_ca }).map(|tls| Some(Arc::new(tls)))
}

pub(super) async fn authority(settings: &Settings) -> Result<Authority, String> {
    let resolve = |setting: &str, reference: &SecretRef| {
        let secret = reference.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok());
        let secret = secret.map_err(|reason| format!("{setting}: {reason}"))?;
        Ok::<_, String>((Arc::from(reference.key()), secret))
    };
    let mut tokens = Vec::new();
    if let Some(reference) = &settings.http_token {
        tokens.push(resolve("http.token", reference)?);
    }
    for reference in &settings.http_tokens.0 {
        tokens.push(resolve("http.tokens", reference)?);
    }
    Ok(Authority { tokens, oidc: oidc(settings).await? })
}

/// All three of its settings are there, or none.
async fn oidc(settings: &Settings) -> Result<Option<Oidc>, String> {
    let Some(issuer) = settings.http_oidc_issuer.clone() else { return Ok(None) };
    let audience = settings.http_oidc_audience.clone().unwrap_or_default();
    let place = settings.http_oidc_jwks.clone().unwrap_or_default();
    let place = if place.starts_with("https://") {
        let url: Uri = place.parse().map_err(|e| format!("http.oidc.jwks: {place}: {e}"))?;
        // The operator says where it is.
        let client = Client::new(Limits::default(), Arc::new(Reach::everywhere()), &Trust::system());
        Place::Url(Box::new(client), url)
    } else {
        Place::File(place.into())
    };
    Ok(Some(Oidc::new(issuer, audience, Jwks::open(place).await?)))
}
