//! The way from a source into the embedded queue, or to where a broker's events live instead: bounded, and answered only once
//! durable.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::brokers::Brokers;
use crate::event::Uid;

/// Valid events for one broker, each as a record, on their way to the disk. All become durable or none counts.
#[derive(Debug)]
pub struct Accepted {
    pub broker: Uid,
    pub records: Vec<Vec<u8>>,
    pub answer: oneshot::Sender<Result<(), Refused>>,
    /// What the publisher holds of `http.max-concurrent-requests`. It stays with the records, not with the connection:
    /// publishers that go away while the disk is slow do not make room for more. `None`: they are replies.
    pub slot: Option<OwnedSemaphorePermit>,
}

/// Why events were not taken. The sender keeps them and may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// More is on its way to the disk than may be.
    Busy,
    /// The queue holds as much as it may.
    QueueFull,
    /// The disk has less free space than is kept in reserve.
    DiskFull,
    /// Billing does not take what the journal has, and it holds as much as it may.
    JournalFull,
    /// The store failed; the log says how.
    Store,
    /// The worker is stopping.
    Stopping,
    /// Where the broker's events live, none so large is taken.
    TooLarge,
    /// Where the broker's events live, they are refused.
    Backing,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refused::Busy => "the worker is busy: more requests are waiting to be stored than it holds",
            Refused::QueueFull => {
                "the queue is full (queue.max-bytes): events come in faster than they are done"
            }
            Refused::DiskFull => "the disk is nearly full (data.min-free)",
            Refused::JournalFull => {
                "the journal is full (journal.max-bytes): billing does not take what is in it"
            }
            Refused::Store => "the events could not be stored; the worker's log says why",
            Refused::Stopping => "the worker is stopping",
            Refused::TooLarge => "the broker's backing takes no event that is so large",
            Refused::Backing => "the broker's backing refuses the events; the worker's log says why",
        })
    }
}

/// The sending end; cloned for every listener.
#[derive(Clone, Debug)]
pub struct Intake {
    sender: Sender<Accepted>,
    /// For brokers whose events live elsewhere.
    elsewhere: Sender<Accepted>,
    brokers: Brokers,
}

impl Intake {
    /// At most `limit` requests wait at once, of each of the two: for the queue, and for elsewhere.
    pub fn new(limit: usize, brokers: Brokers) -> (Intake, Receiver<Accepted>, Receiver<Accepted>) {
        let (sender, receiver) = bounded(limit);
        let (elsewhere, beside) = bounded(limit);
        (Intake { sender, elsewhere, brokers }, receiver, beside)
    }

    /// Waits until the records are durable.
    pub async fn store(
        &self,
        broker: Uid,
        records: Vec<Vec<u8>>,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        let is_elsewhere = self.brokers.names().elsewhere.contains(&broker);
        let sender = if is_elsewhere { &self.elsewhere } else { &self.sender };
        sender.try_send(Accepted { broker, records, answer, slot }).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Stopping,
        })?;
        // An answer that never comes is not a success.
        answered.await.unwrap_or(Err(Refused::Stopping))
    }
}
