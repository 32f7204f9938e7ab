//! What runs: the checked configuration in the form that the core, the executors and the loop use.

use std::sync::Arc;

use crate::config::{Config, DeadLetterTo, Settings};
use crate::dispatch::{Hold, Policy, Table, Trip};
use crate::event::Uid;
use crate::trigger::Routes;

#[derive(Debug)]
pub struct Deployment {
    /// By the trigger's index in the core's table.
    pub triggers: Vec<Trigger>,
    pub functions: Vec<Function>,
}

#[derive(Debug)]
pub struct Trigger {
    pub uid: Uid,
    /// "namespace/name", as the journal has it.
    pub name: String,
    /// Index into the functions.
    pub function: usize,
    pub dead_letter: DeadLetterTo,
}

#[derive(Debug)]
pub struct Function {
    pub name: String,
    /// The name alone: replies without a source get it.
    pub short: String,
    pub tenant: String,
}

impl Deployment {
    pub fn of(config: &Config, settings: &Settings) -> (Arc<Deployment>, Arc<Table>) {
        let triggers = config.triggers.iter().map(|trigger| Trigger {
            uid: trigger.uid,
            name: format!("{}/{}", trigger.namespace, trigger.name),
            function: trigger.function,
            dead_letter: trigger.dead_letter,
        });
        let functions = config.functions.iter().map(|function| Function {
            name: format!("{}/{}", function.namespace, function.name),
            short: function.name.clone(),
            tenant: function.tenant.clone(),
        });
        let table = Table {
            routes: Routes::new(config.triggers.iter().map(|t| (t.broker, t.filter.clone()))),
            policies: config.triggers.iter().map(|t| bounded(&t.policy, settings)).collect(),
            uids: config.triggers.iter().map(|t| t.uid).collect(),
        };
        (
            Arc::new(Deployment { triggers: triggers.collect(), functions: functions.collect() }),
            Arc::new(table),
        )
    }
}

/// A trigger's policy within the worker's own limits.
fn bounded(policy: &Policy, settings: &Settings) -> Policy {
    let trip = Trip { failures: settings.breaker_failures, wait: settings.breaker_wait };
    Policy {
        hold: Hold { time: settings.hold_time, deliveries: settings.hold_deliveries as usize },
        trip: (trip.failures > 0).then_some(trip),
        ..policy.clone()
    }
}
