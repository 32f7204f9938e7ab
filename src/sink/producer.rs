//! The producer of a cluster, whichever broker it is of.

use std::future::Future;
use std::pin::Pin;

use crossbeam_channel::Sender;

use super::parcel::{Broker, Cluster, Parcel};
use super::receipt::{Receipt, Unsent};
use super::{kafka, nats};

#[derive(Clone, Debug)]
pub enum Producer {
    Kafka(kafka::Producer),
    Nats(nats::Producer),
}

/// What has to run beside it, on a tokio runtime, until it is dropped.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Producer {
    /// No broker is asked yet. `receipts` gets one for each record that is taken.
    pub fn open(cluster: &Cluster, receipts: Sender<Receipt>) -> Result<(Producer, Option<Running>), String> {
        match cluster.broker() {
            Broker::Kafka => Ok((Producer::Kafka(kafka::Producer::open(cluster, receipts)?), None)),
            Broker::Nats => {
                let (producer, running) = nats::Producer::open(cluster, receipts);
                Ok((Producer::Nats(producer), Some(Box::pin(running))))
            }
        }
    }

    /// `token` comes back with the receipt.
    pub fn send(&self, parcel: &Parcel, token: usize) -> Result<(), Unsent> {
        match self {
            Producer::Kafka(producer) => producer.send(parcel, token),
            Producer::Nats(producer) => producer.send(parcel, token),
        }
    }

    /// Asks the brokers, and waits for their answer. NATS says so of each message.
    pub fn has_topic(&self, topic: &str) -> Result<bool, String> {
        match self {
            Producer::Kafka(producer) => producer.has_topic(topic),
            Producer::Nats(_) => Ok(true),
        }
    }

    /// Nothing more goes through this one: another has to be opened.
    pub fn is_broken(&self) -> bool {
        match self {
            Producer::Kafka(producer) => producer.is_broken(),
            Producer::Nats(producer) => producer.is_broken(),
        }
    }
}
