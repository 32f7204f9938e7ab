//! Writes usage events to a topic of Kafka, by tenant in order, or to a subject of NATS, and waits until all replicas in sync, or the
//! stream, have them.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::way::{Sent, Usage};
use crate::event::{Value, record, structured};
use crate::sink::kafka::topic;
use crate::sink::parcel::{Broker, Instead, Outlet, Parcel};
use crate::sink::producer::Producer;
use crate::sink::receipt::{Kind, Receipt, Refusal, Unsent};
use crate::worker::tasks;

/// How often it is looked whether the worker stops.
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Parcels {
    outlet: Arc<Outlet>,
    open: Option<(Producer, Receiver<Receipt>)>,
    runtime: Handle,
    stop: watch::Receiver<()>,
}

impl Parcels {
    pub(super) fn new(outlet: Arc<Outlet>, (runtime, stop): (Handle, watch::Receiver<()>)) -> Parcels {
        Parcels { outlet, open: None, runtime, stop }
    }

    pub(super) fn send(&mut self, usage: &[Usage]) -> Sent {
        let (producer, receipts) = match self.open.take() {
            Some(open) => open,
            None => match self.begin() {
                Ok(open) => open,
                Err(why) => return Sent::Again(why, None),
            },
        };
        let mut came = vec![None; usage.len()];
        let mut missing = usage.len();
        let mut leave = None;
        for (token, one) in usage.iter().enumerate() {
            let parcel = match self.parcel(one) {
                Ok(parcel) => parcel,
                Err(why) => {
                    came[token] = Some(Err(Refusal { kind: Kind::Invalid, why }));
                    missing -= 1;
                    continue;
                }
            };
            loop {
                match producer.send(&parcel, token) {
                    Ok(()) => break,
                    Err(Unsent::Refused(refusal)) => {
                        came[token] = Some(Err(refusal));
                        missing -= 1;
                        break;
                    }
                    Err(Unsent::Full) if super::is_over(&self.stop, &mut leave) => return Sent::Stopped,
                    Err(Unsent::Full) => {
                        if let Ok(receipt) = receipts.recv_timeout(LOOK) {
                            came[receipt.token] = Some(receipt.result);
                            missing -= 1;
                        }
                    }
                }
            }
        }
        while missing > 0 {
            match receipts.recv_timeout(LOOK) {
                Ok(receipt) => {
                    came[receipt.token] = Some(receipt.result);
                    missing -= 1;
                }
                // What is under way may still arrive: it goes again with its charge id.
                Err(RecvTimeoutError::Timeout) if super::is_over(&self.stop, &mut leave) => {
                    return Sent::Stopped;
                }
                Err(RecvTimeoutError::Timeout) if !producer.is_broken() => {}
                Err(_) => return Sent::Again("the producer broke".to_owned(), None),
            }
        }
        let acknowledged = came.iter().take_while(|came| matches!(came, Some(Ok(_)))).count();
        let refusal = came.into_iter().find_map(|came| came.and_then(Result::err));
        if !producer.is_broken() {
            self.open = Some((producer, receipts));
        }
        match refusal {
            None => Sent::Acknowledged,
            Some(_) if acknowledged > 0 => Sent::Partly(acknowledged),
            Some(Refusal { kind: Kind::TooLarge | Kind::Invalid, why }) => Sent::Refused(why),
            Some(Refusal { kind: Kind::NoTopic, why }) => {
                // It is looked for, and made, when it is opened anew.
                self.open = None;
                Sent::Again(why, None)
            }
            // No header can hold it.
            Some(Refusal { kind: Kind::Never, why }) if self.outlet.cluster.broker() == Broker::Nats => {
                Sent::Refused(why)
            }
            // Whoever may not write there may tomorrow.
            Some(Refusal { why, .. }) => Sent::Again(why, None),
        }
    }

    fn begin(&self) -> Result<(Producer, Receiver<Receipt>), String> {
        let (sender, receipts) = unbounded();
        let (producer, running) = Producer::open(&self.outlet.cluster, sender)?;
        if let Some(running) = running {
            let _on = self.runtime.enter();
            // It ends with the producer.
            tasks::task(running);
        }
        if !producer.has_topic(&self.outlet.topic)? {
            let Some(new) = self.outlet.create else {
                return Err(format!("the topic {} is not there", self.outlet.topic));
            };
            self.runtime.block_on(topic::create(&self.outlet, new))?;
        }
        Ok((producer, receipts))
    }

    fn parcel(&self, usage: &Usage) -> Result<Parcel, String> {
        let mut event = structured::decode(&usage.bytes).map_err(|error| error.to_string())?;
        // What a topic has by tenant in order goes by its key.
        if self.outlet.cluster.broker() == Broker::Kafka
            && let Some(subject) = event.subject.clone()
        {
            event.set_extension("partitionkey", Value::String(subject));
        }
        let mut record = Vec::with_capacity(usage.bytes.len());
        record::encode(&event, &mut record);
        Ok(Parcel::of_event(Arc::clone(&self.outlet), record, Instead::Shipped))
    }
}

impl std::fmt::Debug for Parcels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parcels").field("outlet", &self.outlet.name).finish_non_exhaustive()
    }
}
