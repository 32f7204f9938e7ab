//! `tls`: how a connection is encrypted, with the same fields for Kafka and NATS.

use super::diagnostic::Report;
use super::reader::{self, Fields};
use super::secret::SecretRef;
use super::secret_key;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust, as PEM. `None`: whom the system trusts.
    pub ca: Option<SecretRef>,
    /// What the worker shows of itself.
    pub client: Option<Certificate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub certificate: SecretRef,
    pub key: SecretRef,
}

/// `None`: not enabled, or reported.
pub(super) fn read(mut fields: Fields<'_>, report: &mut Report<'_>) -> Option<Tls> {
    let enabled = enabled(&mut fields, report);
    let ca = secret_key::read(fields.optional("caCert"), fields.below("caCert"), report);
    let (cert_entry, key_entry) = (fields.entry("cert"), fields.entry("key"));
    let cert = secret_key::read(fields.optional("cert"), fields.below("cert"), report);
    let key = secret_key::read(fields.optional("key"), fields.below("key"), report);
    if let Some(alone) = cert_entry.xor(key_entry) {
        let other = if cert_entry.is_some() { "key" } else { "cert" };
        let message = format!("{}: '{}' needs '{other}' beside it", fields.path, alone.key);
        report.error(alone.key_span, message).help(format!("add '{other}: …'"));
    }
    fields.finish(report);
    let client = cert.zip(key).map(|(certificate, key)| Certificate { certificate, key });
    enabled.then_some(Tls { ca, client })
}

/// Whether `enable` is true. Knative reads the fields beside it only then: without it they would do nothing unnoticed.
pub(super) fn enabled(fields: &mut Fields<'_>, report: &mut Report<'_>) -> bool {
    let path = fields.below("enable");
    let node = fields.optional("enable");
    let said = node.map(|node| reader::boolean(node, &path, report));
    if said.is_none() {
        report
            .warning(fields.node.span, format!("{} has no effect: it is not enabled", fields.path))
            .help("add 'enable: true'");
    }
    said.flatten().unwrap_or(false)
}
