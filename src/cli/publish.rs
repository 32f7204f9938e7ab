//! `weir publish`.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit::{Failed, Outcome};
use super::post::{Answer, Client};
use crate::event::{Data, Event, structured};
use crate::worker::tasks;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir publish --type order.created --data '{\"order_id\": \"1\", \"amount\": 12000}'
  weir publish --type order.created --data '{\"order_id\": \"{n}\"}' --count 100000 --rate 5000
  weir publish --file events.jsonl --target http://127.0.0.1:8080/shop/orders")]
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
    /// The event's id [default: a random one]; with --count, "-<n>" is added
    #[arg(long)]
    id: Option<String>,
    /// The partitionkey: events with the same one stay in order
    #[arg(long)]
    key: Option<String>,
    /// The data: JSON, else text. {n} stands for the event's number, from 1
    #[arg(short, long)]
    data: Option<String>,
    /// Publish the events of a file instead (- for standard input): one CloudEvent in JSON, a batch, or one a line
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["ty", "data", "id", "subject", "key"])]
    file: Option<PathBuf>,
    /// How many events to publish (with --file: how many times the file)
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Events a second at the most [default: as fast as they are taken]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Where to publish: a worker, a broker of it (…/namespace/name), any CloudEvents endpoint
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "WEIR_TARGET")]
    target: String,
    /// Connections at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// The environment variable that holds the bearer token
    #[arg(long, value_name = "VARIABLE")]
    token_env: Option<String>,
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
        // Looked at once, so that a wrong target is one error and not one a connection.
        Client::new(&self.target, None).map_err(|e| Failed::usage(format!("--target: {e}")))?;
        let total = self.count.saturating_mul(events.per_round());
        let progress = Arc::new(Progress {
            next: AtomicU64::new(0),
            total,
            published: AtomicU64::new(0),
            began: Instant::now(),
            rate: self.rate,
            bar: bar(total),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failed::error(format!("the runtime could not be started: {e}")))?;
        let result = runtime.block_on(async {
            let mut workers = Vec::new();
            for _ in 0..u64::from(self.connections).min(total) {
                let (progress, events) = (Arc::clone(&progress), Arc::clone(&events));
                let client = Client::new(&self.target, token.clone())?;
                workers.push(tasks::task(publish(client, events, progress)));
            }
            let mut first = Ok(());
            for worker in workers {
                let ended = worker.await.unwrap_or_else(|e| Err(e.to_string()));
                first = first.and(ended);
            }
            first
        });
        progress.bar.finish_and_clear();
        let published = progress.published.load(Ordering::Relaxed);
        let seconds = progress.began.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                let rate = published as f64 / seconds.max(1e-9);
                let s = if published == 1 { "" } else { "s" };
                anstream::println!("published {published} event{s} in {seconds:.2} s ({rate:.0} a second)");
                Ok(())
            }
            Err(error) => {
                Err(Failed::error(format!("{error}\n{published} of {total} events were published")))
            }
        }
    }

    fn events(&self) -> Result<Events, Failed> {
        let Some(file) = &self.file else {
            let id = self.id.clone().unwrap_or_else(random_id);
            let events = Events::Made { of: Box::new(self.template()), id, many: self.count > 1 };
            // A mistake in the options shows now, not in every answer.
            structured::decode(&events.body(0)).map_err(|e| Failed::usage(format!("the event: {e}")))?;
            return Ok(events);
        };
        let shown = file.display();
        let mut text = Vec::new();
        let read = if file.as_os_str() == "-" {
            std::io::stdin().lock().read_to_end(&mut text)
        } else {
            std::fs::File::open(file).and_then(|mut f| f.read_to_end(&mut text))
        };
        read.map_err(|e| Failed::error(format!("{shown} can't be read: {e}")))?;
        let bodies = bodies(&text).map_err(|e| Failed::error(format!("{shown}{e}")))?;
        if bodies.is_empty() {
            return Err(Failed::error(format!("{shown} holds no event")));
        }
        Ok(Events::Read(bodies))
    }

    fn template(&self) -> Template {
        Template {
            ty: self.ty.clone().unwrap_or_default(),
            source: self.source.clone(),
            subject: self.subject.clone(),
            key: self.key.clone(),
            data: self.data.clone(),
        }
    }
}

#[derive(Debug)]
struct Template {
    ty: String,
    source: String,
    subject: Option<String>,
    key: Option<String>,
    data: Option<String>,
}

/// The events to publish, by number.
enum Events {
    Made { of: Box<Template>, id: String, many: bool },
    Read(Vec<Bytes>),
}

impl Events {
    fn per_round(&self) -> u64 {
        match self {
            Events::Made { .. } => 1,
            Events::Read(bodies) => bodies.len() as u64,
        }
    }

    fn body(&self, number: u64) -> Bytes {
        match self {
            Events::Read(bodies) => bodies[(number % bodies.len() as u64) as usize].clone(),
            Events::Made { of, id, many } => {
                let id = if *many { format!("{id}-{}", number + 1) } else { id.clone() };
                let data = of.data.as_ref().map(|data| data.replace("{n}", &(number + 1).to_string()));
                let json =
                    data.as_deref().is_some_and(|d| serde_json::from_str::<serde::de::IgnoredAny>(d).is_ok());
                let content_type =
                    data.as_ref().map(|_| if json { "application/json" } else { "text/plain" });
                let mut event = Event {
                    id: id.into(),
                    source: of.source.as_str().into(),
                    ty: of.ty.as_str().into(),
                    subject: of.subject.as_deref().map(Into::into),
                    time: Some(jiff::Timestamp::now().to_string().into()),
                    dataschema: None,
                    datacontenttype: content_type.map(Into::into),
                    extensions: Vec::new(),
                    data: data.map(|d| if json { Data::Json(d.into()) } else { Data::Text(d.into()) }),
                };
                if let Some(key) = &of.key {
                    event.set_extension("partitionkey", crate::event::Value::String(key.as_str().into()));
                }
                let mut body = Vec::with_capacity(512);
                structured::encode(&event, &mut body);
                body.into()
            }
        }
    }
}

/// One connection: takes the next number until there is none.
async fn publish(mut client: Client, events: Arc<Events>, progress: Arc<Progress>) -> Result<(), String> {
    loop {
        let number = progress.next.fetch_add(1, Ordering::Relaxed);
        if number >= progress.total {
            return Ok(());
        }
        if let Some(rate) = progress.rate {
            let due = progress.began + Duration::from_secs_f64(number as f64 / f64::from(rate));
            tokio::time::sleep_until(due.into()).await;
        }
        let body = events.body(number);
        let patience = Instant::now() + PATIENCE;
        loop {
            match client.post("application/cloudevents+json", body.clone()).await {
                Ok(Answer::Accepted) => break,
                Ok(Answer::Later(wait, _)) if Instant::now() + wait < patience => {
                    tokio::time::sleep(wait).await;
                }
                Ok(Answer::Later(_, reason) | Answer::Refused(reason)) | Err(reason) => {
                    // The others need not go on.
                    progress.next.store(progress.total, Ordering::Relaxed);
                    return Err(reason);
                }
            }
        }
        progress.published.fetch_add(1, Ordering::Relaxed);
        progress.bar.inc(1);
    }
}

/// The events of a file: one, a batch, or one a line. Each is checked before the first is sent.
fn bodies(text: &[u8]) -> Result<Vec<Bytes>, String> {
    let encode = |event: &Event<'_>| {
        let mut body = Vec::with_capacity(512);
        structured::encode(event, &mut body);
        Bytes::from(body)
    };
    if text.trim_ascii_start().starts_with(b"[") {
        let events = structured::decode_batch(text, usize::MAX).map_err(|e| format!(": {e}"))?;
        return Ok(events.iter().map(encode).collect());
    }
    if let Ok(event) = structured::decode(text) {
        return Ok(vec![encode(&event)]);
    }
    let lines = text.split(|&byte| byte == b'\n').enumerate();
    let lines = lines.map(|(number, line)| (number + 1, line.trim_ascii())).filter(|(_, l)| !l.is_empty());
    lines
        .map(|(number, line)| {
            structured::decode(line).map(|event| encode(&event)).map_err(|e| format!(":{number}: {e}"))
        })
        .collect()
}

/// Unlike any other: the time, the process and the address of something.
fn random_id() -> String {
    let seed = format!("{} {}", crate::time::unix_nanos(), std::process::id());
    blake3::hash(seed.as_bytes()).to_hex()[..16].to_owned()
}

fn bar(total: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() && total > 100 {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} {eta}")
        .expect("the template is right");
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}
