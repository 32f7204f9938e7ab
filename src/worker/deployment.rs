//! What runs: the checked configuration in the form that the core, the executors and the loop use. It never changes; a
//! reload puts another in its place, and what was handed out under this one ends under it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;

use super::outlets::Outlets;
use super::permit::Permits;
use crate::config::{
    self, Budget, Config, DeadLetterTo, Endpoint, Format, Price, Prices, Settings, Source, SourceSink,
    Tariffs, Tenant,
};
use crate::dispatch::{Flow, Hold, Policy, Reason, Table, Trip, Unmet};
use crate::event::{Event, Uid};
use crate::function::{Module, Pooled, Upkeep};
use crate::telemetry::metrics::{Cell, Metrics, Place};
use crate::telemetry::trace::Sampling;
use crate::trigger::Routes;

#[derive(Debug, Default)]
pub struct Deployment {
    /// By the trigger's index in the core's table.
    pub triggers: Vec<Trigger>,
    pub functions: Vec<Function>,
    /// The topics of Kafka that replies and dead letters go to.
    pub outlets: Outlets,
    /// `None`: nothing is traced.
    pub sampling: Option<Sampling>,
    /// What was here earlier in this life, for what is left of it.
    gone: BTreeMap<Uid, Gone>,
}

#[derive(Debug)]
pub struct Trigger {
    pub uid: Uid,
    /// "namespace/name", as the journal has it.
    pub name: String,
    pub subscriber: Subscriber,
    pub dead_letter: DeadLetterTo,
    /// It hands over dead letters, to whom no reply is taken from.
    pub is_forward: bool,
    /// It, or its function, says so; HTTP subscribers have the worker's limit besides.
    pub is_limited: bool,
    /// There is no broker that a reply could go to.
    pub drops_replies: bool,
    /// Who pays, rather than whom its function names.
    pub tenant: Option<Tenant>,
    pub budget: Option<Budgeted>,
    /// Its replies say what they cost.
    pub cost_on_replies: bool,
    /// Of its numbers, and of those of whom it calls.
    pub place: Place,
    pub called: Place,
}

/// What its attempts may take in a day.
#[derive(Debug)]
pub struct Budgeted {
    pub budget: Budget,
    /// Who is told of it.
    pub broker: Uid,
    /// In percent, to be shown: by the loop.
    pub used: Cell,
}

#[derive(Debug)]
pub enum Subscriber {
    /// Index into the functions.
    Function(usize),
    Http(Remote),
    /// What comes is a dead letter of that reason.
    Nobody(Reason),
}

/// A subscriber that is called over HTTP.
#[derive(Debug)]
pub struct Remote {
    pub endpoint: Arc<Endpoint>,
    pub uri: Uri,
    /// For an attempt.
    pub timeout: Duration,
    pub format: Format,
}

impl Trigger {
    pub fn function(&self) -> Option<usize> {
        match &self.subscriber {
            Subscriber::Function(function) => Some(*function),
            Subscriber::Http(_) | Subscriber::Nobody(_) => None,
        }
    }

    pub fn remote(&self) -> Option<&Remote> {
        match &self.subscriber {
            Subscriber::Function(_) | Subscriber::Nobody(_) => None,
            Subscriber::Http(remote) => Some(remote),
        }
    }

    pub fn namespace(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

pub struct Function {
    pub name: String,
    /// The name alone: replies without a source get it.
    pub short: String,
    pub tenant: Tenant,
    pub price: Prices,
    pub tariffs: Tariffs,
    pub pooled: Pooled,
    /// What an instance may grow to, in bytes.
    pub memory: u64,
    /// Lines a second.
    pub log_rate: u32,
    /// `None`: it runs as often at a time as there are executors.
    pub permits: Option<Permits>,
    /// Of its numbers.
    pub place: Place,
}

/// The names of a trigger that is gone, and of its function.
#[derive(Clone, Debug)]
pub struct Gone {
    pub trigger: String,
    pub function: String,
}

/// So many names are known of triggers that are gone; without one its uid stands in the dead letter.
const GONE: usize = 10_000;

impl Deployment {
    /// `modules` are those of the functions, in their order.
    pub fn of(config: &Config, modules: &[Arc<Module>], settings: &Settings) -> Deployment {
        assert_eq!(config.functions.len(), modules.len(), "each function has its module");
        let triggers = config.all_triggers().map(|trigger| Trigger {
            uid: trigger.uid,
            name: format!("{}/{}", trigger.namespace, trigger.name),
            subscriber: subscriber(trigger, settings),
            dead_letter: trigger.dead_letter,
            is_forward: config.forwards.iter().any(|forward| forward.uid == trigger.uid),
            is_limited: trigger.policy.flow != Flow::default()
                || matches!(trigger.subscriber, config::Subscriber::Function(_)),
            drops_replies: config.of_sources.iter().any(|own| own.uid == trigger.uid),
            tenant: trigger.tenant.clone(),
            cost_on_replies: trigger.cost_on_replies,
            budget: trigger.budget.map(|budget| Budgeted {
                budget,
                broker: trigger.broker,
                used: Cell::default(),
            }),
            place: Place::default(),
            called: Place::default(),
        });
        let functions = config.functions.iter().zip(modules).map(|(function, module)| Function {
            name: format!("{}/{}", function.namespace, function.name),
            short: function.name.clone(),
            tenant: function.tenant.clone(),
            price: function.price.clone(),
            tariffs: function.tariffs.clone(),
            pooled: Pooled { module: Arc::clone(module), upkeep: Upkeep::of(&function.upkeep, settings) },
            memory: function.limits.memory.unwrap_or(settings.function_memory.0),
            log_rate: function.limits.log_rate.unwrap_or(settings.function_log_rate),
            permits: function.upkeep.concurrency.map(Permits::new),
            place: Place::default(),
        });
        Deployment { triggers: triggers.collect(), functions: functions.collect(), ..Deployment::default() }
    }

    /// The same with the topics of Kafka that it writes to.
    pub fn writing_to(self, outlets: Outlets) -> Deployment {
        Deployment { outlets, ..self }
    }

    /// The same, in the place of this one: with the names of what is gone, and with what still runs of what stays.
    pub fn after(mut self, before: &Deployment) -> Deployment {
        let had = before.triggers.iter().map(|trigger| {
            let function = before.subscriber(trigger).to_owned();
            (trigger.uid, Gone { trigger: trigger.name.clone(), function })
        });
        self.outlets = self.outlets.after(&before.outlets);
        self.gone = had.chain(before.gone.clone()).take(GONE).collect();
        for trigger in &self.triggers {
            self.gone.remove(&trigger.uid);
        }
        for function in &mut self.functions {
            let same = before.functions.iter().find(|before| before.name == function.name);
            let before = same.and_then(|before| before.permits.as_ref());
            if let (Some(permits), Some(before)) = (&mut function.permits, before) {
                permits.after(before);
            }
        }
        self
    }

    /// "namespace/name", of one that is there or was.
    pub fn name_of(&self, trigger: Uid) -> String {
        let there = self.triggers.iter().find(|other| other.uid == trigger);
        there.map_or_else(|| self.gone(trigger).trigger, |trigger| trigger.name.clone())
    }

    /// The same, counted under its names and traced as the settings say.
    pub fn told_of(mut self, metrics: &Metrics, settings: &Settings) -> Deployment {
        let is_traced = settings.telemetry_otlp_endpoint.0.is_some();
        self.sampling = is_traced.then(|| Sampling::of(settings.telemetry_sampling.0));
        for function in &mut self.functions {
            function.place = metrics.functions.place(&function.name);
        }
        for index in 0..self.triggers.len() {
            let called = metrics.functions.place(self.subscriber(&self.triggers[index]));
            let trigger = &mut self.triggers[index];
            (trigger.place, trigger.called) = (metrics.triggers.place(&trigger.name), called);
        }
        self
    }

    /// By their uid, which is what stands where the names are not known.
    pub fn gone(&self, trigger: Uid) -> Gone {
        let unknown = || Gone { trigger: trigger.to_string(), function: String::new() };
        self.gone.get(&trigger).cloned().unwrap_or_else(unknown)
    }

    /// Of a trigger, as people know it.
    pub fn subscriber<'d>(&'d self, trigger: &'d Trigger) -> &'d str {
        match &trigger.subscriber {
            Subscriber::Function(function) => &self.functions[*function].name,
            Subscriber::Http(remote) => remote.endpoint.name(),
            Subscriber::Nobody(_) => "",
        }
    }

    /// Who pays for an attempt: whom the trigger names, else whom its function does, else the namespace.
    pub fn tenant<'d>(&'d self, trigger: &'d Trigger, event: &'d Event<'_>) -> Cow<'d, str> {
        let of_function = trigger.function().map(|function| &self.functions[function].tenant);
        let tenant = trigger.tenant.as_ref().or(of_function);
        tenant.map_or(Cow::Borrowed(trigger.namespace()), |tenant| tenant.of(event, trigger.namespace()))
    }

    /// Of an attempt that ended then. Nobody has said what a call over HTTP costs.
    pub fn price(&self, trigger: &Trigger, tenant: &str, ended: u64) -> Price {
        let function = trigger.function().map(|function| &self.functions[function]);
        let prices = function.map(|function| function.tariffs.get(tenant).unwrap_or(&function.price));
        prices.map_or_else(Price::default, |prices| *prices.at(ended))
    }

    /// Which module an attempt runs, and what an instance of it may grow to; 0: none.
    pub fn version(&self, trigger: &Trigger) -> (u64, u64) {
        let Some(function) = trigger.function().map(|function| &self.functions[function]) else {
            return (0, 0);
        };
        let digest = function.pooled.module.digest().first_chunk().expect("a digest is longer");
        (u64::from_be_bytes(*digest), function.memory)
    }

    pub fn modules(&self) -> impl Iterator<Item = Arc<Module>> {
        self.functions.iter().map(|function| Arc::clone(&function.pooled.module))
    }

    pub fn pooled(&self) -> impl Iterator<Item = Pooled> {
        self.functions.iter().map(|function| function.pooled.clone())
    }

    pub fn is_known(&self, trigger: Uid) -> bool {
        self.triggers.iter().any(|known| known.uid == trigger)
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

fn subscriber(trigger: &config::Trigger, settings: &Settings) -> Subscriber {
    match &trigger.subscriber {
        config::Subscriber::Function(function) => Subscriber::Function(*function),
        config::Subscriber::Nobody(reason) => Subscriber::Nobody(*reason),
        config::Subscriber::Http(endpoint) => Subscriber::Http(Remote {
            endpoint: Arc::clone(endpoint),
            uri: endpoint.url.parse().expect("a URL is read when its document is"),
            timeout: trigger.sending.timeout.unwrap_or(settings.deliver_timeout),
            format: trigger.sending.format,
        }),
    }
}

/// What the core decides by.
pub fn table(config: &Config, settings: &Settings) -> Arc<Table> {
    let concurrency = |t: &config::Trigger| match t.subscriber {
        config::Subscriber::Function(function) => config.functions[function].upkeep.concurrency,
        config::Subscriber::Http(_) => Some(settings.deliver_max_in_flight_per_trigger),
        config::Subscriber::Nobody(_) => None,
    };
    Arc::new(Table {
        routes: Routes::new(config.all_triggers().map(|t| (t.broker, t.criteria()))),
        policies: config.all_triggers().map(|t| bounded(&t.policy, concurrency(t), settings)).collect(),
        uids: config.all_triggers().map(|t| t.uid).collect(),
        unmet: config.sources.iter().flat_map(unmet).collect(),
    })
}

/// By the sources of positions.
fn unmet(source: &Source) -> Vec<(Uid, Unmet)> {
    match source.sink {
        SourceSink::Broker { unrouted: Some(unmet), .. } => {
            source.streams().into_iter().map(|stream| (stream, unmet)).collect()
        }
        _ => Vec::new(),
    }
}

/// A trigger's policy within the worker's own limits and its subscriber's: what waits for a function with several triggers
/// waits for its permits besides.
fn bounded(policy: &Policy, concurrency: Option<u32>, settings: &Settings) -> Policy {
    let most = concurrency.map(|most| most as usize);
    let concurrency = policy.flow.concurrency.into_iter().chain(most).min();
    let trip = Trip { failures: settings.breaker_failures, wait: settings.breaker_wait };
    Policy {
        hold: Hold { time: settings.hold_time, deliveries: settings.hold_deliveries as usize },
        trip: (trip.failures > 0).then_some(trip),
        flow: Flow { concurrency, ..policy.flow },
        ..policy.clone()
    }
}
