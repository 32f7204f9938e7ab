//! A script over one source: a worker, what it is given, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::eventually;
use crate::server::Server;
use crate::table::Source;
use crate::way::Way;
use crate::worker::{Home, Running};

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) ty: &'static str,
    pub(crate) key: Option<String>,
    pub(crate) data: &'static str,
}

pub(crate) struct Played {
    pub(crate) server: Server,
    way: Way,
    documents: String,
    home: Option<Home>,
    running: Option<Running>,
    /// Whoever gave so many of no event was told.
    garbage: usize,
    lanes: Lanes,
    forgets_how_often: bool,
}

/// What came with each key, in its order.
pub(crate) type Lanes = BTreeMap<String, Vec<String>>;

/// What became of all events, however they came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Of each event at each trigger, how its attempts ended, in their order.
    attempts: BTreeMap<(String, String), Vec<String>>,
    /// Kept as dead letters, or given back to who sent them.
    given_up: Vec<String>,
    lanes: Lanes,
}

impl Event {
    pub(crate) fn new(n: usize) -> Event {
        Event { id: format!("e-{n}"), ty: "order.created", key: None, data: "{}" }
    }
}

impl Played {
    pub(crate) fn new(source: Source) -> Played {
        let way = Way::new(source);
        Played {
            documents: way.documents(),
            server: Server::start(),
            way,
            home: None,
            running: None,
            garbage: 0,
            lanes: Lanes::new(),
            forgets_how_often: false,
        }
    }

    /// A trigger for a subscriber, the server's path.
    pub(crate) fn called(&mut self, name: &str, path: &str, delivery: &str) {
        let subscriber = format!("{{uri: '{}'}}", self.server.url(path));
        self.trigger(name, "", "", &subscriber, delivery);
    }

    /// The same for events of a type.
    pub(crate) fn called_for(&mut self, ty: &str, name: &str, path: &str, delivery: &str) {
        let subscriber = format!("{{uri: '{}'}}", self.server.url(path));
        self.trigger(name, "", &format!("  filter: {{attributes: {{type: {ty}}}}}\n"), &subscriber, delivery);
    }

    /// The same, key by key.
    pub(crate) fn ordered(&mut self, name: &str, path: &str, delivery: &str) {
        let subscriber = format!("{{uri: '{}'}}", self.server.url(path));
        let order = "  annotations: {weir.dev/delivery.order: key}\n";
        self.trigger(name, order, "", &subscriber, delivery);
    }

    /// A trigger for a function.
    pub(crate) fn run(&mut self, name: &str, module: &[u8]) {
        self.documents += &format!(
            "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n"
        );
        let subscriber = format!("{{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {name}}}}}");
        self.trigger(name, "", "", &subscriber, "{retry: 0}");
        self.home().write(&format!("{name}.wasm"), module);
    }

    fn trigger(&mut self, name: &str, annotations: &str, filter: &str, subscriber: &str, delivery: &str) {
        self.documents += &format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata:\n  name: {name}\n{annotations}spec:\n  \
             broker: default\n{filter}  subscriber: {subscriber}\n  delivery: {delivery}\n"
        );
    }

    fn home(&mut self) -> &Home {
        self.home.get_or_insert_with(|| Home::new(""))
    }

    pub(crate) fn start(&mut self) {
        let documents = self.documents.trim_start_matches("---\n").to_owned();
        self.home().write("documents.yaml", documents.as_bytes());
        let all = ["--set", "breaker.failures=0", "--set", "reload.interval=10ms"];
        let options = [&all[..], self.way.options()].concat();
        let running = Running::start(self.home.as_ref().unwrap(), &options);
        self.way.goes_to(Some(&running));
        self.running = Some(running);
    }

    pub(crate) fn stop(&mut self) {
        let ended = self.running.take().unwrap().terminate();
        self.way.goes_to(None);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Why the worker does not start.
    pub(crate) fn refused(&mut self) -> String {
        let documents = self.documents.clone();
        self.home().write("documents.yaml", documents.as_bytes());
        Running::try_start(self.home(), &[]).expect_err("it has to be refused").log
    }

    pub(crate) fn give(&mut self, event: Event) {
        self.way.give(self.running.as_ref().unwrap(), &event);
    }

    pub(crate) fn give_garbage(&mut self) {
        self.garbage += usize::from(self.way.give_garbage(self.running.as_ref().unwrap()));
    }

    /// Another module for a function, which the worker has taken.
    pub(crate) fn replace(&mut self, name: &str, module: &[u8]) {
        self.home().write(&format!("{name}.wasm"), module);
        let running = self.running.as_ref().unwrap();
        running.hangup();
        eventually("the change is taken", || running.said("a change has taken effect"));
    }

    pub(crate) fn replay(&mut self) {
        let data = self.home().data();
        let replayed = self.home().weir(&["dlq", "replay", "--all", "--data-dir", data.to_str().unwrap()]);
        assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    }

    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&Played) -> bool) {
        eventually(what, || {
            // Asking takes a process each time.
            let is_so = holds(self);
            std::thread::sleep(std::time::Duration::from_millis(if is_so { 0 } else { 100 }));
            is_so.then_some(())
        });
    }

    /// How many events a trigger is done with.
    pub(crate) fn done(&self, trigger: &str) -> usize {
        self.home.as_ref().unwrap().succeeded(&format!("default/{trigger}")).len()
    }

    /// How the attempts of an event at a trigger ended.
    pub(crate) fn attempts(&self, trigger: &str, id: &str) -> Vec<String> {
        let trigger = format!("default/{trigger}");
        let about = self.home.as_ref().unwrap().about(id).into_iter();
        let word = |outcome: String, reason: String| match outcome.as_str() {
            "succeeded" => outcome,
            _ => format!("{outcome} ({reason})"),
        };
        about
            .filter(|entry| entry.trigger == trigger)
            .map(|entry| word(entry.outcome, entry.reason))
            .collect()
    }

    /// What is kept as a dead letter, or was given back; what was no event by that word.
    pub(crate) fn given_up(&self) -> Vec<String> {
        let letters = self.home.as_ref().unwrap().dead_letters();
        let of = |letter: &weir::worker::letters::DeadLetterLine| match letter.reason.as_str() {
            "undecodable" => "garbage".to_owned(),
            _ => letter.event_id.clone(),
        };
        let told = self.way.told();
        let garbage = std::iter::repeat_n("garbage".to_owned(), self.garbage);
        let mut all: Vec<String> = letters.iter().map(of).chain(told).chain(garbage).collect();
        all.sort();
        all
    }

    /// What came to a path with each key, in its order.
    pub(crate) fn lanes(&self, path: &str) -> Lanes {
        let mut lanes = Lanes::new();
        for got in self.server.got(path) {
            let key = got.headers["ce-partitionkey"].clone();
            lanes.entry(key).or_default().push(got.id().to_owned());
        }
        lanes
    }

    pub(crate) fn note(&mut self, lanes: Lanes) {
        self.lanes = lanes;
    }

    pub(crate) fn forget_how_often(&mut self) {
        self.forgets_how_often = true;
    }

    /// When the source, too, has it that all is done. The worker is stopped.
    pub(crate) fn end(mut self) -> End {
        self.way.until_done(self.home.as_ref().unwrap());
        self.stop();
        let given_up = self.given_up();
        let entries = self.home.as_ref().unwrap().journal();
        // What is no event has no id that others would give it.
        let events = entries.iter().filter(|entry| entry.reason != "undecodable");
        let pairs: BTreeSet<_> =
            events.map(|entry| (entry.event_id.clone(), entry.trigger.clone())).collect();
        let mut attempts = BTreeMap::new();
        for (id, trigger) in pairs {
            let mut all = self.attempts(trigger.trim_start_matches("default/"), &id);
            if self.forgets_how_often {
                all.dedup();
            }
            attempts.insert((id, trigger), all);
        }
        End { attempts, given_up, lanes: self.lanes }
    }
}
