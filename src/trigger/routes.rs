//! From an event to the triggers that it meets, without asking every trigger.

use std::collections::HashMap;

use super::Filter;
use crate::event::{Event, Uid};

/// The triggers of all brokers. A trigger is named by its index in the list that this was made from.
#[derive(Debug, Default)]
pub struct Routes {
    brokers: HashMap<Uid, Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// Triggers that want one type.
    by_type: HashMap<Box<str>, Vec<(u32, Filter)>>,
    /// Those that do not say, or not in a way that can be looked up.
    any_type: Vec<(u32, Filter)>,
}

impl Routes {
    pub fn new(triggers: impl IntoIterator<Item = (Uid, Filter)>) -> Routes {
        let mut brokers: HashMap<Uid, Index> = HashMap::new();
        for (trigger, (broker, filter)) in triggers.into_iter().enumerate() {
            let trigger = u32::try_from(trigger).expect("triggers are far fewer than u32");
            let index = brokers.entry(broker).or_default();
            match filter.wants("type").map(Box::from) {
                Some(ty) => index.by_type.entry(ty).or_default().push((trigger, filter)),
                None => index.any_type.push((trigger, filter)),
            }
        }
        Routes { brokers }
    }

    /// Adds the triggers of `broker` that `event` meets to `matched`, in the order of the list.
    pub fn matching(&self, broker: Uid, event: &Event<'_>, matched: &mut Vec<u32>) {
        let Some(index) = self.brokers.get(&broker) else { return };
        let typed = index.by_type.get(&*event.ty).into_iter().flatten();
        matched.extend(
            typed
                .chain(&index.any_type)
                .filter(|(_, filter)| filter.matches(event))
                .map(|(trigger, _)| *trigger),
        );
        matched.sort_unstable();
    }
}
