//! `net`: how a Kafka cluster is spoken to, and as whom.

use super::diagnostic::Report;
use super::later;
use super::reader::Fields;
use super::secret::SecretRef;
use super::secret_key;
use super::tls::{self, Tls};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaSecurity {
    pub sasl: Option<Sasl>,
    pub tls: Option<Tls>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    pub user: SecretRef,
    pub password: SecretRef,
    /// Holds PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, or OAUTHBEARER: then the password is the token. `None`: PLAIN.
    pub mechanism: Option<SecretRef>,
}

pub(super) fn read(spec: &mut Fields<'_>, report: &mut Report<'_>) -> KafkaSecurity {
    let Some(mut net) = spec.map("net", report) else { return KafkaSecurity::default() };
    let sasl = net.map("sasl", report).and_then(|fields| sasl(fields, report));
    let tls = net.map("tls", report).and_then(|fields| tls::read(fields, report));
    net.finish(report);
    KafkaSecurity { sasl, tls }
}

fn sasl(mut fields: Fields<'_>, report: &mut Report<'_>) -> Option<Sasl> {
    let enabled = tls::enabled(&mut fields, report);
    let (token, role) = (fields.entry("tokenProvider"), fields.entry("roleARN"));
    for entry in [token, role].into_iter().flatten() {
        later::MSK_TOKEN.refuse(entry.key_span, &fields.below(&entry.key), report);
    }
    // Whoever logs in with a token needs neither; that is refused already.
    let (user, password) = match enabled && token.is_none() {
        true => (fields.required("user"), fields.required("password")),
        false => (fields.optional("user"), fields.optional("password")),
    };
    let user = secret_key::read(user, fields.below("user"), report);
    let password = secret_key::read(password, fields.below("password"), report);
    let mechanism = secret_key::read(fields.optional("type"), fields.below("type"), report);
    fields.finish(report);
    let (user, password) = user.zip(password)?;
    enabled.then_some(Sasl { user, password, mechanism })
}
