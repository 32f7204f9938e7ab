//! Whom to believe that they are who they say: the system's authorities, and those that a destination brings along.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::certificates;

/// Certificate authorities.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
}

/// A PEM text that gives no certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCertificates(String);

impl Trust {
    /// The system's. They are read once.
    pub fn system() -> Trust {
        static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
        let roots = SYSTEM.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            // Systems have some that nobody can read; what is missing shows at the connection.
            roots.add_parsable_certificates(found.certs);
            Arc::new(roots)
        });
        Trust { roots: Arc::clone(roots) }
    }

    /// These, too: `CACerts` of a destination.
    pub fn and(&self, pem: &str) -> Result<Trust, BadCertificates> {
        let mut roots = RootCertStore::clone(&self.roots);
        roots.add_parsable_certificates(certificates(pem).map_err(BadCertificates)?);
        Ok(Trust { roots: Arc::new(roots) })
    }

    /// These and no others.
    pub fn only(pem: &str) -> Result<Trust, BadCertificates> {
        Trust { roots: Arc::new(RootCertStore::empty()) }.and(pem)
    }

    pub fn config(&self) -> ClientConfig {
        self.builder().with_no_client_auth()
    }

    /// The same for a client that shows who it is.
    pub fn config_as(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<ClientConfig, rustls::Error> {
        self.builder().with_client_auth_cert(chain, key)
    }

    fn builder(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the versions of TLS")
            .with_root_certificates(Arc::clone(&self.roots))
    }
}

impl fmt::Display for BadCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadCertificates {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_or_the_reason_is_said() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let system = Trust::system();
        let more = system.and(&format!("a comment\n{0}{0}", made.cert.pem())).unwrap();
        assert_eq!(more.roots.len(), system.roots.len() + 2);
        for (wrong, said) in [
            ("", "no certificate stands there"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "certificate 1: "),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1: "),
        ] {
            assert!(system.and(wrong).unwrap_err().to_string().contains(said), "{wrong}");
        }
    }
}
