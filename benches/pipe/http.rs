//! Over HTTP both ways: requests a second and how long their answers take; deliveries a second and how long an event takes
//! from its publisher to its subscriber. Whoever posts, and who is posted to, has the same processors as the worker.

use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::meter::Table;
use super::process::Worker;
use super::publisher::{Form, publish};
use super::sample;
use super::subscriber::Subscriber;

const CONNECTIONS: usize = 32;

pub(crate) fn measure(table: &Table) {
    table.section("Requests in, on 32 connections: stored (202 once on disk); wall time");
    requests(table, "binary", 30_000, Form::Binary, "stored", 202);
    requests(table, "structured", 30_000, Form::Structured, "stored", 202);
    requests(table, "batches of 100", 100_000, Form::Batch(100), "stored", 202);
    table.section("Requests in, on 32 connections: direct (200 with the reply); wall time");
    requests(table, "binary", 30_000, Form::Binary, "direct", 200);
    requests(table, "structured", 30_000, Form::Structured, "direct", 200);
    table.section("Deliveries out, to one subscriber that answers 202 at once; wall time");
    deliveries(table, 50_000);
}

fn scratch() -> TempDir {
    tempfile::tempdir_in(sample::scratch()).expect("the scratch directory is writable")
}

fn requests(table: &Table, name: &str, events: usize, form: Form, mode: &str, status: u16) {
    let data = scratch();
    let worker = Worker::start_with(data.path(), &sample::documents(), &[&format!("http.mode={mode}")]);
    let begun = Instant::now();
    let times = publish(worker.http, events, form, CONNECTIONS, status);
    let seconds = begun.elapsed().as_secs_f64();
    worker.stop();
    table.value(&format!("{name}: requests a second"), times.len() as f64 / seconds, None);
    if form.events() > 1 {
        table.value("  events a second", events as f64 / seconds, None);
    }
    percentiles(table, times);
}

pub(crate) fn percentiles(table: &Table, mut times: Vec<Duration>) {
    times.sort_unstable();
    for (name, part) in [("P50", 50), ("P99", 99)] {
        let at = (times.len() * part / 100).min(times.len() - 1);
        table.value(&format!("  {name}, in ms"), times[at].as_secs_f64() * 1e3, None);
    }
}

fn deliveries(table: &Table, events: usize) {
    let subscriber = Subscriber::start();
    let data = scratch();
    let documents = data.path().join("documents.yaml");
    let trigger = format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: out}}\nspec:\n  broker: default\n  \
         subscriber: {{uri: 'http://{}/'}}\n",
        subscriber.address
    );
    fs::write(&documents, trigger).expect("the scratch directory is writable");
    let worker = Worker::start(data.path(), &documents);
    let before = worker.cpu();
    let begun = Instant::now();
    publish(worker.http, events, Form::Batch(100), 4, 202);
    worker.await_settled(events as u64);
    let seconds = begun.elapsed().as_secs_f64();
    table.value("deliveries a second", events as f64 / seconds, None);
    table.value("  CPU time of the worker a delivery, in ns", (worker.cpu() - before) / events as f64, None);
    worker.stop();
    // One at a time: what an event takes where nothing waits.
    let other = scratch();
    let worker = Worker::start(other.path(), &documents);
    let times = (0..500).map(|_| {
        let (seen, begun) = (subscriber.seen(), Instant::now());
        publish(worker.http, 1, Form::Binary, 1, 202);
        while subscriber.seen() == seen {
            std::thread::yield_now();
        }
        begun.elapsed()
    });
    let times: Vec<_> = times.collect();
    table.value("from publisher to subscriber, one at a time: events", times.len() as f64, None);
    percentiles(table, times);
    worker.stop();
}
