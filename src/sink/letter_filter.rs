//! Which dead letters are meant: what a command line says, a worker is told, and each letter is held to.

use serde::{Deserialize, Serialize};

use super::dead_letter::DeadLetter;
use crate::event::record;
use crate::trigger::cesql::Expression;

/// All that is said must hold; a filter that says nothing means every dead letter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// One of these, in ascending order. None: any.
    pub ids: Vec<u64>,
    /// "namespace/name".
    pub trigger: Option<String>,
    pub outcome: Option<String>,
    pub reason: Option<String>,
    /// When the last attempt ended, in nanoseconds since 1970: not before this,
    pub since: Option<u64>,
    /// and before this.
    pub until: Option<u64>,
    /// Context attributes of the event, extensions too. As in a trigger's filter, an empty value means that the
    /// attribute is there and not empty.
    pub attributes: Vec<(String, String)>,
    /// The event matches it, as it would a trigger's filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cesql: Option<Clause>,
    /// Replayed so often at the most.
    pub replays: Option<u32>,
}

/// CESQL, as text wherever it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Clause(Box<Expression>);

impl TryFrom<String> for Clause {
    type Error = String;

    fn try_from(text: String) -> Result<Clause, String> {
        let expression = Expression::parse(&text).map_err(|error| error.message.to_string())?;
        match expression.check().errors.into_iter().next() {
            Some(error) => Err(error.message.to_string()),
            None => Ok(Clause(Box::new(expression))),
        }
    }
}

impl From<Clause> for String {
    fn from(clause: Clause) -> String {
        clause.0.text().to_owned()
    }
}

impl Filter {
    /// `id` is the letter's number on its shelf.
    pub fn matches(&self, id: u64, letter: &DeadLetter<'_>) -> bool {
        let is = |wanted: &Option<String>, said: &str| wanted.as_ref().is_none_or(|wanted| wanted == said);
        (self.ids.is_empty() || self.ids.binary_search(&id).is_ok())
            && is(&self.trigger, letter.trigger)
            && is(&self.outcome, letter.outcome.as_str())
            && is(&self.reason, letter.reason.as_str())
            && self.since.is_none_or(|since| letter.ended >= since)
            && self.until.is_none_or(|until| letter.ended < until)
            && self.replays.is_none_or(|most| letter.replays() <= most)
            && self.matches_event(letter.record)
    }

    /// A record that can't be read has no attributes.
    fn matches_event(&self, record: &[u8]) -> bool {
        if self.attributes.is_empty() && self.cesql.is_none() {
            return true;
        }
        record::decode(record).is_ok_and(|event| {
            let is_meant = self.cesql.as_ref().is_none_or(|clause| clause.0.matches(&event));
            is_meant
                && self.attributes.iter().all(|(name, wanted)| match event.attribute(name) {
                    Some(value) if wanted.is_empty() => !value.is_empty(),
                    Some(value) => value == *wanted,
                    None => false,
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Outcome, Reason};
    use crate::event::{Position, Uid, structured};

    const EVENT: &str = r#"{"specversion":"1.0","id":"o-1","source":"/shop","type":"order.created","subject":"s",
        "tenant":"acme","shard":7,"void":"","data":{"tenant":"other"}}"#;

    /// Does it match the letter 5, of a trap at 1,000?
    fn matches(filter: Filter) -> bool {
        let mut record = Vec::new();
        record::encode(&structured::decode(EVENT.as_bytes()).unwrap(), &mut record);
        let letter = DeadLetter {
            delivery: Uid(1),
            position: Position { source: Uid(2), partition: 0, offset: 4 },
            broker: Uid(5),
            trigger: "default/orders",
            function: "default/payment",
            attempts: 11,
            replay: 2,
            outcome: Outcome::Trapped,
            reason: Reason::Unreachable,
            message: "unreachable",
            ended: 1000,
            record: &record,
        };
        filter.matches(5, &letter)
    }

    fn attribute(name: &str, value: &str) -> Filter {
        Filter { attributes: vec![(name.into(), value.into())], ..Filter::default() }
    }

    fn cesql(text: &str) -> Filter {
        Filter { cesql: Some(text.to_owned().try_into().unwrap()), ..Filter::default() }
    }

    #[test]
    fn nothing_said_is_every_letter() {
        assert!(matches(Filter::default()));
    }

    #[test]
    fn each_of_its_parts_can_let_in_and_keep_out() {
        let trigger = |name: &str| Filter { trigger: Some(name.into()), ..Filter::default() };
        let outcome = |name: &str| Filter { outcome: Some(name.into()), ..Filter::default() };
        let reason = |name: &str| Filter { reason: Some(name.into()), ..Filter::default() };
        let ids = |ids: &[u64]| Filter { ids: ids.into(), ..Filter::default() };
        let since = |since| Filter { since: Some(since), ..Filter::default() };
        let until = |until| Filter { until: Some(until), ..Filter::default() };
        let replays = |most| Filter { replays: Some(most), ..Filter::default() };
        for (inside, outside) in [
            (trigger("default/orders"), trigger("orders")),
            (outcome("trapped"), outcome("permanent")),
            (reason("unreachable"), reason("guest")),
            (ids(&[3, 5]), ids(&[3, 6])),
            (since(1000), since(1001)),
            (until(1001), until(1000)),
            (replays(2), replays(1)),
            (attribute("id", "o-1"), attribute("id", "o-2")),
            (attribute("source", "/shop"), attribute("source", "/")),
            (attribute("type", "order.created"), attribute("type", "order")),
            (attribute("subject", "s"), attribute("subject", "t")),
            (attribute("tenant", "acme"), attribute("tenant", "other")),
            (attribute("shard", "7"), attribute("shard", "07")),
            (attribute("tenant", ""), attribute("void", "")),
            (attribute("tenant", ""), attribute("absent", "")),
            (cesql("tenant = 'acme' AND shard > 6"), cesql("shard > 7")),
            // What goes wrong with an event matches nothing.
            (cesql("NOT EXISTS absent"), cesql("absent = 'x'")),
        ] {
            assert!(matches(inside.clone()), "{inside:?}");
            assert!(!matches(outside.clone()), "{outside:?}");
        }
    }

    #[test]
    fn all_that_is_said_must_hold() {
        let attributes = |tenant: &str| vec![("id".into(), "o-1".into()), ("tenant".into(), tenant.into())];
        let both = |tenant| Filter {
            reason: Some("unreachable".into()),
            attributes: attributes(tenant),
            ..Filter::default()
        };
        assert!(matches(both("acme")));
        assert!(!matches(both("ajax")));
        assert!(!matches(Filter { reason: Some("guest".into()), ..both("acme") }));
    }

    #[test]
    fn it_goes_over_the_console_whole_and_an_unknown_part_is_refused() {
        let filter = Filter {
            ids: vec![1],
            since: Some(u64::MAX),
            replays: Some(0),
            trigger: Some("a/b".into()),
            cesql: cesql("type LIKE 'order.%'").cesql,
            ..attribute("id", "\"")
        };
        let text = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
        // Else an older worker would drop more than it was asked to.
        assert!(serde_json::from_str::<Filter>(r#"{"colour":"red"}"#).is_err());
        assert!(serde_json::from_str::<Filter>(r#"{"cesql":"type ="}"#).is_err());
        assert!(
            !serde_json::to_string(&Filter::default()).unwrap().contains("cesql"),
            "an older worker knows none"
        );
    }
}
