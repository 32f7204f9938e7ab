//! A data directory with two versions of every format in it side by side, and one with a format that is still to come.

use std::collections::BTreeMap;
use std::net::TcpListener;

use super::before;
use super::receiver::{Mood, Receiver};
use super::volumes::Volumes;
use super::worker::{Home, Running, eventually, guests};

/// Events of each kind that each worker gets.
const EACH: usize = 5;

/// What is parked is parked at once, and what does not end is not waited for.
const OPTIONS: [&str; 6] =
    ["--set", "hold.time=0s", "--set", "drain.timeout=1s", "--set", "breaker.failures=0"];

fn trigger(name: &str, subscriber: &str, delivery: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {{type: {name}}}}}\n  subscriber: {subscriber}\n  delivery: {delivery}\n---\n"
    )
}

fn function(name: &str) -> String {
    format!("{{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {name}}}}}")
}

/// `orders` go where that says; `tasks` are dead at once where they fail, `later` is tried again for long.
fn documents(orders: &str, usage: &str) -> String {
    [
        trigger("orders", orders, "{retry: 0, timeout: PT10M}"),
        trigger("tasks", &function("brittle"), "{retry: 0}"),
        trigger("later", &function("brittle"), "{retry: 1000, backoffPolicy: linear, backoffDelay: PT1S}"),
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: brittle}\nspec: {module: brittle.wasm}\n---\n"
            .to_owned(),
        format!(
            "apiVersion: weir.dev/v1alpha1\nkind: BillingSink\nmetadata: {{name: usage}}\nspec: {{http: {{url: '{usage}'}}}}\n"
        ),
    ]
    .concat()
}

/// A directory of documents, with somebody who never answers and a billing that is away.
pub(crate) struct Left {
    pub(crate) home: Home,
    billing: Receiver,
    /// Connections wait in its backlog.
    _silent: TcpListener,
}

impl Left {
    fn new() -> Left {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let billing = Receiver::start();
        billing.be(Mood::Down);
        let uri = format!("{{uri: 'http://{}/'}}", silent.local_addr().unwrap());
        let home = Home::new(&documents(&uri, &billing.url()));
        home.write("brittle.wasm", &guests::brittle());
        Left { home, billing, _silent: silent }
    }

    /// With a billing that takes all.
    pub(crate) fn billed() -> Left {
        let left = Left::new();
        left.billing.be(Mood::Well);
        left
    }

    /// A worker, until it has done what it can: orders wait, tasks are done or dead, what comes later is parked.
    pub(crate) fn work(&self, round: usize, parked: usize) {
        let running = Running::start(&self.home, &OPTIONS);
        for n in 0..EACH {
            running.publish("orders", &format!("order-{round}-{n}"), &[], "{}");
            running.publish("tasks", &format!("task-{round}-{n}"), &[], "{}");
        }
        (0..2).for_each(|n| running.publish("tasks", &format!("dead-{round}-{n}"), &[], r#""!""#));
        (0..parked).for_each(|n| running.publish("later", &format!("later-{n}"), &[], r#""!""#));
        eventually("what can be done is done", || {
            let status = self.home.status();
            let waiting = status.events_in_flight == (round * EACH) as u64 && status.parked == parked as u64;
            (waiting && self.home.dead_letters().len() == 2 * round).then_some(())
        });
        let ended = running.terminate();
        assert!(ended.said("stopped: all that was in flight has settled").is_none(), "{}", ended.log);
    }

    fn log(&self, name: &str) -> Volumes {
        Volumes::read(&self.home.data().join(name))
    }
}

fn letters(home: &Home) -> Vec<(u64, String)> {
    home.dead_letters().into_iter().map(|letter| (letter.id, letter.event_id)).collect()
}

/// An older worker, this one, and this one again with everything mended: nothing is lost, done twice or billed twice.
#[test]
fn what_two_versions_left_in_a_data_directory_is_gone_on_with() {
    let left = Left::new();
    left.work(1, 0);
    before::rewrite(&left.home.data());
    let formats = || ["queue", "journal", "dead-letters"].map(|name| left.log(name).formats());
    assert_eq!(formats(), [vec![1], vec![6], vec![1]]);
    assert_eq!(left.log("queue").states["progress"][0], 1);

    left.work(2, 3);
    assert_eq!(formats(), [vec![1, 2], vec![6, 7], vec![1, 2]], "each beside the other");
    assert_eq!(left.log("queue").states["progress"][0], 2);

    let home = &left.home;
    home.write("documents.yaml", documents(&function("brittle"), &left.billing.url()).as_bytes());
    home.write("brittle.wasm", &guests::audit());
    left.billing.be(Mood::Well);
    let running = Running::start(home, &OPTIONS);
    let stands: BTreeMap<u64, String> = letters(home).into_iter().collect();
    assert_eq!(stands.keys().collect::<Vec<_>>(), [&0, &1, &2, &3]);
    // A letter of each version is tried again. Of a round's two either may have been the first.
    for id in ["0", "2"] {
        let replayed = home.weir(&["dlq", "replay", id]);
        assert!(replayed.status.success(), "{replayed:?}");
    }
    eventually("all is done, and billed", || {
        let status = home.status();
        let ran = ["default/orders", "default/tasks", "default/later"].map(|of| home.succeeded(of).len());
        let all = ran == [2 * EACH, 2 * EACH + 2, 3] && status.events_in_flight == 0 && status.parked == 0;
        (all && left.billing.state().first.len() == home.journal().len()).then_some(())
    });
    assert_eq!(running.terminate().code, Some(0));

    let each = |what: &str| -> Vec<String> {
        (1..=2).flat_map(|round| (0..EACH).map(move |n| format!("{what}-{round}-{n}"))).collect()
    };
    let once = |ids: Vec<String>| ids.into_iter().map(|id| (id, 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(home.succeeded("default/orders"), once(each("order")));
    let replayed = [&stands[&0], &stands[&2]].map(String::clone);
    assert_eq!(home.succeeded("default/tasks"), once([each("task"), replayed.into()].concat()));
    assert_eq!(home.succeeded("default/later"), once((0..3).map(|n| format!("later-{n}")).collect()));
    assert_eq!(letters(home), [1, 3].map(|id| (id, stands[&id].clone())));

    let entries = home.journal();
    let verified = home.weir(&["journal", "verify"]);
    let said = String::from_utf8(verified.stdout).unwrap();
    assert!(
        verified.status.success() && said.starts_with(&format!("{} entries in ", entries.len())),
        "{said}"
    );
    let billed = left.billing.state();
    assert_eq!(billed.wrong, Vec::<String>::new());
    let charges: Vec<&String> = billed.first.keys().map(|(_, id)| id).collect();
    assert!(entries.iter().all(|entry| charges.contains(&&entry.charge)) && charges.len() == entries.len());
    assert_eq!(formats(), [vec![1, 2], vec![6, 7], vec![1, 2]], "and it is all still there");
}
