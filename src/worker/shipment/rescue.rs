//! Ships what a worker left behind that does not come back.

use std::sync::Arc;

use super::Shipments;
use crate::config::{Config, Settings};
use crate::store::Log;
use crate::telemetry::metrics::Metrics;
use crate::worker::outlets::Outlets;
use crate::worker::tasks;
use crate::worker::told::Secrets;

/// What went to a BillingSink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescued {
    pub sink: String,
    pub entries: u64,
    /// Of these, those that it refused for good.
    pub refused: u64,
}

/// To every BillingSink, from its cursor to the end; it waits for them as long as that takes. Must be called on a runtime of
/// several threads, by whoever holds the data directory's lock.
pub fn rescue(config: &Config, settings: &Settings, log: &Arc<Log>) -> Result<Vec<Rescued>, Vec<String>> {
    let metrics = Metrics::new();
    let secrets = Secrets::read(config, &settings.secrets_dir);
    let outlets = Outlets::of(config, &secrets)?;
    let Shipments { shippers, stop, .. } = Shipments::new(config, &outlets, settings, log, &metrics)?;
    let threads: Vec<_> = shippers
        .into_iter()
        .map(|mut shipper| {
            shipper.ends = true;
            let (name, told) = (shipper.name.clone(), Arc::clone(&shipper.told));
            (name, told, tasks::thread(&format!("shipper-{}", shipper.number), move || shipper.run()))
        })
        .collect();
    let rescued = threads.into_iter().map(|(sink, told, thread)| {
        let _ = thread.join();
        Rescued { sink, entries: told.entries.get(), refused: told.quarantined.get() }
    });
    let rescued = rescued.collect();
    drop(stop);
    Ok(rescued)
}
