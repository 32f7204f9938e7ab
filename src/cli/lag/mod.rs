//! `weir lag`.

mod group;
mod jetstream;
mod measure;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::documents;
use super::exit::{Failed, Outcome};
use super::format::Textual;
use super::options::{MapHost, Options, refuse};
use super::out::{print, say};
use super::style::{BAD, PLAIN};
use super::table::{Align, Table, age};
use super::tap;
use crate::config::{Initial, KafkaSource, NatsSource, Reads, SecretRef, Settings, Source};
use crate::source::kafka::client;
use group::Group;
use jetstream::{Behind, Waiting};
use measure::Partition;

#[derive(Debug, Args)]
#[command(after_help = "\
LAG is what KEDA's kafka scaler computes: the ends less what is committed, in sum. Of what
nothing is committed, it counts 1 a partition with initialOffset latest, and the whole end
otherwise; what was deleted counts, too. BACKLOG is what a worker finds to do: from what is
committed, or where it would begin, to the end. PARKED is the same of <group>.parked, which has
to be scaled by, too. OLDEST is the age of the first record of the backlog.
Of a NatsSource LAG is what the nats-jetstream scaler computes: the durable's num_pending and
num_ack_pending in sum, of each of its partitions' durables if it has any; BACKLOG is num_pending,
PARKED the lag of <stream>-<durable>-parked.
The group is asked about and not joined.

Examples:
  weir lag
  weir lag orders --partitions
  weir lag --format json | jq .lag")]
pub struct Lag {
    /// The KafkaSource or NatsSource: its name, or namespace/name [default: all of them]
    source: Option<String>,
    /// Files and directories of documents [default: the setting 'triggers']
    #[arg(long = "in", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A row for each partition
    #[arg(long)]
    partitions: bool,
    /// Text for people, JSON for programs: an object a source
    #[arg(long, value_enum, default_value = "text")]
    format: Textual,
    #[command(flatten)]
    map_host: MapHost,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

/// Of a source: its partitions, and those of what is parked, if it has a topic for that.
struct Measured<'c> {
    name: String,
    kafka: &'c KafkaSource,
    read: Vec<Partition>,
    parked: Option<Vec<Partition>>,
}

impl Lag {
    pub fn main(&self) -> Outcome {
        let (settings, of_settings) = self.options.load(&[self.map_host.setting()])?;
        refuse(&of_settings)?;
        let loaded = documents::load(&self.paths, &settings);
        refuse(&loaded.diagnostics)?;
        let config = loaded.config.unwrap_or_default();
        let is_wanted = |source: &&Source| {
            self.source.as_ref().is_none_or(|wanted| *wanted == source.name || *wanted == named(source))
        };
        let of_nats: Vec<_> = config.sources.iter().filter(is_wanted).filter_map(nats).collect();
        let sources: Vec<_> = match &self.source {
            Some(_) if !of_nats.is_empty() => Vec::new(),
            Some(wanted) => Vec::from_iter(kafka(tap::find(&config, wanted)?)),
            None => config.sources.iter().filter_map(kafka).collect(),
        };
        if sources.is_empty() && of_nats.is_empty() {
            say("there is neither a KafkaSource nor a NatsSource\n");
            return Ok(());
        }
        let (mut all, mut shared, mut failed) = (Vec::new(), Vec::new(), false);
        for (source, nats) in of_nats {
            match Behind::of(nats, &settings) {
                Ok(behind) => shared.push(Shared { name: named(source), nats, behind }),
                Err(reason) => {
                    failed = true;
                    say(format_args!("{BAD}error{PLAIN}: NatsSource {}: {reason}\n", named(source)));
                }
            }
        }
        for (source, kafka) in sources {
            match Measured::of(source, kafka, &settings) {
                Ok(measured) => all.push(measured),
                Err(reason) => {
                    failed = true;
                    let servers: Vec<_> = kafka.bootstrap_servers.iter().map(ToString::to_string).collect();
                    let (name, servers) = (named(source), servers.join(","));
                    say(format_args!("{BAD}error{PLAIN}: KafkaSource {name} at {servers}: {reason}\n"));
                }
            }
        }
        match self.format {
            Textual::Json => {
                let all = all.iter().map(Measured::json).chain(shared.iter().map(Shared::json));
                for of in all {
                    print(format_args!("{of}\n"))?;
                }
            }
            Textual::Text if all.is_empty() && shared.is_empty() => {}
            Textual::Text if self.partitions => print(by_partition(&all, &shared))?,
            Textual::Text => print(by_source(&all, &shared))?,
        }
        if failed { Err(Failed::silent()) } else { Ok(()) }
    }
}

fn kafka(source: &Source) -> Option<(&Source, &KafkaSource)> {
    match &source.reads {
        Reads::Kafka(kafka) => Some((source, kafka)),
        Reads::Nats(_) => None,
    }
}

fn nats(source: &Source) -> Option<(&Source, &NatsSource)> {
    match &source.reads {
        Reads::Nats(nats) => Some((source, nats)),
        Reads::Kafka(_) => None,
    }
}

/// A source of NATS, with a durable, or one for each of its partitions.
struct Shared<'c> {
    name: String,
    nats: &'c NatsSource,
    behind: Behind,
}

impl Shared<'_> {
    fn json(&self) -> Json {
        let read = self.behind.read();
        let partitions = self.behind.parts.iter().filter(|part| part.number.is_some());
        let partitions = partitions.map(|part| {
            json!({
                "stream": self.nats.stream,
                "partition": part.number,
                "consumer": part.durable,
                "acknowledged": part.floor,
                "lag": part.read.sum(),
                "backlog": part.read.pending,
                "unacknowledged": part.read.unacknowledged,
                "oldest_unix_ms": part.oldest,
            })
        });
        json!({
            "version": 1,
            "source": self.name,
            "stream": self.nats.stream,
            "consumer": self.nats.consumer,
            "lag": read.sum(),
            "backlog": read.pending,
            "unacknowledged": read.unacknowledged,
            "parked": self.behind.parked.map(Waiting::sum),
            "oldest_unix_ms": self.behind.oldest(),
            "partitions": Vec::from_iter(partitions),
        })
    }
}

fn named(source: &Source) -> String {
    format!("{}/{}", source.namespace, source.name)
}

impl<'c> Measured<'c> {
    fn of(source: &Source, kafka: &'c KafkaSource, settings: &Settings) -> Result<Measured<'c>, String> {
        let resolve =
            |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok());
        let config = client::config(&kafka.bootstrap_servers, &kafka.security, &resolve)?;
        let group = Group::new(config, &kafka.consumer_group)?;
        let mut read = Vec::new();
        for topic in &kafka.topics {
            let found = group.partitions(topic, kafka.initial_offset)?;
            if found.is_empty() {
                return Err(format!("there is no topic {topic}"));
            }
            read.extend(found);
        }
        group.date(&mut read)?;
        let parked = group.partitions(&format!("{}.parked", kafka.consumer_group), PARKED)?;
        let parked = Some(parked).filter(|partitions| !partitions.is_empty());
        Ok(Measured { name: named(source), kafka, read, parked })
    }

    fn lag(&self) -> u64 {
        self.read.iter().map(|partition| partition.lag(self.kafka.initial_offset)).sum()
    }

    fn backlog(&self) -> u64 {
        self.read.iter().map(Partition::backlog).sum()
    }

    fn parked(&self) -> Option<u64> {
        self.parked.as_ref().map(|partitions| partitions.iter().map(Partition::backlog).sum())
    }

    fn oldest(&self) -> Option<i64> {
        self.read.iter().filter_map(|partition| partition.oldest).min()
    }

    /// All of them, each with where it begins.
    fn partitions(&self) -> impl Iterator<Item = (&Partition, Initial)> {
        let read = self.read.iter().map(|partition| (partition, self.kafka.initial_offset));
        read.chain(self.parked.iter().flatten().map(|partition| (partition, PARKED)))
    }

    fn json(&self) -> Json {
        let partitions: Vec<_> = self
            .partitions()
            .map(|(partition, initial)| {
                json!({
                    "topic": partition.topic,
                    "partition": partition.number,
                    "committed": partition.committed,
                    "begin": partition.begin,
                    "end": partition.end,
                    "lag": partition.lag(initial),
                    "backlog": partition.backlog(),
                    "oldest_unix_ms": partition.oldest,
                })
            })
            .collect();
        json!({
            "version": 1,
            "source": self.name,
            "group": self.kafka.consumer_group,
            "lag": self.lag(),
            "backlog": self.backlog(),
            "parked": self.parked(),
            "oldest_unix_ms": self.oldest(),
            "partitions": partitions,
        })
    }
}

/// What is parked is read from the beginning, whatever the source begins with.
const PARKED: Initial = Initial::Earliest;

fn by_source(all: &[Measured<'_>], shared: &[Shared<'_>]) -> Table {
    let (left, right) = (|name| (name, Align::Left), |name| (name, Align::Right));
    let head =
        [left("SOURCE"), left("GROUP"), right("LAG"), right("BACKLOG"), right("PARKED"), right("OLDEST")];
    let mut table = Table::new(&head);
    for of in all {
        table.row(vec![
            of.name.clone(),
            of.kafka.consumer_group.clone(),
            of.lag().to_string(),
            of.backlog().to_string(),
            of.parked().map_or_else(none, |parked| parked.to_string()),
            of.oldest().map_or_else(none, aged),
        ]);
    }
    for of in shared {
        let read = of.behind.read();
        table.row(vec![
            of.name.clone(),
            of.nats.consumer.clone(),
            read.sum().to_string(),
            read.pending.to_string(),
            of.behind.parked.map_or_else(none, |parked| parked.sum().to_string()),
            of.behind.oldest().map_or_else(none, aged),
        ]);
    }
    table
}

fn by_partition(all: &[Measured<'_>], shared: &[Shared<'_>]) -> Table {
    let (left, right) = (|name| (name, Align::Left), |name| (name, Align::Right));
    let mut table = Table::new(&[
        left("SOURCE"),
        left("TOPIC"),
        right("PARTITION"),
        right("COMMITTED"),
        right("END"),
        right("LAG"),
        right("BACKLOG"),
        right("OLDEST"),
    ]);
    for of in all {
        for (partition, initial) in of.partitions() {
            table.row(vec![
                of.name.clone(),
                partition.topic.clone(),
                partition.number.to_string(),
                partition.committed.map_or_else(none, |committed| committed.to_string()),
                partition.end.to_string(),
                partition.lag(initial).to_string(),
                partition.backlog().to_string(),
                partition.oldest.map_or_else(none, aged),
            ]);
        }
    }
    for of in shared {
        for part in &of.behind.parts {
            table.row(vec![
                of.name.clone(),
                of.nats.stream.clone(),
                part.number.map_or_else(none, |number| number.to_string()),
                (part.floor + 1).to_string(),
                (of.behind.last + 1).to_string(),
                part.read.sum().to_string(),
                part.read.pending.to_string(),
                part.oldest.map_or_else(none, aged),
            ]);
        }
    }
    table
}

fn none() -> String {
    "-".to_owned()
}

fn aged(unix_ms: i64) -> String {
    age(u64::try_from(unix_ms).unwrap_or(0).saturating_mul(1_000_000))
}
