//! Shipment: gives billing what the journal has, to each BillingSink by a thread of its own. In order, in batches, again until it
//! is acknowledged; the *cursor* moves after that, and what everybody has may be dropped. What a kill leaves between the
//! acknowledgement and the cursor goes again, under the same charge ids: the first that billing received counts.

mod broker;
mod file;
mod http;
mod quarantine;
pub mod rescue;
mod tail;
mod way;
mod windows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::awaited;
use super::outlets::Outlets;
use super::patience::Patience;
use super::tasks;
use crate::config::{BillingSink, Config, Settings, UsageTo};
use crate::event::structured;
use crate::journal::cursor::{Cursor, Found};
use crate::journal::shipped::Shipped;
use crate::journal::{Entry, usage};
use crate::store::Log;
use crate::telemetry::metrics::{Metrics, Shipment};
use quarantine::Quarantine;
use tail::Tail;
use way::{Sent, Usage, Way};

/// Beside the logs: a cursor for each BillingSink, and what it refused.
pub const FOLDER: &str = "shipments";

/// How often it is looked whether there is more.
const LOOK: Duration = Duration::from_millis(100);
/// What is left when the worker stops gets so long.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often the cursor is made to outlive a power cut.
const SYNC: Duration = Duration::from_secs(5);
/// How often the log says that billing is away.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// Those who ship, before they begin.
#[derive(Debug)]
pub struct Shipments {
    pub shipped: Arc<Shipped>,
    shippers: Vec<Shipper>,
    stop: watch::Sender<()>,
}

/// They end, with what is left by then, once this is dropped.
#[derive(Debug)]
pub struct Stop(#[allow(dead_code)] watch::Sender<()>);

#[derive(Debug)]
struct Shipper {
    number: usize,
    /// As people know it.
    name: String,
    batch: usize,
    interval: Duration,
    look: Duration,
    subjects: BTreeMap<String, String>,
    way: Way,
    tail: Tail,
    /// Where the cursor is kept.
    path: PathBuf,
    quarantine: Quarantine,
    shipped: Arc<Shipped>,
    told: Arc<Shipment>,
    runtime: Handle,
    stop: watch::Receiver<()>,
    /// Of the next batch: smaller after one that was refused, until what is wrong with it stands alone.
    size: usize,
    trouble: Trouble,
    synced: Instant,
    /// It ends when all has gone.
    ends: bool,
}

/// Since when nothing goes.
#[derive(Debug)]
struct Trouble {
    patience: Patience,
    since: Option<Instant>,
    said: Option<Instant>,
}

impl Shipments {
    /// Must be called on a tokio runtime. All problems are told at once.
    pub fn new(
        config: &Config,
        outlets: &Outlets,
        settings: &Settings,
        log: &Arc<Log>,
        metrics: &Metrics,
    ) -> Result<Shipments, Vec<String>> {
        let (stop, stopped) = watch::channel(());
        let shipped = Arc::new(Shipped::by(config.billing.len()));
        let folder = settings.data_dir.join(FOLDER);
        let (mut shippers, mut problems) = (Vec::new(), Vec::new());
        for (number, sink) in config.billing.iter().enumerate() {
            let name = format!("BillingSink {}/{}", sink.namespace, sink.name);
            let about = (Handle::current(), stopped.clone());
            let made = way(config, sink, outlets, settings, about.clone()).and_then(|way| {
                std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
                let path = cursor_path(&folder, &sink.namespace, &sink.name);
                let (tail, found) = Tail::open(Arc::clone(log), &path, sink.rollup)?;
                say(&name, found);
                let told = metrics.shipment(&format!("{}/{}", sink.namespace, sink.name));
                told.behind.set(tail.behind().map_err(|e| e.to_string())?);
                shipped.note(number, tail.cursor.segment);
                Ok(Shipper {
                    number,
                    batch: sink.batch as usize,
                    interval: if settings.data_durable { sink.interval } else { Duration::ZERO },
                    look: if settings.data_durable { LOOK } else { awaited::LOOK },
                    subjects: sink.subjects.iter().cloned().collect(),
                    way,
                    tail,
                    quarantine: Quarantine(path.with_extension("refused.jsonl")),
                    path,
                    shipped: Arc::clone(&shipped),
                    told,
                    runtime: about.0,
                    stop: about.1,
                    size: sink.batch as usize,
                    trouble: Trouble { patience: Patience::begin(), since: None, said: None },
                    synced: Instant::now(),
                    ends: false,
                    name: name.clone(),
                })
            });
            match made {
                Ok(shipper) => shippers.push(shipper),
                Err(why) => problems.push(format!("{name}: {why}")),
            }
        }
        if problems.is_empty() { Ok(Shipments { shipped, shippers, stop }) } else { Err(problems) }
    }

    /// A thread each.
    pub fn begin(self) -> (Stop, Vec<JoinHandle<()>>) {
        let threads = self.shippers.into_iter().map(|shipper| {
            let name = format!("shipper-{}", shipper.number);
            tasks::thread(&name, move || shipper.run())
        });
        (Stop(self.stop), threads.collect())
    }
}

pub fn cursor_path(folder: &Path, namespace: &str, name: &str) -> PathBuf {
    folder.join(format!("{namespace}.{name}.json"))
}

/// Cursors are of the sinks that there were at the start.
pub(super) fn may_change(before: &Config, after: &Config) -> Result<(), String> {
    let ships = |config: &Config| -> BTreeMap<String, String> {
        let text = |sink: &BillingSink| {
            let to = match sink.to {
                UsageTo::Sink(index) => format!("{:?}", config.sinks[index]),
                UsageTo::Http { .. } | UsageTo::File(_) => format!("{:?}", sink.to),
            };
            format!("{to} {} {:?} {:?} {:?}", sink.batch, sink.interval, sink.subjects, sink.rollup)
        };
        config.billing.iter().map(|sink| (format!("{}/{}", sink.namespace, sink.name), text(sink))).collect()
    };
    let (before, after) = (ships(before), ships(after));
    match before.keys().chain(after.keys()).find(|name| before.get(*name) != after.get(*name)) {
        None => Ok(()),
        Some(name) => Err(format!("the BillingSink {name} would come, change or go: that takes a restart")),
    }
}

fn way(
    config: &Config,
    sink: &BillingSink,
    outlets: &Outlets,
    settings: &Settings,
    about: (Handle, watch::Receiver<()>),
) -> Result<Way, String> {
    match &sink.to {
        UsageTo::Http { url, token } => {
            http::Posts::new(url, token.clone(), settings, about).map(|posts| Way::Http(Box::new(posts)))
        }
        UsageTo::File(path) => Ok(Way::File(file::Lines::new(path.clone()))),
        UsageTo::Sink(index) => {
            let outlet = outlets.get(config.sinks[*index].uid);
            let outlet = outlet.expect("each sink has one");
            Ok(Way::Broker(broker::Parcels::new(Arc::clone(outlet), about)))
        }
    }
}

fn say(name: &str, found: Found) {
    match found {
        Found::There(_) => {}
        Found::Lost(_, segments) => tracing::error!(
            sink = name,
            segments,
            "what had not been shipped to it is not in the journal any more: it was dropped while nobody shipped"
        ),
        Found::Other(_) => tracing::warn!(
            sink = name,
            "the journal is not the one that its cursor is of: all that is there is shipped, under its charge ids"
        ),
    }
}

fn in_json(entry: &Entry<'_>, subject: &str, out: &mut Vec<u8>) {
    structured::encode(&usage::event(entry, subject), out);
}

impl Shipper {
    fn run(mut self) {
        let mut told_to_stop: Option<Instant> = None;
        // From here on it is known whom something waits for.
        self.keep(false);
        loop {
            if told_to_stop.is_none() && is_closed(&self.stop) {
                told_to_stop = Some(Instant::now());
            }
            if told_to_stop.is_some_and(|told| told.elapsed() > FAREWELL) {
                break;
            }
            let subjects = &self.subjects;
            let subject = |tenant: &str| subjects.get(tenant).cloned();
            let filled = self.tail.fill(self.batch, &self.way, subject, self.ends);
            if let Ok(passed @ 1..) = filled {
                self.moved(passed);
            }
            if let Err(error) = filled {
                tracing::error!(sink = self.name, %error, "the journal can't be read: nothing more is shipped");
                if told_to_stop.is_some() {
                    break;
                }
                self.pause(SAID_AGAIN);
                continue;
            }
            let is_due = self.tail.len() >= self.size.min(self.batch)
                || self.tail.since.is_some_and(|since| since.elapsed() >= self.interval);
            if self.ends && self.tail.len() == 0 && !self.tail.is_summing() {
                break;
            }
            let is_due = is_due || self.ends || told_to_stop.is_some();
            if self.tail.len() == 0 || !is_due {
                self.sync(told_to_stop.is_some());
                if told_to_stop.is_some() {
                    break;
                }
                self.pause(self.look);
            } else if !self.ship(told_to_stop.is_some()) {
                break;
            }
        }
        self.sync(true);
    }

    /// One batch. False: the worker stops, and nothing more goes.
    fn ship(&mut self, is_last: bool) -> bool {
        let batch = self.tail.first(self.size);
        let count = batch.len();
        match self.way.send(&batch) {
            Sent::Acknowledged => {
                self.tail.gone(count);
                self.told.acknowledged.add(1);
                self.moved(entries(&batch));
                self.size = (self.size * 2).min(self.batch);
            }
            Sent::Partly(gone) => {
                let moved = entries(&batch[..gone]);
                self.tail.put_back(batch, gone);
                self.moved(moved);
                self.size = (count / 2).max(1);
            }
            Sent::Refused(why) if count == 1 => {
                self.told.refused.add(1);
                if let Err(full) = self.quarantine.put(&batch[0], &why) {
                    self.tail.put_back(batch, 0);
                    return !is_last && self.wait(&full, None);
                }
                let charge = &batch[0].charge;
                tracing::error!(
                    sink = self.name,
                    charge,
                    why,
                    kept_in = %self.quarantine.0.display(),
                    "billing refuses a charge for good"
                );
                self.tail.gone(1);
                self.told.quarantined.add(1);
                self.moved(entries(&batch));
            }
            Sent::Refused(why) => {
                self.told.refused.add(1);
                tracing::debug!(sink = self.name, why, count, "a batch was refused: half of it is tried");
                self.tail.put_back(batch, 0);
                self.size = count / 2;
            }
            Sent::Again(why, after) => {
                self.told.again.add(1);
                self.tail.put_back(batch, 0);
                return !is_last && self.wait(&why, after);
            }
            Sent::Stopped => {
                self.tail.put_back(batch, 0);
                return false;
            }
        }
        true
    }

    /// It goes: so many of the journal's entries.
    fn moved(&mut self, count: u64) {
        if let Some(since) = self.trouble.since.take()
            && self.trouble.said.take().is_some()
        {
            tracing::info!(
                sink = self.name,
                seconds = since.elapsed().as_secs(),
                "billing takes what is shipped again"
            );
        }
        self.trouble.patience = Patience::begin();
        self.told.entries.add(count);
        self.keep(false);
        self.shipped.note(self.number, self.tail.cursor.segment);
    }

    /// A cursor that can't be kept costs repeats, and loses nothing.
    fn keep(&self, durably: bool) {
        if let Err(error) = self.tail.cursor.write(&self.path, durably) {
            tracing::warn!(sink = self.name, %error, path = %self.path.display(), "the cursor can't be kept");
        }
    }

    fn sync(&mut self, now: bool) {
        if now || self.synced.elapsed() > SYNC {
            self.synced = Instant::now();
            if self.tail.cursor != Cursor::default() {
                self.keep(true);
            }
        }
    }

    /// False: the worker stops.
    fn wait(&mut self, why: &str, after: Option<Duration>) -> bool {
        let wait = after.unwrap_or_default().max(self.trouble.patience.next());
        let since = *self.trouble.since.get_or_insert_with(Instant::now);
        if self.trouble.said.is_none_or(|said| said.elapsed() > SAID_AGAIN) {
            self.trouble.said = Some(Instant::now());
            tracing::warn!(
                sink = self.name,
                why,
                seconds = since.elapsed().as_secs(),
                waiting = self.tail.len(),
                "billing does not take what is shipped: it waits in the journal"
            );
        }
        self.pause(wait);
        true
    }

    /// Or until the worker stops.
    fn pause(&mut self, wait: Duration) {
        let stop = &mut self.stop;
        let _ = self.runtime.block_on(async { tokio::time::timeout(wait, stop.changed()).await });
    }
}

fn entries(usage: &[Usage]) -> u64 {
    usage.iter().map(|usage| usage.entries).sum()
}

fn is_closed(stop: &watch::Receiver<()>) -> bool {
    stop.has_changed().is_err()
}

/// What is under way when the worker stops is not waited for any longer.
async fn farewell(stop: &mut watch::Receiver<()>) {
    // Nothing is ever sent: it is over when nobody could.
    let _ = stop.changed().await;
    tokio::time::sleep(FAREWELL).await;
}

/// The same for who looks now and then; `leave` is his to keep.
fn is_over(stop: &watch::Receiver<()>, leave: &mut Option<Instant>) -> bool {
    is_closed(stop) && leave.get_or_insert_with(Instant::now).elapsed() > FAREWELL
}
