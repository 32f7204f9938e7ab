//! Events of which one delivery has ended while the other waits for a retry that is far away: however often the worker is
//! killed meanwhile, the one that has ended never runs again, and the other does.

use std::collections::{BTreeMap, BTreeSet};

use super::dice::Dice;
use super::verdict::charges_are_unique;
use super::worker::{Home, Running, eventually, guests};

const KILLS: usize = 8;
/// Retries that are ten minutes away are waited for in memory.
const HOLD: [&str; 4] = ["--set", "hold.time=24h", "--set", "breaker.failures=0"];
const AUDIT: &str = "default/audit";
const BRITTLE: &str = "default/brittle";
const LATE: &str = "default/late";

const TASKS: &str = "{type: task}";
/// Marks are for one trigger alone: they settle at once.
const ALL: &str = "{source: /shop}";

fn trigger(name: &str, filter: &str) -> String {
    let function = if name == "brittle" { "brittle" } else { "audit" };
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {filter}}}\n  delivery: {{retry: 9, backoffDelay: PT10M}}\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {function}}}}}\n---\n"
    )
}

fn documents(triggers: &[(&str, &str)]) -> String {
    let functions = ["audit", "brittle"].map(|name| {
        format!(
            "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\n\
             spec: {{module: {name}.wasm}}\n---\n"
        )
    });
    triggers.iter().map(|(name, filter)| trigger(name, filter)).chain(functions).collect()
}

/// What was published: the tasks, and those of them that fail.
#[derive(Default)]
struct Tasks {
    all: BTreeSet<String>,
    poisoned: BTreeSet<String>,
    /// How often each was tried before the worker that runs now.
    tried: BTreeMap<String, usize>,
}

impl Tasks {
    fn publish(&mut self, worker: &Running, count: u64) {
        for _ in 0..count {
            let id = format!("task-{}", self.all.len());
            let data = if self.all.len().is_multiple_of(2) { r#""!""# } else { "1" };
            worker.publish("task", &id, &[], data);
            if data != "1" {
                self.poisoned.insert(id.clone());
            }
            self.all.insert(id);
        }
    }

    /// Waits until every end so far is durable. A mark that is published after all ends stand in the journal comes after
    /// them in the queue's writes as well: once it has settled, they are in the queue.
    fn rest(&self, home: &Home, worker: &Running, mark: &str) {
        eventually("every task is audited", || {
            let audited = attempts(home, AUDIT);
            self.all.iter().all(|id| audited.contains_key(id)).then_some(())
        });
        // This worker has tried all that failed before it: the other half does go on.
        eventually("every poisoned task is tried anew", || {
            let tried = attempts(home, BRITTLE);
            let anew = |id| tried.get(id) > self.tried.get(id);
            self.poisoned.iter().all(anew).then_some(())
        });
        worker.publish("mark", mark, &[], "1");
        eventually("all but the poisoned tasks have settled", || {
            let status = home.status();
            let waiting = (status.events_in_flight, status.held);
            let failed = self.poisoned.len() as u64;
            (waiting == (failed, failed) && attempts(home, AUDIT).contains_key(mark)).then_some(())
        });
    }
}

/// How often each event was attempted for a trigger.
fn attempts(home: &Home, trigger: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in home.journal().into_iter().filter(|entry| entry.trigger == trigger) {
        *counts.entry(entry.event_id).or_default() += 1;
    }
    counts
}

/// Whatever was at rest then must not have been attempted since.
fn stayed(before: &BTreeMap<String, usize>, now: &BTreeMap<String, usize>) {
    for (id, count) in before {
        assert_eq!(now[id], *count, "{id} had ended and ran again");
    }
}

#[test]
fn a_delivery_that_ended_never_runs_again_while_its_event_waits_for_another() {
    let home = Home::new(&documents(&[("brittle", TASKS), ("audit", ALL)]));
    home.write("audit.wasm", &guests::audit());
    home.write("brittle.wasm", &guests::brittle());
    let mut dice = Dice::new(super::seed());
    let mut tasks = Tasks::default();
    let mut rested = BTreeMap::new();
    let mut worker = Running::start(&home, &HOLD);
    for kill in 0..KILLS {
        tasks.publish(&worker, dice.within(1..30));
        // Every other kill comes in the middle of things.
        if kill % 2 == 0 {
            tasks.rest(&home, &worker, &format!("mark-{kill}"));
            let now = attempts(&home, AUDIT);
            stayed(&rested, &now);
            rested = now;
        }
        worker.kill();
        tasks.tried = attempts(&home, BRITTLE);
        worker = Running::start(&home, &HOLD);
    }
    tasks.rest(&home, &worker, "mark-last");
    let audited = attempts(&home, AUDIT);
    stayed(&rested, &audited);
    worker.kill();

    // A trigger that comes later gets what is unsettled (and what settled just before the kill); one that is away does no
    // harm.
    home.write("documents.yaml", documents(&[("brittle", TASKS), ("late", TASKS)]).as_bytes());
    let worker = Running::start(&home, &HOLD);
    eventually("the late trigger has had them all", || {
        let late = attempts(&home, LATE);
        tasks.poisoned.iter().all(|id| late.contains_key(id)).then_some(())
    });
    worker.kill();

    // It is back, and the function is mended: what was left is done, and no more than that.
    home.write("documents.yaml", documents(&[("brittle", TASKS), ("audit", ALL)]).as_bytes());
    home.write("brittle.wasm", &guests::audit());
    let worker = Running::start(&home, &[]);
    eventually("all has settled", || {
        let done = home.succeeded(BRITTLE).keys().eq(&tasks.all);
        (done && home.status().events_in_flight == 0).then_some(())
    });
    let ended = worker.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(attempts(&home, AUDIT), audited, "what had been audited was audited again");
    assert!(home.dead_letters().is_empty());
    let journal = home.journal();
    // Each worker begins to count a delivery's attempts anew: the same attempt, the same charge.
    charges_are_unique(&journal);
    assert!(journal.iter().all(|entry| entry.attempt == 1));
    let repeats = audited.values().sum::<usize>() - audited.len();
    println!(
        "halves: {KILLS} kills, {} tasks, {} failing, {repeats} repeats",
        tasks.all.len(),
        tasks.poisoned.len()
    );
}
