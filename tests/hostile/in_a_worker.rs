//! All of them as functions of one worker, each with an event of its own.

use std::collections::BTreeMap;

use crate::guest::{End, Guest};
use crate::worker::guests::answering;
use crate::worker::{Home, Running, eventually};
use crate::{alone, guests};

/// What an event makes of them that is no event's: they look at the first byte, or answer with the event for ever.
const LEFT_OUT: [&str; 2] = ["ruined-buffer", "echo"];

fn documents(name: &str, limits: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {{type: {name}}}}}\n  delivery: {{retry: 0}}\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {name}}}}}\n---\n\
         apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\n\
         spec: {{module: {name}.wasm{limits}}}\n---\n"
    )
}

#[test]
fn a_worker_runs_all_of_them_and_does_what_it_did() {
    let _alone = alone();
    let all: Vec<&Guest> =
        guests().filter(|guest| !guest.is_refused() && !LEFT_OUT.contains(&guest.name)).collect();
    let limits = |guest: &Guest| {
        let fuel = guest.limits.fuel.map_or_else(String::new, |fuel| format!(", fuel: {fuel}"));
        format!(", timeout: {}ms{fuel}", guest.limits.timeout.as_millis())
    };
    let text: String = all.iter().map(|guest| documents(guest.name, &limits(guest))).collect();
    let home = Home::new(&(text + &documents("neighbour", "")));
    all.iter().for_each(|guest| home.write(&format!("{}.wasm", guest.name), &guest.bytes()));
    home.write("neighbour.wasm", &answering("well"));
    let worker = Running::start(&home, &["--set", "reload.interval=0s"]);
    for guest in &all {
        worker.publish(guest.name, guest.name, &[], "1");
        worker.publish("neighbour", &format!("after-{}", guest.name), &[], "1");
    }
    // Before the last has come nothing is in flight, either.
    let entries = eventually("all is done", || {
        let is_idle = home.status().events_in_flight == 0;
        let entries: BTreeMap<String, _> =
            home.journal().into_iter().map(|entry| (entry.event_id.clone(), entry)).collect();
        (is_idle && entries.len() == 2 * all.len()).then_some(entries)
    });
    for guest in all {
        let entry = &entries[guest.name];
        let ended = (entry.outcome.as_str(), entry.reason.as_str(), entry.replies.len());
        let wanted = match guest.end {
            End::Refused(why) => panic!("{}: {why}", guest.name),
            End::Replies(count) => ("succeeded", "none", count),
            End::Fails(outcome, reason, _) | End::Says(outcome, reason, _) => {
                (outcome.as_str(), reason.as_str(), 0)
            }
        };
        assert_eq!(ended, wanted, "{}: {entry:?}", guest.name);
        let neighbour = &entries[&format!("after-{}", guest.name)];
        assert_eq!((neighbour.outcome.as_str(), neighbour.replies[0].ty.as_str()), ("succeeded", "well"));
    }
    let ended = worker.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("panicked"), "{}", ended.log);
}
