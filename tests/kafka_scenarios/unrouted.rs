//! Events that meet no trigger, where the source says what becomes of them.

use crate::kafka::{Topic, once_each};
use crate::run;
use crate::worker::{Home, Running, eventually, guests};

/// A source that says so, with a trigger for `task`.
fn home(topic: &Topic, unrouted: &str, more: &str) -> Home {
    let documents = topic.documents(&run("audit", "task", "key", ""));
    let annotated = format!("{{name: orders, annotations: {{weir.dev/unrouted: {unrouted}}}}}");
    let home = Home::new(&(documents.replacen("{name: orders}", &annotated, 1) + more));
    home.write("audit.wasm", &guests::audit());
    home
}

fn publish(topic: &Topic, types: &[&str]) {
    for (n, ty) in types.iter().enumerate() {
        topic.publish(0, None, ty, &n.to_string(), "{}");
    }
    topic.flush();
}

#[test]
fn they_are_dead_letters_where_the_source_says_so() {
    let topic = Topic::new(1);
    let home = home(&topic, "dead-letter", "");
    publish(&topic, &["task", "lost", "task"]);
    let running = Running::start(&home, &[]);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 2);
    let letters = home.dead_letters();
    let letter = letters.first().unwrap();
    assert_eq!((letters.len(), letter.event_id.as_str(), letter.reason.as_str()), (1, "1", "unrouted"));
}

/// And a restart in between changes nothing.
#[test]
fn they_wait_with_their_partition_where_the_source_says_so_until_a_reload_brings_a_trigger() {
    let topic = Topic::new(1);
    let home = home(&topic, "pause", "");
    publish(&topic, &["task", "lost", "task"]);
    for _ in 0..2 {
        let running = Running::start(&home, &[]);
        eventually("it says so", || running.log().contains("an event met no trigger").then_some(()));
        eventually("what follows it is done", || (home.succeeded("default/audit").len() == 2).then_some(()));
        assert_eq!(running.terminate().code, Some(0));
        assert_eq!(topic.lag(), 2);
    }
    let running = Running::start(&home, &[]);
    eventually("it says so", || running.log().contains("an event met no trigger").then_some(()));
    let documents = std::fs::read_to_string(home.documents()).unwrap();
    let (_, trigger) = run("audit", "lost", "key", "")
        .split_once("\n---\n")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let trigger = trigger.replacen("name: audit\n", "name: found\n", 1);
    home.write("documents.yaml", format!("{documents}---\n{trigger}").as_bytes());
    running.hangup();
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 2);
    assert!(home.succeeded("default/found").keys().eq(["1"]));
    assert!(home.dead_letters().is_empty());
}
