//! Where dead letters are: in the worker's own store, in the topic of a KafkaSink, or in the stream of a NatsSink.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser as NonEmpty;

use super::stream::Stream;
use super::topic::Topic;
use crate::cli::documents;
use crate::cli::exit::Failed;
use crate::cli::options::{MapHost, refuse};
use crate::cli::stored::Stored;
use crate::config::{Settings, Writes};
use crate::worker::errand::{Errand, Progress, Triggers};
use crate::worker::letters::Letters;
use crate::worker::query::Query;

/// The options that say it.
#[derive(Clone, Debug, Args)]
pub(super) struct Of {
    /// Those in the topic of this KafkaSink, or the stream of this NatsSink (its name, or namespace/name), and not the worker's own
    #[arg(long, value_name = "SINK", value_parser = NonEmpty::new())]
    sink: Option<String>,
    /// Files and directories of documents, where they are asked [default: the setting 'triggers']
    #[arg(long = "in", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) map_host: MapHost,
}

#[derive(Debug)]
pub enum Place {
    Own(Box<Stored>),
    Topic(Box<Topic>),
    Stream(Box<Stream>),
}

impl Of {
    /// To look.
    pub(super) fn open(&self, settings: &Settings) -> Result<Place, Failed> {
        let Some(wanted) = &self.sink else { return Ok(Place::own(settings)) };
        let loaded = documents::load(&self.paths, settings);
        refuse(&loaded.diagnostics)?;
        let config = loaded.config.unwrap_or_default();
        let (namespace, name) = wanted.split_once('/').unwrap_or(("default", wanted));
        let found = config.sinks.iter().find(|sink| sink.namespace == namespace && sink.name == name);
        let unknown = || Failed::usage(format!("there is no KafkaSink or NatsSink {namespace}/{name}"));
        let sink = found.ok_or_else(unknown)?.clone();
        Ok(match &sink.writes {
            Writes::Kafka(kafka) => {
                Place::Topic(Box::new(Topic::open(settings, (&sink, kafka), (config, &self.paths))?))
            }
            Writes::Nats(nats) => {
                Place::Stream(Box::new(Stream::open(settings, (&sink, nats), (config, &self.paths))?))
            }
        })
    }

    /// To change something. Without replays the documents matter where there is a sink alone.
    pub(super) fn to_change(&self, settings: &Settings, replays: bool) -> Result<Place, Failed> {
        match &self.sink {
            None => Ok(Place::Own(Box::new(Stored::to_change(settings, replays.then_some(&self.paths[..]))))),
            Some(_) => self.open(settings),
        }
    }
}

impl Place {
    pub fn own(settings: &Settings) -> Place {
        Place::Own(Box::new(Stored::to_look(settings)))
    }

    pub(super) fn is_topic(&self) -> bool {
        matches!(self, Place::Topic(_))
    }

    /// The answer's lines of JSON.
    pub(super) fn ask(&mut self, letters: Letters) -> Result<String, Failed> {
        match self {
            Place::Own(stored) => stored.ask(Query::DeadLetters(letters)),
            Place::Topic(topic) => topic.answer(&letters),
            Place::Stream(stream) => stream.answer(&letters),
        }
    }

    /// Those of the running worker, or of the documents.
    pub(super) fn triggers(&mut self) -> Result<Triggers, Failed> {
        match self {
            Place::Own(stored) => stored.triggers(),
            Place::Topic(topic) => topic.taker.stored.triggers(),
            Place::Stream(stream) => stream.taker.stored.triggers(),
        }
    }

    pub(super) fn run(&mut self, errand: &Errand) -> Result<Progress, Failed> {
        match self {
            Place::Own(stored) => stored.run(errand),
            Place::Topic(topic) => topic.run(errand),
            Place::Stream(stream) => stream.run(errand),
        }
    }
}
