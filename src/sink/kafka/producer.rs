//! The producer of a cluster: idempotent, acknowledged by all replicas in sync, batched by what comes together. It never
//! gives up on a record by itself: what it has taken is acknowledged, refused for a reason, or under way.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message as _, config::RDKafkaLogLevel};

use super::message::Message;
use crate::client::kafka;
use crate::sink::parcel::{Cluster, Parcel};
use crate::sink::receipt::{Receipt, Refusal, Unsent};
use crate::telemetry::limit::Limit;

#[derive(Clone)]
pub struct Producer {
    inner: Arc<ThreadedProducer<Told>>,
}

/// The client may hold so many records, and so much.
const MESSAGES: u32 = 100_000;
const KILOBYTES: u32 = 128 << 10;

/// Brokers and topics say what is too large, not the client: this is more than any of them takes.
const LARGEST: u32 = 128 << 20;

/// How long brokers may take to say which topics there are.
const PATIENCE: Duration = Duration::from_secs(10);

const SETTINGS: [(&str, &str); 6] = [
    // Which has acknowledgements by all replicas in sync and no reordering.
    ("enable.idempotence", "true"),
    ("compression.codec", "lz4"),
    // Batches come of load; alone, a record does not wait.
    ("linger.ms", "0.5"),
    // For as long as it takes: a record that is given up and sent again might be there twice.
    ("message.timeout.ms", "0"),
    // The same partition for a key as Java's clients choose.
    ("partitioner", "murmur2_random"),
    // Until then a topic that is not there may be one that is new.
    ("topic.metadata.propagation.max.ms", "5000"),
];

impl Producer {
    /// No broker is asked yet. `receipts` gets one for each record that is taken.
    pub fn open(cluster: &Cluster, receipts: Sender<Receipt>) -> Result<Producer, String> {
        let mut config = ClientConfig::new();
        for (name, value) in SETTINGS.into_iter().chain(cluster.properties()) {
            config.set(name, value);
        }
        config.set("queue.buffering.max.messages", MESSAGES.to_string());
        config.set("queue.buffering.max.kbytes", KILOBYTES.to_string());
        config.set("message.max.bytes", LARGEST.to_string());
        let told = Told { receipts, servers: cluster.servers().to_owned() };
        let create = |config: &ClientConfig| config.create_with_context(told);
        let inner = kafka::make_for_long(&config, create);
        let inner = inner.map_err(|error| format!("the client of Kafka can't be made: {error}"))?;
        Ok(Producer { inner })
    }

    /// `token` comes back with the receipt.
    pub fn send(&self, parcel: &Parcel, token: usize) -> Result<(), Unsent> {
        let message = Message::of(parcel).map_err(Unsent::Refused)?;
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(&parcel.outlet.topic, token).headers(message.headers);
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.partition = parcel.partition;
        record.timestamp = parcel.timestamp;
        self.inner.send(record).map_err(|(error, _)| match error {
            KafkaError::MessageProduction(Code::QueueFull) => Unsent::Full,
            error => Unsent::Refused(Refusal::of(&error)),
        })
    }

    /// Asks the brokers, and waits for their answer. A topic that is refused is there as far as anybody knows: what is sent to
    /// it is told why.
    pub fn has_topic(&self, topic: &str) -> Result<bool, String> {
        let metadata = self.inner.client().fetch_metadata(Some(topic), PATIENCE);
        let metadata = metadata.map_err(|error| format!("Kafka does not answer: {error}"))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.is_some_and(|found| match found.error() {
            None => !found.partitions().is_empty(),
            Some(error) => matches!(Code::from(error), Code::TopicAuthorizationFailed | Code::InvalidTopic),
        }))
    }

    /// Nothing more goes through this one: another has to be opened.
    pub fn is_broken(&self) -> bool {
        self.inner.client().fatal_error().is_some()
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

/// Whom the client tells what happens.
struct Told {
    receipts: Sender<Receipt>,
    servers: String,
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if level as i32 <= RDKafkaLogLevel::Error as i32 {
            self.say(facility, message);
        } else {
            tracing::debug!(servers = self.servers, facility, "{message}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().map(|code| code.to_string()).unwrap_or_default();
        self.say(&code, reason);
    }
}

/// A cluster that is down says so many times a second, for as long as it is.
static TROUBLE: Limit = Limit::new("trouble with a Kafka that is written to", 1);

impl Told {
    fn say(&self, what: &str, reason: &str) {
        if TROUBLE.admits() {
            tracing::warn!(servers = self.servers, what, reason, "trouble with a Kafka that is written to");
        }
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, token: usize) {
        let result = match result {
            Ok(record) => Ok(record.offset().cast_unsigned()),
            Err((error, _)) => Err(Refusal::of(error)),
        };
        // Whoever does not listen any more is on its way out.
        let _ = self.receipts.send(Receipt { token, result });
    }
}
