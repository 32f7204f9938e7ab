//! The way from a source straight to the loop, for senders that wait for what becomes of their events: nothing is stored,
//! and what fails is theirs to send again.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::intake::Refused;
use crate::dispatch::{Outcome, Reason};
use crate::event::Uid;

/// Valid events for one broker, each as a record, whose sender waits.
#[derive(Debug)]
pub struct Asked {
    pub broker: Uid,
    pub records: Vec<Vec<u8>>,
    pub answer: oneshot::Sender<Answer>,
    /// What the sender holds of `http.max-concurrent-requests`, until all of it has ended: also where it goes away.
    pub slot: OwnedSemaphorePermit,
}

/// What has become of all of a request's events.
#[derive(Debug)]
pub enum Answer {
    /// Every delivery succeeded; the replies, as records.
    Done(Vec<Vec<u8>>),
    /// The worst of what failed.
    Failed(Failed),
    /// Nothing was attempted of some of it; there is no use in coming again before.
    NotNow { why: String, wait: Duration },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The trigger's "namespace/name".
    pub trigger: String,
    pub outcome: Outcome,
    pub reason: Reason,
    pub message: String,
    /// When an HTTP subscriber wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// The sending end; cloned for every listener.
#[derive(Clone, Debug)]
pub struct Direct {
    sender: Sender<Asked>,
}

impl Direct {
    /// At most `limit` requests wait for the loop at once.
    pub fn new(limit: usize) -> (Direct, Receiver<Asked>) {
        let (sender, receiver) = bounded(limit);
        (Direct { sender }, receiver)
    }

    /// Waits until all of it has ended, and what that cost is durable.
    pub async fn ask(
        &self,
        broker: Uid,
        records: Vec<Vec<u8>>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Answer, Refused> {
        let (answer, answered) = oneshot::channel();
        self.sender.try_send(Asked { broker, records, answer, slot }).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Busy,
            TrySendError::Disconnected(_) => Refused::Stopping,
        })?;
        // An answer that never comes is not a success.
        answered.await.map_err(|_| Refused::Stopping)
    }
}
