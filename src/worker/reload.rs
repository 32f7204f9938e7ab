//! Another set takes effect: compiled beside what runs, handed to the loop in one piece, then said to all who look. What
//! can't be compiled changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Sender, bounded};
use tracing::field::display;

use super::backings::Backings;
use super::change::{Change, listed};
use super::deployment::{self, Deployment};
use super::dispatcher::Request;
use super::errand::Replays;
use super::feeds;
use super::fleeting;
use super::in_force::{InForce, Refused, Standing};
use super::ingress;
use super::scrape::Scrape;
use super::selection;
use super::set::{Digest, Problems, Set};
use super::shipment;
use super::told::Secrets;
use crate::config::{Config, Settings};
use crate::event::Uid;
use crate::function::{self, Engine};
use crate::source::Brokers;
use crate::time::unix_nanos;

pub struct Reload {
    pub engine: Arc<Engine>,
    pub settings: Settings,
    /// Triggers that other workers run, and that something is parked for here.
    pub left_out: BTreeSet<Uid>,
    /// What is in force.
    pub config: Config,
    pub secrets: Secrets,
    pub deployment: Arc<Deployment>,
    pub in_force: Arc<InForce>,
    pub brokers: Brokers,
    pub backings: Backings,
    pub dispatcher: Sender<Request>,
    pub scrape: Arc<Scrape>,
}

/// Why a set did not take effect.
#[derive(Debug)]
pub enum Failed {
    Wrong(Problems),
    /// The worker is on its way out.
    Stopping,
}

impl Reload {
    /// When it returns, what arrives is routed by it.
    pub fn take(&mut self, set: &Set) -> Result<(), Failed> {
        let begun = Instant::now();
        let standing: Vec<_> = self.deployment.modules().collect();
        selection::may_change(&self.config, &set.config, &self.left_out)
            .and_then(|()| feeds::may_change(&self.config, &set.config))
            .and_then(|()| shipment::may_change(&self.config, &set.config))
            .map_err(|why| Failed::Wrong(vec![why]))?;
        fleeting::check(&set.config, &self.settings).map_err(Failed::Wrong)?;
        let modules = set.compile(&self.engine, &self.settings, &standing).map_err(Failed::Wrong)?;
        let change = Change::between((&self.config, &self.deployment), (&set.config, &modules));
        if change.compiled > 0 {
            function::give_back();
        }
        let deployment = Deployment::of(&set.config, &modules, &self.settings);
        let deployment = deployment.writing_to(set.outlets.clone()).after(&self.deployment);
        let deployment = Arc::new(deployment.told_of(&self.scrape.metrics, &self.settings));
        self.scrape.metrics.compiles.share(change.compiled as u64);
        let table = deployment::table(&set.config, &self.settings);
        // What is taken in from here on may be owed to each of them.
        selection::note(&self.settings.data_dir, &set.config, 0).map_err(|why| Failed::Wrong(vec![why]))?;
        let (answer, answered) = bounded(1);
        let request = Request::Reload { deployment: Arc::clone(&deployment), table, answer };
        self.dispatcher.send(request).map_err(|_| Failed::Stopping)?;
        answered.recv().map_err(|_| Failed::Stopping)?;

        self.backings.replace(deployment.outlets.clone());
        self.brokers.replace(ingress::broker_names(&set.config, &self.settings));
        let reloads = self.in_force.standing().reloads + 1;
        let standing = Standing { reloads, ..standing_of(&set.config, set.digest, &self.settings) };
        self.in_force.replace(standing);
        self.config = set.config.clone();
        self.secrets = set.secrets.clone();
        self.scrape.follow(&deployment);
        self.deployment = deployment;
        tracing::Span::current()
            .record("added", display(listed(&change.added)))
            .record("changed", display(listed(&change.changed)))
            .record("removed", display(listed(&change.removed)))
            .record("functions", display(listed(&change.functions)))
            .record("compiled", change.compiled);
        tracing::info!(
            set = %set.digest,
            added = %listed(&change.added),
            changed = %listed(&change.changed),
            removed = %listed(&change.removed),
            functions = %listed(&change.functions),
            compiled = change.compiled,
            took_ms = begun.elapsed().as_millis() as u64,
            "a change has taken effect"
        );
        say_idle(&self.config);
        if self.config.triggers.is_empty() {
            tracing::warn!("there is no trigger any more: events are taken in and go nowhere");
        }
        Ok(())
    }

    pub fn refuse(&self, set: Digest, problems: Problems) {
        self.scrape.metrics.refused_reloads.share(1);
        for problem in &problems {
            tracing::error!(%problem, "a mistake in what has changed");
        }
        let standing = self.in_force.standing();
        tracing::error!(
            refused = %set,
            in_force = %standing.set,
            mistakes = problems.len(),
            "the change is refused: what was in force goes on"
        );
        let refused = Refused { set, at: unix_nanos(), problems };
        self.in_force.replace(Standing { refused: Some(Arc::new(refused)), ..(*standing).clone() });
    }

    /// The files say again what is in force.
    pub fn settle(&self) {
        let standing = self.in_force.standing();
        self.in_force.replace(Standing { refused: None, is_last_good: false, ..(*standing).clone() });
    }

    pub fn standing(&self) -> Arc<Standing> {
        self.in_force.standing()
    }
}

/// Documents that are read and do nothing in this version.
pub fn say_idle(config: &Config) {
    for idle in config.idle() {
        tracing::warn!(document = idle.document, "{}", idle.message);
    }
}

pub fn standing_of(config: &Config, set: Digest, settings: &Settings) -> Standing {
    Standing {
        set,
        since: unix_nanos(),
        reloads: 0,
        triggers: config.triggers.len(),
        deselected: config.deselected.len(),
        functions: config.functions.len(),
        is_last_good: false,
        replays: Replays::of(config, settings),
        refused: None,
    }
}
