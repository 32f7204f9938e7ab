//! What is parked of one partition. Whoever has that reads it, by sequence, and removes what is done: no consumer pulls it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    DeleteMessageError, DeleteMessageErrorKind, RawMessageErrorKind, Stream,
};
use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::durable::Parking;
use crate::event::parked::{AFAR, Label, ParkedRecord};
use crate::event::{Envelope, Epoch, Uid};
use crate::telemetry::limit::Limit;

/// More questions at once make none of the answers come sooner, and those of others later: a server answers them one after the other.
const AT_ONCE: usize = 32;
/// How long to wait before what failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is tried to remove a record. One that stays is done again by whoever has the partition next.
const REMOVES: u32 = 20;

#[derive(Clone, Debug)]
pub(super) struct Shelf {
    context: Context,
    stream: String,
    subject: String,
    /// The source's, and the partition.
    own: (Uid, u32),
    /// So many questions more may be asked at once.
    turns: Arc<Semaphore>,
}

/// A parked event.
#[derive(Debug)]
pub(super) struct Shelved {
    pub(super) envelope: Envelope,
    pub(super) broker: Uid,
}

static TROUBLE: Limit = Limit::new("trouble with what is parked in NATS", 1);

impl Shelf {
    pub(super) fn new(context: Context, parking: &Parking, own: (Uid, u32)) -> Shelf {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Shelf { context, stream: parking.stream.clone(), subject: parking.of_partition(own.1), own, turns }
    }

    /// That it is there is asked elsewhere, and not for each record.
    async fn stream(&self) -> Result<Stream<()>, String> {
        self.context.get_stream_no_info(&self.stream).await.map_err(|error| error.to_string())
    }

    async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("nobody closes it")
    }

    pub(super) async fn is_empty(&self) -> Result<bool, String> {
        match self.stream().await?.get_first_raw_message_by_subject(self.subject.as_str(), 1).await {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(true),
            Err(error) => Err(error.to_string()),
        }
    }

    /// All that is there, in the order in which it was parked; of a delivery that was parked again, the last.
    pub(super) async fn load(&self) -> Result<Vec<Label>, String> {
        let stream = self.stream().await?;
        let (mut labels, mut next): (Vec<Label>, u64) = (Vec::new(), 1);
        let mut last: HashMap<Uid, usize> = HashMap::new();
        loop {
            let found = stream.get_first_raw_message_by_subject(self.subject.as_str(), next).await;
            let message = match found {
                Ok(message) => message,
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                Err(error) => return Err(error.to_string()),
            };
            next = message.sequence + 1;
            let Some(label) = self.label(&message) else {
                tracing::error!(
                    stream = self.stream,
                    sequence = message.sequence,
                    "a record that is no parked delivery of this source, or of a newer version, is left where it is"
                );
                continue;
            };
            if let Some(earlier) = last.insert(label.delivery, labels.len()) {
                self.remove(labels[earlier].id & !AFAR).await;
                labels[earlier].id = 0;
            }
            labels.push(label);
        }
        labels.retain(|label| label.id & AFAR != 0);
        Ok(labels)
    }

    fn label(&self, message: &StreamMessage) -> Option<Label> {
        let parked = ParkedRecord::decode(&message.payload).ok()?;
        let is_own = self.own == (parked.position.source, parked.position.partition);
        Label::of(message.sequence | AFAR, &parked).ok().filter(|_| is_own)
    }

    /// One of them, however long it takes. `None`: it is gone.
    pub(super) async fn fetch(&self, sequence: u64) -> Option<Shelved> {
        loop {
            let turn = self.turn().await;
            let read = self.read(sequence).await;
            drop(turn);
            match read {
                Ok(shelved) => return shelved,
                Err(why) => {
                    if TROUBLE.admits() {
                        tracing::error!(
                            stream = self.stream,
                            sequence,
                            why,
                            "what is parked can't be read just now"
                        );
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn read(&self, sequence: u64) -> Result<Option<Shelved>, String> {
        let message = match self.stream().await?.get_raw_message(sequence).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let parked = ParkedRecord::decode(&message.payload).map_err(|corrupt| corrupt.to_string())?;
        let record = Bytes::copy_from_slice(parked.record);
        let envelope =
            Envelope::new(parked.position, Epoch(0), record).map_err(|corrupt| corrupt.to_string())?;
        Ok(Some(Shelved { envelope, broker: parked.broker }))
    }

    pub(super) async fn remove(&self, sequence: u64) {
        for _ in 0..REMOVES {
            let turn = self.turn().await;
            let removed = async {
                let stream = self.stream().await?;
                match stream.delete_message(sequence).await {
                    Ok(_) => Ok(()),
                    Err(error) if is_gone(&error) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            };
            let removed: Result<(), String> = removed.await;
            drop(turn);
            let Err(why) = removed else { return };
            if TROUBLE.admits() {
                tracing::warn!(
                    stream = self.stream,
                    sequence,
                    why,
                    "what is done can't be taken from the parking just now"
                );
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Who asks again after no answer finds it gone. The server has one code for whatever keeps it from deleting, and says what in words.
fn is_gone(error: &DeleteMessageError) -> bool {
    matches!(error.kind(), DeleteMessageErrorKind::JetStream(said)
        if said.code() == 404 || said.to_string().contains("no message found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_removed() {
        let said = |code: u64, err_code: u64, words: &str| {
            let json = serde_json::json!({"code": code, "err_code": err_code, "description": words});
            let said = serde_json::from_value(json).unwrap();
            is_gone(&DeleteMessageError::new(DeleteMessageErrorKind::JetStream(said)))
        };
        assert!(said(500, 10057, "no message found"));
        assert!(said(404, 10059, "stream not found"));
        assert!(!said(500, 10057, "message delete not permitted"));
        assert!(!is_gone(&DeleteMessageError::new(DeleteMessageErrorKind::TimedOut)));
    }
}
