//! How NATS is reached: `servers`, `auth` and `tls` of a NatsSource and a NatsSink.

use super::diagnostic::Report;
use super::node::{Kind, Node};
use super::reader::{self, Fields, Wrong};
use super::secret::SecretRef;
use super::secret_key;
use super::server::Server;
use super::tls::{self, Tls};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsConnection {
    /// At least one.
    pub servers: Vec<Server>,
    pub auth: Option<NatsAuth>,
    /// `None`: in the clear.
    pub tls: Option<Tls>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsAuth {
    Token(SecretRef),
    Password {
        user: SecretRef,
        password: SecretRef,
    },
    /// The seed of an nkey.
    Nkey(SecretRef),
    /// A .creds file: a JWT and its seed.
    Creds(SecretRef),
}

impl NatsConnection {
    /// All that it takes.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let auth = match &self.auth {
            None => [None, None],
            Some(NatsAuth::Token(one) | NatsAuth::Nkey(one) | NatsAuth::Creds(one)) => [Some(one), None],
            Some(NatsAuth::Password { user, password }) => [Some(user), Some(password)],
        };
        let tls = self.tls.iter().flat_map(|tls| {
            let client = tls.client.iter().flat_map(|client| [&client.certificate, &client.key]);
            tls.ca.iter().chain(client)
        });
        auth.into_iter().flatten().chain(tls)
    }
}

/// `None`: reported.
pub(super) fn read(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Option<NatsConnection> {
    let said = spec.required("servers");
    let said = said.and_then(|node| servers(node, &spec.below("servers"), report));
    let auth = spec.map("auth", report).and_then(|fields| auth(fields, report));
    let tls = spec.map("tls", report).and_then(|fields| tls::read(fields, report));
    let said = said?;
    // One tls:// is enough: the others are of the same cluster.
    let tls = tls.or_else(|| said.iter().any(|(encrypted, _)| *encrypted).then(Tls::default));
    Some(NatsConnection { servers: said.into_iter().map(|(_, server)| server).collect(), auth, tls })
}

/// Each with whether it says that it is encrypted.
fn servers(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Vec<(bool, Server)>> {
    // A login in a URL is a secret in a file: nothing of it is shown.
    if let Kind::Seq(items) = &node.kind
        && let Some(item) = items.iter().find(|item| item.text().is_some_and(|text| text.contains('@')))
    {
        report
            .error(item.span, format!("{path}: a login does not belong into a URL"))
            .help("keep it in a secret, and name that in 'auth'");
        report.conceal(item.span);
        return None;
    }
    reader::distinct(node, path, report, |text| text.split(',').map(|part| server(part.trim())).collect())
}

fn server(text: &str) -> Result<(bool, Server), Wrong> {
    let (encrypted, rest) = match text.split_once("://") {
        Some(("nats", rest)) => (false, rest),
        Some(("tls", rest)) => (true, rest),
        Some((other, rest)) => {
            return Err((
                format!("'{other}://' is not supported"),
                format!("write \"nats://{rest}\" or \"tls://{rest}\""),
            ));
        }
        None => (false, text),
    };
    Server::parse(rest, 4222).map(|server| (encrypted, server)).map_err(|(message, help)| {
        // What is suggested begins as what was written.
        let scheme = &text[..text.len() - rest.len()];
        (message, help.replacen('"', &format!("\"{scheme}"), 1))
    })
}

fn auth(mut fields: Fields<'_>, report: &mut Report<'_>) -> Option<NatsAuth> {
    let ways = [fields.entry("token"), fields.entry("user"), fields.entry("nkey"), fields.entry("creds")];
    let ways: Vec<_> = ways.into_iter().flatten().collect();
    let token = secret_key::read(fields.optional("token"), fields.below("token"), report);
    let nkey = secret_key::read(fields.optional("nkey"), fields.below("nkey"), report);
    let creds = secret_key::read(fields.optional("creds"), fields.below("creds"), report);
    // Each needs the other.
    let by_password = fields.entry("user").is_some() || fields.entry("password").is_some();
    let (user, password) = match by_password {
        true => (fields.required("user"), fields.required("password")),
        false => (None, None),
    };
    let user = secret_key::read(user, fields.below("user"), report);
    let password = secret_key::read(password, fields.below("password"), report);
    match ways.as_slice() {
        [] if !by_password && fields.unknown().next().is_none() => {
            let message = format!("{}: no way to log in stands here", fields.path);
            let help = "add 'token', 'user' and 'password', 'nkey' or 'creds', each with a secretKeyRef";
            report.error(fields.node.span, message).help(help);
        }
        [first, second, ..] => {
            let message = format!("{}: '{}' and '{}' both stand here", fields.path, first.key, second.key);
            report.error(second.key_span, message).help("one way to log in is enough: remove the other");
        }
        _ => {}
    }
    fields.finish(report);
    let password = user.zip(password).map(|(user, password)| NatsAuth::Password { user, password });
    token.map(NatsAuth::Token).or(nkey.map(NatsAuth::Nkey)).or(creds.map(NatsAuth::Creds)).or(password)
}
