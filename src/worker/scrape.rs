//! All numbers at one moment: what the threads keep in their cells, and what can be asked of the store and of what is in
//! force.

use std::sync::{Arc, PoisonError, RwLock};

use super::deployment::Deployment;
use super::in_force::InForce;
use super::query::Store;
use crate::function::Origin;
use crate::telemetry::metrics::{Metric, Metrics, Snapshot};
use crate::time::unix_nanos;

#[derive(Debug)]
pub struct Scrape {
    pub metrics: Arc<Metrics>,
    store: Arc<Store>,
    in_force: Arc<InForce>,
    deployment: RwLock<Arc<Deployment>>,
}

impl Scrape {
    pub fn new(
        metrics: Arc<Metrics>,
        store: Arc<Store>,
        in_force: Arc<InForce>,
        deployment: &Arc<Deployment>,
    ) -> Arc<Scrape> {
        let compiled = deployment.modules().filter(|module| module.origin() != Origin::Cached).count();
        metrics.compiles.share(compiled as u64);
        Arc::new(Scrape { metrics, store, in_force, deployment: RwLock::new(Arc::clone(deployment)) })
    }

    /// This one is in force from now on.
    pub fn follow(&self, deployment: &Arc<Deployment>) {
        *self.deployment.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(deployment);
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut all = self.metrics.gather(unix_nanos());
        let Store { queue, journal, dead_letters, parking } = &*self.store;
        for (log, name) in
            [(queue, "queue"), (journal, "journal"), (parking, "parking"), (dead_letters, "dead-letters")]
        {
            all.whole(Metric::StoreBytes, &[name], log.bytes());
        }
        let standing = self.in_force.standing();
        all.whole(Metric::Triggers, &[], standing.triggers as u64);
        all.whole(Metric::Functions, &[], standing.functions as u64);
        all.whole(Metric::Reloads, &["taken"], standing.reloads);
        all.whole(Metric::Reloads, &["refused"], self.metrics.refused_reloads.get());
        self.of_deployment(&mut all);
        all
    }

    /// Of each function that has numbers of its own, the instances that are kept and those that answer now; of each trigger that has
    /// a budget, how much of it is used.
    fn of_deployment(&self, all: &mut Snapshot) {
        let deployment = Arc::clone(&self.deployment.read().unwrap_or_else(PoisonError::into_inner));
        for function in deployment.functions.iter().filter(|function| function.place != Default::default()) {
            let busy = self.metrics.busy_with(function.place);
            let idle = u64::from(function.pooled.module.instances()).saturating_sub(busy);
            all.whole(Metric::Instances, &[&function.name, "busy"], busy);
            all.whole(Metric::Instances, &[&function.name, "idle"], idle);
        }
        for trigger in deployment.triggers.iter().filter(|trigger| trigger.place != Default::default()) {
            if let Some(budgeted) = &trigger.budget {
                all.whole(Metric::BudgetUsed, &[&trigger.name], budgeted.used.get());
            }
        }
    }
}
