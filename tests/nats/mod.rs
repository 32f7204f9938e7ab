//! A stream on a real NATS server of its own, with a durable that consumes it, seen by others than the worker.

#![allow(dead_code, unreachable_pub)] // Each test binary uses what it needs of this.

pub mod keys;

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::consumer::{Info, PullConsumer, pull};
use async_nats::jetstream::stream::{self, DiscardPolicy, StorageType, Stream as Found, SubjectTransform};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, HeaderMap, Subscriber};
use futures_util::StreamExt;
use tokio::runtime::Runtime;

use super::brokers;
use super::worker::{Home, eventually, guests, patience};

pub const DURABLE: &str = "weir";

pub struct Stream {
    pub address: String,
    pub name: String,
    runtime: Runtime,
    context: Context,
}

/// How far a durable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    pub pending: u64,
    pub unacknowledged: u64,
}

/// A trigger for a function that takes everything.
pub const AUDIT: &str = "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: audit}\nspec: {module: audit.wasm}\n\
     ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: audit}\nspec:\n  broker: default\n  \
     subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: audit}}\n";

/// With a source whose worker may stand still for seconds and keeps what it has.
pub fn patient(documents: &str) -> String {
    documents.replace("ackWait: PT3S", "ackWait: PT15S")
}

/// A server that stands still for some seconds, or has just been started, fails no test.
async fn connected(login: ConnectOptions, address: &str) -> Client {
    const LONG: Duration = Duration::from_secs(30);
    let login = login.request_timeout(Some(LONG)).connection_timeout(LONG);
    login.reconnect_delay_callback(|_| Duration::from_millis(100)).connect(address).await.unwrap()
}

async fn context(login: ConnectOptions, address: &str) -> Context {
    let mut context = jetstream::new(connected(login, address).await);
    context.set_timeout(Duration::from_secs(30));
    context
}

impl Stream {
    /// New, and empty.
    pub fn new() -> Stream {
        Stream::at(&brokers::nats(), ConnectOptions::new())
    }

    /// The same on another server.
    pub fn at(address: &str, login: ConnectOptions) -> Stream {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let context = runtime.block_on(context(login, address));
        let stream =
            Stream { address: address.to_owned(), name: brokers::unique("ORDERS"), runtime, context };
        stream.create();
        stream
    }

    pub fn create(&self) {
        self.runtime.block_on(self.context.create_stream(self.config())).unwrap();
    }

    fn config(&self) -> stream::Config {
        stream::Config {
            name: self.name.clone(),
            subjects: vec![format!("{}.>", self.name)],
            storage: StorageType::File,
            ..stream::Config::default()
        }
    }

    /// New, and cut into partitions by the server, each by the key that its subject has: `<name>.<key>` stands there as
    /// `<name>.<key>.<partition>`.
    pub fn partitioned(partitions: u32) -> Stream {
        let address = brokers::nats();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let context = runtime.block_on(context(ConnectOptions::new(), &address));
        let stream = Stream { address, name: brokers::unique("ORDERS"), runtime, context };
        stream.create_partitioned(partitions);
        stream
    }

    pub fn create_partitioned(&self, partitions: u32) {
        let name = &self.name;
        let config = stream::Config {
            subjects: vec![format!("{name}.*")],
            subject_transform: Some(SubjectTransform {
                source: format!("{name}.*"),
                destination: format!("{name}.{{{{wildcard(1)}}}}.{{{{partition({partitions},1)}}}}"),
            }),
            ..self.config()
        };
        self.runtime.block_on(self.context.create_stream(config)).unwrap();
    }

    /// Events by key and id, in this order.
    pub fn publish_keyed(&self, events: &[(String, String)]) {
        self.runtime.block_on(async {
            let mut acknowledged = Vec::new();
            for (key, id) in events {
                let mut headers = HeaderMap::new();
                for (name, value) in
                    [("ce-specversion", "1.0"), ("ce-source", "/shop"), ("ce-type", "order.created")]
                {
                    headers.insert(name, value);
                }
                headers.insert("ce-id", id.as_str());
                let subject = format!("{}.{key}", self.name);
                let sent = self.context.publish_with_headers(subject, headers, "{}".into()).await.unwrap();
                acknowledged.push(sent);
            }
            for acknowledged in acknowledged {
                acknowledged.await.unwrap();
            }
        });
    }

    /// Of all partitions' durables together.
    pub fn lag_of_partitions(&self, partitions: u32) -> Option<Lag> {
        let stream = self.found(&self.name)?;
        let mut sum = Lag { pending: 0, unacknowledged: 0 };
        for number in 0..partitions {
            let info = self.runtime.block_on(stream.consumer_info(format!("{DURABLE}-{number}"))).ok()?;
            let own = Lag::of(&info);
            (sum.pending, sum.unacknowledged) =
                (sum.pending + own.pending, sum.unacknowledged + own.unacknowledged);
        }
        Some(sum)
    }

    /// Whoever has a partition has its pin no more.
    pub fn unpin(&self, partitions: u32) {
        let stream = self.found(&self.name).unwrap();
        for number in 0..partitions {
            // Where nobody has it there is nothing to take.
            let _ = self.runtime.block_on(stream.unpin_consumer(&format!("{DURABLE}-{number}"), "weir"));
        }
    }

    /// Of each partition the pin of whoever has it.
    pub fn pins(&self, partitions: u32) -> Vec<Option<String>> {
        let stream = self.found(&self.name).unwrap();
        let pin = |number| {
            let info = self.runtime.block_on(stream.consumer_info(format!("{DURABLE}-{number}"))).unwrap();
            info.priority_groups.into_iter().next().and_then(|group| group.pinned_client_id)
        };
        (0..partitions).map(pin).collect()
    }

    /// All of its partitions, and what is parked of them.
    pub fn until_partitions_are_done(&self, partitions: u32) {
        eventually("all is acknowledged", || self.lag_of_partitions(partitions).filter(|lag| lag.sum() == 0));
        eventually("nothing is parked", || self.lag_of_parking().filter(|lag| lag.sum() == 0));
    }

    /// Full at so many messages: what comes then is refused. -1: never.
    pub fn limit(&self, most: i64) {
        let config = stream::Config { max_messages: most, discard: DiscardPolicy::New, ..self.config() };
        self.runtime.block_on(self.context.update_stream(config)).unwrap();
    }

    /// No message may be larger.
    pub fn limit_size(&self, bytes: i32) {
        let config = stream::Config { max_message_size: bytes, ..self.config() };
        self.runtime.block_on(self.context.update_stream(config)).unwrap();
    }

    /// The same of its parking, which has to be there.
    pub fn limit_parking(&self, most: i64) {
        let mut config = self.found(&self.parking()).unwrap().cached_info().config.clone();
        (config.max_messages, config.discard) = (most, DiscardPolicy::New);
        self.runtime.block_on(self.context.update_stream(config)).unwrap();
    }

    pub fn delete(&self) {
        self.runtime.block_on(self.context.delete_stream(&self.name)).unwrap();
    }

    pub fn parking(&self) -> String {
        format!("{}-{DURABLE}-parked", self.name)
    }

    fn found(&self, stream: &str) -> Option<Found> {
        self.runtime.block_on(self.context.get_stream(stream)).ok()
    }

    /// A durable as somebody else makes it.
    pub fn make_durable(&self, config: pull::Config) {
        let stream = self.found(&self.name).unwrap();
        let config = pull::Config { durable_name: Some(DURABLE.to_owned()), ..config };
        let _: PullConsumer = self.runtime.block_on(stream.create_consumer(config)).unwrap();
    }

    pub fn delete_durable(&self) {
        self.delete_consumer(DURABLE);
    }

    pub fn delete_consumer(&self, name: &str) {
        let stream = self.found(&self.name).unwrap();
        self.runtime.block_on(stream.delete_consumer(name)).unwrap();
    }

    /// What the server says from now on of messages of the durable that were answered with `+TERM`.
    pub fn listen_for_terms(&self) -> Subscriber {
        let subject = format!("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{}.{DURABLE}", self.name);
        self.runtime.block_on(async {
            let client = connected(ConnectOptions::new(), &self.address).await;
            let subscriber = client.subscribe(subject).await.unwrap();
            client.flush().await.unwrap();
            subscriber
        })
    }

    /// The next so many sequences: of one that was answered twice it may be said twice.
    pub fn terms(&self, subscriber: &mut Subscriber, count: usize) -> BTreeSet<u64> {
        let said = async {
            let mut sequences = BTreeSet::new();
            while sequences.len() < count {
                let message = subscriber.next().await.unwrap();
                let advisory: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
                sequences.insert(advisory["stream_seq"].as_u64().unwrap());
            }
            sequences
        };
        let heard = async { tokio::time::timeout(patience(), said).await };
        self.runtime.block_on(heard).expect("it says so")
    }

    /// An event in binary mode, acknowledged.
    pub fn publish(&self, ty: &str, id: &str, data: &str) {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", id),
            ("ce-source", "/shop"),
            ("ce-type", ty),
            ("ce-datacontenttype", "application/json"),
        ];
        self.produce("created", &headers, data.as_bytes());
    }

    /// So many of them: 0, 1, 2 …
    pub fn publish_all(&self, ids: std::ops::Range<usize>) {
        self.runtime.block_on(async {
            let mut acknowledged = Vec::new();
            for n in ids {
                let mut headers = HeaderMap::new();
                for (name, value) in
                    [("ce-specversion", "1.0"), ("ce-source", "/shop"), ("ce-type", "order.created")]
                {
                    headers.insert(name, value);
                }
                headers.insert("ce-id", n.to_string());
                let subject = format!("{}.created", self.name);
                let sent = self.context.publish_with_headers(subject, headers, "{}".into()).await.unwrap();
                acknowledged.push(sent);
            }
            for acknowledged in acknowledged {
                acknowledged.await.unwrap();
            }
        });
    }

    /// Whatever is wanted.
    pub fn produce(&self, subject: &str, headers: &[(&str, &str)], payload: &[u8]) {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.append(*name, *value));
        let subject = format!("{}.{subject}", self.name);
        self.runtime.block_on(async {
            let sent = self.context.publish_with_headers(subject, map, payload.to_vec().into()).await;
            sent.unwrap().await.unwrap();
        });
    }

    pub fn delete_message(&self, sequence: u64) {
        let stream = self.found(&self.name).unwrap();
        assert!(self.runtime.block_on(stream.delete_message(sequence)).unwrap());
    }

    /// When, as `2026-11-21T12:00:00.123456789Z`.
    pub fn written(&self, sequence: u64) -> String {
        let stream = self.found(&self.name).unwrap();
        let message = self.runtime.block_on(stream.get_raw_message(sequence)).unwrap();
        jiff::Timestamp::from_nanosecond(message.time.unix_timestamp_nanos()).unwrap().to_string()
    }

    /// Of the stream, whoever made them.
    pub fn consumers(&self) -> usize {
        self.found(&self.name).unwrap().cached_info().state.consumer_count
    }

    /// How many it holds.
    pub fn messages(&self) -> u64 {
        self.found(&self.name).unwrap().cached_info().state.messages
    }

    /// Subject and type of all that it holds, of events in binary mode.
    pub fn events(&self) -> Vec<(String, String)> {
        let subjects = self.all().into_iter().map(|message| message.subject.to_string());
        subjects.zip(self.headers("ce-type")).collect()
    }

    /// This header of all that it holds.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let text = |message: &jetstream::message::StreamMessage| {
            message.headers.get(name).map(ToString::to_string).unwrap_or_default()
        };
        self.all().iter().map(text).collect()
    }

    fn all(&self) -> Vec<jetstream::message::StreamMessage> {
        let stream = self.found(&self.name).unwrap();
        let state = stream.cached_info().state.clone();
        let read = |sequence| self.runtime.block_on(stream.get_raw_message(sequence)).ok();
        (state.first_sequence..=state.last_sequence).filter_map(read).collect()
    }

    /// This source to the broker `default`, with what else is wanted.
    pub fn documents(&self, more: &str) -> String {
        self.documents_with("", more)
    }

    /// `spec`: lines of its own.
    pub fn documents_with(&self, spec: &str, more: &str) -> String {
        format!(
            "apiVersion: weir.dev/v1alpha1\nkind: NatsSource\nmetadata: {{name: orders}}\nspec:\n  \
             servers: ['nats://{}']\n  stream: {}\n  consumer: {DURABLE}\n  ackWait: PT3S\n  {spec}\n  \
             sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}}}\n{more}",
            self.address, self.name
        )
    }

    /// A home with a function `audit`, which takes everything, and its trigger.
    pub fn home(&self, more: &str) -> Home {
        let home = Home::new(&self.documents(&format!("{AUDIT}{more}")));
        home.write("audit.wasm", &guests::audit());
        home
    }

    fn info(&self, stream: &str) -> Option<Info> {
        let stream = self.found(stream)?;
        self.runtime.block_on(stream.consumer_info(DURABLE)).ok()
    }

    /// As KEDA computes it, of the source's own durable; `None`: it is not there.
    pub fn lag(&self) -> Option<Lag> {
        self.info(&self.name).map(|info| Lag::of(&info))
    }

    pub fn lag_of_parking(&self) -> Option<Lag> {
        self.info(&self.parking()).map(|info| Lag::of(&info))
    }

    pub fn until_done(&self) {
        eventually("all is acknowledged", || {
            self.lag().filter(|lag| lag.pending == 0 && lag.unacknowledged == 0)
        });
    }
}

impl Lag {
    fn of(info: &Info) -> Lag {
        Lag { pending: info.num_pending, unacknowledged: info.num_ack_pending as u64 }
    }

    pub fn sum(self) -> u64 {
        self.pending + self.unacknowledged
    }
}
