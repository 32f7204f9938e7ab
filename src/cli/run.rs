//! `weir run`.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Failed, Outcome};
use super::options::{Options, refuse, say};
use crate::config::settings::LogFormat;
use crate::config::{self, Config, Settings};
use crate::telemetry::log;
use crate::worker::Worker;
use crate::worker::dispatcher::Drained;
use crate::worker::shutdown::Signals;
use crate::worker::tasks;

#[derive(Debug, Args)]
pub struct Run {
    /// Files and directories of triggers, brokers and functions [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Where to listen for events (setting http.address)
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Where to serve /healthz and /readyz (setting admin.address)
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// How many threads run functions (setting executors) [default: one per core]
    #[arg(long, value_name = "N")]
    executors: Option<String>,
}

impl Run {
    pub fn main(&self) -> Outcome {
        let more = [
            ("http.address", self.http.clone()),
            ("admin.address", self.admin.clone()),
            ("executors", self.executors.clone()),
        ];
        let (settings, of_settings) = self.options.load(&more)?;
        let paths = if self.paths.is_empty() { &settings.triggers } else { &self.paths };
        let loaded = config::load(paths);
        // Everything that is wrong is said, in the settings and in the documents, before anything is refused.
        say(&of_settings);
        say(&loaded.diagnostics);
        if of_settings.has_errors() {
            return Err(Failed::silent(78));
        }
        let Some(config) = loaded.config else {
            return refuse(&loaded.diagnostics);
        };
        let format = match settings.log_format {
            LogFormat::Auto => log::Format::Auto,
            LogFormat::Text => log::Format::Text,
            LogFormat::Json => log::Format::Json,
        };
        log::init(&format!("{:?}", settings.log_level).to_lowercase(), format)
            .map_err(Failed::configuration)?;
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
    tracing::info!(
        http = %worker.http,
        admin = %worker.admin,
        triggers = config.triggers.len(),
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
