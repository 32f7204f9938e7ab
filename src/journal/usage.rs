//! An entry as billing takes it: a usage event, which is a CloudEvent. What it counts once is told by its id, the charge id,
//! whoever makes or repeats the attempt.

use std::borrow::Cow;

use serde::Serialize;

use super::Entry;
use crate::event::{Data, Event};
use crate::money::Money;

/// Of what is charged.
pub const INVOCATION: &str = "dev.weir.usage.invocation.v1";
/// Of a late result of an assignment that was lost. Whoever has it now makes the attempt again, under the same charge id: this
/// one has a type and an id of its own, so that no meter counts it and nothing takes it for the charge.
pub const FENCED: &str = "dev.weir.usage.fenced.v1";

/// What stands in a usage event's data. Integers, and the price as a decimal in a string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage<'e> {
    pub tenant: &'e str,
    pub function: &'e str,
    /// The beginning of its module's digest.
    pub version: Option<String>,
    pub trigger: &'e str,
    pub event_id: &'e str,
    pub event_source: &'e str,
    pub event_type: &'e str,
    pub partition: u32,
    pub offset: u64,
    pub attempt: u32,
    pub replay: u32,
    pub outcome: &'static str,
    pub reason: &'static str,
    pub cause: &'static str,
    pub wall_ns: u64,
    pub fuel: u64,
    pub memory_bytes: u64,
    pub memory_limit_bytes: u64,
    pub cold: bool,
    pub init_ns: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub price: Money,
    /// Its delivery ended with it, as a dead letter.
    pub dead_letter: bool,
}

impl<'e> Usage<'e> {
    pub fn of(entry: &'e Entry<'_>) -> Usage<'e> {
        Usage {
            tenant: entry.tenant,
            function: entry.function,
            version: entry.version_name(),
            trigger: entry.trigger,
            event_id: entry.event_id,
            event_source: entry.event_source,
            event_type: entry.event_type,
            partition: entry.position.partition,
            offset: entry.position.offset,
            attempt: entry.attempt,
            replay: entry.replay,
            outcome: entry.outcome.as_str(),
            reason: entry.reason.as_str(),
            cause: cause(entry),
            wall_ns: entry.wall_ns,
            fuel: entry.fuel,
            memory_bytes: entry.memory,
            memory_limit_bytes: entry.memory_limit,
            cold: entry.init_ns.is_some(),
            init_ns: entry.init_ns.unwrap_or(0),
            bytes_in: entry.bytes_in,
            bytes_out: entry.bytes_out,
            price: Money(entry.price.into()),
            dead_letter: entry.dead_letter,
        }
    }
}

/// Why there was this attempt.
pub fn cause(entry: &Entry<'_>) -> &'static str {
    match entry {
        Entry { fenced: true, .. } => "fenced",
        Entry { attempt: 2.., .. } => "retry",
        Entry { replay: 1.., .. } => "replay",
        _ => "first",
    }
}

/// What billing knows it by.
pub fn id(entry: &Entry<'_>) -> String {
    let charge = entry.charge();
    if entry.fenced { format!("{charge}-fenced") } else { charge.to_string() }
}

/// When it ended, in UTC.
pub fn time(nanos: u64) -> String {
    let nanos = i128::from(nanos);
    jiff::Timestamp::from_nanosecond(nanos).map_or_else(|_| nanos.to_string(), |time| time.to_string())
}

/// The usage event. `subject`: what the tenant is called there.
pub fn event<'e>(entry: &Entry<'_>, subject: &'e str) -> Event<'e> {
    let data = serde_json::to_string(&Usage::of(entry)).expect("numbers and texts");
    Event {
        id: Cow::Owned(id(entry)),
        source: Cow::Owned(entry.position.source.to_string()),
        ty: Cow::Borrowed(if entry.fenced { FENCED } else { INVOCATION }),
        subject: Some(Cow::Borrowed(subject)).filter(|subject| !subject.is_empty()),
        time: Some(Cow::Owned(time(entry.ended))),
        dataschema: None,
        datacontenttype: Some(Cow::Borrowed("application/json")),
        extensions: Vec::new(),
        data: Some(Data::Json(Cow::Owned(data))),
    }
}

/// The columns of FOCUS 1.2 that an attempt has, then our own.
pub const COLUMNS: &str = "BilledCost,ChargeCategory,ChargeClass,ChargeFrequency,ChargePeriodStart,ChargePeriodEnd,\
     ConsumedQuantity,ConsumedUnit,ResourceId,ResourceType,SkuMeter,SubAccountId,x_ChargeId,x_EventId,x_EventSource,x_EventType,\
     x_Trigger,x_Attempt,x_Cause,x_Outcome,x_Reason,x_Version,x_Fuel,x_MemoryBytes,x_MemoryLimitBytes,x_InitNs,x_BytesIn,\
     x_BytesOut\n";

/// A line of them.
pub fn line(entry: &Entry<'_>, subject: &str, out: &mut Vec<u8>) {
    let usage = Usage::of(entry);
    let began = entry.ended.saturating_sub(entry.wall_ns);
    let fields: [&dyn std::fmt::Display; 28] = [
        &usage.price,
        &"Usage",
        // Another one than usage's own would be a correction.
        &"",
        &"Usage-Based",
        &time(began),
        &time(entry.ended),
        &usage.wall_ns,
        &"Nanoseconds",
        &usage.function,
        &"Function",
        &"Invocation time",
        &subject,
        &id(entry),
        &usage.event_id,
        &usage.event_source,
        &usage.event_type,
        &usage.trigger,
        &usage.attempt,
        &usage.cause,
        &usage.outcome,
        &usage.reason,
        &usage.version.as_deref().unwrap_or_default(),
        &usage.fuel,
        &usage.memory_bytes,
        &usage.memory_limit_bytes,
        &usage.init_ns,
        &usage.bytes_in,
        &usage.bytes_out,
    ];
    for (n, field) in fields.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        quoted(&field.to_string(), out);
    }
    out.push(b'\n');
}

/// As RFC 4180 has it; and no program that calculates takes it for a formula.
fn quoted(text: &str, out: &mut Vec<u8>) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !text.contains([',', '"', '\n', '\r']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    if is_formula {
        out.push(b'\'');
    }
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Outcome, Reason};
    use crate::event::{Position, Uid, structured};

    fn entry() -> Entry<'static> {
        let position = Position { source: Uid(7), partition: 3, offset: 9 };
        Entry {
            delivery: Uid::of_delivery(position, Uid(9), 0),
            position,
            trigger: "default/all",
            function: "default/payment",
            tenant: "acme",
            version: 0xabc,
            replay: 0,
            attempt: 2,
            outcome: Outcome::Retryable,
            reason: Reason::Guest,
            ended: 1_800_000_000_123_456_789,
            wall_ns: 1_700,
            init_ns: Some(40_000),
            fuel: 12,
            memory: 65_536,
            memory_limit: 1 << 20,
            price: 2_100,
            bytes_in: 400,
            bytes_out: 300,
            event_id: "a,\"1\"",
            event_source: "/shop",
            event_type: "=1+1",
            replies: Vec::new(),
            fenced: false,
            dead_letter: false,
        }
    }

    #[test]
    fn a_usage_event_is_a_cloud_event_with_all_that_is_known_of_the_attempt() {
        let mut json = Vec::new();
        structured::encode(&event(&entry(), "cus_1"), &mut json);
        let event: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(event["id"], entry().charge().to_string());
        assert_eq!(event["subject"], "cus_1");
        assert_eq!(event["type"], INVOCATION);
        assert_eq!(event["time"], "2027-01-15T08:00:00.123456789Z");
        assert_eq!(event["source"], Uid(7).to_string());
        let data = &event["data"];
        assert_eq!((&data["cause"], &data["price"]), (&"retry".into(), &"0.0000000021".into()));
        assert_eq!((&data["wall_ns"], &data["version"]), (&1_700.into(), &"0000000000000abc".into()));
        assert!(structured::decode(&json).is_ok());
    }

    #[test]
    fn what_came_too_late_is_nobodys_charge() {
        let late = Entry { fenced: true, price: 0, ..entry() };
        let event = event(&late, "acme");
        assert_eq!((&*event.ty, event.id.ends_with("-fenced")), (FENCED, true));
        assert_eq!(cause(&late), "fenced");
        assert_eq!(cause(&Entry { attempt: 1, replay: 1, ..entry() }), "replay");
    }

    #[test]
    fn a_line_has_as_many_fields_as_there_are_columns_and_no_formula() {
        let mut bytes = Vec::new();
        line(&entry(), "cus_1", &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#","a,""1""",/shop,"'=1+1",default/all,2,retry,"#), "{text}");
        assert_eq!(COLUMNS.matches(',').count(), text.matches(',').count() - 1, "{text}");
    }
}
