//! Flags over environment over file over defaults. Every layer is checked, also where another wins.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::super::diagnostic::{Code, Diagnostics, Report, Severity};
use super::super::files;
use super::super::node::{Entry, Kind, Node};
use super::super::reader;
use super::super::scalar::Scalar;
use super::super::spelling::{did_you_mean, listed, nearest};
use super::super::text::{Place, Text};
use super::super::yaml;
use super::foreign::{self, Said};
use super::value::{Wrong, secret_wanted};
use super::{Origin, Settings, TABLE};

/// The settings and all that is wrong with them; with an error among it they must not be used.
pub fn load_settings(
    file: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
    flags: &[(String, String)],
) -> (Settings, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    diagnostics.coded(Code::SETTING);
    let mut settings = Settings::defaults();
    let mut places = HashMap::new();
    if let Some(text) = file.and_then(|file| files::read(file, &mut diagnostics)) {
        from_file(&Arc::new(text), &mut settings, &mut places, &mut diagnostics);
    }
    for row in TABLE {
        let ours = row.variable();
        let said = env(&ours).map(|text| (ours, text)).or_else(|| foreign::variable(row.name, env));
        if let Some((variable, text)) = said {
            let origin = Origin::Env(variable.clone());
            if let Err(wrong) = settings.set(row.name, &text, origin) {
                let Wrong { message, help } = wrong;
                diagnostics
                    .whole(
                        Severity::Error,
                        &format!("environment {variable}"),
                        format!("{}: {message}", row.name),
                    )
                    .maybe_help(help);
            }
        }
    }
    for (name, text) in flags {
        let Some(row) = TABLE.iter().find(|row| row.name == *name) else {
            diagnostics.whole(Severity::Error, "command line", format!("there is no setting '{name}'")).help(
                did_you_mean(name, TABLE.iter().map(|row| row.name))
                    .unwrap_or_else(|| "'weir check --show-origin' lists them".into()),
            );
            continue;
        };
        if let Err(wrong) = settings.set(row.name, text, Origin::Flag) {
            let Wrong { message, help } = wrong;
            diagnostics.whole(Severity::Error, "command line", format!("{name}: {message}")).maybe_help(help);
        }
    }
    if *settings.origin("function.cache") == Origin::Default {
        settings.function_cache = settings.data_dir.join("aot");
    }
    check(&settings, env, &places, &mut diagnostics);
    (settings, diagnostics)
}

/// Where the file says a setting.
type Places = HashMap<&'static str, Place>;

impl Settings {
    pub fn origin(&self, name: &str) -> &Origin {
        let at = TABLE.iter().position(|row| row.name == name);
        at.map_or(&Origin::Default, |at| &self.origins[at])
    }
}

/// What can only be seen in the whole.
fn check(
    settings: &Settings,
    env: &dyn Fn(&str) -> Option<String>,
    places: &Places,
    diagnostics: &mut Diagnostics,
) {
    let mut say = |severity, name: &'static str, message: String, help: &str| {
        let added = match (settings.origin(name), places.get(name)) {
            (Origin::File(_), Some(place)) => diagnostics.at(severity, place, message),
            (Origin::Env(variable), _) => {
                diagnostics.whole(severity, &format!("environment {variable}"), message)
            }
            _ => diagnostics.whole(severity, "settings", message),
        };
        added.help(help);
    };
    let token = settings.http_token.iter().map(|reference| ("http.token", reference));
    let tokens = settings.http_tokens.0.iter().map(|reference| ("http.tokens", reference));
    let headers =
        settings.telemetry_otlp_headers.iter().map(|reference| ("telemetry.otlp.headers", reference));
    for (name, reference) in token.chain(tokens).chain(headers) {
        if let Err(reason) = reference.resolve(&settings.secrets_dir, env) {
            say(Severity::Error, name, format!("{name}: {reason}"), "create it, or correct the reference");
        }
    }
    for (at, reference) in settings.http_tokens.0.iter().enumerate() {
        if settings.http_tokens.0[..at].iter().any(|earlier| earlier.key() == reference.key()) {
            let message = format!("http.tokens: two are of '{}'", reference.key());
            say(
                Severity::Error,
                "http.tokens",
                message,
                "the key names who has the token: give each its own",
            );
        }
    }
    let oidc = [
        ("http.oidc.issuer", settings.http_oidc_issuer.is_some()),
        ("http.oidc.audience", settings.http_oidc_audience.is_some()),
        ("http.oidc.jwks", settings.http_oidc_jwks.is_some()),
    ];
    if let Some((there, _)) = oidc.iter().find(|(_, there)| *there) {
        for (name, _) in oidc.iter().filter(|(_, there)| !there) {
            let message = format!("{there}: there is no {name}");
            say(
                Severity::Error,
                there,
                message,
                "tokens are verified with all three: issuer, audience and jwks",
            );
        }
    }
    if let Some(place) = settings.http_oidc_jwks.as_deref().filter(|place| place.starts_with("http://")) {
        let message =
            format!("http.oidc.jwks: {place}: anybody on the way could put keys of their own there");
        say(Severity::Error, "http.oidc.jwks", message, "write https://…, or a file's path");
    }
    let asks = settings.http_token.is_some()
        || !settings.http_tokens.0.is_empty()
        || settings.http_oidc_issuer.is_some()
        || settings.http_tls_client_ca.is_some();
    if !asks && !settings.http_address.ip().is_loopback() {
        let message = format!("http.address: whoever can reach {} can post events", settings.http_address);
        let help = "set http.token, http.oidc or http.tls.client-ca, or listen on 127.0.0.1";
        say(Severity::Warning, "http.address", message, help);
    }
    let pair = [
        ("http.tls.certificate", settings.http_tls_certificate.is_some()),
        ("http.tls.key", settings.http_tls_key.is_some()),
    ];
    for (one, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
        if one.1 && !other.1 {
            let message = format!("{}: there is no {}", one.0, other.0);
            say(Severity::Error, one.0, message, "set both, or neither");
        }
    }
    if settings.http_tls_client_ca.is_some() && settings.http_tls_certificate.is_none() {
        let message = "http.tls.client-ca: there is no http.tls.certificate".to_owned();
        say(Severity::Error, "http.tls.client-ca", message, "clients have certificates with TLS only");
    }
    if settings.http_address == settings.admin_address && settings.http_address.port() != 0 {
        let message = format!("admin.address: {} is http.address already", settings.admin_address);
        say(Severity::Error, "admin.address", message, "give it another port");
    }
}

fn from_file(text: &Arc<Text>, settings: &mut Settings, places: &mut Places, diagnostics: &mut Diagnostics) {
    let mut conceal = Vec::new();
    let mut report = Report::new(text, diagnostics);
    let stream = yaml::parse(&mut report, &text.content);
    let mut walk = Walk { said: Vec::new(), conceal: &mut conceal };
    match stream.documents.as_slice() {
        [] => {}
        [root] => match &root.kind {
            Kind::Map(_) if root.get("apiVersion").is_some() && root.get("kind").is_some() => {
                report
                    .error(root.span, "this is a document, not the worker's settings")
                    .help("documents stand in the paths of the setting 'triggers'");
            }
            Kind::Map(entries) => walk.entries(entries, "", &mut report),
            _ => reader::expected(root, "settings", "a map", &mut report),
        },
        [_, second, ..] => {
            report.error(second.span, "settings are one document").help("remove '---'");
        }
    }
    let mut first: HashMap<&str, String> = HashMap::new();
    for Said { name, text: value, span } in foreign::translate(walk.said, &mut report) {
        let Some(row) = TABLE.iter().find(|row| row.name == name) else { continue };
        if first.get(row.name).is_some_and(|earlier| *earlier != value) {
            report.error(span, format!("{name} is said twice, differently")).help("remove one of them");
            continue;
        }
        places.insert(row.name, report.place(span));
        if let Err(wrong) = settings.set(row.name, &value, Origin::File(span.line)) {
            let Wrong { message, help } = wrong;
            report.error(span, format!("{name}: {message}")).maybe_help(help);
        }
        first.insert(row.name, value);
    }
    // Also what a syntax error, a doubled key or a neighbour on the line would show.
    let words = TABLE.iter().filter(|row| row.secret).filter_map(|row| row.name.rsplit('.').next());
    let words: Vec<&str> = words.chain(["secret", "password"]).collect();
    for number in 1.. {
        let Some(line) = text.line(number) else { break };
        let line = line.to_lowercase();
        if words.iter().any(|word| line.contains(word)) {
            conceal.push((number, number));
            // Unread, nobody knows where the value ends.
            if !stream.whole {
                conceal.push((number, u32::MAX));
            }
        }
    }
    for (from, to) in conceal {
        diagnostics.conceal(&text.name, from, to);
    }
}

/// From nested maps to dotted names.
struct Walk<'c> {
    said: Vec<Said>,
    /// Lines of secrets.
    conceal: &'c mut Vec<(u32, u32)>,
}

impl Walk<'_> {
    fn entries(&mut self, entries: &[Entry], prefix: &str, report: &mut Report<'_>) {
        for entry in entries {
            let name = format!("{prefix}{}", entry.key);
            let below = format!("{name}.");
            let known = || TABLE.iter().map(|row| row.name).chain(foreign::names());
            if known().any(|known| known == name) {
                self.leaf(name, &entry.value, report);
            } else if known().any(|known| known.starts_with(&below)) {
                match &entry.value.kind {
                    Kind::Map(inner) => self.entries(inner, &below, report),
                    _ if entry.value.is_null() => {}
                    _ => self.flat(entry, &name, &below, report),
                }
            } else {
                self.unknown(entry, &name, prefix, report);
            }
        }
    }

    /// A value where settings should stand below.
    fn flat(&mut self, entry: &Entry, name: &str, below: &str, report: &mut Report<'_>) {
        let inner: Vec<&str> = TABLE.iter().filter_map(|row| row.name.strip_prefix(below)).collect();
        if TABLE.iter().any(|row| row.secret && row.name.starts_with(below)) {
            self.conceal.push((entry.value.span.line, entry.value.span.end_line));
        }
        report
            .error(entry.value.span, format!("{name}: expected a map, found {}", entry.value.describe()))
            .help(format!("settings stand below it: {}", listed(inner)));
    }

    fn unknown(&mut self, entry: &Entry, name: &str, prefix: &str, report: &mut Report<'_>) {
        let mut here: Vec<&str> = Vec::new();
        for row in TABLE {
            let word = row.name.strip_prefix(prefix).and_then(|rest| rest.split('.').next());
            here.extend(word.filter(|word| !here.contains(word)));
        }
        let full = || nearest(name, TABLE.iter().map(|row| row.name));
        let near = nearest(&entry.key, here.iter().copied()).or_else(full);
        // What stands under a word that nobody knows may be a secret.
        let harmless =
            near.is_some_and(|near| TABLE.iter().all(|row| !row.secret || !row.name.ends_with(near)));
        if !harmless {
            self.conceal.push((entry.key_span.line, entry.key_span.line));
            self.conceal.push((entry.value.span.line, entry.value.span.end_line));
        }
        let help = match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("known here: {}", listed(here)),
        };
        report.error(entry.key_span, format!("unknown setting '{name}'")).help(help);
    }

    fn leaf(&mut self, name: String, value: &Node, report: &mut Report<'_>) {
        let secret = TABLE.iter().any(|row| row.name == name && row.secret);
        let list = TABLE.iter().any(|row| row.name == name && row.list);
        if secret {
            self.conceal.push((value.span.line, value.span.end_line));
        }
        let text = match &value.kind {
            _ if value.is_null() => return,
            _ if secret => match references(value, list) {
                Some(text) => text,
                None => {
                    let Wrong { message, help } = secret_wanted();
                    report.error(value.span, format!("{name}: {message}")).maybe_help(help);
                    return;
                }
            },
            Kind::Scalar { text, .. } => text.to_string(),
            Kind::Seq(items) if list => {
                let mut texts = Vec::new();
                for item in items {
                    match reader::string(item, &name, report) {
                        Some(text) if text.contains(',') => {
                            report
                                .error(item.span, format!("{name}: an item with a comma"))
                                .help("rename it");
                        }
                        text => texts.extend(text),
                    }
                }
                texts.join(",")
            }
            Kind::Map(entries) if name == "services" => {
                let mut pairs = Vec::new();
                for Entry { key, key_span, value, .. } in entries {
                    match reader::string(value, &format!("{name}.{key}"), report) {
                        Some(text) if text.contains(',') || key.contains([',', '=']) => {
                            report
                                .error(*key_span, format!("{name}: '{key}' has a comma"))
                                .help("write %2C in a URL");
                        }
                        text => pairs.extend(text.map(|text| format!("{key}={text}"))),
                    }
                }
                pairs.join(",")
            }
            _ => return reader::expected(value, &name, "one value", report),
        };
        self.said.push(Said { name, text, span: value.span });
    }
}

/// One reference, or several where there may be.
fn references(value: &Node, list: bool) -> Option<String> {
    match &value.kind {
        Kind::Seq(items) if list => {
            items.iter().map(reference).collect::<Option<Vec<_>>>().map(|all| all.join(","))
        }
        _ => reference(value),
    }
}

/// `{secret: name/key}`, or the same as one text.
fn reference(value: &Node) -> Option<String> {
    match &value.kind {
        Kind::Map(entries) => match entries.as_slice() {
            [entry] if *entry.key == *"secret" => Some(format!("secret:{}", entry.value.text()?)),
            _ => None,
        },
        Kind::Scalar { is: Scalar::Str, text, .. } => Some(text.to_string()),
        _ => None,
    }
}
