//! `weir journal rescue`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::documents;
use crate::cli::exit::{Failed, Outcome};
use crate::cli::options::{Options, refuse};
use crate::cli::out::print;
use crate::worker::lock::Lock;
use crate::worker::query::Store;
use crate::worker::shipment::rescue::{Rescued, rescue};

#[derive(Debug, Args)]
#[command(after_help = "\
For a data directory whose worker does not come back: ships what its journal has to the
BillingSinks of the documents, each from where it had got, and waits until they have taken it.
It may be ended and run again at any moment: charge ids stay the same.

Examples:
  weir journal rescue --data-dir /mnt/lost/data triggers/")]
pub(super) struct Rescue {
    /// Files and directories of documents [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

impl Rescue {
    pub(super) fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        let loaded = documents::load(&self.paths, &settings);
        refuse(&loaded.diagnostics)?;
        let config = loaded.config.unwrap_or_default();
        if config.billing.is_empty() {
            return Err(Failed::configuration("there is no BillingSink to ship to"));
        }
        let data = settings.data_dir.as_path();
        // Opening would make an empty journal of it.
        if !data.join("journal").is_dir() {
            return Err(Failed::error(format!("there is no journal in {}", data.display())));
        }
        let of_data = |error: &dyn std::fmt::Display| Failed::error(format!("{}: {error}", data.display()));
        let _lock = Lock::take(data).map_err(|error| of_data(&error))?;
        let store = Store::open(data).map_err(|error| of_data(&error))?;
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).try_init();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| Failed::error(format!("the runtime could not be started: {e}")))?;
        let within = runtime.enter();
        let rescued = rescue(&config, &settings, &Arc::clone(&store.journal));
        drop(within);
        for Rescued { sink, entries, refused } in
            rescued.map_err(|problems| Failed::error(problems.join("\n")))?
        {
            let refused = if refused > 0 {
                format!(", {refused} of them refused and put aside")
            } else {
                String::new()
            };
            print(format_args!("{sink}: {entries} entries shipped{refused}\n"))?;
        }
        Ok(())
    }
}
