//! The writing end of the embedded queue: collects records and appends them as one segment.

use std::sync::Arc;

use crate::event::Uid;
use crate::event::segment::{Builder, Mark, Segment};
use crate::store::Log;

#[derive(Debug)]
pub struct QueueSink {
    log: Arc<Log>,
    /// The sequence number of the next event.
    next: u64,
    pending: Builder,
}

impl QueueSink {
    /// Goes on after the last event there is, or where none is left, at `settled`: every event before it has been done
    /// and forgotten, and no number is given twice.
    pub fn open(log: Arc<Log>, settled: u64) -> Result<QueueSink, Box<dyn std::error::Error + Send + Sync>> {
        let end = match log.flushed().checked_sub(1).filter(|&last| last >= log.first()) {
            None => 0,
            Some(last) => {
                let bytes = log.get(last)?.ok_or("the queue's last segment is not there")?;
                Segment::decode(&bytes)?.end()
            }
        };
        Ok(QueueSink { log, next: end.max(settled), pending: Builder::default() })
    }

    /// The sequence number after the last event written.
    pub fn next(&self) -> u64 {
        self.next
    }

    pub fn push(&mut self, broker: Uid, record: &[u8]) {
        self.pending.push(broker, record);
    }

    /// Marks that a delivery is over, with what was pushed since the last write.
    pub fn mark(&mut self, mark: Mark) {
        self.pending.mark(mark);
    }

    /// Appends what was pushed; durable after the log's next flush.
    pub fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let count = self.pending.count();
        self.log.append(self.pending.encode(self.next));
        self.next += count;
        self.pending.clear();
    }
}
