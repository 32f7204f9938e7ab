//! `weir run`.

use std::path::PathBuf;

use clap::Args;

use super::documents;
use super::exit::{Failed, Outcome};
use super::options::Options;
use crate::config::settings::LogFormat;
use crate::config::{Config, Settings};
use crate::telemetry::log;
use crate::worker::Worker;
use crate::worker::dispatcher::Drained;
use crate::worker::shutdown::Signals;
use crate::worker::tasks;

#[derive(Debug, Args)]
#[command(after_help = "\
Events are posted to http://ADDRESS/ (the broker 'default') or http://ADDRESS/NAMESPACE/NAME.
If anything is wrong in settings or documents, all of it is said and nothing is started.
SIGTERM or Ctrl-C stops the worker once what is in flight has settled; a second one stops it at
once, and the queue keeps the rest.

Examples:
  weir run
  weir run deploy/triggers --data-dir /var/lib/weir
  weir run --http 0.0.0.0:8080 --set http.max-body=4MiB
  weir run --select team=payments --data-dir data/payments     a worker of a team's own
  WEIR_LOG_LEVEL=debug weir run       every setting is a variable too: weir check --show-origin")]
pub struct Run {
    /// Files and directories of triggers, brokers and functions [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    /// Where to listen for events (setting http.address)
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Where to serve /healthz and /readyz (setting admin.address)
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// How many threads run functions (setting executors) [default: one per core]
    #[arg(long, value_name = "N")]
    executors: Option<String>,
    #[command(flatten)]
    select: documents::Select,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

impl Run {
    pub fn main(&self) -> Outcome {
        let more = [
            ("http.address", self.http.clone()),
            ("admin.address", self.admin.clone()),
            ("executors", self.executors.clone()),
            self.select.setting(),
        ];
        let (settings, of_settings) = self.options.load(&more)?;
        let (mut config, _) = documents::accept(&of_settings, documents::load(&self.paths, &settings))
            .map_err(|mistakes| {
                mistakes.help("nothing was started: correct them first; 'weir check' looks again")
            })?;
        documents::select(&mut config, &settings)?;
        let format = match settings.log_format {
            LogFormat::Auto => log::Format::Auto,
            LogFormat::Text => log::Format::Text,
            LogFormat::Json => log::Format::Json,
        };
        log::init(settings.log_level.as_str(), format).map_err(Failed::configuration)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("tokio")
            .enable_all()
            .build()
            .map_err(|e| Failed::error(format!("the runtime could not be started: {e}")))?;
        runtime.block_on(run(&config, &settings))
    }
}

async fn run(config: &Config, settings: &Settings) -> Outcome {
    let mut signals =
        Signals::listen().map_err(|e| Failed::error(format!("signals can't be listened for: {e}")))?;
    let worker = Worker::start(config, settings).await.map_err(Failed::error)?;
    for idle in config.idle() {
        tracing::warn!(document = idle.document, "{}", idle.message);
    }
    tracing::info!(
        http = %worker.http,
        admin = %worker.admin,
        triggers = config.triggers.len(),
        deselected = config.deselected.len(),
        functions = config.functions.len(),
        "ready for events"
    );
    let signal = signals.next().await;
    tracing::info!(signal, timeout_s = settings.drain_timeout.as_secs(), "stopping: no new events are taken");
    tasks::task(async move {
        let signal = signals.next().await;
        tracing::warn!(signal, "stopped at once: what was in flight is in the queue and will run again");
        std::process::exit(1);
    });
    match worker.drain(settings.drain_timeout).await {
        Drained::AllSettled => {
            tracing::info!("stopped: all that was in flight has settled");
            Ok(())
        }
        Drained::Unsettled(events) => {
            tracing::warn!(
                events,
                "stopped before all had settled: the queue holds them and they will run again"
            );
            // Executors may still be inside calls that do not end: leave without them.
            std::process::exit(1);
        }
    }
}
