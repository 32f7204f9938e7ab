//! From a checked configuration to a running worker, and back to nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, never, unbounded};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::Instrument;
use tracing::field::Empty;

use super::admin::Readiness;
use super::archive::{self, Archive};
use super::awaited::Awaited;
use super::backings::Backings;
use super::choice::{Choice, Start};
use super::console::{self, Console};
use super::courier::Courier;
use super::crew::Crew;
use super::deployment::{self, Deployment};
use super::descriptors;
use super::dispatcher::{Begun, Channels, Dispatcher, Drained, Request};
use super::exporter::{self, Exporter};
use super::feeds::{self, Consumers};
use super::fleeting;
use super::in_force::{InForce, Standing};
use super::ingress;
use super::last_good::LastGood;
use super::latecomer::Latecomer;
use super::listener;
use super::lock::Lock;
use super::meter::Meter;
use super::porter::Porter;
use super::query::Store;
use super::queue_uid;
use super::recovery::Recovered;
use super::reload::{self, Reload};
use super::room::Room;
use super::scrape::Scrape;
use super::scribe::{Answers, Disk, Scribe};
use super::selection;
use super::server::Server;
use super::set;
use super::shipment::Shipments;
use super::spares::Spares;
use super::tasks;
use super::watch::{Look, Watch};
use crate::client::{bearer, lifeline};
use crate::config::Settings;
use crate::config::settings::{Bytes, HttpMode};
use crate::dispatch::{Core, Limits};
use crate::event::Uid;
use crate::function::{self, Engine};
use crate::source::http::HttpSource;
use crate::source::queue::QueueSource;
use crate::source::{Brokers, Direct, Intake, Reception};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::doings::DOING;
use crate::time::unix_nanos;

/// Requests that may wait for the scribe at once.
const INTAKE: usize = 4096;
/// Errands that may wait for the scribe at once.
const ERRANDS: usize = 4;
/// Segments of the queue that are read ahead.
const READ_AHEAD: usize = 4;
/// How long open connections get to finish their request once the worker stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the last flush may take beyond the drain's timeout. A disk that fails would take for ever.
const LAST_FLUSH: Duration = Duration::from_secs(10);

/// What stopped the worker from starting, in words that say what to do.
#[derive(Debug)]
pub struct StartError(pub String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

fn failed(doing: impl std::fmt::Display, cause: impl std::fmt::Display) -> StartError {
    StartError(format!("{doing}: {cause}"))
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    pub http: SocketAddr,
    pub admin: SocketAddr,
    requests: Sender<Request>,
    looks: Sender<Look>,
    in_force: Arc<InForce>,
    stopping: Arc<AtomicBool>,
    engine: Arc<Engine>,
    /// The loop, with the threads that end after it in the order in which they do.
    dispatcher: JoinHandle<Drained>,
    others: Vec<JoinHandle<()>>,
    spares: Arc<Spares>,
    intake: Server,
    /// The admin listener and the console: they answer until the very end.
    answering: Vec<Server>,
    console: std::path::PathBuf,
    _lock: Lock,
}

impl Worker {
    /// Must be called on a tokio runtime. When it returns, events are accepted.
    pub async fn start(start: Start, settings: &Settings) -> Result<Worker, StartError> {
        let data = settings.data_dir.as_path();
        let lock = Lock::take(data)
            .map_err(|error| failed(format!("the data directory {} can't be used", data.display()), error))?;
        descriptors::raise(settings.http_max_connections);
        // The listeners come first: an address that is taken is found before anything else is begun.
        let http_listener = bind(settings.http_address, "http.address").await?;
        let admin_listener = bind(settings.admin_address, "admin.address").await?;
        let http_settings = ingress::http_settings(settings).await.map_err(StartError)?;
        let tls = ingress::tls(settings).map_err(StartError)?;
        let engine = set::engine(settings).map_err(|e| StartError(e.to_string()))?;
        let last_good = LastGood::of(data);
        let places = start.places.clone();
        let choice = start.choose(&engine, settings, &last_good);
        let choice = choice.map_err(|problems| StartError(problems.join("\n")))?;
        function::give_back();
        let Choice { set, modules, refused, .. } = &choice;
        let (config, digest) = (set.config.clone(), set.digest);
        let store = Store::open_within(data, settings.queue_max_bytes.0, settings.journal_max_bytes.0);
        let store = Arc::new(store.map_err(|e| StartError(e.to_string()))?);
        let metrics = Metrics::new();
        let deployment = Deployment::of(&config, modules, settings).writing_to(set.outlets.clone());
        let deployment = Arc::new(deployment.told_of(&metrics, settings));
        let table = deployment::table(&config, settings);
        let limits = archive::Limits {
            queue_bytes: settings.queue_max_bytes.0,
            journal_bytes: settings.journal_max_bytes.0,
            journal_keep: settings.journal_keep.0,
        };
        let (mut archive, recovered) = Archive::open(
            Arc::clone(&store),
            limits,
            |uid| selection::is_known(&deployment, &config, uid),
            unix_nanos(),
        )
        .map_err(|e| failed("what the last worker left can't be gone on with", e))?;
        let wrong = |problems: Vec<String>| StartError(problems.join("\n"));
        fleeting::check(&config, settings).map_err(wrong)?;
        let shipments = Shipments::new(&config, &set.outlets, settings, &store.journal, &metrics);
        let shipments = shipments.map_err(wrong)?;
        archive.ships(Arc::clone(&shipments.shipped));
        let day = archive.day().clone();
        let mut fresh = [0; 16];
        getrandom::fill(&mut fresh).map_err(|e| failed("the queue can't be given a uid", e))?;
        let queue_uid = queue_uid::own(&store.queue, &recovered, Uid(u128::from_le_bytes(fresh)))
            .map_err(|e| failed("the queue can't be given a uid", e))?;
        let Recovered { progress, ended, parked, waiting, gone, .. } = recovered;
        if gone > 0 {
            tracing::warn!(deliveries = gone, "parked for triggers that are gone: dead letters now");
        }
        selection::note(data, &config, waiting)
            .map_err(|reason| failed("the selection can't be run", reason))?;
        selection::say(&config);
        let left_out = selection::left_out(&config, &parked);
        let parked = selection::leave_out(&config, parked);

        let executors = executor_count(settings);
        let limits = Limits {
            deliveries: settings.dispatch_max_in_flight as usize,
            bytes: size(settings.dispatch_max_in_flight_bytes),
            held: settings.dispatch_max_held as usize,
            parked: settings.parking_max_deliveries as usize,
            running: super::dispatcher::WINDOW * executors,
            remote: settings.deliver_max_in_flight as usize,
            latency: (!settings.dispatch_latency.is_zero()).then_some(settings.dispatch_latency),
            executors,
            ..Limits::default()
        };
        let core = Core::new(table, limits);
        let room = Arc::new(Room::default());
        let stopping = Arc::new(AtomicBool::new(false));

        let brokers = Brokers::new(ingress::broker_names(&config, settings));
        let (intake, accepted, posted) = Intake::new(INTAKE, brokers.clone());
        let (reception, asked) = match settings.http_mode {
            HttpMode::Stored => (Reception::Stored(intake), never()),
            HttpMode::Direct => {
                let (direct, asked) = Direct::new(INTAKE);
                (Reception::Direct(direct, intake), asked)
            }
        };
        let (durable_sender, durable) = bounded(1);
        let (arrivals_sender, arrivals) = bounded(READ_AHEAD);
        let (batches_sender, batches) = bounded(64);
        let (settled_sender, settled) = bounded(64);
        let (porter_sender, parcels) = bounded(64);
        // Of both the core is the limit: it never has more under way there than it may.
        let (errand_sender, errands_out) = mpsc::unbounded_channel();
        let (delivered_sender, delivered) = unbounded();
        let (requests_sender, requests) = bounded(64);
        let (errands_sender, errands) = bounded(ERRANDS);
        let (looks_sender, looks) = bounded(1);
        let is_last_good = refused.is_some();
        let refused = refused.clone().map(Arc::new);
        let standing = reload::standing_of(&config, digest, settings);
        let in_force = InForce::new(Standing { is_last_good, refused, ..standing });

        let most = settings.spare_executors as usize;
        let (spares, close_spares) = Spares::new(Arc::clone(&engine), Arc::clone(&metrics), most);
        let crew = Crew::begin(executors, &engine, &deployment, &spares, &metrics).map_err(StartError)?;
        let mut others = crew.threads;
        tasks::task(bearer::keep_fresh());
        tasks::task(lifeline::watch());
        tasks::task(Courier::new(settings, delivered_sender).run(errands_out));

        let awaited = match settings.data_durable {
            true => Awaited::default(),
            false => Awaited::of(Arc::clone(&shipments.shipped)),
        };
        let scribe = Scribe {
            archive,
            awaited,
            min_free: settings.data_min_free.0,
            disk: Disk::new(data.to_owned()),
            room: Arc::clone(&room),
            unread: Vec::new(),
            errands,
            in_force: Arc::clone(&in_force),
            metrics: Arc::clone(&metrics),
        };
        let source = QueueSource::open(Arc::clone(&store.queue), queue_uid, progress.watermark)
            .map_err(|e| failed("the queue can't be read", e))?;
        let answers = Answers { settled: settled_sender, durable: durable_sender };
        let backings = Backings::new(deployment.outlets.clone());
        let porter = Porter::new(batches_sender.clone(), backings.clone(), Arc::clone(&metrics));
        others.push(tasks::thread("porter", move || porter.run(&parcels, &posted)));
        let (end_of_shipping, shippers) = shipments.begin();
        others.push(tasks::thread("scribe", move || {
            scribe.run(&accepted, &batches, &answers);
            drop(end_of_shipping);
        }));
        others.extend(shippers);
        let readable = Arc::new(AtomicBool::new(true));
        let reads = Arc::clone(&readable);
        others.push(tasks::thread("queue", move || {
            if let Err(error) = source.run(&durable, &arrivals_sender) {
                reads.store(false, Ordering::Relaxed);
                tracing::error!(%error, "the queue can't be read on: restart the worker once that is mended");
            }
        }));
        let Consumers { feeds, shares, threads } =
            feeds::begin(&config, settings, &metrics.partitions).map_err(StartError)?;
        others.extend(threads);
        let channels = Channels {
            arrivals,
            executors: crew.jobs,
            spares: close_spares,
            done: crew.done,
            errands: errand_sender,
            delivered,
            scribe: batches_sender,
            porter: porter_sender,
            settled,
            room: Arc::clone(&room),
            requests,
            asked,
            feeds,
            shares,
            patience: settings.drain_timeout,
        };
        let dispatcher = Dispatcher::new(
            core,
            Arc::clone(&deployment),
            queue_uid,
            Begun { progress, ended, parked, day },
            channels,
            Meter::new(Arc::clone(&metrics), queue_uid),
        );
        let dispatcher = tasks::thread("dispatcher", move || dispatcher.run());

        let http = local(&http_listener)?;
        let admin = local(&admin_listener)?;
        let socket = console::socket(data);
        let farewell = match settings.http_mode {
            // Whose event is still being done is answered, or he sends it again though it has been done and charged.
            HttpMode::Direct => settings.drain_timeout,
            HttpMode::Stored => settings.drain_timeout.min(FAREWELL),
        };
        let intake = Server::start({
            let source = HttpSource::new(http_settings, brokers.clone(), reception);
            let limits = listener::Limits {
                connections: settings.http_max_connections as usize,
                header_timeout: settings.http_header_timeout,
                farewell,
                silence: settings.http_header_timeout + settings.http_request_timeout,
            };
            let metrics = Arc::clone(&metrics);
            move |stop| async move {
                let handled = Arc::clone(&source);
                let handle = move |request| {
                    let (source, metrics) = (Arc::clone(&handled), Arc::clone(&metrics));
                    async move {
                        let response = source.handle(request).await;
                        metrics.requests.answered(response.status().as_u16());
                        response
                    }
                };
                tokio::select! {
                    () = listener::serve(http_listener, limits, tls, stop, handle) => {}
                    () = source.keep() => {}
                }
            }
        });
        let scrape = Scrape::new(metrics, Arc::clone(&store), Arc::clone(&in_force), &deployment);
        let readiness = Readiness {
            room,
            readable,
            stopping: Arc::clone(&stopping),
            in_force: Arc::clone(&in_force),
            scrape: Arc::clone(&scrape),
        };
        let exporter = Exporter::new(settings, readiness.clone()).map_err(StartError)?;
        let mut answering = vec![Server::start({
            let limits = listener::Limits {
                connections: 64,
                header_timeout: settings.http_header_timeout,
                farewell: Duration::from_secs(1),
                silence: settings.http_header_timeout * 2,
            };
            move |stop| {
                listener::serve(admin_listener, limits, None, stop, move |request| {
                    readiness.clone().handle(request)
                })
            }
        })];
        answering.push(Server::start({
            let listener = console::listen(data)
                .map_err(|e| failed(format!("the console {} can't be opened", socket.display()), e))?;
            let (dispatcher, in_force) = (requests_sender.clone(), Arc::clone(&in_force));
            let console = Console { store, dispatcher, scribe: errands_sender, in_force };
            move |stop| console.serve(listener, stop)
        }));
        answering.extend(exporter.map(|exporter| Server::start(|stop| exporter.run(stop))));
        answering.push(Server::start(exporter::tell_suppressed));
        reload::say_idle(&config);
        let reload = Reload {
            engine: Arc::clone(&engine),
            settings: settings.clone(),
            left_out,
            config,
            secrets: choice.set.secrets.clone(),
            deployment,
            in_force: Arc::clone(&in_force),
            brokers,
            backings,
            dispatcher: requests_sender.clone(),
            scrape,
        };
        let watch = Watch::new(places, settings.reload_interval, reload, last_good, choice.begun());
        others.push(tasks::thread_with(function::STACK, "watch", move || watch.run(&looks)));
        if waiting > 0 {
            tracing::info!(events = waiting, "going on with what the queue holds");
        }
        Ok(Worker {
            http,
            admin,
            requests: requests_sender,
            looks: looks_sender,
            in_force,
            stopping,
            engine,
            dispatcher,
            others,
            spares,
            intake,
            answering,
            console: socket,
            _lock: lock,
        })
    }

    /// What is in force.
    pub fn standing(&self) -> Arc<Standing> {
        self.in_force.standing()
    }

    /// Has the files looked at now, as SIGHUP asks for.
    pub fn look(&self) {
        // One look that is still to come sees all there is.
        let _ = self.looks.try_send(Look);
    }

    /// Takes nothing new in and waits until what is in flight has settled, or for the deadline. Meanwhile probes and
    /// questions are answered.
    pub async fn drain(self, timeout: Duration) -> Drained {
        self.stopping.store(true, Ordering::Relaxed);
        let Worker {
            requests,
            looks,
            engine,
            dispatcher,
            others,
            spares,
            intake,
            answering,
            console,
            _lock,
            ..
        } = self;
        drop(looks);
        let doing = tracing::info_span!(target: DOING, "drain", unsettled = Empty);
        let settled = tokio::task::spawn_blocking(move || {
            let _ = requests.send(Request::Drain { deadline: timeout });
            dispatcher.join().unwrap_or(Drained::Unsettled(0))
        });
        let latecomer = Latecomer::default();
        let awaited = latecomer.clone();
        let drain = async {
            let (drained, ()) = tokio::join!(settled, intake.stop());
            let drained = drained.unwrap_or(Drained::Unsettled(0));
            // A call that still runs is not waited for: its event is done again by the next worker.
            engine.stop();
            // The loop and the listener have let go of all channels: the others end by themselves, the scribe after its
            // last flush.
            let ended = tokio::task::spawn_blocking(move || {
                for thread in others {
                    awaited.note(thread.thread().name());
                    let _ = thread.join();
                }
                awaited.note(Some("spares"));
                spares.join();
            });
            let _ = ended.await;
            drained
        };
        let drain = tokio::time::timeout(timeout + LAST_FLUSH, drain).instrument(doing.clone());
        let drained = drain.await.unwrap_or_else(|_| {
            tracing::error!(
                awaited = latecomer.name(),
                "not all of the worker ended in time: see what the log says of the disk, and of the brokers"
            );
            Drained::Unsettled(0)
        });
        doing.record("unsettled", if let Drained::Unsettled(events) = drained { events } else { 0 });
        drop(doing);
        for server in answering {
            server.stop().await;
        }
        let _ = std::fs::remove_file(console);
        drained
    }
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!(" (is another worker running? {setting} can name another port)")
            }
            _ => String::new(),
        };
        StartError(format!("{setting}: can't listen on {address}: {error}{hint}"))
    })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|e| failed("a listener has no address", e))
}

fn executor_count(settings: &Settings) -> usize {
    match settings.executors {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count as usize,
    }
}

pub(super) fn size(bytes: Bytes) -> usize {
    usize::try_from(bytes.0).unwrap_or(usize::MAX)
}
