//! Triggers of a source's own: what it reads goes to one subscriber, or to nobody, as every other event goes to a trigger's.

use super::super::delivery::Sending;
use super::super::document::Document;
use super::super::origins::{Origins, SaidBy};
use super::super::{DeadLetterTo, Subscriber, Trigger};
use super::Link;
use crate::dispatch::Policy;
use crate::event::Uid;
use crate::trigger::Filter;

/// What follows its source's name in that of the trigger for what is no event.
pub(super) const UNDECODABLE: &str = ":undecodable";
/// … and for what meets no trigger.
pub(super) const UNROUTED: &str = ":unrouted";

impl Link<'_> {
    /// Its broker, which nobody can name.
    pub(super) fn of_source(
        &mut self,
        document: &Document,
        what: &str,
        (subscriber, policy, sending): (Subscriber, Policy, Sending),
        dead_letter: DeadLetterTo,
    ) -> Uid {
        // Nobody's document has a name like it.
        let name = format!("{}:{}{what}", document.kind().to_lowercase(), document.name);
        let namespace = document.namespace.clone();
        let broker = Uid::of_document(&namespace, "Broker", &name);
        self.of_sources.push(Trigger {
            uid: Uid::of_document(&namespace, "Trigger", &name),
            namespace,
            name,
            broker,
            filter: Filter::exact([]),
            data: None,
            subscriber,
            policy,
            sending,
            dead_letter,
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
