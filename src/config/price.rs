//! Of a Function: what an attempt of it costs who pays for it.

use super::diagnostic::Report;
use super::reader::Fields;
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

pub(super) fn read(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Price {
    let Some(mut fields) = spec.map("price", report) else { return Price::default() };
    let mut amount = |name| {
        let (text, span) = fields.spanned(name, report)?;
        let amount = Money::price(text);
        if amount.is_none() {
            report
                .error(span, format!("Function.spec.price.{name}: '{text}' is no price"))
                .help("write digits and a point, in quotes: \"0.0000002\"; at most 6 before the point and 12 behind it");
        }
        amount
    };
    let price = Price {
        call: amount("call").unwrap_or_default(),
        millisecond: amount("millisecond").unwrap_or_default(),
        gib_millisecond: amount("gibMillisecond").unwrap_or_default(),
        million_fuel: amount("millionFuel").unwrap_or_default(),
        minimum: amount("minimum").unwrap_or_default(),
    };
    fields.finish(report);
    price
}
