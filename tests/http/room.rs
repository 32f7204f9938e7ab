//! No room: in the queue, on the disk, in the journal. Nobody is told 202, /readyz says so, and room that comes free is
//! used without anyone's help.

use super::*;

/// The function fails each event once: until its second attempt, the event stays.
fn reluctant() -> Home {
    let home = Home::new(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: reluctant}\nspec: {module: f.wasm}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: all}\nspec:\n  broker: default\n  \
         delivery: {retry: 9, backoffPolicy: linear, backoffDelay: PT2S}\n  \
         subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: reluctant}}\n",
    );
    let error = r#"{"error":{"retry":true}}"#;
    let handle = format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (result i64) (i32.and (global.get $calls) (i32.const 1))
             (then (i64.const {})) (else (i64.const 0)))",
        (16_u64 << 32) | error.len() as u64
    );
    let more = format!(
        r#"(global $calls (mut i32) (i32.const 0)) (data (i32.const 16) "{}")"#,
        error.replace('"', "\\\"")
    );
    home.write("f.wasm", &guests::guest(&handle, &more));
    home
}

fn volumes(home: &Home) -> usize {
    let entries = std::fs::read_dir(home.data().join("queue")).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("volume-"))
        .count()
}

#[test]
fn a_full_queue_is_503_until_events_are_done() {
    const SETTINGS: [&str; 3] = ["queue.max-bytes=1MiB", "dispatch.max-in-flight=1", "executors=1"];
    let home = reluctant();
    let running = start(&home, &SETTINGS);
    let mut accepted = Vec::new();
    let mut large = |id: String| {
        let mut body = event(&id);
        body.insert_str(body.len() - 2, &format!(r#","more":"{}""#, "x".repeat(600 << 10)));
        let response = post(&running, &[STRUCTURED], body);
        if response.status == 202 {
            accepted.push(id);
        }
        response
    };
    let mut number = 0;
    let refused = eventually("the queue is full and the worker not ready", || {
        number += 1;
        let response = large(format!("fill-{number}"));
        (response.status != 202 && ready(&running).status == 503).then_some(response)
    });
    assert_eq!((refused.status, retry_after(&refused)), (503, 1));
    assert!(detail(&refused).contains("queue.max-bytes"), "{}", refused.text());

    // Nothing is sent: what is done makes the room.
    eventually("the worker is ready by itself", || (ready(&running).status == 200).then_some(()));
    eventually("events are taken again", || {
        number += 1;
        (large(format!("again-{number}")).status == 202).then_some(())
    });
    let ids: Vec<&str> = accepted.iter().map(String::as_str).collect();
    ran(&home, "default/all", &ids);
    eventually("the disk is given back", || (volumes(&home) == 1).then_some(()));
    assert_eq!(running.terminate().code, Some(0));

    // The queue is empty, and yet no number is given twice.
    let running = start(&home, &SETTINGS);
    running.publish("order.created", "after", &[], "{}");
    eventually("it runs", || home.succeeded("default/all").contains_key("after").then_some(()));
    let journal = home.journal();
    let before = journal.iter().filter(|entry| entry.event_id != "after");
    let last = before.map(|entry| entry.offset).max().unwrap();
    assert!(journal.iter().all(|entry| (entry.offset > last) == (entry.event_id == "after")), "{journal:?}");
}

#[test]
fn a_full_disk_is_507() {
    let (home, running) = worker(&["data.min-free=1000TiB"]);
    // Seen without an event.
    eventually("it is not ready", || (ready(&running).status == 503).then_some(()));
    let response = post_event(&running, "1");
    assert_eq!((response.status, retry_after(&response)), (507, 1));
    assert!(detail(&response).contains("data.min-free"), "{}", response.text());
    assert_eq!(Connection::open(running.admin()).unwrap().get("/healthz").unwrap().status, 200);
    assert_eq!(home.status().arrived, 0);
}

/// The disk fills up beside the worker, and empties again.
#[test]
fn intake_stops_below_the_reserve_and_goes_on_when_there_is_room_again() {
    let beside = tempfile::tempdir().unwrap();
    let disk = rustix::fs::statvfs(beside.path()).unwrap();
    let free = disk.f_bavail * disk.f_frsize;
    // More than what others do on this disk meanwhile, and never all that is there.
    let margin = (free / 4).min(1 << 30);
    let least = format!("data.min-free={}B", free - margin);
    let (home, running) = worker(&[&least]);
    assert_eq!(post_event(&running, "before").status, 202);
    let file = std::fs::File::create(beside.path().join("large")).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 2 * margin).unwrap();
    let refused = eventually("it is not ready", || Some(ready(&running)).filter(|ready| ready.status == 503));
    assert!(refused.text().contains("data.min-free"), "{}", refused.text());
    eventually("it is said", || running.said("no events are taken in"));
    assert_eq!(post_event(&running, "meanwhile").status, 507);
    drop(file);
    std::fs::remove_file(beside.path().join("large")).unwrap();
    eventually("it is ready again", || (ready(&running).status == 200).then_some(()));
    eventually("it is said", || running.said("events are taken in again"));
    assert_eq!(post_event(&running, "after").status, 202);
    eventually("both are settled", || (home.status().settled == 2).then_some(()));
}

#[test]
fn the_journal_keeps_to_its_limit() {
    let (home, running) = worker(&["journal.max-bytes=1MiB", "http.max-body=4MiB"]);
    // How many bytes an entry takes is the journal's affair: events until it is full.
    let mut batches = 0;
    eventually("the journal has dropped its oldest", || {
        let events: Vec<String> = (0..1_000).map(|n| event(&format!("{batches}-{n}"))).collect();
        assert_eq!(post(&running, &[BATCH], format!("[{}]", events.join(","))).status, 202);
        batches += 1;
        eventually("all are settled", || (home.status().settled == batches * 1_000).then_some(()));
        running.said("the journal is at journal.max-bytes: its oldest volume was dropped")
    });
    // Reading it proves the chain of what is left.
    let journal = home.journal();
    assert!(journal.len() > 1_000 && (journal.len() as u64) < batches * 1_000, "{}", journal.len());
    // Executors run side by side, so the last event need not have the last entry.
    let newest = format!("{}-999", batches - 1);
    assert!(journal.iter().any(|entry| entry.event_id == newest));
}
