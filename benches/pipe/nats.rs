//! Through a real NATS server on this machine's own processors: a stream filled beforehand is drained with explicit acks, with
//! replies and without, by the worker and by a bare loop in turns; and what an event takes at 20,000 a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::jetstream::Stream;
use super::meter::Table;
use super::process::Worker;
use super::whole::{by_kind, scratch};
use super::{kafka, sample};

const EVENTS: usize = 300_000;
const RATE: usize = 20_000;
const LATENCIES: usize = 10 * RATE;

pub(crate) fn measure(table: &Table) {
    for (replies, ty) in [("without replies", "order.seen"), ("a reply each", "order.created")] {
        table.section(&format!(
            "NATS: a stream of {EVENTS} drained, {replies} (server and worker on the same processors)"
        ));
        drain(table, &Stream::filled("bench", EVENTS, ty));
    }
    table.section(&format!(
        "NATS at {RATE} events a second: from the publisher's call to the reply at a bare subscriber, in ms"
    ));
    latency(table);
}

fn documents(home: &Path, orders: &Stream, replies: &Stream) -> PathBuf {
    let text = format!(
        "apiVersion: weir.dev/v1alpha1\nkind: NatsSource\nmetadata: {{name: orders}}\nspec:\n  servers: ['nats://{address}']\n  \
         stream: {orders}\n  consumer: bench\n  maxAckPending: 10000\n  \
         sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}}}\n\
         ---\napiVersion: weir.dev/v1alpha1\nkind: NatsSink\nmetadata: {{name: replies}}\nspec: {{subject: {replies}, \
         servers: ['nats://{address}']}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {{name: default, annotations: \
         {{weir.dev/backing: NatsSink/replies}}}}\n\
         ---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: payment}}\nspec: {{module: {module}}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: pay}}\nspec:\n  broker: default\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: payment}}}}\n",
        address = orders.address,
        orders = orders.name,
        replies = replies.subject(),
        module = sample::module().display(),
    );
    let path = home.join("documents.yaml");
    fs::write(&path, text).expect("the scratch directory is writable");
    path
}

fn drain(table: &Table, orders: &Stream) {
    let replies = Stream::new("replies");
    let bare = orders.drain(&replies, EVENTS);
    let bare_rate = EVENTS as f64 / bare.seconds;
    let home = scratch();
    let worker = Worker::start(home.path(), &documents(home.path(), orders, &replies));
    let cpu = worker.cpu();
    let first = worker.await_settled(1);
    let begun = Instant::now();
    worker.await_settled(EVENTS as u64);
    let rate = (EVENTS as u64 - first) as f64 / begun.elapsed().as_secs_f64();
    let each = |ns: f64| ns / EVENTS as f64;
    let (cpu, threads) = (each(worker.cpu() - cpu), worker.threads());
    table.value("events a second", rate, Some(80_000.0));
    table.value("  of what the bare loop does", rate / bare_rate, None);
    table.value("  memory, in MB", worker.resident(), None);
    table.value("CPU time of the worker an event, in ns", cpu, None);
    for (name, ns) in by_kind(threads) {
        table.value(&format!("  of it, {name}"), each(ns), None);
    }
    table.value("the bare loop: events a second", bare_rate, None);
    table.value("  CPU time an event, in ns", each(bare.cpu), None);
    table.value("  answers", bare.answers as f64, None);
    worker.stop();
}

fn latency(table: &Table) {
    let (orders, replies) = (Stream::new("bench"), Stream::new("replies"));
    let home = scratch();
    let worker = Worker::start(home.path(), &documents(home.path(), &orders, &replies));
    let before = worker.cpu();
    kafka::percentiles(table, at_rate(&orders, &replies));
    table.value("CPU time of the worker an event, in ns", (worker.cpu() - before) / LATENCIES as f64, None);
    for (name, ns) in by_kind(worker.threads()) {
        table.value(&format!("  of it, {name}"), ns / LATENCIES as f64, None);
    }
    worker.stop();
    table.section("The same of a message that nobody does anything with: to a bare subscriber, in ms");
    let bare = Stream::new("bench");
    kafka::percentiles(table, at_rate(&bare, &bare));
}

/// How long each took from `to` until it, or its reply, came from `from`.
fn at_rate(to: &Stream, from: &Stream) -> Vec<Duration> {
    let clock = Instant::now();
    let sent: Vec<AtomicU64> = (0..LATENCIES).map(|_| AtomicU64::new(0)).collect();
    let mut follow = from
        .runtime
        .block_on(async { from.client.subscribe(from.subject()).await.expect("it is subscribed to") });
    let mut read = async || loop {
        let message = follow.next().await.expect("the server is there");
        if let Some(number) = number(&message) {
            return number;
        }
    };
    // Once one has gone round, everything has begun.
    to.runtime.block_on(async {
        let mut acknowledged = Default::default();
        to.publish(&mut acknowledged, sample::json(0)).await;
        to.settle(&mut acknowledged).await;
    });
    from.runtime.block_on(read());
    let publishing = async {
        let begun = Instant::now();
        let mut acknowledged = Default::default();
        for (number, told) in sent.iter().enumerate() {
            let due = Duration::from_secs(1) * number as u32 / RATE as u32;
            if let Some(early) = due.checked_sub(begun.elapsed()) {
                tokio::time::sleep(early.max(Duration::from_micros(500))).await;
            }
            told.store(clock.elapsed().as_nanos() as u64, Ordering::Release);
            to.publish(&mut acknowledged, sample::json(number)).await;
        }
        to.settle(&mut acknowledged).await;
    };
    let reading = async {
        let mut times = Vec::with_capacity(LATENCIES);
        while times.len() < LATENCIES {
            let number = read().await;
            let now = clock.elapsed().as_nanos() as u64;
            times.push(Duration::from_nanos(now - sent[number].load(Ordering::Acquire)));
        }
        times
    };
    from.runtime.block_on(async { tokio::join!(publishing, reading) }).1
}

/// Of the event that it is, or that it answers.
fn number(message: &async_nats::Message) -> Option<usize> {
    let headers = message.headers.as_ref();
    let id = headers.and_then(|headers| headers.get("ce-id")).map(|id| id.as_str().as_bytes());
    let text = std::str::from_utf8(id.unwrap_or(&message.payload)).ok()?;
    let (_, rest) = text.split_once("order-")?;
    rest.get(..8)?.parse().ok()
}
