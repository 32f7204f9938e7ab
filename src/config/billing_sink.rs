//! The BillingSink document: where usage goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::event::Uid;

use super::diagnostic::Report;
use super::metadata::{self, Metadata};
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::reference::{Destination, Named};
use super::secret::SecretRef;
use super::secret_key;
use super::spelling::did_you_mean;

/// Where the usage events of all attempts go.
#[derive(Clone, Debug)]
pub struct BillingSink {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    pub to: UsageTo,
    /// Usage events in one request at most.
    pub batch: u32,
    /// How long usage may wait for a full batch.
    pub interval: Duration,
    /// What a tenant is called there: the usage event's subject. Who is not named is called as here.
    pub subjects: Vec<(String, String)>,
    /// Sums of so long go rather than usage events.
    pub rollup: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageTo {
    /// Batches of CloudEvents are posted, as OpenMeter takes them.
    Http { url: String, token: Option<SecretRef> },
    /// Which of [`super::Config::sinks`].
    Sink(usize),
    /// One JSON event a line, or columns where its name ends in `.csv`.
    File(PathBuf),
}

/// A BillingSink as read, before what it names is looked up. `None`: reported.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub to: Option<To>,
    pub batch: u32,
    pub interval: Duration,
    pub subjects: Vec<(String, String)>,
    pub rollup: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) enum To {
    Http {
        url: String,
        token: Option<SecretRef>,
    },
    /// A KafkaSink or a NatsSink: its kind is said first.
    Sink(&'static str, Named),
    File(PathBuf),
}

/// Lago takes no more at once.
const BATCH: u32 = 100;
const INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn read(
    document: &mut Fields<'_>,
    metadata: &Metadata<'_>,
    report: &mut Report<'_>,
) -> Option<Draft> {
    let mut spec = document.required_map("spec", report)?;
    let ways = [spec.entry("http"), spec.entry("sink"), spec.entry("file")];
    let ways: Vec<_> = ways.into_iter().flatten().collect();
    let http = spec.map("http", report).and_then(|fields| http(fields, report));
    let sink = spec.map("sink", report).and_then(|fields| sink(fields, metadata.namespace(), report));
    let file = spec.map("file", report).and_then(|fields| file(fields, report));
    match ways.as_slice() {
        [] if spec.unknown().next().is_none() => {
            report
                .error(spec.node.span, format!("{}: it says nowhere where usage goes", spec.path))
                .help("add 'http: {url: …}', 'sink: {ref: …}' or 'file: {path: …}'");
        }
        [first, second, ..] => {
            let message = format!("{}: '{}' and '{}' both stand here", spec.path, first.key, second.key);
            report.error(second.key_span, message).help("write a BillingSink for each");
        }
        _ => {}
    }
    let batch = spec.integer("batch", report).map_or(BATCH, |batch| batch as u32);
    let interval = spec.optional("interval");
    let interval = interval
        .and_then(|node| reader::some_time(node, &spec.below("interval"), report))
        .unwrap_or(INTERVAL);
    let subjects = spec.optional("subjects");
    let subjects = subjects.map_or(Vec::new(), |node| self::subjects(node, &spec.below("subjects"), report));
    let to = http.or(sink).or(file);
    let rollup = rollup(&mut spec, to.as_ref(), report);
    spec.finish(report);
    Some(Draft { to, batch, interval, subjects, rollup })
}

/// Windows begin at midnight UTC, and again and again.
const WINDOWS: [(&str, Duration); 6] = [
    ("PT1S", Duration::from_secs(1)),
    ("PT1M", Duration::from_secs(60)),
    ("PT5M", Duration::from_secs(300)),
    ("PT15M", Duration::from_secs(900)),
    ("PT1H", Duration::from_secs(3600)),
    ("P1D", Duration::from_secs(86_400)),
];

fn rollup(spec: &mut Fields<'_>, to: Option<&To>, report: &mut Report<'_>) -> Option<Duration> {
    let (entry, path) = (spec.entry("rollup"), spec.below("rollup"));
    let length = spec.choice("rollup", &WINDOWS, report)?;
    if let Some(To::File(file)) = to
        && file.extension().is_some_and(|extension| extension == "csv")
    {
        let span = entry.map_or(spec.node.span, |entry| entry.key_span);
        report
            .error(span, format!("{path}: a file of columns has a line for each attempt"))
            .help("write a file's name that ends in .jsonl, or leave 'rollup' out");
        return None;
    }
    Some(length)
}

fn http(mut fields: Fields<'_>, report: &mut Report<'_>) -> Option<To> {
    let url = fields.required("url");
    let url = url.and_then(|node| self::url(node, &fields.below("url"), report));
    let token_entry = fields.entry("token");
    let token = secret_key::read(fields.optional("token"), fields.below("token"), report);
    if let (Some(entry), Some(url)) = (token_entry, &url)
        && url.starts_with("http://")
    {
        report
            .warning(entry.key_span, format!("{}: whoever is on the way can read the token", fields.path))
            .help("write an https:// URL");
    }
    fields.finish(report);
    Some(To::Http { url: url?, token })
}

fn url(node: &Node, path: &str, report: &mut Report<'_>) -> Option<String> {
    let text = reader::string(node, path, report)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if host.is_some_and(|host| host.contains('@')) {
        report
            .error(node.span, format!("{path}: a login does not belong into a URL"))
            .help("keep it in a secret, and name that in 'token'");
        report.conceal(node.span);
        return None;
    }
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if host.is_some_and(|host| !host.is_empty()) && !text.contains(odd) && !text.contains('#') {
        return Some(text.to_owned());
    }
    report
        .error(node.span, format!("{path}: '{text}' is no URL to post to"))
        .help("write it as https://openmeter.example/api/v1/events");
    None
}

fn sink(fields: Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Option<To> {
    let path = fields.path.clone();
    // A URL is refused by the shape.
    let Destination::Reference(to, _) = Destination::read(fields, namespace, report)? else { return None };
    let kind = match to.kind {
        "KafkaSink" => "KafkaSink",
        "NatsSink" => "NatsSink",
        other => {
            let near = did_you_mean(other, ["KafkaSink", "NatsSink"]);
            report
                .error(to.kind_span, format!("{path}.ref: usage can't go to a {other}"))
                .help(near.unwrap_or_else(|| "name a KafkaSink or a NatsSink".into()));
            return None;
        }
    };
    to.is_of_its_version(report).then(|| To::Sink(kind, to.named(report)))
}

/// A path relative to the document's file.
fn file(mut fields: Fields<'_>, report: &mut Report<'_>) -> Option<To> {
    let (node, path) = (fields.required("path"), fields.below("path"));
    fields.finish(report);
    let node = node?;
    let text = reader::string(node, &path, report)?;
    let folder = Path::new(&*report.text().name).parent().unwrap_or(Path::new("")).to_owned();
    let file = folder.join(text);
    if text.is_empty() || text.contains('\0') || file.is_dir() {
        report.error(node.span, format!("{path}: '{text}' is no file")).help("write it as usage.jsonl");
        return None;
    }
    Some(To::File(file))
}

/// Tenants and what they are called where usage goes.
fn subjects(node: &Node, path: &str, report: &mut Report<'_>) -> Vec<(String, String)> {
    let Kind::Map(entries) = &node.kind else {
        reader::expected(node, path, "a map of tenants to subjects", report);
        return Vec::new();
    };
    let mut subjects = Vec::new();
    for entry in entries {
        let path = format!("{path}.{}", entry.key);
        if !metadata::is_name(&entry.key) {
            report
                .error(entry.key_span, format!("{path}: '{}' can't be a tenant", entry.key))
                .help("tenants are named as documents are: lower-case letters, digits, '-' and '.'");
        }
        match reader::string(&entry.value, &path, report) {
            Some("") => {
                report
                    .error(entry.value.span, format!("{path}: the subject is empty"))
                    .help("write who pays");
            }
            Some(subject) => subjects.push((entry.key.to_string(), subject.to_owned())),
            None => {}
        }
    }
    subjects
}
