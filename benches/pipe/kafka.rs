//! Through a real Kafka on this machine's own processors: a topic filled beforehand is drained, with replies and without, by
//! the worker and by the floor worker in turns; and what an event takes at steady rates.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Headers;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use weir::worker::tasks;

use super::meter::Table;
use super::process::Worker;
use super::topic::{self, Topic};
use super::whole::{by_kind, scratch};
use super::{floor, sample};

const EVENTS: usize = 600_000;
/// Events a second: what is asked for, and what leaves these processors idle between, so that nothing waits for one.
const RATES: [usize; 2] = [20_000, 5_000];
/// In seconds. The first are not counted: the broker's compiler and page cache take them.
const WARM: usize = 5;
const COUNTED: usize = 10;

pub(crate) fn measure(table: &Table) {
    for (replies, ty, target) in
        [("without replies", "order.seen", 300_000.0), ("a reply each", "order.created", 200_000.0)]
    {
        table.section(&format!(
            "Kafka: a topic of {EVENTS} drained, {replies} (broker and worker on the same processors)"
        ));
        let orders = Topic::filled("bench", EVENTS, ty);
        drain(table, &orders, target);
    }
    RATES.into_iter().for_each(|rate| latency(table, rate));
}

fn documents(home: &Path, orders: &Topic, replies: &Topic) -> PathBuf {
    let text = format!(
        "apiVersion: sources.knative.dev/v1\nkind: KafkaSource\nmetadata: {{name: orders}}\nspec:\n  \
         bootstrapServers: ['{address}']\n  topics: [{orders}]\n  consumerGroup: {orders}\n  initialOffset: earliest\n  \
         sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}}}\n\
         ---\napiVersion: eventing.knative.dev/v1alpha1\nkind: KafkaSink\nmetadata: {{name: replies}}\nspec: {{topic: \
         {replies}, bootstrapServers: ['{address}']}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {{name: default, annotations: \
         {{weir.dev/backing: KafkaSink/replies}}}}\n\
         ---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: payment}}\nspec: {{module: {module}}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: pay}}\nspec:\n  broker: default\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: payment}}}}\n",
        address = orders.address,
        orders = orders.name,
        replies = replies.name,
        module = sample::module().display(),
    );
    let path = home.join("documents.yaml");
    fs::write(&path, text).expect("the scratch directory is writable");
    path
}

fn drain(table: &Table, orders: &Topic, target: f64) {
    let replies = Topic::new("replies");
    let bare = floor::drain(orders, &replies, EVENTS);
    let floor_rate = EVENTS as f64 / bare.seconds;
    let home = scratch();
    let worker = Worker::start(home.path(), &documents(home.path(), orders, &replies));
    let cpu = worker.cpu();
    // The group takes its time to begin.
    let first = worker.await_settled(1);
    let begun = Instant::now();
    worker.await_settled(EVENTS as u64);
    let rate = (EVENTS as u64 - first) as f64 / begun.elapsed().as_secs_f64();
    let each = |ns: f64| ns / EVENTS as f64;
    let (cpu, threads) = (each(worker.cpu() - cpu), worker.threads());
    table.value("events a second", rate, Some(target));
    table.value("  of what the floor worker does", rate / floor_rate, Some(0.5));
    table.value("  memory, in MB", worker.resident(), None);
    table.value("CPU time of the worker an event, in ns", cpu, None);
    for (name, ns) in by_kind(threads) {
        table.value(&format!("  of it, {name}"), each(ns), None);
    }
    table.value("the floor worker: events a second", floor_rate, None);
    table.value("  CPU time an event, in ns", each(bare.cpu), None);
    table.value("  answers", bare.answers as f64, None);
    worker.stop();
}

fn latency(table: &Table, rate: usize) {
    table.section(&format!(
        "Kafka at {rate} events a second: from the producer's call to the reply at a bare consumer, in ms"
    ));
    let orders = Topic::new("bench");
    let replies = Topic::new("replies");
    let home = scratch();
    let worker = Worker::start(home.path(), &documents(home.path(), &orders, &replies));
    let before = worker.cpu();
    percentiles(table, at_rate(&orders, &replies, rate));
    let each = |ns: f64| ns / ((WARM + COUNTED) * rate) as f64;
    table.value("CPU time of the worker an event, in ns", each(worker.cpu() - before), None);
    for (name, ns) in by_kind(worker.threads()) {
        table.value(&format!("  of it, {name}"), each(ns), None);
    }
    worker.stop();
    table.section(
        "The same of a record that nobody does anything with: to a bare consumer of its own topic, in ms",
    );
    let bare = Topic::new("bench");
    percentiles(table, at_rate(&bare, &bare, rate));
}

pub(crate) fn percentiles(table: &Table, mut times: Vec<Duration>) {
    times.sort_unstable();
    for (name, part, target) in [("P50", 500, 2.0), ("P99", 990, 10.0), ("P999", 999, 20.0)] {
        let at = times[times.len() * part / 1000];
        table.value(&format!("  {name}, in ms"), at.as_secs_f64() * 1e3, Some(target));
    }
}

/// How long each took from `to` until it, or its reply, was read from `from`.
fn at_rate(to: &Topic, from: &Topic, rate: usize) -> Vec<Duration> {
    let events = (WARM + COUNTED) * rate;
    let consumer = from.follow();
    let producer = to.producer("0.5");
    let clock = Instant::now();
    // Once one has gone round, everything has joined.
    publish(&producer, &to.name, 0);
    while read(&consumer).is_none() {}
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..events).map(|_| AtomicU64::new(0)).collect());
    let (name, told) = (to.name.clone(), Arc::clone(&sent));
    let publisher = tasks::thread("publisher", move || {
        let begun = Instant::now();
        for number in 0..events {
            let due = Duration::from_secs(1) * number as u32 / rate as u32;
            if let Some(early) = due.checked_sub(begun.elapsed()) {
                sleep(early.max(Duration::from_micros(500)));
            }
            told[number].store(clock.elapsed().as_nanos() as u64, Ordering::Release);
            publish(&producer, &name, number);
        }
        producer.flush(Duration::from_secs(60)).expect("the broker takes it");
    });
    let mut times = Vec::with_capacity(events);
    while times.len() < events {
        let Some(number) = read(&consumer) else { continue };
        let now = clock.elapsed().as_nanos() as u64;
        times.push(Duration::from_nanos(now - sent[number].load(Ordering::Acquire)));
    }
    publisher.join().expect("it publishes to the end");
    times.split_off(WARM * rate)
}

/// Without a key: those of a moment go to one partition together, as most publishers' do. With keys each would be a request of
/// its own, and a broker on these processors would have no time for anything else.
fn publish(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, number: usize) {
    let value = sample::json(number);
    topic::send(producer, BaseRecord::to(topic).payload(&*value).headers(topic::structured()));
}

/// The number of the event that comes next, or that it answers.
fn read(consumer: &BaseConsumer) -> Option<usize> {
    let message = consumer.poll(Duration::from_millis(100))?.expect("the topic can be read");
    let headers = message.headers();
    let id = headers.and_then(|headers| headers.iter().find(|header| header.key == "ce_id")?.value);
    let text = std::str::from_utf8(id.or(message.payload())?).expect("JSON");
    let (_, rest) = text.split_once("order-").expect("an id of the sample");
    Some(rest[..8].parse().expect("a number"))
}
