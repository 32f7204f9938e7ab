//! The floor worker: a bare loop over batches of librdkafka that calls the example function natively and produces what it
//! answers. It keeps no order, no journal and no ledger: what Kafka itself costs, and nothing else can be below it.

use std::ptr;
use std::time::{Duration, Instant};

use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use weir::source::kafka::consumer;

use super::function::payment;
use super::meter::Clock;
use super::topic::{self, PARTITIONS, Topic};

const BATCH: usize = 512;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Floor {
    pub(crate) seconds: f64,
    /// Of all threads of the process.
    pub(crate) cpu: f64,
    pub(crate) answers: usize,
}

/// All of a topic, from its first record to the last commit.
pub(crate) fn drain(from: &Topic, to: &Topic, events: usize) -> Floor {
    let mut config = from.client();
    consumer::configure(&mut config, &format!("{}-floor", from.name));
    let client: BaseConsumer = config.create().expect("a consumer");
    // SAFETY: the client outlives the queue, which is given back at the end.
    let queue = unsafe { native::rd_kafka_queue_new(client.client().native_ptr()) };
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&from.name, partition, Offset::Beginning).expect("a partition of it");
        lead(&client, &from.name, partition, queue);
    }
    client.assign(&list).expect("it is assigned");
    let producer = to.producer("1");
    let mut messages: Vec<*mut native::rd_kafka_message_t> = vec![ptr::null_mut(); BATCH];
    let (mut done, mut answers, mut output) = (0, 0, Vec::new());
    let mut next = [0i64; PARTITIONS as usize];
    let (mut begun, mut cpu) = (Instant::now(), 0.0);
    let mut committed = Instant::now();
    while done < events {
        let _ = client.poll(Duration::ZERO);
        // SAFETY: there is room for a batch of pointers.
        let taken = unsafe { native::rd_kafka_consume_batch_queue(queue, 20, messages.as_mut_ptr(), BATCH) };
        if done == 0 && taken > 0 {
            (begun, cpu) = (Instant::now(), Clock::Process.now());
        }
        for message in &messages[..usize::try_from(taken).unwrap_or(0)] {
            // SAFETY: it is ours until it is given back below; a payload is as long as it says.
            let (raw, value) = unsafe {
                let raw = &**message;
                (raw, std::slice::from_raw_parts(raw.payload.cast::<u8>(), raw.len))
            };
            weir_guest::respond(value, payment::handle, &mut output);
            next[raw.partition as usize] = raw.offset + 1;
            if !output.is_empty() {
                let answer = std::str::from_utf8(&output).expect("JSON");
                let record = BaseRecord::to(&to.name).key("k").payload(answer);
                topic::send(&producer, record.headers(OwnedHeaders::new()));
                answers += 1;
            }
            done += 1;
            // SAFETY: as above; nothing of it is used any more.
            unsafe { native::rd_kafka_message_destroy(*message) };
        }
        if committed.elapsed() > Duration::from_millis(250) || done >= events {
            committed = Instant::now();
            producer.flush(PATIENCE).expect("the broker takes it");
            let mut list = TopicPartitionList::new();
            for (partition, &offset) in next.iter().enumerate() {
                list.add_partition_offset(&from.name, partition as i32, Offset::Offset(offset))
                    .expect("an offset");
            }
            client.commit(&list, CommitMode::Async).expect("it is sent");
        }
    }
    let floor = Floor { seconds: begun.elapsed().as_secs_f64(), cpu: Clock::Process.now() - cpu, answers };
    client.unassign().expect("it is let go");
    // SAFETY: made above, used by nothing any more.
    unsafe { native::rd_kafka_queue_destroy(queue) };
    floor
}

fn lead(client: &BaseConsumer, topic: &str, partition: i32, queue: *mut native::rd_kafka_queue_t) {
    let topic = std::ffi::CString::new(topic).expect("a name without a zero");
    // SAFETY: the client lives; the partition's queue is counted, and our count of it given back.
    unsafe {
        let of =
            native::rd_kafka_queue_get_partition(client.client().native_ptr(), topic.as_ptr(), partition);
        native::rd_kafka_queue_forward(of, queue);
        native::rd_kafka_queue_destroy(of);
    }
}
