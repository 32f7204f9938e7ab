//! `weir run`.

use std::path::PathBuf;

use clap::Args;
use tracing::Instrument;
use tracing::field::{Empty, display};

use super::documents;
use super::exit::{self, Failed, Outcome};
use super::options::{MapHost, Options};
use crate::config::Settings;
use crate::config::settings::LogFormat;
use crate::telemetry::log;
use crate::telemetry::trace::doings::DOING;
use crate::worker::dispatcher::Drained;
use crate::worker::set::Found;
use crate::worker::shutdown::{Hangups, Signals};
use crate::worker::{Places, Start, Worker, tasks};

/// So often files are read that change while they are read.
const TRIES: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Events are posted to http://ADDRESS/ (the broker 'default') or http://ADDRESS/NAMESPACE/NAME.
If anything is wrong in settings or documents, all of it is said and nothing is started; with
--last-good the documents that were in force last take the place of wrong ones.
While it runs, documents and modules that change take effect as a whole, within two
reload.interval or at a SIGHUP; what is wrong is said in the log and changes nothing.
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
    /// Where to serve /healthz, /readyz and /metrics (setting admin.address)
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// How many threads run functions (setting executors) [default: one per core]
    #[arg(long, value_name = "N")]
    executors: Option<String>,
    /// If the documents are wrong, start with those that were in force last
    #[arg(long)]
    last_good: bool,
    #[command(flatten)]
    select: documents::Select,
    #[command(flatten)]
    map_host: MapHost,
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
            self.map_host.setting(),
        ];
        let (settings, of_settings) = self.options.load(&more)?;
        let paths = documents::paths(&self.paths, &settings).to_vec();
        let mut found = Found::read_whole(&paths, &settings.secrets_dir, TRIES);
        documents::look_for_triggers(&paths, &mut found.loaded);
        let judged = documents::judge(&of_settings, &found.loaded);
        let mistaken = judged.is_err();
        if !self.last_good || of_settings.has_errors() {
            judged.map_err(|mistakes| {
                // The settings are nobody's but the worker's own: none are kept.
                mistakes.help(if of_settings.has_errors() {
                    "nothing was started: correct them first; 'weir check' looks again"
                } else {
                    "nothing was started: correct them first ('weir check' looks again), or take what was in force \
                     last, with --last-good"
                })
            })?;
        }
        // A selection that selects nothing is no matter of the documents alone.
        if let Some(config) = &found.loaded.config {
            documents::select(&mut config.clone(), &settings)?;
        }
        let places = Places { paths, settings: self.options.place() };
        let start = Start { places, found, last_good: self.last_good };
        let format = match settings.log_format {
            LogFormat::Auto => log::Format::Auto,
            LogFormat::Text => log::Format::Text,
            LogFormat::Json => log::Format::Json,
        };
        let is_traced = settings.telemetry_otlp_endpoint.0.is_some();
        log::init(settings.log_level.as_str(), format, is_traced).map_err(Failed::configuration)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("tokio")
            .enable_all()
            .build()
            .map_err(|e| Failed::error(format!("the runtime could not be started: {e}")))?;
        runtime.block_on(run(start, &settings, mistaken))
    }
}

async fn run(start: Start, settings: &Settings, mistaken: bool) -> Outcome {
    let refused = if mistaken { Failed::configuration } else { Failed::error };
    let deaf = |e| Failed::error(format!("signals can't be listened for: {e}"));
    let (mut signals, mut hangups) = (Signals::listen().map_err(deaf)?, Hangups::listen().map_err(deaf)?);
    let doing = tracing::info_span!(target: DOING, "start", set = Empty, triggers = Empty, functions = Empty);
    let worker = Worker::start(start, settings).instrument(doing.clone()).await.map_err(refused)?;
    let standing = worker.standing();
    doing.record("set", display(standing.set));
    doing.record("triggers", standing.triggers).record("functions", standing.functions);
    drop(doing);
    tracing::info!(
        http = %worker.http,
        admin = %worker.admin,
        triggers = standing.triggers,
        deselected = standing.deselected,
        functions = standing.functions,
        set = %standing.set,
        "ready for events"
    );
    let signal = loop {
        tokio::select! {
            signal = signals.next() => break signal,
            () = hangups.next() => worker.look(),
        }
    };
    tracing::info!(signal, timeout_s = settings.drain_timeout.as_secs(), "stopping: no new events are taken");
    tasks::task(async move {
        let signal = signals.next().await;
        tracing::warn!(signal, "stopped at once: what was in flight is in the queue and will run again");
        exit::at_once(1);
    });
    match worker.drain(settings.drain_timeout).await {
        Drained::AllSettled => {
            tracing::info!("stopped: all that was in flight has settled");
            // A client may still be saying farewell to a group that does not listen.
            exit::at_once(0);
        }
        Drained::Unsettled(events) => {
            tracing::warn!(
                events,
                "stopped before all had settled: the queue holds them and they will run again"
            );
            // Executors may still be inside calls that do not end: leave without them.
            exit::at_once(1);
        }
    }
}
