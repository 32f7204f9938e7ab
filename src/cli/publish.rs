//! `weir publish`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::NonEmptyStringValueParser as NonEmpty;
use indicatif::ProgressBar;
use tokio::sync::watch;

use super::bar::bar;
use super::exit::{Failed, Outcome};
use super::input;
use super::interrupt;
use super::options::MapHost;
use super::out::{plural, print, say};
use super::outbox::{Outbox, Template};
use super::post::{Answer, Client};
use super::{produce, produce_nats};
use crate::client::Trust;
use crate::worker::shutdown::Signals;
use crate::worker::tasks;

// clap takes "{n}" for a line's end; the empty style in it is taken out again when the help is printed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir publish --type order.created --data '{\"order_id\": \"1\", \"amount\": 12000, \"currency\": \"EUR\"}'
  weir publish --type tick --data '{\"number\": {\u{1b}[0mn}}' --count 100000 --rate 5000
  weir publish --type order.created --key customer-7 --data @order.json
  weir publish --file events.jsonl --target http://127.0.0.1:8080/shop/orders
  weir publish --file events.jsonl --to kafka://127.0.0.1:9092/orders")]
pub struct Publish {
    /// The event's type
    #[arg(short = 't', long = "type", value_name = "TYPE", required_unless_present = "file")]
    ty: Option<String>,
    /// The event's source
    #[arg(long, default_value = "/weir/publish")]
    source: String,
    /// The event's subject
    #[arg(long)]
    subject: Option<String>,
    /// The event's id [default: a random one]; with --count, "-1", "-2" and so on are added
    #[arg(long)]
    id: Option<String>,
    /// The partitionkey: events with the same one stay in order
    #[arg(long, value_parser = NonEmpty::new())]
    key: Option<String>,
    #[arg(
        short,
        long,
        help = "The data: JSON, else text; @FILE is what a file holds, @- standard input. {\u{1b}[0mn} in it \
                stands for the event's number, from 1"
    )]
    data: Option<String>,
    /// Publish the events of a file instead (- for standard input): one CloudEvent in JSON, a batch, or one a line
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["ty", "data", "id", "subject", "key", "source"])]
    file: Option<PathBuf>,
    /// How many events to publish (with --file: how many times the file)
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Events a second at the most [default: as fast as they are taken]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Where to publish: a worker, a broker of it (…/namespace/name), any CloudEvents endpoint, a topic of Kafka
    /// (kafka://host:port/topic), a subject of NATS JetStream (nats://host:port/subject)
    #[arg(
        long,
        visible_alias = "to",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        env = "WEIR_TARGET",
        hide_env_values = true
    )]
    target: String,
    #[command(flatten)]
    map_host: MapHost,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// The environment variable that holds the bearer token
    #[arg(long, value_name = "VARIABLE")]
    token_env: Option<String>,
    /// Who signed the certificate of an https endpoint, a PEM file, beside the system's authorities
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// How long an endpoint may go on saying "later" to one event.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is shared by the connections.
struct Progress {
    next: AtomicU64,
    total: u64,
    published: AtomicU64,
    began: Instant,
    rate: Option<u32>,
    bar: ProgressBar,
    stop: watch::Sender<bool>,
}

/// Why not all was published.
enum Ended {
    Refused(String),
    Unreachable(String),
    Interrupted,
}

impl Publish {
    pub fn main(&self) -> Outcome {
        let events = Arc::new(self.events()?);
        let token = match &self.token_env {
            None => None,
            Some(name) => Some(std::env::var(name).map_err(|_| {
                Failed::usage(format!("--token-env {name}: there is no such variable in the environment"))
            })?),
        };
        let target = |wrong| Failed::usage(format!("--target: {wrong}"));
        if let Some(topic) = self.target.strip_prefix(produce::SCHEME) {
            self.map_host.set()?;
            let target = produce::Target::parse(topic).map_err(target)?;
            return self
                .produce(&events, |total, bar| produce::produce(&target, &events, total, self.rate, bar));
        }
        if let Some(subject) = self.target.strip_prefix(produce_nats::SCHEME) {
            let target = produce_nats::Target::parse(subject).map_err(target)?;
            return self.produce(&events, |total, bar| {
                produce_nats::publish(&target, &events, total, self.rate, bar)
            });
        }
        let trust = self.trust()?;
        let mut clients = Vec::new();
        let total = self.count.saturating_mul(events.per_round());
        for _ in 0..u64::from(self.connections).min(total) {
            let client = Client::new(&self.target, token.clone(), &trust);
            clients.push(client.map_err(|e| Failed::usage(format!("--target: {e}")))?);
        }
        let progress = Arc::new(Progress {
            next: AtomicU64::new(0),
            total,
            published: AtomicU64::new(0),
            began: Instant::now(),
            rate: self.rate,
            bar: bar(total),
            stop: watch::channel(false).0,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failed::error(format!("the runtime could not be started: {e}")))?;
        let ended = runtime.block_on(publish_all(clients, &events, &progress));
        progress.bar.finish_and_clear();
        let published = progress.published.load(Ordering::Relaxed);
        let took = progress.began.elapsed();
        let summary = format!("{published} of {} published", plural(total, "event"));
        match ended {
            _ if published == total => self::summary(published, took),
            Ok(()) | Err(Ended::Interrupted) => Err(Failed::error(format!("interrupted: {summary}"))),
            Err(Ended::Refused(reason)) => Err(Failed::error(format!("{reason}\n{summary}"))),
            Err(Ended::Unreachable(reason)) => Err(Failed::error(format!("{reason}\n{summary}"))
                .help("start a worker with 'weir run', or name another endpoint with --target")),
        }
    }

    /// To a broker: `send` says how many it has acknowledged, and why not all.
    fn produce(
        &self,
        events: &Outbox,
        send: impl FnOnce(u64, &ProgressBar) -> (u64, Result<(), String>),
    ) -> Outcome {
        interrupt::listen()?;
        let total = self.count.saturating_mul(events.per_round());
        let (began, bar) = (Instant::now(), bar(total));
        let (published, ended) = send(total, &bar);
        bar.finish_and_clear();
        match ended {
            Ok(()) => summary(published, began.elapsed()),
            Err(reason) => {
                let summary = format!("{published} of {} published", plural(total, "event"));
                Err(Failed::error(format!("{reason}\n{summary}")))
            }
        }
    }

    fn trust(&self) -> Result<Trust, Failed> {
        let Some(file) = &self.ca_file else { return Ok(Trust::system()) };
        let wrong = |reason: String| Failed::usage(format!("--ca-file {}: {reason}", file.display()));
        let pem = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
        Trust::system().and(&pem).map_err(|e| wrong(e.to_string()))
    }

    fn events(&self) -> Result<Outbox, Failed> {
        if let Some(file) = &self.file {
            let text = input::read(file)?;
            return Outbox::read(&text).map_err(|e| Failed::error(format!("{}{e}", file.display())));
        }
        let template = Template {
            ty: self.ty.clone().unwrap_or_default(),
            source: self.source.clone(),
            subject: self.subject.clone(),
            id: self.id.clone().unwrap_or_else(random_id),
            many: self.count > 1,
            key: self.key.clone(),
            data: self.data.as_deref().map(input::data).transpose()?,
        };
        if template.nearly_json() {
            say("note: --data looks like JSON but is none: it is sent as text/plain\n");
        }
        let events = Outbox::Made(Box::new(template));
        // A mistake in the options shows now, not in every answer.
        crate::event::structured::decode(&events.event(0))
            .map_err(|e| Failed::usage(format!("the event: {e}")))?;
        Ok(events)
    }
}

fn summary(published: u64, took: Duration) -> Outcome {
    let seconds = took.as_secs_f64();
    let rate = published as f64 / seconds.max(1e-9);
    let events = plural(published, "event");
    print(format_args!("published {events} in {seconds:.2} s ({rate:.0} a second)\n"))
}

/// Until all are published, one is refused, or a signal asks for the end: what is under way is awaited, unless a
/// second signal comes.
async fn publish_all(
    clients: Vec<Client>,
    events: &Arc<Outbox>,
    progress: &Arc<Progress>,
) -> Result<(), Ended> {
    let mut signals =
        Signals::listen().map_err(|e| Ended::Refused(format!("signals can't be listened for: {e}")))?;
    let mut connections = Vec::new();
    for client in clients {
        let (progress, events) = (Arc::clone(progress), Arc::clone(events));
        connections.push(tasks::task(publish(client, events, progress)));
    }
    let all = async {
        let mut first = Ok(());
        for connection in connections {
            let ended = connection.await.unwrap_or_else(|e| Err(Ended::Refused(e.to_string())));
            first = first.and(ended);
        }
        first
    };
    tokio::pin!(all);
    tokio::select! {
        ended = &mut all => return ended,
        _ = signals.next() => { progress.stop.send_replace(true); }
    }
    tokio::select! {
        ended = all => ended,
        _ = signals.next() => Err(Ended::Interrupted),
    }
}

/// One connection: takes the next number until there is none.
async fn publish(mut client: Client, events: Arc<Outbox>, progress: Arc<Progress>) -> Result<(), Ended> {
    let mut stop = progress.stop.subscribe();
    while !*stop.borrow() {
        let number = progress.next.fetch_add(1, Ordering::Relaxed);
        if number >= progress.total {
            break;
        }
        if let Some(rate) = progress.rate {
            let due = progress.began + Duration::from_secs_f64(number as f64 / f64::from(rate));
            if stopped(&mut stop, due).await {
                break;
            }
        }
        let event = events.event(number);
        let patience = Instant::now() + PATIENCE;
        let ended = loop {
            match client.post("application/cloudevents+json", event.clone()).await {
                Ok(Answer::Accepted) => break None,
                Ok(Answer::Later(wait, _)) if Instant::now() + wait < patience => {
                    if stopped(&mut stop, Instant::now() + wait).await {
                        return Ok(());
                    }
                }
                Ok(Answer::Later(_, reason) | Answer::Refused(reason)) => break Some(Ended::Refused(reason)),
                Err(reason) => break Some(Ended::Unreachable(reason)),
            }
        };
        if let Some(ended) = ended {
            // The others need not go on.
            progress.stop.send_replace(true);
            return Err(ended);
        }
        progress.published.fetch_add(1, Ordering::Relaxed);
        progress.bar.inc(1);
    }
    Ok(())
}

/// Waits, unless it is time to stop.
async fn stopped(stop: &mut watch::Receiver<bool>, until: Instant) -> bool {
    tokio::select! {
        () = tokio::time::sleep_until(until.into()) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    }
}

/// Unlike any other: the time and the process.
fn random_id() -> String {
    let seed = format!("{} {}", crate::time::unix_nanos(), std::process::id());
    blake3::hash(seed.as_bytes()).to_hex()[..16].to_owned()
}
