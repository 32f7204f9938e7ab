//! Entries summed up: what people ask of a journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::dispatch::Outcome;
use crate::money::Money;

/// The cost of a trigger, a function or a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub attempts: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub retries: u64,
    pub cold_starts: u64,
    pub wall_ns: u64,
    pub init_ns: u64,
    #[serde(default)]
    pub fuel: u64,
    #[serde(default)]
    pub price: Money,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Late results of assignments that were lost: counted here alone, for they have no price.
    #[serde(default)]
    pub fenced: u64,
}

impl Cost {
    fn add(&mut self, entry: &Entry<'_>) {
        if entry.fenced {
            self.fenced += 1;
            return;
        }
        self.attempts += 1;
        match entry.outcome {
            Outcome::Succeeded => self.succeeded += 1,
            _ => self.failed += 1,
        }
        self.retries += u64::from(entry.attempt > 1);
        self.cold_starts += u64::from(entry.init_ns.is_some());
        self.wall_ns += entry.wall_ns;
        self.init_ns += entry.init_ns.unwrap_or(0);
        self.fuel += entry.fuel;
        self.price += Money(entry.price.into());
        self.bytes_in += entry.bytes_in;
        self.bytes_out += entry.bytes_out;
    }
}

/// What rows are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum By {
    #[default]
    Trigger,
    Function,
    Tenant,
}

/// Costs by name, and their sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostTable {
    pub by: By,
    pub rows: BTreeMap<String, Cost>,
    pub total: Cost,
}

impl CostTable {
    pub fn new(by: By) -> CostTable {
        CostTable { by, ..CostTable::default() }
    }

    pub fn add(&mut self, entry: &Entry<'_>) {
        let name = match self.by {
            By::Trigger => entry.trigger,
            By::Function => entry.function,
            By::Tenant => entry.tenant,
        };
        match self.rows.get_mut(name) {
            Some(cost) => cost.add(entry),
            None => self.rows.entry(name.to_owned()).or_default().add(entry),
        }
        self.total.add(entry);
    }
}
