//! The worker as a whole: CPU time an event from end to end, memory, start.
//!
//! The sample's reply goes back to the broker: it is written to the queue, read again, and settles because no trigger
//! wants it. All of that is in the numbers, an event's worth each.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tempfile::TempDir;
use weir::event::structured;
use weir::journal;
use weir::sink::queue::QueueSink;
use weir::worker::query::Store;

use super::meter::Table;
use super::process::Worker;
use super::publisher::Form;
use super::{publisher, sample};

const STARTS: usize = 11;

pub(crate) fn measure(table: &Table) {
    let idle = idle(table);
    table.section("The whole worker, from 200,000 events waiting in its queue (no HTTP)");
    from_queue(table, 200_000, idle);
    table.section("The whole worker, over HTTP, batches of 100 on 4 connections");
    over_http(table, 100_000, 100, 4);
    table.section("The whole worker, over HTTP, an event a request on 32 connections");
    over_http(table, 30_000, 1, 32);
}

pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in(sample::scratch()).expect("the scratch directory is writable")
}

/// Returns the CPU time of a start.
fn idle(table: &Table) -> f64 {
    table.section("An idle worker: memory in MB, start with a warm cache in ms");
    let data = scratch();
    let worker = Worker::start(data.path(), &sample::documents());
    let cpu = worker.cpu();
    table.value("memory, the demo's function", worker.resident(), Some(30.0));
    table.value("start to readiness, wall time", worker.started.as_secs_f64() * 1e3, None);
    table.value("start to readiness, CPU time", cpu / 1e6, None);
    worker.stop();
    let data = scratch();
    let worker = Worker::start(data.path(), &a_hundred(data.path()));
    table.value("memory, 100 functions (of one module), an instance each", worker.resident(), Some(100.0));
    table.value("start to readiness with those, wall time", worker.started.as_secs_f64() * 1e3, None);
    worker.stop();
    first_event(table);
    cpu
}

/// From the start of a worker with twenty different modules, all of them compiled before, to the end of its first event.
fn first_event(table: &Table) {
    let folder = scratch();
    let wasm = fs::read(sample::module()).expect("the example was built");
    let modules = (0..20_u8).map(|n| {
        // Different for a section that nobody reads, with an empty name.
        let path = folder.path().join(format!("{n}.wasm"));
        fs::write(&path, [&wasm[..], &[0, 2, 0, n]].concat()).expect("the scratch directory is writable");
        path
    });
    let documents = functions(folder.path(), modules.collect());
    let mut times = Vec::new();
    // The first one compiles what is not in the cache yet.
    for round in 0..=STARTS {
        let data = scratch();
        let begun = Instant::now();
        let worker = Worker::start(data.path(), &documents);
        publisher::publish(worker.http, 1, Form::Structured, 1, 202);
        worker.await_settled(1);
        if round > 0 {
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        worker.stop();
    }
    times.sort_by(f64::total_cmp);
    table.value(
        "start with 20 functions to the end of the first event, median",
        times[STARTS / 2],
        Some(300.0),
    );
    table.value("  the longest", times[STARTS - 1], None);
}

fn a_hundred(directory: &Path) -> PathBuf {
    functions(directory, vec![sample::module(); 100])
}

/// One function of each module, each with a trigger.
fn functions(directory: &Path, modules: Vec<PathBuf>) -> PathBuf {
    let mut documents = String::new();
    for (n, module) in modules.iter().enumerate() {
        writeln!(
            documents,
            "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: payment-{n}}}\n\
             spec: {{module: {module}}}\n\
             ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: trigger-{n}}}\n\
             spec:\n  broker: default\n  filter: {{attributes: {{type: order-{n}}}}}\n  \
             subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: payment-{n}}}}}",
            module = module.display()
        )
        .expect("a string takes it");
    }
    let path = directory.join("documents.yaml");
    fs::write(&path, documents).expect("the scratch directory is writable");
    path
}

fn from_queue(table: &Table, events: usize, start: f64) {
    let data = scratch();
    let broker = sample::config().triggers[0].broker;
    {
        let store = Store::open(data.path()).expect("a store opens");
        let mut queue = QueueSink::open(Arc::clone(&store.queue), 0).expect("an empty queue opens");
        for number in 0..events {
            let json = sample::json(number);
            let event = structured::decode(json.as_bytes()).expect("the sample is an event");
            queue.push(broker, &sample::record(&event));
            if number % 100 == 99 {
                queue.write();
            }
            // A flush is what a volume grows by: as a worker would have left them, not all in one.
            if number % 10_000 == 9_999 {
                store.queue.flush().expect("the disk takes it");
            }
        }
        queue.write();
        store.queue.flush().expect("the disk takes it");
    }
    let worker = Worker::start(data.path(), &sample::documents());
    finish(table, worker, data.path(), events, start);
}

fn over_http(table: &Table, events: usize, batch: usize, connections: usize) {
    let data = scratch();
    let worker = Worker::start(data.path(), &sample::documents());
    let start = worker.cpu();
    let form = if batch == 1 { Form::Structured } else { Form::Batch(batch) };
    publisher::publish(worker.http, events, form, connections, 202);
    finish(table, worker, data.path(), events, start);
}

/// Waits for the last to settle. What the worker took until `start` is not the events'.
fn finish(table: &Table, worker: Worker, data: &Path, events: usize, start: f64) {
    worker.await_settled(2 * events as u64);
    let each = |ns: f64| ns / events as f64;
    let (cpu, threads, resident) = (each(worker.cpu() - start), worker.threads(), worker.resident());
    let written = each(worker.written());
    worker.stop();
    let store = Store::open(data).expect("the worker has let go of it");
    let totals = journal::read(&store.journal, |_| ()).expect("the journal proves itself");
    assert_eq!(totals.entries, events as u64, "an entry each");
    let function = each(totals.wall_ns as f64);
    table.value("CPU time an event, all threads, user and system", cpu, None);
    table.value("  the function's wall time, as journalled", function, None);
    table.value("  without the function", cpu - function, Some(2_500.0));
    for (name, ns) in by_kind(threads) {
        table.value(&format!("  of it, {name}"), each(ns), None);
    }
    table.value("bytes written to disk an event", written, None);
    table.value("memory afterwards, in MB", resident, None);
}

/// Threads that differ by a number alone are one kind.
pub(crate) fn by_kind(threads: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let mut kinds: Vec<(String, f64)> = Vec::new();
    for (name, ns) in threads {
        let kind = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum += ns,
            None => kinds.push((kind, ns)),
        }
    }
    kinds.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    kinds
}
