//! What the sources of Kafka and NATS have in common: where their events go, and how.

use crate::dispatch::{Order, Unmet};
use crate::event::Uid;
use crate::event::attributes::check_name;

use super::delivery::Delivery;
use super::diagnostic::Report;
use super::later;
use super::metadata::Metadata;
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::reference::{Destination, Named};
use super::spelling::did_you_mean;
use super::trigger::{self, Subscriber};
use super::{KafkaSource, NatsSource};

/// A stream of events that the worker consumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    pub reads: Reads,
    /// Set on each of its events.
    pub extensions: Vec<(String, String)>,
    pub sink: SourceSink,
    /// The broker of what claims to be an event and is none: of a trigger that has it for a dead letter.
    pub undecodable: Uid,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    Kafka(KafkaSource),
    Nats(NatsSource),
}

/// Where a source's events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSink {
    /// To those of its triggers that match.
    Broker { broker: Uid, unrouted: Option<Unmet> },
    /// All of them, and replies are dropped: by the trigger of [`Config::of_sources`](super::Config::of_sources) for this.
    Subscriber { broker: Uid },
}

impl Source {
    /// What its positions have as their source.
    pub fn streams(&self) -> Vec<Uid> {
        match &self.reads {
            Reads::Kafka(kafka) => kafka.topics.iter().map(|topic| Uid::of_topic(self.uid, topic)).collect(),
            Reads::Nats(nats) => vec![Uid::of_topic(self.uid, &nats.stream)],
        }
    }
}

impl SourceSink {
    /// Whose triggers its events are for.
    pub fn broker(&self) -> Uid {
        match self {
            SourceSink::Broker { broker, .. } | SourceSink::Subscriber { broker } => *broker,
        }
    }
}

/// Where a consumer begins that has no position yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    Earliest,
    Latest,
    /// With what is as late as that or later, in milliseconds since 1970.
    At(i64),
}

impl Initial {
    pub(super) const WORDS: [(&str, Initial); 2] =
        [("earliest", Initial::Earliest), ("latest", Initial::Latest)];
}

/// What becomes of an event that no trigger matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unrouted {
    #[default]
    Commit,
    DeadLetter,
    Pause,
}

const INITIAL: &str = "weir.dev/initial-offset";
const UNROUTED: &str = "weir.dev/unrouted";
const UNROUTED_WORDS: [(&str, Unrouted); 3] =
    [("commit", Unrouted::Commit), ("dead-letter", Unrouted::DeadLetter), ("pause", Unrouted::Pause)];

/// A source as read, before what it names is looked up. `None`: reported.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub reads: Option<Reads>,
    pub sink: Option<To>,
    pub extensions: Vec<(String, String)>,
    pub delivery: Delivery,
    pub order: Order,
    pub unrouted: Unrouted,
}

#[derive(Clone, Debug)]
pub(super) enum To {
    Broker(Named),
    Subscriber(Subscriber),
}

/// Knative's field has two words and no more, so ours stands beside it, and wins. `field`: where those words stand.
pub(super) fn initial_time(metadata: &Metadata<'_>, field: &str, report: &mut Report<'_>) -> Option<Initial> {
    let node = metadata.annotation(INITIAL)?;
    // One that is no string has been reported.
    let text = node.text()?;
    let Ok(time) = text.parse::<jiff::Timestamp>() else {
        let help = format!("write it like 2026-01-02T03:04:05Z; 'earliest' and 'latest' stand in {field}");
        report.error(node.span, format!("{INITIAL}: '{text}' is no RFC 3339 timestamp")).help(help);
        return None;
    };
    if time.as_millisecond() < 0 {
        report.error(node.span, format!("{INITIAL}: '{text}' is before 1970")).help("write a later one");
        return None;
    }
    Some(Initial::At(time.as_millisecond()))
}

/// The fields that every source has. `orders`: which it may say, the first being its default.
pub(super) fn read(
    mut spec: Fields<'_>,
    metadata: &Metadata<'_>,
    orders: &[(&str, Order)],
    reads: Option<Reads>,
    report: &mut Report<'_>,
) -> Draft {
    let namespace = metadata.namespace();
    let sink = spec.required_map("sink", report).and_then(|fields| sink_of(fields, namespace, report));
    let extensions = extensions(&mut spec, report);
    let order = spec.choice("ordering", orders, report);
    let delivery = Delivery::read(&mut spec, namespace, report);
    let unrouted = metadata.annotation(UNROUTED);
    let unrouted_said = metadata.choice(UNROUTED, &UNROUTED_WORDS, report);
    match &sink {
        Some(To::Broker(_)) => {
            spec.without_effect("ordering", "the sink is a broker, and its triggers say it", report);
            let why = match delivery.dead_letter {
                None => "the sink is a broker, and its triggers say it",
                Some(_) => {
                    "the sink is a broker, and its triggers say it; the deadLetterSink takes what is no event"
                }
            };
            spec.without_effect("delivery", why, report);
        }
        Some(To::Subscriber(_)) => {
            if let Some(node) = unrouted {
                let message = format!("{UNROUTED} has no effect: every event goes to the sink");
                report.warning(node.span, message).help("remove it");
            }
        }
        None => {}
    }
    spec.finish(report);
    let order = order.unwrap_or(orders[0].1);
    Draft { reads, sink, extensions, delivery, order, unrouted: unrouted_said.unwrap_or_default() }
}

fn sink_of(fields: Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Option<To> {
    let path = fields.path.clone();
    let (to, below) = match Destination::read(fields, namespace, report)? {
        Destination::Url(endpoint) => return Some(To::Subscriber(Subscriber::Url(endpoint))),
        Destination::Reference(to, below) => (to, below),
    };
    match to.kind {
        "Broker" => {
            below.without_effect(&path, "the sink is a broker", report);
            to.is_of_its_version(report).then(|| To::Broker(to.named(report)))
        }
        kind @ ("KafkaSink" | "NatsSink") => {
            later::SINK_TO_SINK.refuse(to.kind_span, &format!("{path}.ref: a {kind}"), report);
            None
        }
        "Function" | "Service" => {
            let to = Destination::Reference(to, below);
            trigger::subscriber(to, &path, "a sink", report).map(To::Subscriber)
        }
        other => {
            let near = did_you_mean(other, ["Broker", "Function", "Service", "KafkaSink", "NatsSink"]);
            report
                .error(to.kind_span, format!("{path}.ref: a {other} can't be the sink of a source"))
                .help(near.unwrap_or_else(|| "name a Broker or a weir.dev Function".into()));
            None
        }
    }
}

/// `ceOverrides.extensions`: what is set on each event.
fn extensions(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Vec<(String, String)> {
    let Some(mut overrides) = spec.map("ceOverrides", report) else { return Vec::new() };
    let path = overrides.below("extensions");
    let mut extensions = Vec::new();
    match overrides.optional("extensions") {
        Some(Node { kind: Kind::Map(entries), .. }) => {
            for entry in entries {
                if let Err((message, help)) = extension_name(&entry.key) {
                    report.error(entry.key_span, format!("{path}: '{}' {message}", entry.key)).help(help);
                } else if let Some(value) =
                    reader::string(&entry.value, &format!("{path}.{}", entry.key), report)
                {
                    extensions.push((entry.key.to_string(), value.to_owned()));
                }
            }
        }
        Some(node) => reader::expected(node, &path, "a map of extensions to their values", report),
        None => {}
    }
    overrides.finish(report);
    extensions
}

/// What CloudEvents itself defines is no extension: nothing may be put in its place.
const CORE: [&str; 8] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"];

fn extension_name(name: &str) -> Result<(), (&'static str, String)> {
    if CORE.contains(&name) {
        return Err(("is no extension: it is the event's own", "name an extension of your own".into()));
    }
    if check_name(name).is_ok() {
        return Ok(());
    }
    let plain: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let help = match check_name(&plain).is_ok() && !CORE.contains(&&*plain) {
        true => format!("did you mean '{plain}'?"),
        false => "names of extensions are lower-case letters and digits, and not 'data'".into(),
    };
    Err(("is no name of an extension", help))
}
