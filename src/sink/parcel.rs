//! Parcels: what goes to a broker's topic (in NATS a subject) with the end of a delivery, and where to. Nothing is sent here;
//! `sink/kafka/` and `sink/nats/` do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::event::Uid;

/// A cluster and how it is spoken to: the client's properties, secrets among them.
#[derive(Clone, PartialEq, Eq)]
pub struct Cluster {
    broker: Broker,
    properties: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broker {
    Kafka,
    Nats,
}

/// A topic that is written to, or a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlet {
    /// As people know it: `KafkaSink default/orders`.
    pub name: String,
    pub cluster: Arc<Cluster>,
    pub topic: String,
    /// Its events stand in the records' values whole, in JSON.
    pub is_structured: bool,
    /// How the topic is made if it is not there. `None`: it is waited for.
    pub create: Option<NewTopic>,
    /// In NATS: the stream that has to keep it. `None`: whichever has the subject.
    pub stream: Option<String>,
    /// In NATS: to the subject one of so many partitions is added, by the event's key.
    pub partitions: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTopic {
    pub partitions: u32,
    pub replication: u16,
}

/// What is acknowledged by its broker before the attempt that it belongs to is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub outlet: Arc<Outlet>,
    /// `None`: the key decides, as with any producer of Kafka's; in NATS, where the outlet has partitions.
    pub partition: Option<i32>,
    /// In milliseconds since 1970. `None`: when it is sent.
    pub timestamp: Option<i64>,
    pub contents: Contents,
    pub instead: Instead,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// An event as a record of ours: headers and value follow from the outlet's mode, the key is its partitionkey.
    Event(Vec<u8>),
    Plain(Plain),
}

/// A record or message, as it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub value: Option<Vec<u8>>,
}

/// What becomes of a parcel that is refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// This dead letter, encoded, into the worker's own store.
    Letter(Vec<u8>),
    /// A dead letter of the reply that it is, made of the attempt's entry, and of this broker.
    Reply(Uid),
    /// It is sent for as long as it takes. Its offset or sequence is what the delivery's parked record is known by.
    Parked,
    /// Nothing: whoever posted the event is told, and has it still.
    Told,
    /// Nothing: whoever ships it is told, and has it still. Its event has an id that no other has.
    Shipped,
}

impl Cluster {
    /// Of Kafka, with the names of its client.
    pub fn new(properties: impl IntoIterator<Item = (String, String)>) -> Cluster {
        Cluster { broker: Broker::Kafka, properties: properties.into_iter().collect() }
    }

    /// Of NATS, with the names of our login.
    pub fn of_nats(properties: BTreeMap<String, String>) -> Cluster {
        Cluster { broker: Broker::Nats, properties }
    }

    pub fn broker(&self) -> Broker {
        self.broker
    }

    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn servers(&self) -> &str {
        let name = match self.broker {
            Broker::Kafka => "bootstrap.servers",
            Broker::Nats => "servers",
        };
        self.properties.get(name).map_or("", String::as_str)
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broker::Kafka => "Kafka",
            Broker::Nats => "NATS",
        })
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.servers()).finish()
    }
}

impl Parcel {
    /// An event for whatever partition its key says.
    pub fn of_event(outlet: Arc<Outlet>, record: Vec<u8>, instead: Instead) -> Parcel {
        Parcel { outlet, partition: None, timestamp: None, contents: Contents::Event(record), instead }
    }

    /// The event that it is.
    pub fn into_record(self) -> Option<Vec<u8>> {
        match self.contents {
            Contents::Event(record) => Some(record),
            Contents::Plain(_) => None,
        }
    }

    /// About how much it is.
    pub fn bytes(&self) -> usize {
        let contents = match &self.contents {
            Contents::Event(record) => record.len(),
            Contents::Plain(plain) => {
                let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
                let headers = plain.headers.iter().map(|(name, value)| name.len() + length(value));
                length(&plain.key) + length(&plain.value) + headers.sum::<usize>()
            }
        };
        let instead = if let Instead::Letter(letter) = &self.instead { letter.len() } else { 0 };
        contents + instead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_shows_where_it_is_and_no_secret() {
        let cluster = Cluster::new([
            ("bootstrap.servers".to_owned(), "kafka:9092".to_owned()),
            ("sasl.password".to_owned(), "hunter2".to_owned()),
        ]);
        assert_eq!(format!("{cluster:?}"), "Cluster(\"kafka:9092\")");
    }
}
