//! A storm over the parking: half of the events fail and are parked, with the keys that they stand before; then the
//! function is mended and all of them are done. The worker is killed in every phase of that, and while it starts.
//!
//! WEIR_STORM_EVENTS says how many events; `scripts/million` runs it with a million.

use std::time::{Duration, Instant};

use weir::time::unix_nanos;

use super::account;
use super::crowd::{Crowd, Plan};
use super::dice::Dice;
use super::gauge::Gauge;
use super::worker::{Home, Running, guests};

const EVENTS: u64 = 20_000;
/// Kills while events are published, while they fail, and while they come back.
const PUBLISHING: u64 = 9;
const FAILING: u64 = 4;
const MENDED: u64 = 6;
/// What an event may take up in the queue or the parking. There is room for all of them, and no volume is larger than an
/// eighth of that.
const ROOM: u64 = 1024;

/// `seconds`: half of how long what has failed is parked; twice as long each time.
fn documents(seconds: u64) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: tasks}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {{type: task}}}}\n  delivery: {{retry: 1000, backoffDelay: PT{seconds}S}}\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: brittle}}}}\n---\n\
         apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: brittle}}\nspec: {{module: brittle.wasm}}\n"
    )
}

#[test]
fn what_is_parked_is_done_once_and_in_order_however_often_the_worker_is_killed() {
    let until = Instant::now() + Duration::from_secs(super::number("WEIR_SOAK_SECONDS").unwrap_or(0));
    let mut dice = Dice::new(super::seed());
    loop {
        storm(Plan::of(super::number("WEIR_STORM_EVENTS").unwrap_or(EVENTS)), &mut dice.fork());
        if Instant::now() >= until {
            return;
        }
    }
}

fn storm(plan: Plan, dice: &mut Dice) {
    let begun = Instant::now();
    let mut storm = Storm::begin(plan, dice.fork());
    let crowd = Crowd::gather(plan, storm.worker().http(), dice);
    for at in storm.moments(PUBLISHING, plan.all()) {
        storm.wait("events are taken", || crowd.taken() >= at);
        storm.strike();
        *crowd.target.lock().unwrap() = storm.worker().http();
    }
    storm.wait("all events are taken", || crowd.taken() == plan.all());
    crowd.leave();
    storm.tell("all events are taken");
    for _ in 0..FAILING {
        std::thread::sleep(Duration::from_millis(storm.dice.within(0..plan.all() / 50 + 10)));
        storm.strike();
    }
    storm.wait("half of them are parked", || storm.home.status().parked >= plan.all() / 2);
    storm.tell("half of them are parked");

    storm.home.write("brittle.wasm", &guests::audit());
    storm.strike();
    let parked = storm.home.status().parked;
    for at in storm.moments(MENDED, parked).into_iter().rev() {
        storm.wait("what is parked comes back", || storm.home.status().parked <= at);
        storm.strike();
    }
    storm.wait("all is done", || {
        let status = storm.home.status();
        (status.parked, status.events_in_flight) == (0, 0)
    });
    storm.tell("all is done");
    storm.stop();
    let account = account::check(&storm.home, plan, &storm.kills);

    // And nothing of it is done again.
    storm.start();
    storm.stop();
    assert_eq!(account::check(&storm.home, plan, &storm.kills), account);
    let (now, peak) = (storm.gauge.now(), storm.gauge.peak());
    println!(
        "parked: {} kills, {} of them at the start; {account:?}; at most {peak}, {} MiB of memory; now {now}; {} s",
        storm.kills.len(),
        storm.struck_early,
        storm.memory >> 10,
        begun.elapsed().as_secs()
    );
    // A volume of each that is written to, and perhaps one that is full.
    assert!(now.queue + now.parking < plan.all() * ROOM / 2, "{now}");
}

struct Storm {
    home: Home,
    options: Vec<String>,
    dice: Dice,
    patience: Duration,
    worker: Option<Running>,
    /// When each was over.
    kills: Vec<u64>,
    struck_early: usize,
    gauge: Gauge,
    memory: u64,
    begun: Instant,
}

impl Storm {
    fn begin(plan: Plan, dice: Dice) -> Storm {
        // Long enough that what fails first is still parked when the last event has come.
        let home = Home::new(&documents((plan.all() / 10_000).max(2)));
        home.write("brittle.wasm", &guests::brittle());
        let parking = format!("parking.max-deliveries={}", plan.all());
        let room = format!("queue.max-bytes={}", plan.all() * ROOM);
        let options = ["hold.time=0s", "breaker.failures=0", "journal.max-bytes=1TiB", &parking, &room];
        let options = options.iter().flat_map(|option| ["--set".to_owned(), (*option).to_owned()]).collect();
        let mut storm = Storm {
            gauge: Gauge::watch(home.data()),
            home,
            options,
            dice,
            patience: Duration::from_secs(120 + plan.all() / 500),
            worker: None,
            kills: Vec::new(),
            struck_early: 0,
            memory: 0,
            begun: Instant::now(),
        };
        storm.start();
        storm
    }

    /// So many moments below `end`, in order.
    fn moments(&mut self, count: u64, end: u64) -> Vec<u64> {
        let mut moments: Vec<u64> = (0..count).map(|_| self.dice.within(0..end.max(1))).collect();
        moments.sort_unstable();
        moments
    }

    fn worker(&self) -> &Running {
        self.worker.as_ref().expect("one is running")
    }

    fn options(&self) -> Vec<&str> {
        self.options.iter().map(String::as_str).collect()
    }

    fn start(&mut self) {
        self.worker = Some(Running::start(&self.home, &self.options()));
    }

    /// Kills the worker, sometimes a few more of them while they start, and starts one that may live.
    fn strike(&mut self) {
        std::thread::sleep(Duration::from_micros(self.dice.within(0..20_000)));
        self.memory = self.gauge.weigh(self.worker().id());
        self.worker.take().expect("one is running").kill();
        self.kills.push(unix_nanos());
        let mut starting = Instant::now();
        while self.dice.within(0..4) == 0 {
            let after = Duration::from_micros(self.dice.within(0..400_000));
            Running::killed_after(&self.home, &self.options(), after);
            self.kills.push(unix_nanos());
            self.struck_early += 1;
            starting = Instant::now();
        }
        self.start();
        let took = starting.elapsed().as_millis();
        println!("{:>4} s: kill {}, then up in {took} ms", self.begun.elapsed().as_secs(), self.kills.len());
    }

    fn stop(&mut self) {
        self.memory = self.gauge.weigh(self.worker().id());
        let ended = self.worker.take().expect("one is running").terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }

    fn wait(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + self.patience;
        while !condition() {
            assert!(Instant::now() < deadline, "{what}: not within {:?}", self.patience);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn tell(&self, what: &str) {
        let status = self.home.status();
        let seconds = self.begun.elapsed().as_secs();
        println!("{seconds:>4} s: {what}; {} parked; {}", status.parked, self.gauge.now());
    }
}
