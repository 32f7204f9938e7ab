//! TLS of a listener: certificates that are read anew when their files change, and clients' own where they are asked for.
//! What is open goes on with what it began with; a pair that is no good changes nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Larger files are none of ours.
const LARGEST: u64 = 1 << 20;

/// PEM files.
#[derive(Clone, Debug)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Whoever signed the clients' certificates; each client must have one then.
    pub client_ca: Option<PathBuf>,
}

#[derive(Debug)]
pub struct Tls {
    files: Files,
    /// What was seen at the last look, good or not.
    seen: Mutex<Seen>,
    config: RwLock<Arc<ServerConfig>>,
}

/// A digest of all files, or why they could not be read.
type Seen = Result<blake3::Hash, String>;

impl Tls {
    pub fn open(files: Files) -> Result<Tls, String> {
        let parts = files.read()?;
        let config = RwLock::new(Arc::new(files.config(&parts)?));
        Ok(Tls { files, seen: Mutex::new(Ok(digest(&parts))), config })
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files. What has changed holds for the connections that come now; each mistake is said once.
    pub fn look(&self) {
        let Ok(mut seen) = self.seen.try_lock() else { return };
        let parts = self.files.read();
        let now = parts.as_ref().map(digest).map_err(Clone::clone);
        if *seen == now {
            return;
        }
        match parts.and_then(|parts| self.files.config(&parts)) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!("the listener's certificate was read anew");
            }
            Err(reason) => {
                tracing::error!(%reason, "the listener's certificate has changed and is no good: the one before goes on");
            }
        }
        *seen = now;
    }
}

/// Certificate, key and authorities, as they stand in the files.
type Parts = [Vec<u8>; 3];

fn digest(parts: &Parts) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize()
}

impl Files {
    fn read(&self) -> Result<Parts, String> {
        let read = |setting: &str, path: &PathBuf| {
            let wrong = |error: String| format!("{setting}: {}: {error}", path.display());
            let length = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
            if length > LARGEST {
                return Err(wrong(format!("{length} bytes are no PEM file")));
            }
            std::fs::read(path).map_err(|e| wrong(e.to_string()))
        };
        let client_ca = self.client_ca.as_ref().map(|path| read("http.tls.client-ca", path)).transpose()?;
        Ok([
            read("http.tls.certificate", &self.certificate)?,
            read("http.tls.key", &self.key)?,
            client_ca.unwrap_or_default(),
        ])
    }

    fn config(&self, [certificate, key, authorities]: &Parts) -> Result<ServerConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring has the versions of TLS");
        let builder = match self.client_ca {
            None => builder.with_no_client_auth(),
            Some(_) => {
                let mut roots = RootCertStore::empty();
                for authority in chain("http.tls.client-ca", authorities)? {
                    roots.add(authority).map_err(|e| format!("http.tls.client-ca: {e}"))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|e| format!("http.tls.client-ca: {e}"))?)
            }
        };
        let chain = chain("http.tls.certificate", certificate)?;
        // Nothing of a key is ever shown, not even why it is none.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            "http.tls.key: no private key stands there: '-----BEGIN PRIVATE KEY-----'".to_owned()
        })?;
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|e| format!("http.tls.certificate and http.tls.key are no pair: {e}"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn chain(setting: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|e| format!("{setting}: {e}"))?;
    if chain.is_empty() {
        return Err(format!("{setting}: no certificate stands there: '-----BEGIN CERTIFICATE-----'"));
    }
    Ok(chain)
}

/// Whose certificate it is: the first URI (SPIFFE) that it names, else the first DNS name, else the subject's common name.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate.as_ref()).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map_or(&[][..], |names| names.value.general_names.as_slice());
    let uri = names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let dns = || {
        names.iter().find_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
    };
    let common = || certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    uri.or_else(dns).or_else(common).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn write(folder: &std::path::Path, certificate: &str, key: &str) {
        std::fs::write(folder.join("tls.crt"), certificate).unwrap();
        std::fs::write(folder.join("tls.key"), key).unwrap();
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_pair_is_taken_when_it_is_whole_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (pair(), pair());
        write(folder.path(), &old.0, &old.1);
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let tls = Tls::open(Files { certificate, key, client_ca: None }).unwrap();
        let first = tls.config();
        tls.look();
        assert!(Arc::ptr_eq(&first, &tls.config()), "nothing has changed");
        for (certificate, key) in [(&*new.0, &*old.1), ("", &*new.1), (&*new.0, "no key"), ("gar\0bage", "")]
        {
            write(folder.path(), certificate, key);
            tls.look();
            assert!(Arc::ptr_eq(&first, &tls.config()), "no pair");
        }
        std::fs::remove_file(folder.path().join("tls.key")).unwrap();
        tls.look();
        assert!(Arc::ptr_eq(&first, &tls.config()), "no file");
        write(folder.path(), &new.0, &new.1);
        tls.look();
        assert!(!Arc::ptr_eq(&first, &tls.config()), "a new pair");
    }

    #[test]
    fn a_mistake_names_its_setting_and_never_shows_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pair();
        let at = |name: &str| folder.path().join(name);
        let open = || {
            let client_ca = Some(at("ca.crt"));
            Tls::open(Files { certificate: at("tls.crt"), key: at("tls.key"), client_ca }).map(drop)
        };
        write(folder.path(), &certificate, "hunter2");
        std::fs::write(at("ca.crt"), &certificate).unwrap();
        let reason = open().unwrap_err();
        assert!(reason.contains("http.tls.key") && !reason.contains("hunter2"), "{reason}");
        write(folder.path(), &certificate, &key);
        open().unwrap();
        std::fs::write(at("ca.crt"), "").unwrap();
        assert!(open().unwrap_err().contains("http.tls.client-ca"));
        std::fs::remove_file(at("ca.crt")).unwrap();
        assert!(open().unwrap_err().contains("ca.crt"));
    }

    #[test]
    fn the_subject_is_the_most_exact_name_that_there_is() {
        let key = KeyPair::generate().unwrap();
        let subject_of = |names: Vec<SanType>| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "shop");
            params.subject_alt_names = names;
            subject(params.self_signed(&key).unwrap().der())
        };
        let uri = SanType::URI("spiffe://cluster.local/ns/shop".try_into().unwrap());
        let dns = SanType::DnsName("shop.example.com".try_into().unwrap());
        assert_eq!(subject_of(vec![dns.clone(), uri]).as_deref(), Some("spiffe://cluster.local/ns/shop"));
        assert_eq!(subject_of(vec![dns]).as_deref(), Some("shop.example.com"));
        assert_eq!(subject_of(vec![]).as_deref(), Some("shop"));
        assert_eq!(subject(&CertificateDer::from(vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff])), None);
    }
}
