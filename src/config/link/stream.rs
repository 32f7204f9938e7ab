//! Sources, sinks and where usage goes: what they name is looked up.

use crate::event::Uid;

use super::super::billing_sink::{self, To as UsageDraft};
use super::super::delivery::{Delivery, Sending};
use super::super::diagnostic::{Code, Severity};
use super::super::document::{Document, Draft};
use super::super::nats_source::NO_ORDER;
use super::super::reference::Named;
use super::super::source::{self, To, Unrouted};
use super::super::spelling::{listed, nearest};
use super::super::{
    BillingSink, DeadLetterTo, KafkaSource, NatsSource, Reads, Sink, Source, SourceSink, Subscriber, UsageTo,
    Writes,
};
use super::of_source::{UNDECODABLE, UNROUTED};
use super::{Link, subscriber};
use crate::dispatch::{Order, Policy, Reason, Unmet};

fn uid(document: &Document) -> Uid {
    Uid::of_document(&document.namespace, document.kind(), &document.name)
}

/// `None` only where there is an error, and then the config is not handed out.
pub(super) fn sink(document: &Document) -> Option<Sink> {
    let writes = match &document.draft {
        Draft::KafkaSink(Some(sink)) => Writes::Kafka(sink.clone()),
        Draft::NatsSink(Some(sink)) => Writes::Nats(Box::new(sink.clone())),
        _ => return None,
    };
    let (namespace, name) = (document.namespace.clone(), document.name.clone());
    Some(Sink { uid: uid(document), namespace, name, writes })
}

impl Link<'_> {
    pub(super) fn source(&mut self, document: &Document, draft: &source::Draft) -> Option<Source> {
        let (sink, dead_letter) = match draft.sink.as_ref()? {
            To::Broker(named) => {
                let (broker, of) = self.broker(named)?;
                // Of what is no event; the source's own word comes first.
                let own = draft.delivery.dead_letter.as_ref().map(|sink| (sink, document));
                let of_broker = || of.and_then(|of| Some((of.delivery.dead_letter.as_ref()?, of.document)));
                let said = own.or_else(of_broker);
                let dead_letter = match said {
                    Some((sink, document)) => self.dead_letters(sink, document)?,
                    None => DeadLetterTo::Store,
                };
                let unrouted = match draft.unrouted {
                    Unrouted::Commit => None,
                    Unrouted::Pause => Some(Unmet::Wait),
                    Unrouted::DeadLetter => {
                        let nobody = nobody(Reason::Unrouted);
                        Some(Unmet::Take(self.of_source(document, UNROUTED, nobody, dead_letter)))
                    }
                };
                (SourceSink::Broker { broker, unrouted }, dead_letter)
            }
            To::Subscriber(subscriber) => {
                let to = self.subscriber(subscriber);
                if let Some(Subscriber::Function(_)) = to {
                    self.note_of_http(document, &draft.delivery);
                }
                let dead_letter = match &draft.delivery.dead_letter {
                    Some(sink) => self.dead_letters(sink, document)?,
                    None => DeadLetterTo::Store,
                };
                let nothing = Delivery::default();
                let (policy, sending) =
                    (draft.delivery.policy(&nothing, draft.order), draft.delivery.sending(&nothing));
                let policy = subscriber::policy(policy, to.as_ref()?);
                let broker = self.of_source(document, "", (to?, policy, sending), dead_letter);
                (SourceSink::Subscriber { broker }, dead_letter)
            }
        };
        let undecodable = self.of_source(document, UNDECODABLE, nobody(Reason::Undecodable), dead_letter);
        Some(Source {
            uid: uid(document),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            reads: draft.reads.clone()?,
            extensions: draft.extensions.clone(),
            sink,
            undecodable,
        })
    }

    pub(super) fn billing(
        &mut self,
        document: &Document,
        draft: &billing_sink::Draft,
    ) -> Option<BillingSink> {
        let to = match draft.to.as_ref()? {
            UsageDraft::Http { url, token } => UsageTo::Http { url: url.clone(), token: token.clone() },
            UsageDraft::File(path) => UsageTo::File(path.clone()),
            UsageDraft::Sink(kind, named) => UsageTo::Sink(self.sink(kind, named)?),
        };
        Some(BillingSink {
            uid: uid(document),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            to,
            batch: draft.batch,
            interval: draft.interval,
            subjects: draft.subjects.clone(),
            rollup: draft.rollup,
        })
    }

    pub(super) fn sink_uid(&mut self, kind: &'static str, named: &Named) -> Option<Uid> {
        self.sink(kind, named).map(|index| uid(self.sinks[index]))
    }

    fn sink(&mut self, kind: &'static str, named: &Named) -> Option<usize> {
        let here = |d: &&Document| d.kind() == kind && d.namespace == named.namespace;
        let found = self.sinks.iter().position(|sink| here(sink) && sink.name == named.name);
        if found.is_none() {
            let names: Vec<&str> =
                self.sinks.iter().copied().filter(here).map(|sink| sink.name.as_str()).collect();
            let near =
                nearest(&named.name, names.iter().copied()).map(|near| format!("did you mean '{near}'?"));
            let otherwise = format!("add a {kind} document; there are {}", listed(names));
            self.missing(named, kind, near, otherwise);
        }
        found
    }

    /// A trigger that asks for an order of events that come in none.
    pub(super) fn refuse_order(&mut self, documents: &[Document], sources: &[Source]) {
        for document in documents {
            let Draft::Trigger(Some(draft)) = &document.draft else { continue };
            let Some(order @ (Order::Key | Order::Ordered)) = draft.order else { continue };
            let Some((broker, _)) = draft.broker.as_ref().and_then(|named| self.broker(named)) else {
                continue;
            };
            let is_of = |source: &&Source| {
                matches!(&source.reads, Reads::Nats(nats) if nats.partitions.is_none())
                    && source.sink.broker() == broker
            };
            let Some(source) = sources.iter().find(is_of) else { continue };
            let order = if order == Order::Key { "key" } else { "ordered" };
            let (why, help) = NO_ORDER;
            let message = format!(
                "the Trigger '{}' asks for the order '{order}' of what the NatsSource '{}' brings to its broker: {why}",
                document.name, source.name
            );
            self.diagnostics.at(Severity::Error, &document.place, message).code(Code::UNSUPPORTED).help(help);
        }
    }

    /// Two sources that are one consumer to the broker: each would be given some of the events.
    pub(super) fn warn_of_shared(&mut self, documents: &[Document], sources: &[Source]) {
        for (n, source) in sources.iter().enumerate() {
            let Some(other) = sources[..n].iter().find(|other| shares(&other.reads, &source.reads)) else {
                continue;
            };
            let Some(document) = documents.iter().find(|document| uid(document) == source.uid) else {
                continue;
            };
            let what = match source.reads {
                Reads::Kafka(_) => "a consumer group and a topic",
                Reads::Nats(_) => "a durable consumer",
            };
            self.diagnostics
                .at(
                    Severity::Warning,
                    &document.place,
                    format!("the sources '{}' and '{}' share {what}", other.name, source.name),
                )
                .help("each would be given some of the events: let one of them have another");
        }
    }
}

/// Whatever comes is a dead letter, of that reason.
fn nobody(reason: Reason) -> (Subscriber, Policy, Sending) {
    (Subscriber::Nobody(reason), Policy { retry: 0, ..Policy::default() }, Sending::default())
}

fn shares(one: &Reads, other: &Reads) -> bool {
    match (one, other) {
        (Reads::Kafka(one), Reads::Kafka(other)) => {
            let KafkaSource { bootstrap_servers, topics, consumer_group, .. } = one;
            *consumer_group == other.consumer_group
                && bootstrap_servers.iter().any(|server| other.bootstrap_servers.contains(server))
                && topics.iter().any(|topic| other.topics.contains(topic))
        }
        (Reads::Nats(one), Reads::Nats(other)) => {
            let NatsSource { connection, stream, consumer, .. } = one;
            *stream == other.stream
                && *consumer == other.consumer
                && connection.servers.iter().any(|server| other.connection.servers.contains(server))
        }
        _ => false,
    }
}
