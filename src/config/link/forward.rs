//! Dead-letter sinks that are no brokers. What goes there is written to the queue first, as an event of a broker that nobody
//! can name, and a trigger of our own delivers it: as durable, as patient and as bounded as every other delivery.

use super::super::delivery::Sending;
use super::super::document::Document;
use super::super::origins::{Origins, SaidBy};
use super::super::trigger::Subscriber as Draft;
use super::super::{DeadLetterTo, Subscriber, Trigger};
use super::{Link, subscriber};
use crate::dispatch::{Order, Policy};
use crate::event::Uid;
use crate::trigger::Filter;

/// Nobody's document has a name like it.
const NAME: &str = "dead-letters:";

impl Link<'_> {
    /// Its broker. There is one for each sink and namespace, whoever names it.
    pub(super) fn forward(&mut self, to: Subscriber, draft: &Draft, document: &Document) -> Uid {
        let called = match (&to, draft) {
            (_, Draft::Function(named)) => format!("{}/{}", named.namespace, named.name),
            (_, Draft::Service(named, below)) => {
                format!("{}/{}{}", named.namespace, named.name, below.path)
            }
            (_, Draft::Url(endpoint)) => endpoint.url.clone(),
        };
        let trust = match &to {
            Subscriber::Http(endpoint) => endpoint.ca_certs.as_deref(),
            Subscriber::Function(_) | Subscriber::Nobody(_) => None,
        };
        // Two that are trusted otherwise are two.
        let trust =
            trust.map_or(String::new(), |pem| format!("#{}", &blake3::hash(pem.as_bytes()).to_hex()[..8]));
        let (namespace, name) = (document.namespace.clone(), format!("{NAME}{called}{trust}"));
        let broker = Uid::of_document(&namespace, "Broker", &name);
        if self.forwards.iter().any(|forward| forward.broker == broker) {
            return broker;
        }
        // What can't be delivered is tried for ever; what the sink refuses for good, the worker's own store keeps.
        let policy = Policy { retry: u32::MAX, order: Order::Unordered, ..Policy::default() };
        self.forwards.push(Trigger {
            uid: Uid::of_document(&namespace, "Trigger", &name),
            namespace,
            name,
            broker,
            filter: Filter::exact([]),
            data: None,
            policy: subscriber::policy(policy, &to),
            subscriber: to,
            sending: Sending::default(),
            dead_letter: DeadLetterTo::Store,
            labels: Default::default(),
            tenant: None,
            budget: None,
            cost_on_replies: false,
            origins: Origins::all(SaidBy::Default),
            place: format!("{}:{}", document.place.text.name, document.place.span.line),
        });
        broker
    }
}
