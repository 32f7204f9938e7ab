//! `weir setup`.

mod cluster;
mod jetstream;
mod login;
mod plan;

use std::path::PathBuf;

use clap::Args;

use super::bar::bar;
use super::documents;
use super::exit::{Failed, Outcome};
use super::interrupt;
use super::options::{MapHost, Options, refuse};
use super::out::{plural, print, say};
use super::table::{Align, Table};
use crate::config::{NewTopic, Settings};
use crate::source::kafka::KEPT;
use cluster::{Cluster, Topics};
use plan::{Needs, Role, Topic, needs, parked_partitions};

#[derive(Debug, Args)]
#[command(after_help = "\
A KafkaSource's own topics must be there already. For what it parks there is to be <group>.parked:
it is made, or grown where its source's topics have been, and it must keep records until the
worker is done with them. A KafkaSink's topic is made where the document says numPartitions and
replicationFactor. What is there already stays as it is; running it again does what is left.
Of NATS, a NatsSource's stream must be there; its durable, and the stream and durable of what it
parks, are made, and one whose settings would break a promise is named with what to do. A
NatsSink's subject must be one that a stream has.
The user of the documents needs the rights that --print lists, and for this command also CREATE,
ALTER and DESCRIBE_CONFIGS on the topics that are made.

Examples:
  weir setup --print               what is needed, for whoever administers the brokers
  weir setup --check               whether all of it is there: fails if not
  weir setup --replication 3")]
pub struct Setup {
    /// Files and directories of documents [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    /// Print the topics and rights that are needed, and do nothing
    #[arg(long, conflicts_with_all = ["check", "replication"])]
    print: bool,
    /// Look, and make nothing
    #[arg(long)]
    check: bool,
    /// How many replicas the topics of what is parked get [default: as the brokers have it]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    replication: Option<u16>,
    #[command(flatten)]
    map_host: MapHost,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

/// What became of a topic.
#[derive(Debug)]
enum State {
    There,
    Made,
    Grown,
    /// It would be made or grown, if not only looked for.
    Lacking,
    Wrong,
}

impl Setup {
    pub fn main(&self) -> Outcome {
        let (settings, of_settings) = self.options.load(&[self.map_host.setting()])?;
        refuse(&of_settings)?;
        let loaded = documents::load(&self.paths, &settings);
        refuse(&loaded.diagnostics)?;
        let config = loaded.config.unwrap_or_default();
        let needs = needs(&config);
        let of_nats = jetstream::all(&config);
        if needs.is_empty() && of_nats.is_empty() {
            say("nothing is needed: there is neither a source nor a sink of Kafka or NATS\n");
            return Ok(());
        }
        if self.print {
            return print(list(&needs, &of_nats));
        }
        interrupt::listen()?;
        let topics = needs.iter().map(|needs| needs.topics.len() as u64).sum();
        let bar = bar(topics);
        let mut wrong = 0;
        for needs in &needs {
            let failed = |reason| Failed::error(format!("{} at {}: {reason}", needs.whose, needs.servers));
            let cluster = open(needs, &settings).map_err(failed)?;
            let there = cluster.topics().map_err(failed)?;
            for topic in &needs.topics {
                if interrupt::is_asked_for() {
                    return Err(Failed::error("interrupted: run it again for what is left"));
                }
                let (state, what) = self.see_to(&cluster, topic, &there).map_err(failed)?;
                wrong += u64::from(matches!(state, State::Lacking | State::Wrong));
                bar.inc(1);
                bar.suspend(|| print(format_args!("{:<8}{}  {what}\n", state.word(), topic.name)))?;
            }
        }
        bar.finish_and_clear();
        let mut amiss = 0;
        for asks in of_nats {
            let failed = |reason| Failed::error(format!("{}: {reason}", asks.whose));
            for (state, name, what) in asks.see_to(&settings, !self.check).map_err(failed)? {
                amiss += u64::from(matches!(state, State::Lacking | State::Wrong));
                print(format_args!("{:<8}{name}  {what}\n", state.word()))?;
            }
        }
        match (wrong, amiss) {
            (0, 0) => Ok(()),
            (_, 0) => Err(Failed::error(format!("{} not as needed", plural(wrong, "topic")))),
            _ => Err(Failed::error(format!(
                "{} not as needed",
                plural(wrong + amiss, "topic, stream, subject or durable")
            ))),
        }
    }

    fn see_to(
        &self,
        cluster: &Cluster,
        topic: &Topic<'_>,
        there: &Topics,
    ) -> Result<(State, String), String> {
        let found = there.get(&topic.name).copied();
        match (topic.role, found) {
            (Role::Others, Some(partitions)) => Ok((State::There, counted(partitions))),
            (Role::Others, None) => {
                Ok((State::Wrong, "is not there, or not to be seen by this user: make it".to_owned()))
            }
            (Role::Made(NewTopic { partitions, .. }), Some(found)) => {
                let said = partitions as usize;
                let more = if said == found { String::new() } else { format!(", not {said}: that stays") };
                Ok((State::There, counted(found) + &more))
            }
            (Role::Made(NewTopic { partitions, replication }), None) => {
                self.make(cluster, &topic.name, partitions as usize, Some(replication), &[])
            }
            (Role::Parked(topics), found) => {
                let Some(largest) = largest(topics, there) else {
                    return Ok((State::Wrong, "waits for its source's topics".to_owned()));
                };
                self.park(cluster, &topic.name, found, parked_partitions(topics.len(), largest))
            }
        }
    }

    fn park(
        &self,
        cluster: &Cluster,
        name: &str,
        found: Option<usize>,
        wanted: usize,
    ) -> Result<(State, String), String> {
        let Some(found) = found else { return self.make(cluster, name, wanted, self.replication, &KEPT) };
        let other = cluster.other_settings(name, &KEPT);
        let other = other.map_err(|reason| format!("{name}: its settings can't be read: {reason}"))?;
        if !other.is_empty() {
            let all: Vec<_> = other.iter().map(|(name, value)| format!("{name} is '{value}'")).collect();
            let right: Vec<_> =
                KEPT.iter().filter(|(name, _)| other.iter().any(|(wrong, _)| wrong == name)).collect();
            let right: Vec<_> = right.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let what = format!("{}: what is parked could be lost; set {}", all.join(", "), right.join(" "));
            return Ok((State::Wrong, what));
        }
        if found >= wanted {
            return Ok((State::There, counted(found)));
        }
        let what = format!("from {found} to {}", counted(wanted));
        if self.check {
            return Ok((State::Lacking, format!("has to grow {what}")));
        }
        cluster.grow(name, wanted).map_err(|reason| format!("{name} can't be grown {what}: {reason}"))?;
        Ok((State::Grown, what))
    }

    fn make(
        &self,
        cluster: &Cluster,
        name: &str,
        partitions: usize,
        replication: Option<u16>,
        settings: &[(&str, &str)],
    ) -> Result<(State, String), String> {
        let what = counted(partitions);
        if self.check {
            return Ok((State::Lacking, format!("is not there: {what}")));
        }
        let made = cluster.make(name, partitions, replication, settings);
        match made.map_err(|reason| format!("{name} can't be made with {what}: {reason}"))? {
            true => Ok((State::Made, what)),
            false => {
                Ok((State::There, "made by somebody else meanwhile: run it again to look at it".to_owned()))
            }
        }
    }
}

impl State {
    fn word(&self) -> &'static str {
        match self {
            State::There => "ok",
            State::Made => "made",
            State::Grown => "grown",
            State::Lacking => "lacking",
            State::Wrong => "wrong",
        }
    }
}

fn open(needs: &Needs<'_>, settings: &Settings) -> Result<Cluster, String> {
    Cluster::new(&login::config(needs.login, settings)?)
}

/// `None`: one of them is not there.
fn largest(topics: &[String], there: &Topics) -> Option<usize> {
    let partitions: Option<Vec<_>> = topics.iter().map(|topic| there.get(topic).copied()).collect();
    partitions?.into_iter().max()
}

fn counted(partitions: usize) -> String {
    plural(partitions as u64, "partition")
}

fn list(needs: &[Needs<'_>], of_nats: &[jetstream::Asks<'_>]) -> Table {
    let left = |name| (name, Align::Left);
    let mut table = Table::new(&[left("DOCUMENT"), left("SERVERS"), left("WHAT"), left("NEEDED")]);
    for Needs { whose, servers, topics, rights, .. } in needs {
        let topics = topics.iter().map(|topic| (format!("topic {}", topic.name), topic.role.wanted()));
        let rights = rights.iter().map(|(on, which)| (format!("right on {on}"), (*which).to_owned()));
        for (what, needed) in topics.chain(rights) {
            table.row(vec![whose.clone(), servers.clone(), what, needed]);
        }
    }
    for asks in of_nats {
        for (what, needed) in asks.needs() {
            table.row(vec![asks.whose.clone(), asks.servers(), what, needed]);
        }
    }
    table
}
