//! From YAML documents to a checked [`Config`]: every problem of every file is reported at once, with its place, and
//! nothing starts half-configured.
//!
//! `files` finds and reads, `yaml` parses to `node` trees, `reader` reads them with types, one file per document kind
//! (`trigger`, `kafka_source`, …) makes drafts, and `link` looks up what they name; `test` is read last, if at all. `later`
//! says what is read and not done by this version. [`settings`] is the worker's own `weir.yaml`.

mod billing_sink;
mod broker;
mod budget;
mod certificates;
mod cesql;
mod data_filter;
mod delivery;
mod detour;
pub mod diagnostic;
mod document;
mod endpoint;
mod files;
mod filters;
mod fingerprint;
mod flow;
mod function;
mod inside;
mod kafka_security;
mod kafka_sink;
mod kafka_source;
mod later;
mod link;
mod lint;
mod mapping;
mod metadata;
mod modules;
mod nats_connection;
mod nats_sink;
mod nats_source;
mod node;
mod origins;
mod price;
mod quantity;
mod reach;
mod reader;
mod reference;
mod scalar;
pub mod schema;
pub mod secret;
mod secret_key;
mod select;
mod server;
mod services;
pub mod settings;
mod shape;
mod sink;
mod source;
mod spelling;
mod subject;
mod tenant;
pub mod test;
mod text;
mod texts;
mod tls;
mod told;
mod topic;
mod trigger;
mod upkeep;
mod yaml;

pub use billing_sink::{BillingSink, UsageTo};
pub use budget::{Amount, Budget, BudgetPolicy};
pub use certificates::certificates;
pub use delivery::{Format, Sending};
pub use detour::Detour;
pub use diagnostic::{Code, Diagnostic, Diagnostics, Look, Severity};
pub use endpoint::{Endpoint, Service};
pub use fingerprint::Fingerprint;
pub use function::FunctionLimits;
pub use kafka_security::{KafkaSecurity, Sasl};
pub use kafka_sink::{KafkaSink, NewTopic};
pub use kafka_source::{KafkaSource, KeyType};
pub use later::Idle;
pub use lint::{ALL as LINTS, Lint};
pub use mapping::{Mapping, Whence};
pub use modules::Modules;
pub use nats_connection::{NatsAuth, NatsConnection};
pub use nats_sink::NatsSink;
pub use nats_source::NatsSource;
pub use origins::{Origins, SaidBy};
pub use price::{Price, Prices, Tariffs};
pub use quantity::{as_iso, duration};
pub use reach::{Destination, Network, Reach};
pub use secret::{Secret, SecretRef};
pub use select::{NoSelector, Selector};
pub use server::Server;
pub use services::Services;
pub use settings::{Origin, Settings, load_settings};
pub use sink::{ContentMode, Sink, Writes};
pub use source::{Initial, Reads, Source, SourceSink};
pub use tenant::Tenant;
pub use test::Test;
pub use text::Place;
pub use texts::Texts;
pub use tls::{Certificate, Tls};
pub use told::{SCRIPT, Told};
pub use upkeep::{Isolation, Upkeep};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dispatch::{Policy, Reason};
use crate::event::Uid;
use crate::trigger::{Criteria, DataFilter, Filter};

/// All that runs. Whoever holds one holds no mistake that a file could tell.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// By namespace and name; `default` in `default` is always among them.
    pub brokers: Vec<Broker>,
    pub triggers: Vec<Trigger>,
    /// Triggers of our own: each hands what comes to a broker that nobody can name to a dead-letter sink that is no broker.
    pub forwards: Vec<Trigger>,
    /// Triggers of our own, too: for a source whose sink is no broker, and for what of a source is no event.
    pub of_sources: Vec<Trigger>,
    /// Those that this worker is not to run.
    pub deselected: Vec<Trigger>,
    pub functions: Vec<Function>,
    pub sources: Vec<Source>,
    pub sinks: Vec<Sink>,
    pub billing: Vec<BillingSink>,
}

impl Config {
    /// Settles what documents leave to the settings: what stands for Services, and which triggers are this worker's.
    pub fn settle(&mut self, settings: &Settings) -> Result<(), NoSelector> {
        self.map_services(&settings.services)?;
        self.select(&settings.select)
    }

    /// Of documents and our own, those of documents first.
    pub fn all_triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers.iter().chain(&self.forwards).chain(&self.of_sources)
    }

    /// Leaves to other workers what is not selected. Refused if nothing is: says what could be.
    pub fn select(&mut self, selector: &Selector) -> Result<(), NoSelector> {
        let all = std::mem::take(&mut self.triggers);
        let there_are = !all.is_empty();
        let (selected, others) = all.into_iter().partition(|trigger| selector.matches(&trigger.labels));
        (self.triggers, self.deselected) = (selected, others);
        if !there_are || !self.triggers.is_empty() {
            return Ok(());
        }
        let labels = Selector::listed(self.deselected.iter().map(|trigger| &trigger.labels));
        let help = match labels.as_str() {
            "" => "they have no labels: write some below metadata.labels".into(),
            labels => format!("their labels: {labels}"),
        };
        let message = match self.deselected.len() {
            1 => format!("'{selector}' does not select the one trigger there is"),
            triggers => format!("'{selector}' selects none of the {triggers} triggers"),
        };
        Err(NoSelector { message, help })
    }
}

/// A named stream of events.
#[derive(Clone, Debug)]
pub struct Broker {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    /// The [`Sink`] that its events go to. `None`: the worker's own queue.
    pub backing: Option<Uid>,
}

#[derive(Clone, Debug)]
pub struct Trigger {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    pub broker: Uid,
    pub filter: Filter,
    pub data: Option<DataFilter>,
    pub subscriber: Subscriber,
    pub policy: Policy,
    pub sending: Sending,
    pub dead_letter: DeadLetterTo,
    pub labels: BTreeMap<String, String>,
    /// Who pays, rather than whom its function names.
    pub tenant: Option<Tenant>,
    /// What its attempts may take or cost in a day.
    pub budget: Option<Budget>,
    /// Its replies say what its attempts have cost.
    pub cost_on_replies: bool,
    /// Which document says each field of the policy.
    pub origins: Origins,
    /// File and line of its name.
    pub place: String,
}

impl Trigger {
    /// As the journal has it.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// As people know it: `default/payment`, or the URL.
    pub fn subscriber_name(&self, config: &Config) -> String {
        match &self.subscriber {
            Subscriber::Function(function) => config.functions[*function].full_name(),
            Subscriber::Http(endpoint) => endpoint.name().to_owned(),
            Subscriber::Nobody(_) => String::new(),
        }
    }

    /// All that it wants of an event.
    pub fn criteria(&self) -> Criteria {
        Criteria { filter: self.filter.clone(), data: self.data.clone() }
    }
}

/// What events are handed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subscriber {
    /// Which of [`Config::functions`].
    Function(usize),
    Http(Arc<Endpoint>),
    /// It can't be handed to anyone, and is a dead letter at once, of that reason: what is no event.
    Nobody(Reason),
}

impl Subscriber {
    pub fn function(&self) -> Option<usize> {
        match self {
            Subscriber::Function(function) => Some(*function),
            Subscriber::Http(_) | Subscriber::Nobody(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterTo {
    /// The worker's own.
    Store,
    Broker(Uid),
    /// The broker of one of [`Config::forwards`].
    Forward(Uid),
    /// One of [`Config::sinks`].
    Sink(Uid),
}

#[derive(Clone, Debug)]
pub struct Function {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    pub module: PathBuf,
    /// Where its document names the module.
    pub module_place: Place,
    /// The file whose text it finds in its configuration, under [`SCRIPT`].
    pub script: Option<PathBuf>,
    pub tenant: Tenant,
    pub price: Prices,
    /// By tenant, rather than that.
    pub tariffs: Tariffs,
    pub limits: FunctionLimits,
    pub config: BTreeMap<String, Told>,
    pub environment: BTreeMap<String, Told>,
    pub upkeep: Upkeep,
}

impl Function {
    /// As the journal has it.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

pub struct Loaded {
    /// `None` if there is any error.
    pub config: Option<Config>,
    /// Those that were wanted.
    pub tests: Vec<Test>,
    pub diagnostics: Diagnostics,
    /// What should be otherwise in production, for those who ask.
    pub checklist: Diagnostics,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// The modules and scripts that they name, there or not.
    pub modules: Vec<PathBuf>,
}

/// Reads every document of `paths`, each a file or a directory. Tests are passed over, and with them their mistakes.
pub fn load(paths: &[PathBuf]) -> Loaded {
    load_with_tests(paths, &|_| false)
}

/// The same with the Tests of those files that are `wanted`.
pub fn load_with_tests(paths: &[PathBuf], wanted: &dyn Fn(&Path) -> bool) -> Loaded {
    Texts::read(paths).load(&Modules::Named, wanted)
}

/// The documents of one text under a file's name, Tests among them, without the disk.
pub fn load_text(name: &str, content: &str) -> Loaded {
    Texts::of([(name, content)]).load(&Modules::Named, &|_| true)
}
