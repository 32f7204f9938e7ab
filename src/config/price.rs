//! Of a Function: what an attempt of it costs who pays for it.

use std::collections::BTreeMap;

use super::diagnostic::Report;
use super::metadata;
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::shape::{FUNCTION_PRICE, FUNCTION_PRICE_THEN};
use crate::money::Money;

/// In one unit of money, whichever that is. All of zero: it costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    pub call: Money,
    /// Of wall time, each that has begun.
    pub millisecond: Money,
    /// Of the same milliseconds, for each GiB of its instance's memory.
    pub gib_millisecond: Money,
    pub million_fuel: Money,
    /// No attempt costs less.
    pub minimum: Money,
}

/// What an attempt costs, by the time at which it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    first: Price,
    /// Each from a time on, in nanoseconds since 1970, in their order.
    then: Vec<(u64, Price)>,
}

/// What tenants pay that have prices of their own.
pub type Tariffs = BTreeMap<String, Prices>;

impl Prices {
    /// `time`: in nanoseconds since 1970.
    pub fn at(&self, time: u64) -> &Price {
        let then = self.then.iter().rev().find(|(from, _)| *from <= time);
        then.map_or(&self.first, |(_, price)| price)
    }
}

pub(super) fn read(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Prices {
    spec.map("price", report).map(|fields| prices(fields, report)).unwrap_or_default()
}

pub(super) fn tariffs(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Tariffs {
    let (Some(node), path) = (spec.optional("tariffs"), spec.below("tariffs")) else { return Tariffs::new() };
    let Kind::Map(entries) = &node.kind else {
        reader::expected(node, &path, "a map of tenants to prices", report);
        return Tariffs::new();
    };
    let mut tariffs = Tariffs::new();
    for entry in entries {
        let path = format!("{path}.{}", entry.key);
        if !metadata::is_name(&entry.key) {
            report
                .error(entry.key_span, format!("{path}: '{}' can't be a tenant", entry.key))
                .help("tenants are named as documents are: lower-case letters, digits, '-' and '.'");
        }
        if let Some(fields) = Fields::of(&entry.value, &FUNCTION_PRICE, path, report) {
            tariffs.insert(entry.key.to_string(), prices(fields, report));
        }
    }
    tariffs
}

fn prices(mut fields: Fields<'_>, report: &mut Report<'_>) -> Prices {
    let first = price(&mut fields, report);
    let path = fields.below("then");
    let then = fields.optional("then").map(|list| later(list, &path, report)).unwrap_or_default();
    fields.finish(report);
    Prices { first, then }
}

/// Those that follow, each whole: what one does not name costs nothing from then on.
fn later(list: &Node, path: &str, report: &mut Report<'_>) -> Vec<(u64, Price)> {
    let Kind::Seq(items) = &list.kind else {
        reader::expected(list, path, "a list of prices, each with its 'from'", report);
        return Vec::new();
    };
    let mut then: Vec<(u64, Price)> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let path = format!("{path}[{n}]");
        let Some(mut fields) = Fields::of(item, &FUNCTION_PRICE_THEN, path.clone(), report) else { continue };
        let from = fields.required("from").and_then(|node| from(node, &path, report));
        let price = price(&mut fields, report);
        fields.finish(report);
        let Some(from) = from else { continue };
        if then.last().is_some_and(|(before, _)| *before >= from) {
            report
                .error(item.span, format!("{path}: it does not begin after the one before it"))
                .help("write the prices in the order in which they come into force");
        }
        then.push((from, price));
    }
    then
}

/// A day begins at midnight UTC.
fn from(node: &Node, path: &str, report: &mut Report<'_>) -> Option<u64> {
    let text = reader::string(node, &format!("{path}.from"), report)?;
    let day = || {
        text.parse::<jiff::civil::Date>()
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    let is_day = text.len() == "2027-01-01".len();
    let time = if is_day { day() } else { text.parse::<jiff::Timestamp>().ok() };
    // What is later than any attempt is never in force.
    let nanos = time.map(|time| time.as_nanosecond()).filter(|nanos| *nanos >= 0);
    let nanos = nanos.map(|nanos| u64::try_from(nanos).unwrap_or(u64::MAX));
    if nanos.is_none() {
        report
            .error(node.span, format!("{path}.from: '{text}' is no day and no time after 1970"))
            .help("write it as 2027-01-01, which begins at midnight UTC, or as 2027-01-01T09:00:00Z");
    }
    nanos
}

fn price(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Price {
    let mut amount = |name| {
        let path = fields.below(name);
        let (text, span) = fields.spanned(name, report)?;
        let amount = Money::price(text);
        if amount.is_none() {
            report
                .error(span, format!("{path}: '{text}' is no price"))
                .help("write digits and a point, in quotes: \"0.0000002\"; at most 6 before the point and 12 behind it");
        }
        amount
    };
    Price {
        call: amount("call").unwrap_or_default(),
        millisecond: amount("millisecond").unwrap_or_default(),
        gib_millisecond: amount("gibMillisecond").unwrap_or_default(),
        million_fuel: amount("millionFuel").unwrap_or_default(),
        minimum: amount("minimum").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_of_a_time_is_the_last_that_has_come_into_force() {
        let price = |call| Price { call: Money(call), ..Price::default() };
        let prices = Prices { first: price(1), then: vec![(10, price(2)), (20, price(3))] };
        let calls = [0, 9, 10, 19, 20, u64::MAX].map(|time| prices.at(time).call.0);
        assert_eq!(calls, [1, 1, 2, 2, 3, 3]);
        assert_eq!(Prices::default().at(5), &Price::default());
    }
}
