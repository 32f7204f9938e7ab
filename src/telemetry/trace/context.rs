//! W3C trace context, as events carry it in `traceparent` and `tracestate`: where an attempt stands in its trace. All ids are
//! digests of the event's place and the attempt's number, so nothing is kept between attempts, and a repeat after a crash
//! has the same.

use crate::event::{Event, Position, Uid, Value};

/// Longer ones are not passed on; W3C asks for 512 at least.
const LONGEST_STATE: usize = 512;

/// Which events are traced: those whose parent is, and of those without one so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Of 2^63.
    below: u64,
}

/// Where an attempt stands in its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub trace: u128,
    /// The publisher's span.
    pub parent: Option<u64>,
    pub delivery: u64,
    pub attempt: u64,
    pub is_sampled: bool,
    state: Option<Box<str>>,
}

impl Sampling {
    /// `ratio`: from 0, none, to 1, all.
    pub fn of(ratio: f64) -> Sampling {
        Sampling { below: (ratio.clamp(0.0, 1.0) * (1u64 << 63) as f64) as u64 }
    }

    /// Does anyone follow this event? For all others there is nothing to make ids for: whoever has their replies in this
    /// worker decides anew.
    pub fn follows(self, event: &Event<'_>, position: Position) -> bool {
        match text(event, "traceparent") {
            Some(_) => true,
            None => self.takes(position),
        }
    }

    /// The context of an attempt, known before it is made: for its reply, and for what it sends.
    pub fn context(self, event: &Event<'_>, position: Position, delivery: Uid, attempt: u32) -> Context {
        let said = text(event, "traceparent").and_then(parse);
        let trace = said.as_ref().map_or_else(|| Uid::of_trace(position).0, |said| said.trace);
        let is_sampled = said.as_ref().map_or_else(|| self.takes(position), |said| said.is_sampled);
        let state = text(event, "tracestate").filter(|state| said.is_some() && is_state(state));
        Context {
            trace,
            parent: said.map(|said| said.span),
            delivery: span(delivery),
            attempt: span(Uid::of_charge(delivery, attempt)),
            is_sampled,
            state: state.map(Box::from),
        }
    }

    /// By where the event stands, so that each worker decides alike. It is asked of every attempt: the digest that a trace has
    /// for its id would cost more than all the rest.
    fn takes(self, Position { source, partition, offset }: Position) -> bool {
        let source = (source.0 >> 64) as u64 ^ source.0 as u64;
        let mixed = mixed(mixed(source ^ u64::from(partition)) ^ offset);
        mixed >> 1 < self.below
    }
}

/// The end of SplitMix64: each bit of the number counts for each of the result.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Context {
    /// What a reply or a request of this attempt carries.
    pub fn traceparent(&self) -> String {
        // Most say no: `format!` with numbers of 128 bits would be what they cost most.
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        hex(&mut text, &self.trace.to_be_bytes());
        text.push('-');
        hex(&mut text, &self.attempt.to_be_bytes());
        text.push_str(if self.is_sampled { "-01" } else { "-00" });
        text
    }

    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Puts it into an event that the attempt has made.
    pub fn mark(&self, event: &mut Event<'_>) {
        event.set_extension("traceparent", Value::String(self.traceparent().into()));
        match &self.state {
            Some(state) => event.set_extension("tracestate", Value::String(state.to_string().into())),
            // Of another trace.
            None => event.extensions.retain(|(name, _)| name != "tracestate"),
        }
    }
}

fn hex(to: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        to.push(DIGITS[usize::from(byte >> 4)] as char);
        to.push(DIGITS[usize::from(byte & 15)] as char);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Said {
    trace: u128,
    span: u64,
    is_sampled: bool,
}

/// `None`: it is not one, and counts as if there were none.
fn parse(text: &str) -> Option<Said> {
    let field = |from: usize, length: usize| {
        let field = text.get(from..from + length)?;
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        field.bytes().all(hex).then_some(field)
    };
    let version = u8::from_str_radix(field(0, 2)?, 16).ok()?;
    let dashes = [2, 35, 52].iter().all(|&at| text.as_bytes().get(at) == Some(&b'-'));
    // A later version may have more fields.
    let ends = text.len() == 55 || version > 0 && text.as_bytes().get(55) == Some(&b'-');
    if version == 0xff || !dashes || !ends {
        return None;
    }
    let trace = u128::from_str_radix(field(3, 32)?, 16).ok().filter(|&trace| trace != 0)?;
    let span = u64::from_str_radix(field(36, 16)?, 16).ok().filter(|&span| span != 0)?;
    let flags = u8::from_str_radix(field(53, 2)?, 16).ok()?;
    Some(Said { trace, span, is_sampled: flags & 1 == 1 })
}

fn is_state(state: &str) -> bool {
    let plain = |b: u8| (b' '..=b'~').contains(&b);
    !state.is_empty() && state.len() <= LONGEST_STATE && state.bytes().all(plain)
}

fn text<'e>(event: &'e Event<'_>, name: &str) -> Option<&'e str> {
    match event.extension(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// No span's id is 0.
fn span(uid: Uid) -> u64 {
    ((uid.0 >> 64) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn event(extensions: &[(&'static str, &str)]) -> Event<'static> {
        let extension =
            |&(name, value): &(&'static str, &str)| (name.into(), Value::String(value.to_owned().into()));
        Event {
            id: "1".into(),
            source: "/s".into(),
            ty: "t".into(),
            subject: None,
            time: None,
            dataschema: None,
            datacontenttype: None,
            extensions: extensions.iter().map(extension).collect(),
            data: None,
        }
    }

    fn context(ratio: f64, offset: u64, extensions: &[(&'static str, &str)]) -> Context {
        let position = Position { source: Uid(7), partition: 0, offset };
        Sampling::of(ratio).context(&event(extensions), position, Uid::of_delivery(position, Uid(9), 0), 1)
    }

    #[test]
    fn a_parent_decides_and_is_continued() {
        let of = context(0.0, 1, &[("traceparent", PARENT), ("tracestate", "a=1,b=2")]);
        assert_eq!((of.trace, of.parent), (0x0af7651916cd43dd8448eb211c80319c, Some(0xb7ad6b7169203331)));
        assert!(of.is_sampled);
        let mut reply = event(&[("tracestate", "mine=1")]);
        of.mark(&mut reply);
        let next = text(&reply, "traceparent").unwrap();
        assert_eq!(parse(next).unwrap(), Said { trace: of.trace, span: of.attempt, is_sampled: true });
        assert_eq!(text(&reply, "tracestate"), Some("a=1,b=2"));
        let unsampled = PARENT.replace("-01", "-00");
        assert!(!context(1.0, 1, &[("traceparent", &unsampled)]).is_sampled);
    }

    #[test]
    fn without_a_parent_the_ratio_decides() {
        let sampled = |ratio| (0..10_000).filter(|&offset| context(ratio, offset, &[]).is_sampled).count();
        assert_eq!([sampled(0.0), sampled(1.0)], [0, 10_000]);
        let tenth = sampled(0.1);
        assert!((800..1_200).contains(&tenth), "{tenth}");
        let followed = |ratio, offset, extensions: &[_]| {
            let position = Position { source: Uid(7), partition: 0, offset };
            Sampling::of(ratio).follows(&event(extensions), position)
        };
        for offset in 0..1_000 {
            assert_eq!(followed(0.1, offset, &[]), context(0.1, offset, &[]).is_sampled, "{offset}");
        }
        assert!(followed(0.0, 1, &[("traceparent", &PARENT.replace("-01", "-00"))]), "it is passed on");
        assert_eq!(context(1.0, 1, &[]), context(1.0, 1, &[]), "the same attempt has the same ids");
        assert_ne!(context(1.0, 1, &[]).trace, context(1.0, 2, &[]).trace);
    }

    #[test]
    fn what_is_no_traceparent_counts_for_nothing() {
        let later = format!("{}-more", PARENT.replacen("00", "01", 1));
        assert!(parse(PARENT).is_some() && parse(&later).is_some());
        for wrong in [
            "",
            "00",
            &PARENT.to_uppercase(),
            &PARENT[..54],
            &format!("{PARENT}-more"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replace('-', "_"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
            assert_eq!(
                context(1.0, 1, &[("traceparent", wrong), ("tracestate", "a=1")]),
                context(1.0, 1, &[])
            );
        }
        let long = "a".repeat(513);
        assert_eq!(context(1.0, 1, &[("traceparent", PARENT), ("tracestate", &long)]).tracestate(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text: String) {
            let _ = parse(&text);
        }
    }
}
