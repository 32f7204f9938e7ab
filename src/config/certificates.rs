//! Certificate authorities as they stand in documents and settings: PEM.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// All that stand there, at least one; or what is wrong.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let (mut found, mut store) = (Vec::new(), RootCertStore::empty());
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem.as_bytes())) {
        let certificate = certificate.map_err(|error| format!("certificate {number}: {error}"))?;
        store.add(certificate.clone()).map_err(|error| format!("certificate {number}: {error}"))?;
        found.push(certificate);
    }
    match found.is_empty() {
        true => Err("no certificate stands there: '-----BEGIN CERTIFICATE-----'".to_owned()),
        false => Ok(found),
    }
}
