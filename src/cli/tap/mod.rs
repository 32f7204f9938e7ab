//! `weir tap`.

mod jetstream;
mod place;
mod shown;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use serde_json::json;

use super::documents;
use super::exit::{Failed, Outcome};
use super::format::Textual;
use super::interrupt;
use super::options::{MapHost, Options, refuse};
use super::out::{print, say};
use crate::client::kafka;
use crate::config::{Config, KafkaSource, Reads, Settings, Source, SourceSink};
use crate::source::kafka::{Reading, Record, client};
use crate::trigger::{Memo, Routes};
use jetstream::Tapped;
use place::{From, Places};
use shown::Shown;

#[derive(Debug, Args)]
#[command(after_help = "\
Joins no consumer group, commits nothing, runs nothing: others notice nothing of it. Without --from or --last the last
10 records of each partition are shown. It ends where the topics ended when it began; with --follow it goes on.
Of a NatsSource the messages of its subjects are shown, by their sequence; no consumer is made and nothing is acknowledged.

Examples:
  weir tap orders
  weir tap orders --from earliest --limit 100
  weir tap shop/orders --from 2026-11-21T12:00:00Z --format json | jq .event.type
  weir tap orders --last 0 --follow")]
pub struct Tap {
    /// The KafkaSource or NatsSource: its name, or namespace/name
    source: String,
    /// Files and directories of documents [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    /// Where to begin: earliest, an offset (of a stream, a sequence), or a time (2026-11-21T12:00:00Z)
    #[arg(long, value_name = "PLACE", conflicts_with = "last")]
    from: Option<From>,
    /// So many records of each partition, or of the stream, before its end
    #[arg(long, value_name = "N")]
    last: Option<u32>,
    /// End after so many records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// A line a record for people, JSON lines for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Textual,
    #[command(flatten)]
    map_host: MapHost,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

/// How long a broker may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an interrupt is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// Records shown where nothing else is said.
const LAST: u32 = 10;

impl Tap {
    pub fn main(&self) -> Outcome {
        let (settings, of_settings) = self.options.load(&[self.map_host.setting()])?;
        refuse(&of_settings)?;
        let loaded = documents::load(&self.paths, &settings);
        refuse(&loaded.diagnostics)?;
        let config = loaded.config.unwrap_or_default();
        let source = find(&config, &self.source)?;
        let seen = Seen::of(&config, source);
        interrupt::listen()?;
        let shown = match &source.reads {
            Reads::Kafka(kafka) => self.kafka(source, kafka, (&seen, &settings))?,
            Reads::Nats(nats) => Tapped { source, nats, seen }.show(self, &settings)?,
        };
        if shown == 0 {
            say("no record stands there\n");
        }
        Ok(())
    }

    fn from(&self) -> From {
        match (&self.from, self.last) {
            (Some(from), _) => from.clone(),
            (None, last) => From::Last(last.unwrap_or(LAST).into()),
        }
    }

    /// How many were shown.
    fn kafka(
        &self,
        source: &Source,
        kafka: &KafkaSource,
        (seen, settings): (&Seen<'_>, &Settings),
    ) -> Result<u64, Failed> {
        let resolve = |secret: &crate::config::SecretRef| {
            secret.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok())
        };
        let mut client = client::config(&kafka.bootstrap_servers, &kafka.security, &resolve)
            .map_err(|reason| Failed::error(format!("KafkaSource {}: {reason}", self.source)))?;
        // The client wants one. It is joined by nobody: partitions are taken, not subscribed to.
        client.set("group.id", format!("weir-tap-{}", std::process::id()));
        client.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        client.set("auto.offset.reset", "earliest");
        // What the client has to say of a broker that is not there is said by us, once.
        client.set("log_level", "2");
        let consumer: BaseConsumer = kafka::make(&client, |config| config.create())
            .map_err(|e| Failed::error(format!("the Kafka client can't be made: {e}")))?;
        let places = Places::find(&consumer, &kafka.topics, &self.from(), PATIENCE)
            .map_err(|reason| unreachable_or(&reason, kafka))?;
        consumer
            .assign(&places.begin)
            .map_err(|e| Failed::error(format!("the partitions can't be read: {e}")))?;
        self.show(&consumer, places, (&Reading::of(source, kafka), seen))
    }

    fn show(
        &self,
        consumer: &BaseConsumer,
        mut places: Places,
        (reading, seen): (&Reading, &Seen<'_>),
    ) -> Result<u64, Failed> {
        let mut shown = 0;
        let mut memo = Memo::default();
        let quiet = Instant::now();
        while self.limit.is_none_or(|limit| shown < limit) && (self.follow || !places.are_done()) {
            if interrupt::is_asked_for() {
                break;
            }
            let message = match consumer.poll(LOOK) {
                None if shown == 0 && !self.follow && quiet.elapsed() > PATIENCE => {
                    return Err(Failed::error(
                        "nothing came though there is something: the brokers do not answer",
                    ));
                }
                None => {
                    // Where nothing but markers of transactions stands before the end, no record tells.
                    places.look(consumer);
                    continue;
                }
                Some(Ok(message)) => message,
                Some(Err(error))
                    if kafka::is_of_a_connection(&error) && (self.follow || quiet.elapsed() <= PATIENCE) =>
                {
                    continue;
                }
                Some(Err(error)) => return Err(Failed::error(format!("reading failed: {error}"))),
            };
            if !places.pass(message.topic(), message.partition(), message.offset()) && !self.follow {
                continue;
            }
            shown += 1;
            let record = record(&message);
            let event = reading.event(&record);
            let routes = event.as_ref().map(|event| seen.routes(event, &mut memo)).unwrap_or_default();
            let Record { topic, partition, offset, timestamp, .. } = &record;
            let place = format!("{topic}[{partition}]@{offset}");
            let whole =
                json!({"topic": topic, "partition": partition, "offset": offset, "timestamp_ms": timestamp});
            self.print(&Shown { place, whole, event: &event, routes: &routes })?;
        }
        Ok(shown)
    }

    fn print(&self, shown: &Shown<'_, '_>) -> Outcome {
        match self.format {
            Textual::Text => print(shown.text()),
            Textual::Json => print(format_args!("{}\n", shown.json())),
        }
    }
}

/// What each record is looked at with.
enum Seen<'c> {
    Broker {
        routes: Routes,
        names: Vec<String>,
        broker: crate::event::Uid,
    },
    /// All of it goes there.
    Subscriber(&'c str),
}

impl<'c> Seen<'c> {
    fn of(config: &'c Config, source: &'c Source) -> Seen<'c> {
        match &source.sink {
            SourceSink::Broker { broker, .. } => Seen::Broker {
                routes: Routes::new(config.triggers.iter().map(|t| (t.broker, t.criteria()))),
                names: config.triggers.iter().map(|t| format!("{}/{}", t.namespace, t.name)).collect(),
                broker: *broker,
            },
            _ => Seen::Subscriber("its sink"),
        }
    }

    fn routes(&self, event: &crate::event::Event<'_>, memo: &mut Memo) -> Vec<&str> {
        match self {
            Seen::Subscriber(name) => vec![name],
            Seen::Broker { routes, names, broker } => {
                let mut matched = Vec::new();
                routes.matching(*broker, event, memo, &mut matched);
                matched.into_iter().map(|trigger| names[trigger as usize].as_str()).collect()
            }
        }
    }
}

pub(super) fn find<'c>(config: &'c Config, wanted: &str) -> Result<&'c Source, Failed> {
    let (namespace, name) = wanted.split_once('/').unwrap_or(("default", wanted));
    let all = &config.sources;
    let found = all.iter().find(|source| source.namespace == namespace && source.name == name);
    found.ok_or_else(|| {
        let known: Vec<_> =
            all.iter().map(|source| format!("{}/{}", source.namespace, source.name)).collect();
        let failed = Failed::usage(format!("there is no KafkaSource or NatsSource {namespace}/{name}"));
        match known.is_empty() {
            true => failed,
            false => failed.help(format!("there is {}", known.join(", "))),
        }
    })
}

fn unreachable_or(reason: &str, kafka: &KafkaSource) -> Failed {
    let servers: Vec<_> = kafka.bootstrap_servers.iter().map(ToString::to_string).collect();
    Failed::error(reason).help(format!("the document's bootstrapServers are {}", servers.join(", ")))
}

pub(super) fn record<'m>(message: &'m BorrowedMessage<'_>) -> Record<'m> {
    let headers = message.headers().map(|headers| headers.iter().map(|h| (h.key, h.value)).collect());
    Record {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: headers.unwrap_or_default(),
    }
}
