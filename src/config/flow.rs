//! The annotations that limit a Trigger, and how rates are written: `100/s`, `100/s burst 200`.

use std::time::Duration;

use crate::dispatch::{Flow, Rate};

use super::diagnostic::Report;
use super::metadata::Metadata;

const CONCURRENCY: &str = "weir.dev/max-concurrency-per-worker";
const RATE: &str = "weir.dev/rate-limit-per-worker";

/// The most of both: whoever writes more means none.
const MOST: u32 = 1_000_000_000;
const UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];
const LIKE: &str = "write it as \"100/s\" or \"100/s burst 200\", with s, m or h";

/// `None`: reported.
pub(super) fn read(metadata: &Metadata<'_>, report: &mut Report<'_>) -> Option<Flow> {
    let read = |name: &str, report: &mut Report<'_>| match metadata.annotation(name) {
        None => Some(Flow::default()),
        Some(node) => {
            // One that is no string has been reported.
            let flow = if name == RATE { rate(node.text()?) } else { concurrency(node.text()?) };
            flow.map_err(|Wrong { message, help }| {
                report.error(node.span, format!("{name}: {message}")).help(help);
            })
            .ok()
        }
    };
    let (slots, rate) = (read(CONCURRENCY, report), read(RATE, report));
    Some(Flow { rate: rate?.rate, ..slots? })
}

#[derive(Debug)]
struct Wrong {
    message: String,
    help: String,
}

impl Wrong {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), help: help.into() }
    }

    fn nothing(what: &str) -> Wrong {
        Wrong::new(
            format!("0 would let nothing {what}, ever"),
            "write 1 or more, or remove the annotation; to stop the trigger, remove it or select others",
        )
    }
}

fn concurrency(text: &str) -> Result<Flow, Wrong> {
    match count(text) {
        Some(0) => Err(Wrong::nothing("run")),
        Some(most) => Ok(Flow { concurrency: Some(most as usize), ..Flow::default() }),
        None => {
            let help = format!("write a whole number from 1 to {MOST}: how many deliveries run at once");
            Err(Wrong::new(format!("'{text}' is no number of deliveries"), help))
        }
    }
}

fn rate(text: &str) -> Result<Flow, Wrong> {
    let unreadable = || {
        let help = meant(text).map_or_else(|| LIKE.into(), |meant| format!("write \"{meant}\""));
        Wrong::new(format!("'{text}' is no rate"), help)
    };
    let (rate, burst) = match text.split_once(" burst ") {
        Some((rate, burst)) => (rate, Some(count(burst).ok_or_else(unreadable)?)),
        None => (text, None),
    };
    let (number, unit) = rate.split_once('/').ok_or_else(unreadable)?;
    let number = count(number).ok_or_else(unreadable)?;
    let (_, seconds) = UNITS.into_iter().find(|(word, _)| *word == unit).ok_or_else(unreadable)?;
    if number == 0 || burst == Some(0) {
        return Err(Wrong::nothing("begin"));
    }
    // What the rate gives in a second, and one at least.
    let burst = burst.unwrap_or_else(|| (u64::from(number) / seconds).max(1) as u32);
    let rate = Rate { count: number, per: Duration::from_secs(seconds), burst };
    Ok(Flow { rate: Some(rate), ..Flow::default() })
}

/// Digits alone: no sign, no fraction, nothing before or behind.
fn count(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|&number| number <= MOST)
}

/// What was probably meant: other words for the units, other blanks, a fraction of a second's.
fn meant(text: &str) -> Option<String> {
    let plain = text.to_lowercase().replace([',', ':', '='], " ").replace('/', " / ");
    let mut words = plain.split_whitespace();
    let number = words.next()?;
    let mut next = words.next();
    let mut unit = "s";
    if matches!(next, Some("/" | "per")) {
        unit = match words.next()? {
            "s" | "sec" | "secs" | "second" | "seconds" => "s",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "h" | "hr" | "hour" | "hours" => "h",
            _ => return None,
        };
        next = words.next();
    }
    let number = match number.split_once('.') {
        None => count(number)?.to_string(),
        Some((whole, tenths)) if unit == "s" && tenths.len() == 1 => {
            unit = "m";
            (count(&format!("{whole}{tenths}"))?.checked_mul(6)?).to_string()
        }
        Some(_) => return None,
    };
    let burst = match next {
        None => String::new(),
        Some("burst") => format!(" burst {}", count(words.next()?)?),
        Some(burst) => format!(" burst {}", count(burst)?),
    };
    words.next().is_none().then(|| format!("{number}/{unit}{burst}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_rate(text: &str) -> Option<(u32, u64, u32)> {
        let rate = rate(text).ok()?.rate?;
        Some((rate.count, rate.per.as_secs(), rate.burst))
    }

    #[test]
    fn rates_as_they_are_written() {
        let cases = [
            ("100/s", (100, 1, 100)),
            ("1/s", (1, 1, 1)),
            ("600/m", (600, 60, 10)),
            ("59/m", (59, 60, 1)),
            ("10/h", (10, 3600, 1)),
            ("100/s burst 200", (100, 1, 200)),
            ("100/s burst 1", (100, 1, 1)),
            ("5/h burst 3", (5, 3600, 3)),
            ("1000000000/s", (1_000_000_000, 1, 1_000_000_000)),
        ];
        for (text, expected) in cases {
            assert_eq!(read_rate(text), Some(expected), "{text}");
            assert_eq!(read_rate(&rate(text).unwrap().rate.unwrap().to_string()), Some(expected), "{text}");
        }
        for text in ["", "100", "/s", "100/", "100/d", "-1/s", "+1/s", "1.5/s", "100 /s", "100/s ", "1e3/s"] {
            assert_eq!(read_rate(text), None, "{text}");
        }
        for text in [
            "100/s burst",
            "100/s burst x",
            "100/s  burst 2",
            "100/s 200",
            "0/s",
            "1/s burst 0",
            "9999999999/s",
        ] {
            assert_eq!(read_rate(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_meant_is_said() {
        let cases = [
            ("100", "100/s"),
            ("100 / s", "100/s"),
            ("100/sec", "100/s"),
            ("100 per minute", "100/m"),
            ("100/s burst=200", "100/s burst 200"),
            ("100/s, burst: 200", "100/s burst 200"),
            ("100/S 200", "100/s burst 200"),
            ("1.5/s", "90/m"),
            ("0.5/s", "30/m"),
        ];
        for (text, expected) in cases {
            assert_eq!(meant(text).as_deref(), Some(expected), "{text}");
            assert!(
                read_rate(expected).is_some() && rate(text).unwrap_err().help.contains(expected),
                "{text}"
            );
        }
        for text in ["", "fast", "100/fortnight", "1/2/s", "100/s burst 2 3", "1.25/h"] {
            assert_eq!(meant(text), None, "{text}");
        }
    }

    #[test]
    fn slots_are_a_number() {
        assert_eq!(concurrency("4").unwrap().concurrency, Some(4));
        for text in ["", "0", "-1", "4.0", " 4", "four", "9999999999"] {
            assert!(concurrency(text).is_err(), "{text}");
        }
        assert!(concurrency("0").unwrap_err().message.contains("nothing run"));
    }
}
