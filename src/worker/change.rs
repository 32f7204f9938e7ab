//! What one set changes about another, for the log.

use std::sync::Arc;

use super::deployment::Deployment;
use crate::config::{Config, Subscriber, Trigger};
use crate::function::{Module, Origin};

/// Names, as the journal has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
    /// Functions that are new, have another module, other limits or another upkeep, or are told something else.
    pub functions: Vec<String>,
    /// Of these, those that had to be compiled.
    pub compiled: usize,
}

impl Change {
    pub fn between(old: (&Config, &Deployment), new: (&Config, &[Arc<Module>])) -> Change {
        let mut change = Change::default();
        for trigger in &new.0.triggers {
            match old.0.triggers.iter().find(|before| before.uid == trigger.uid) {
                None => change.added.push(name(trigger)),
                Some(before) if !is_same((old.0, before), (new.0, trigger)) => {
                    change.changed.push(name(trigger));
                }
                Some(_) => {}
            }
        }
        let stays = |before: &&Trigger| new.0.triggers.iter().any(|trigger| trigger.uid == before.uid);
        change.removed = old.0.triggers.iter().filter(|before| !stays(before)).map(name).collect();
        for (function, module) in new.0.functions.iter().zip(new.1) {
            let stood = old.1.functions.iter().any(|before| Arc::ptr_eq(&before.pooled.module, module));
            let before = old.0.functions.iter().find(|before| before.uid == function.uid);
            if !stood || before.is_none_or(|before| before.upkeep != function.upkeep) {
                change.functions.push(module.name().to_owned());
            }
            change.compiled += usize::from(!stood && module.origin() != Origin::Cached);
        }
        change
    }
}

fn is_same((old_config, old): (&Config, &Trigger), (new_config, new): (&Config, &Trigger)) -> bool {
    let subscriber = |config: &Config, trigger: &Trigger| match &trigger.subscriber {
        Subscriber::Function(function) => (Some(config.functions[*function].uid), None),
        Subscriber::Http(endpoint) => (None, Some(Arc::clone(endpoint))),
        Subscriber::Nobody(_) => (None, None),
    };
    old.broker == new.broker
        && old.filter == new.filter
        && old.data == new.data
        && old.policy == new.policy
        && old.dead_letter == new.dead_letter
        && old.sending == new.sending
        && subscriber(old_config, old) == subscriber(new_config, new)
}

fn name(trigger: &Trigger) -> String {
    format!("{}/{}", trigger.namespace, trigger.name)
}

/// As many names are said.
const SHOWN: usize = 20;

/// Names in one line.
pub fn listed(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
