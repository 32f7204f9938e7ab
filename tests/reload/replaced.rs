//! A function's file is replaced again and again while events come: in its place, over it, and behind a link.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{OFTEN, function, set_when, trigger};
use crate::worker::{Connection, Home, Running, eventually, guests, running};

const REPLACEMENTS: usize = 100;

fn version(number: usize) -> Vec<u8> {
    guests::answering(&format!("version-{number}"))
}

/// Puts a module where the documents say that `f` is. `between` is called while half of it is there, or another's half.
fn replace(home: &Home, number: usize, between: impl Fn()) {
    let (path, wasm) = (home.path().join("f.wasm"), version(number));
    match number % 3 {
        // As a compiler does it: what was there is cut off, then written anew, a piece after the other.
        0 => {
            let mut file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            between();
            let cuts = [wasm.len() / 3, wasm.len() * 2 / 3, wasm.len() - 1, wasm.len()];
            let mut begin = 0;
            for cut in cuts {
                // Whoever waits for long enough here is taken at their word, so it must not be one.
                let is_module = wasmparser::validate(&wasm[..cut]).is_ok();
                assert_eq!(is_module, cut == wasm.len(), "{cut} of {} bytes", wasm.len());
                file.write_all(&wasm[begin..cut]).unwrap();
                between();
                begin = cut;
            }
        }
        1 => {
            home.write("f.wasm~", &wasm);
            between();
            fs::rename(home.path().join("f.wasm~"), &path).unwrap();
        }
        _ => {
            let name = format!("f-{number}.wasm");
            home.write(&name, &wasm);
            let link = home.path().join("f.link");
            std::os::unix::fs::symlink(&name, &link).unwrap();
            between();
            fs::rename(link, &path).unwrap();
        }
    }
}

#[test]
fn a_module_that_is_replaced_a_hundred_times_under_load_loses_fails_and_halves_nothing() {
    let home = Home::new(&(function("f") + &trigger("t", "order", "f", "")));
    home.write("f.wasm", &version(0));
    let worker = Running::start(&home, &OFTEN);
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let http = worker.http();
    let post = |connection: &mut Connection| {
        let id = count.fetch_add(1, Ordering::Relaxed).to_string();
        let response = running::post(connection, "order", &id, &[], "1").unwrap();
        assert_eq!(response.status, 202, "{}", response.text());
    };
    std::thread::scope(|scope| {
        let publish = || {
            let mut connection = Connection::open(http).unwrap();
            while !over.load(Ordering::Relaxed) {
                post(&mut connection);
            }
        };
        let publishers = [scope.spawn(publish), scope.spawn(publish)];
        let one = || post(&mut Connection::open(http).unwrap());
        for number in 1..=REPLACEMENTS {
            let before = home.status().set.reloads;
            // Now and then somebody is in a hurry: the next one comes before this one is in force.
            replace(&home, number, one);
            if number % 10 != 9 {
                set_when(&home, "it takes effect", |set| set.reloads > before && set.refused.is_none());
                one();
            }
        }
        over.store(true, Ordering::Relaxed);
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    });
    // Whatever was taken meanwhile, it ends with the last.
    let last = format!("version-{REPLACEMENTS}");
    let answered = |id: &str| home.about(id).pop().map(|entry| entry.replies[0].ty.clone());
    eventually("the last one answers", || {
        let id = count.fetch_add(1, Ordering::Relaxed).to_string();
        worker.publish("order", &id, &[], "1");
        let ty = eventually("it is answered", || answered(&id));
        (ty == last).then_some(())
    });
    eventually("all is done", || (home.status().events_in_flight == 0).then_some(()));
    let reloads = home.status().set.reloads;
    assert_eq!(worker.terminate().code, Some(0));

    assert!(home.dead_letters().is_empty());
    let versions: BTreeSet<String> = (0..=REPLACEMENTS).map(|number| format!("version-{number}")).collect();
    let (mut events, mut met) = (BTreeSet::new(), BTreeSet::new());
    for entry in home.journal().into_iter().filter(|entry| entry.event_type == "order") {
        assert_eq!((entry.outcome.as_str(), entry.attempt), ("succeeded", 1), "{entry:?}");
        assert_eq!(entry.replies.len(), 1, "{entry:?}");
        let ty = entry.replies[0].ty.clone();
        assert!(versions.contains(&ty), "an answer of no version: {entry:?}");
        assert!(events.insert(entry.event_id.clone()), "it ended twice: {entry:?}");
        met.insert(ty);
    }
    let count = count.into_inner();
    assert_eq!(events.len(), count);
    println!("{count} events, {reloads} reloads, {} versions answered", met.len());
    assert!(met.len() > REPLACEMENTS / 2, "{met:?}");
}
