//! What is parked of one partition. Whoever has that reads it, by sequence, and removes what is done: no consumer pulls it.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use bytes::Bytes;

use super::durable::Parking;
use crate::event::parked::{AFAR, Label, ParkedRecord};
use crate::event::{Envelope, Epoch, Uid};
use crate::telemetry::limit::Limit;

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
        Shelf { context, stream: parking.stream.clone(), subject: parking.of_partition(own.1), own }
    }

    async fn stream(&self) -> Result<Stream, String> {
        self.context.get_stream(&self.stream).await.map_err(|error| error.to_string())
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
            match self.read(sequence).await {
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
            let removed = async {
                let stream = self.stream().await?;
                match stream.delete_message(sequence).await {
                    Ok(_) => Ok(()),
                    // Who asks again after no answer finds it gone.
                    Err(error) if error.to_string().contains("not found") => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            };
            let Err(why): Result<(), String> = removed.await else { return };
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
