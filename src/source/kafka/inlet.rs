//! Messages in batches, straight from the client's queue: a fraction of what asking for one by one costs.
//!
//! The client's own queue also carries rebalances and errors, and a batch that met one of these would abort the process. So
//! the queues of the partitions are led to one of ours, in which nothing but messages can be. That a partition has ended for
//! now must not be asked for by whoever reads on: as part of a batch it counts as a message, and when the group is balanced
//! anew the client would go on one behind it.

#![allow(unsafe_code)] // The crate has no safe way to ask for a batch.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::Record;

/// Messages of a batch, at most.
pub(super) const BATCH: usize = 512;

pub(super) struct Inlet<C: ConsumerContext + 'static> {
    queue: *mut native::rd_kafka_queue_t,
    messages: Vec<*mut native::rd_kafka_message_t>,
    /// The queue is of this client, and must not outlive it.
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: the client's functions on queues may be called from any thread; the pointers are used by one at a time.
unsafe impl<C: ConsumerContext> Send for Inlet<C> {}

/// What stands in the queue, given back to the client when dropped.
pub(super) struct Message<'i> {
    message: *mut native::rd_kafka_message_t,
    of: PhantomData<&'i ()>,
}

/// A record, the end of a partition for now, or an error of one.
pub(super) enum Content<'m> {
    Record(Record<'m>),
    /// Nothing stands below this offset that is still to come.
    End {
        offset: i64,
    },
    Failed(RDKafkaErrorCode),
}

impl<C: ConsumerContext> Inlet<C> {
    pub(super) fn new(consumer: &Arc<BaseConsumer<C>>) -> Inlet<C> {
        // SAFETY: the client lives as long as `consumer` does.
        let queue = unsafe { native::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Inlet { queue, messages: Vec::with_capacity(BATCH), consumer: Arc::clone(consumer) }
    }

    /// Leads a partition here, from before it is assigned: then none of its messages comes by the client's own queue.
    pub(super) fn lead(&self, topic: &str, partition: i32) {
        let topic = CString::new(topic).expect("a topic's name was checked");
        // SAFETY: as above. The partition's queue is counted by the client, and our count of it is given back.
        unsafe {
            let of = native::rd_kafka_queue_get_partition(
                self.consumer.client().native_ptr(),
                topic.as_ptr(),
                partition,
            );
            if !of.is_null() {
                native::rd_kafka_queue_forward(of, self.queue);
                native::rd_kafka_queue_destroy(of);
            }
        }
    }

    /// Where a partition ends, as far as the last fetch has told.
    pub(super) fn end(&self, topic: &str, partition: i32) -> Option<u64> {
        let topic = CString::new(topic).expect("a topic's name was checked");
        let (mut first, mut end) = (0, 0);
        // SAFETY: the client lives, and writes two numbers.
        let found = unsafe {
            native::rd_kafka_get_watermark_offsets(
                self.consumer.client().native_ptr(),
                topic.as_ptr(),
                partition,
                &raw mut first,
                &raw mut end,
            )
        };
        u64::try_from(end).ok().filter(|_| found == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    /// What is there, and if nothing is, what comes first within `wait`.
    pub(super) fn take(&mut self, wait: Duration) -> impl Iterator<Item = Message<'_>> {
        self.fill(Duration::ZERO, BATCH);
        if self.messages.is_empty() && !wait.is_zero() {
            // A batch waits until it is full: one alone, and then what has come with it.
            self.fill(wait, 1);
            if !self.messages.is_empty() {
                self.fill(Duration::ZERO, BATCH - 1);
            }
        }
        self.messages.drain(..).map(|message| Message { message, of: PhantomData })
    }

    fn fill(&mut self, wait: Duration, most: usize) {
        let begun = self.messages.len();
        self.messages.resize(begun + most, ptr::null_mut());
        // SAFETY: there is room for `most` pointers, of which as many are written as it says; an error is -1.
        let taken = unsafe {
            native::rd_kafka_consume_batch_queue(
                self.queue,
                i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
                self.messages.as_mut_ptr().add(begun),
                most,
            )
        };
        self.messages.truncate(begun + usize::try_from(taken).unwrap_or(0));
    }
}

impl<C: ConsumerContext> Drop for Inlet<C> {
    fn drop(&mut self) {
        // SAFETY: it was made in `new`, and nothing uses it any more.
        unsafe { native::rd_kafka_queue_destroy(self.queue) }
    }
}

impl Message<'_> {
    fn raw(&self) -> &native::rd_kafka_message_t {
        // SAFETY: the client gave it to us, and it is ours until it is dropped.
        unsafe { &*self.message }
    }

    pub(super) fn topic(&self) -> &str {
        // SAFETY: a message of a partition has its topic, which the client keeps while messages of it are out.
        let name = unsafe { CStr::from_ptr(native::rd_kafka_topic_name(self.raw().rkt)) };
        name.to_str().unwrap_or_default()
    }

    pub(super) fn partition(&self) -> i32 {
        self.raw().partition
    }

    pub(super) fn content(&self) -> Content<'_> {
        let raw = self.raw();
        match raw.err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Content::Record(self.record()),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => Content::End { offset: raw.offset },
            error => Content::Failed(error.into()),
        }
    }

    fn record(&self) -> Record<'_> {
        let raw = self.raw();
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is ours.
        let timestamp = unsafe { native::rd_kafka_message_timestamp(self.message, &raw mut kind) };
        Record {
            topic: self.topic(),
            partition: raw.partition,
            offset: raw.offset,
            timestamp: (timestamp >= 0).then_some(timestamp),
            // SAFETY: both lie in the message, as long as it says.
            key: unsafe { bytes(raw.key, raw.key_len) },
            // SAFETY: as above.
            value: unsafe { bytes(raw.payload, raw.len) },
            headers: self.headers(),
        }
    }

    fn headers(&self) -> Vec<(&str, Option<&[u8]>)> {
        let mut all = ptr::null_mut();
        // SAFETY: the headers are the message's, which is ours; names and values lie in them.
        unsafe {
            if native::rd_kafka_message_headers(self.message, &raw mut all)
                != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                return Vec::new();
            }
            let mut headers = Vec::with_capacity(native::rd_kafka_header_cnt(all));
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            while native::rd_kafka_header_get_all(
                all,
                headers.len(),
                &raw mut name,
                &raw mut value,
                &raw mut size,
            ) == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                // A name that is no text names nothing that anyone looks for.
                headers.push((CStr::from_ptr(name).to_str().unwrap_or_default(), bytes(value, size)));
            }
            headers
        }
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and this is the one time that it is given back.
        unsafe { native::rd_kafka_message_destroy(self.message) }
    }
}

/// A null pointer is no value at all; a value may be empty.
///
/// # Safety
/// What is pointed to lives as long as the result, and is so long.
unsafe fn bytes<'m>(at: *const std::ffi::c_void, length: usize) -> Option<&'m [u8]> {
    // SAFETY: the caller's word.
    (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at.cast(), length) })
}
