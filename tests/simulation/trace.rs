//! What happened in a world, line by line: told only where someone listens.

use weir::time::Moment;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn say(&mut self, now: Moment, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10.3} ms  {}", now.0 as f64 / 1e6, with_short_keys(&what())));
        }
    }
}

/// `Key { slot: 3, serial: 1, kind: .. }` is 3#1.
fn with_short_keys(text: &str) -> String {
    let mut parts = text.split("Key { slot: ");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (slot, rest) = part.split_once(", serial: ").unwrap_or((part, ""));
        let (serial, rest) = rest.split_once(", kind: ").unwrap_or((rest, ""));
        let rest = rest.split_once(" }").map_or("", |(_, rest)| rest);
        short.push_str(&format!("{slot}#{serial}{rest}"));
    }
    short
}
