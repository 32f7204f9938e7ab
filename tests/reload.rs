//! Documents and modules change while a worker runs: what is valid takes effect as a whole, what is not changes nothing, and
//! no event is lost, repeated or met by half of a set.

mod worker;

#[path = "reload/replaced.rs"]
mod replaced;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir::worker::console::SetAnswer;
use worker::{Connection, Home, Running, eventually, guests, running};

fn trigger(name: &str, ty: &str, function: &str, more: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {{type: {ty}}}}}\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {function}}}}}\n  {more}\n---\n"
    )
}

fn function(name: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
    )
}

/// As editors do it: another file takes the place of the old one.
fn put(home: &Home, documents: &str) {
    home.write("documents.yaml~", documents.as_bytes());
    std::fs::rename(home.path().join("documents.yaml~"), home.documents()).unwrap();
}

fn home(functions: &[(&str, Vec<u8>)], triggers: &str) -> Home {
    let functions_documents: String = functions.iter().map(|(name, _)| function(name)).collect();
    let home = Home::new(&(functions_documents.clone() + triggers));
    home.write("functions.yaml", functions_documents.as_bytes());
    functions.iter().for_each(|(name, module)| home.write(&format!("{name}.wasm"), module));
    home
}

/// The documents of the functions that this home began with, and these triggers.
fn with(home: &Home, triggers: &str) -> String {
    std::fs::read_to_string(home.path().join("functions.yaml")).unwrap() + triggers
}

#[track_caller]
fn set_when(home: &Home, what: &str, condition: impl Fn(&SetAnswer) -> bool) -> SetAnswer {
    eventually(what, || Some(home.status().set).filter(&condition))
}

/// Only SIGHUP.
const ASKED: [&str; 2] = ["--set", "reload.interval=0s"];
/// All the time.
const OFTEN: [&str; 2] = ["--set", "reload.interval=10ms"];

/// `stays` is there always and has another function each time; `left` and `right` of a generation come and go together.
fn generation(number: usize) -> String {
    let function = ["alpha", "beta"][number % 2];
    let pair = |side: &str| trigger(&format!("{side}-{}", number % 3), "order", function, "");
    trigger("stays", "order", function, "") + &pair("left") + &pair("right")
}

#[test]
fn three_hundred_reloads_under_load_lose_repeat_and_halve_nothing() {
    const RELOADS: usize = 300;
    let home = home(&[("alpha", guests::audit()), ("beta", guests::answering("done"))], &generation(0));
    let worker = Running::start(&home, &ASKED);
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let http = worker.http();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut connection = Connection::open(http).unwrap();
                while !over.load(Ordering::Relaxed) {
                    let id = count.fetch_add(1, Ordering::Relaxed);
                    let key = format!("{}", id % 7);
                    let more = [("ce-partitionkey", key.as_str())];
                    let response =
                        running::post(&mut connection, "order", &id.to_string(), &more, "1").unwrap();
                    assert_eq!(response.status, 202, "{}", response.text());
                }
            });
        }
        for number in 1..=RELOADS {
            if number % 10 == 0 {
                put(&home, &with(&home, &generation(number).replace("kind: Trigger", "kind: Tigger")));
                worker.hangup();
                let set = set_when(&home, "what is wrong is refused", |set| set.refused.is_some());
                assert_eq!(set.reloads, number as u64 - 1);
            }
            put(&home, &with(&home, &generation(number)));
            worker.hangup();
            let set = set_when(&home, "the change takes effect", |set| set.reloads == number as u64);
            assert_eq!((set.refused, set.triggers), (None, 3));
        }
        over.store(true, Ordering::Relaxed);
    });
    let count = count.into_inner();
    eventually("all is done", || {
        let status = home.status();
        // Replies meet no trigger.
        let settled = status.settled == status.unrouted + count as u64;
        (settled && status.events_in_flight == 0 && status.parked == 0).then_some(())
    });
    assert_eq!(worker.terminate().code, Some(0));

    // Every end of every delivery: by event, the triggers that it ended at.
    let mut ends: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut answered: BTreeMap<String, usize> = BTreeMap::new();
    for entry in home.journal().into_iter().filter(|entry| entry.event_type == "order") {
        assert_eq!(entry.outcome, "succeeded");
        *answered.entry(entry.function).or_default() += 1;
        ends.entry(entry.event_id.parse().unwrap()).or_default().push(entry.trigger);
    }
    for letter in home.dead_letters() {
        assert_eq!((letter.reason.as_str(), letter.attempts), ("trigger-gone", 0), "{letter:?}");
        ends.entry(letter.event_id.parse().unwrap()).or_default().push(letter.trigger);
    }
    assert_eq!(ends.len(), count, "every event was met by a set");
    let mut sets = BTreeSet::new();
    for (id, mut triggers) in ends {
        triggers.sort();
        let generation = triggers[0].rsplit('-').next().unwrap().to_owned();
        let expected = [format!("default/left-{generation}"), format!("default/right-{generation}")];
        assert_eq!(triggers[..2], expected, "event {id} met half of a set: {triggers:?}");
        assert_eq!(triggers[2..], ["default/stays"], "event {id}");
        sets.insert(generation);
    }
    assert_eq!((sets.len(), answered.len()), (3, 2), "{count} events, {answered:?}");
}

#[test]
fn a_change_is_found_without_being_told_and_a_wrong_one_is_said_and_changes_nothing() {
    let home = home(&[("audit", guests::audit())], &trigger("one", "a", "audit", ""));
    let worker = Running::start(&home, &OFTEN);
    let first = home.status().set;
    assert_eq!((first.reloads, first.triggers, first.is_last_good), (0, 1, false));

    let broker = "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: more}\n---\n";
    let post_to_more = || {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-type", "a"),
            ("ce-source", "/s"),
            ("ce-id", "in-another-broker"),
        ];
        worker.connect().post("/default/more", &headers, b"").unwrap().status
    };
    assert_eq!(post_to_more(), 404);
    let two = trigger("one", "b", "audit", "")
        + &trigger("two", "a", "audit", "")
        + broker
        + &trigger("three", "a", "audit", "").replace("broker: default", "broker: more");
    put(&home, &with(&home, &two));
    let second = set_when(&home, "it takes effect", |set| set.reloads == 1);
    assert_eq!((second.triggers, second.functions), (3, 1));
    assert!(second.digest != first.digest && second.since_unix_ns > first.since_unix_ns);
    let said = eventually("it is said", || worker.said("a change has taken effect"));
    let names = ["added", "changed", "removed", "functions"].map(|name| said[name].as_str().unwrap());
    assert_eq!(names, ["default/two, default/three", "default/one", "", ""]);
    assert_eq!(post_to_more(), 202);
    worker.publish("a", "x", &[], "1");

    put(&home, &with(&home, &(two.clone() + &trigger("four", "a", "audti", ""))));
    let refused = set_when(&home, "it is refused", |set| set.refused.is_some());
    assert_eq!((&refused.digest, refused.reloads), (&second.digest, 1));
    let problem = &refused.refused.unwrap().problems[0];
    assert!(problem.contains("documents.yaml:") && problem.contains("did you mean 'audit'?"), "{problem}");
    assert!(worker.said("the change is refused: what was in force goes on").is_some());
    let ready = Connection::open(worker.admin()).unwrap().get("/readyz").unwrap();
    assert!(ready.status == 200 && ready.text().contains("was refused"), "{}", ready.text());
    let shown = home.weir(&["status", "--data-dir", "data"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&second.digest) && shown.contains("did you mean 'audit'?"), "{shown}");
    worker.publish("a", "y", &[], "1");

    // A directory may be emptied only to be filled again.
    put(&home, &with(&home, ""));
    let refused = set_when(&home, "nothing is left", |set| {
        set.refused
            .as_ref()
            .is_some_and(|refused| refused.problems[0].contains("there is no trigger any more"))
    });
    assert_eq!((refused.triggers, refused.reloads), (3, 1));

    // As it was again: there is nothing to take and nothing is wrong any more.
    put(&home, &with(&home, &two));
    let third = set_when(&home, "nothing is refused any more", |set| set.refused.is_none());
    assert_eq!((third.digest, third.reloads), (second.digest, 1));
    eventually("all is done", || (home.status().settled == 3).then_some(()));
    worker.terminate();
    for id in ["x", "y"] {
        let triggers: Vec<_> = home.about(id).into_iter().map(|entry| entry.trigger).collect();
        assert_eq!(triggers, ["default/two"]);
    }
    assert_eq!(home.about("in-another-broker")[0].trigger, "default/three");
}

#[test]
fn a_hangup_is_answered_whatever_there_is_to_find() {
    let home = home(&[("audit", guests::audit())], &trigger("one", "a", "audit", ""));
    let worker = Running::start(&home, &ASKED);
    worker.hangup();
    eventually("it says so", || worker.said("SIGHUP: nothing has changed"));
    home.write("weir.yaml", b"executors: 1\n");
    put(&home, &with(&home, &trigger("two", "a", "audit", "")));
    worker.hangup();
    set_when(&home, "it takes effect", |set| set.reloads == 1);
    eventually("settings are not for now", || {
        worker.said("the settings have changed: that takes effect at the next start")
    });
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_selection_holds_for_what_changes_and_a_trigger_does_not_leave_it_while_the_worker_runs() {
    let of = |name: &str, team: &str| {
        let labels = format!("{{name: {name}, labels: {{team: {team}}}}}");
        trigger(name, "a", "audit", "").replace(&format!("{{name: {name}}}\n"), &(labels + "\n"))
    };
    let home = home(&[("audit", guests::audit())], &(of("one", "x") + &of("other", "y")));
    let worker = Running::start(&home, &[ASKED[0], ASKED[1], "--select", "team=x"]);
    assert_eq!(home.status().set.triggers, 1);
    put(&home, &with(&home, &(of("one", "x") + &of("other", "y") + &of("two", "x") + &of("more", "y"))));
    worker.hangup();
    assert_eq!(set_when(&home, "it takes effect", |set| set.reloads == 1).triggers, 2);
    let noted = std::fs::read_to_string(home.data().join("selected")).unwrap();
    assert!(noted.contains("default/two") && !noted.contains("default/more"), "{noted}");
    put(&home, &with(&home, &(of("one", "y") + &of("two", "x"))));
    worker.hangup();
    let refused = set_when(&home, "it is refused", |set| set.refused.is_some()).refused.unwrap();
    assert!(refused.problems[0].starts_with("default/one would no longer be selected"), "{refused:?}");
    worker.publish("a", "1", &[], "1");
    eventually("both do what they did", || (home.about("1").len() == 2).then_some(()));
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn what_is_left_of_a_trigger_that_is_gone_becomes_dead_letters_that_can_go_to_another() {
    let parked = trigger("parked", "p", "brittle", "delivery: {retry: 9, backoffDelay: PT10M}");
    let retrying = trigger("retrying", "r", "brittle", "delivery: {retry: 9, backoffDelay: PT20S}");
    let home =
        home(&[("brittle", guests::brittle()), ("audit", guests::audit())], &[parked, retrying].concat());
    let worker = Running::start(&home, &["--set", "hold.time=60s", "--set", "reload.interval=0s"]);
    let key = [("ce-partitionkey", "k")];
    for (ty, id) in [("p", "p1"), ("r", "r1")] {
        worker.publish(ty, id, &key, r#""!""#);
        worker.publish(ty, &format!("{id}-behind"), &key, "1");
    }
    eventually("one key waits parked, another in memory", || {
        let status = home.status();
        ((status.parked, status.events_in_flight, status.held) == (2, 2, 2)).then_some(())
    });
    put(&home, &with(&home, &trigger("heir", "x", "audit", "")));
    worker.hangup();
    eventually("all of it is given up", || (home.dead_letters().len() == 4).then_some(()));
    eventually("nothing is left", || {
        let status = home.status();
        ((status.parked, status.events_in_flight) == (0, 0)).then_some(())
    });
    let mut letters: Vec<_> = home
        .dead_letters()
        .into_iter()
        .map(|l| (l.event_id, l.trigger, l.function, l.attempts, l.reason))
        .collect();
    letters.sort();
    let letter = |id: &str, trigger: &str, attempts| {
        let texts = [id, trigger, "default/brittle", "trigger-gone"].map(str::to_owned);
        let [id, trigger, function, reason] = texts;
        (id, trigger, function, attempts, reason)
    };
    let expected = [
        letter("p1", "default/parked", 1),
        letter("p1-behind", "default/parked", 0),
        letter("r1", "default/retrying", 1),
        letter("r1-behind", "default/retrying", 0),
    ];
    assert_eq!(letters, expected);

    put(&home, &with(&home, ""));
    worker.hangup();
    assert_eq!(set_when(&home, "it was asked for", |set| set.reloads == 2).triggers, 0);
    put(&home, &with(&home, &trigger("heir", "x", "audit", "")));

    // A kill changes nothing about that.
    worker.kill();
    let worker = Running::start(&home, &ASKED);
    assert_eq!(home.dead_letters().len(), 4);
    let replay = ["dlq", "replay", "--reason", "trigger-gone", "--to", "heir", "--data-dir", "data"];
    let replayed = home.weir(&replay);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    eventually("the heir has them", || (home.succeeded("default/heir").len() == 4).then_some(()));
    assert_eq!(worker.terminate().code, Some(0));
    assert!(home.dead_letters().is_empty());
}

/// `..data` is a link to the directory of what is in force; the files are links through it.
#[test]
fn a_config_map_s_swap_of_links_is_one_change() {
    let home = home(&[("audit", guests::audit())], "");
    let at = |name: &str| home.path().join("mounted").join(name);
    let version = |name: &str, triggers: &[&str]| {
        std::fs::create_dir_all(at(name)).unwrap();
        for (file, name_of) in ["a.yaml", "b.yaml"].iter().zip(triggers) {
            std::fs::write(at(name).join(file), trigger(name_of, "t", "audit", "")).unwrap();
        }
    };
    version("..1", &["left-1", "right-1"]);
    symlink("..1", at("..data")).unwrap();
    ["a.yaml", "b.yaml"].iter().for_each(|file| symlink(format!("..data/{file}"), at(file)).unwrap());
    let mounted = at("");
    let worker = Running::start(&home, &[OFTEN[0], OFTEN[1], mounted.to_str().unwrap()]);
    for number in 2..6 {
        let (name, before) = (format!("..{number}"), format!("..{}", number - 1));
        version(&name, &[&format!("left-{number}"), &format!("right-{number}")]);
        symlink(&name, at("..new")).unwrap();
        std::fs::rename(at("..new"), at("..data")).unwrap();
        std::fs::remove_dir_all(at(&before)).unwrap();
        let set = set_when(&home, "it is taken", |set| set.reloads == number - 1);
        assert_eq!((set.triggers, set.refused), (2, None));
        worker.publish("t", &number.to_string(), &[], "1");
        eventually("it is routed by the new ones", || {
            let about = home.about(&number.to_string());
            (about.len() == 2)
                .then(|| assert!(about.iter().all(|e| e.trigger.ends_with(&number.to_string()))))
        });
    }
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_module_that_is_replaced_answers_from_then_on_and_a_broken_one_never_does() {
    let home = home(&[("f", guests::answering("one"))], &trigger("t", "a", "f", ""));
    let worker = Running::start(&home, &OFTEN);
    let answer = |id: &str| {
        worker.publish("a", id, &[], "1");
        eventually("it is answered", || home.about(id).pop()).replies[0].ty.clone()
    };
    assert_eq!(answer("1"), "one");
    home.write("f.wasm", &guests::answering("two"));
    set_when(&home, "it is taken", |set| set.reloads == 1);
    let said = eventually("it is said", || worker.said("a change has taken effect"));
    assert_eq!(said["functions"], "default/f");
    assert_eq!(answer("2"), "two");
    home.write("f.wasm", b"no module");
    let set = set_when(&home, "it is refused", |set| set.refused.is_some());
    let why = &set.refused.unwrap().problems;
    assert!(why.len() == 1 && why[0].contains("function default/f"), "{why:?}");
    assert_eq!((set.reloads, answer("3").as_str()), (1, "two"));
    let refused_for = |why: &str| {
        set_when(&home, why, |set| {
            set.refused.as_ref().is_some_and(|refused| refused.problems[0].contains(why))
        });
    };
    // It is there and can't be read, and then it is not there: the same bytes, and another mistake.
    std::fs::remove_file(home.path().join("f.wasm")).unwrap();
    symlink("/proc/self/mem", home.path().join("f.wasm")).unwrap();
    refused_for("can't read the module");
    std::fs::remove_file(home.path().join("f.wasm")).unwrap();
    refused_for("does not exist");
    home.write("f.wasm", &guests::answering("three"));
    set_when(&home, "it is taken", |set| set.reloads == 2 && set.refused.is_none());
    assert_eq!(answer("4"), "three");
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_limit_that_changes_holds_from_then_on_for_the_same_module() {
    let documents = |memory: &str| {
        let limited = format!("spec: {{module: f.wasm, memory: {memory}}}");
        function("f").replace("spec: {module: f.wasm}", &limited)
            + &trigger("t", "a", "f", "delivery: {retry: 1, backoffDelay: PT0.01S}")
    };
    // It begins with 17 pages and wants two more.
    let home = Home::new(&documents("1152KiB"));
    let grows = "(if (i32.lt_s (memory.grow (i32.const 2)) (i32.const 0)) (then unreachable)) (i64.const 0)";
    home.write("f.wasm", &guests::guest(grows, ""));
    let worker = Running::start(&home, &ASKED);
    let reason = |id: &str| {
        worker.publish("a", id, &[], "1");
        eventually("it is attempted", || home.about(id).pop()).reason
    };
    assert_eq!(reason("1"), "memory");
    // Its second attempt, too: under the other limit that would take the room of the next event.
    eventually("it has ended", || (home.status().events_in_flight == 0).then_some(()));
    put(&home, &documents("1216KiB"));
    worker.hangup();
    set_when(&home, "it is taken", |set| set.reloads == 1);
    assert_eq!(reason("2"), "none");
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn after_a_kill_the_last_good_set_takes_the_place_of_a_wrong_one_if_it_may() {
    let home = home(&[("f", guests::answering("old"))], &trigger("t", "a", "f", ""));
    let wrong = "kind: Nothing\n";
    // There has been none yet.
    home.write("documents.yaml", wrong.as_bytes());
    let ended = Running::try_start(&home, &["--last-good"]).unwrap_err();
    assert_eq!(ended.code, Some(78));
    assert!(ended.log.contains("no set has been in force here before"), "{}", ended.log);

    home.write("documents.yaml", with(&home, &trigger("t", "a", "f", "")).as_bytes());
    let worker = Running::start(&home, &ASKED);
    put(&home, &with(&home, &(trigger("t", "a", "f", "") + &trigger("more", "b", "f", ""))));
    worker.hangup();
    let good = set_when(&home, "it takes effect", |set| set.reloads == 1);
    let kept = home.data().join("last-good/set.json");
    eventually("it is kept", || {
        std::fs::read_to_string(&kept).is_ok_and(|text| text.contains("name: more")).then_some(())
    });
    worker.kill();

    home.write("documents.yaml", wrong.as_bytes());
    std::fs::remove_file(home.path().join("f.wasm")).unwrap();
    let ended = Running::try_start(&home, &ASKED).unwrap_err();
    assert_eq!(ended.code, Some(78));
    let worker = Running::start(&home, &[ASKED[0], ASKED[1], "--last-good"]);
    let set = home.status().set;
    assert_eq!((set.digest, set.triggers, set.is_last_good), (good.digest.clone(), 2, true));
    assert!(set.refused.is_some());
    assert!(worker.said("what the files say is refused: started with the last set that was good").is_some());
    worker.publish("b", "1", &[], "1");
    eventually("it does what it did", || (home.about("1").len() == 1).then_some(()));

    // Mended, the files are in force again: the same, and then another.
    home.write("f.wasm", &guests::answering("old"));
    put(&home, &with(&home, &(trigger("t", "a", "f", "") + &trigger("more", "b", "f", ""))));
    worker.hangup();
    let set = set_when(&home, "they say the same", |set| !set.is_last_good && set.refused.is_none());
    assert_eq!((set.digest, set.reloads), (good.digest, 0));
    home.write("f.wasm", &guests::answering("new"));
    worker.hangup();
    set_when(&home, "it takes effect", |set| set.reloads == 1);
    assert_eq!(worker.terminate().code, Some(0));
    assert_eq!(std::fs::read_dir(home.data().join("last-good")).unwrap().count(), 2, "one set alone is kept");
}
