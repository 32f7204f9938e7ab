//! Durations and byte sizes as people write them.

use std::time::Duration;

const DAY: u64 = 86_400;

/// `PT0.2S`, `P1DT2H`, `P2W`. Years and months have no fixed length.
pub(super) fn iso_duration(text: &str) -> Result<Duration, &'static str> {
    if text.starts_with('-') || text.contains("-") {
        return Err("it can't be negative");
    }
    let mut rest = text.strip_prefix('P').ok_or("it begins with 'P'")?;
    let (mut total, mut in_time, mut last, mut fraction) = (Duration::ZERO, false, 0, false);
    if rest.is_empty() {
        return Err("it says no amount");
    }
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time || time.is_empty() {
                return Err("'T' stands once, before hours, minutes and seconds");
            }
            (rest, in_time) = (time, true);
            continue;
        }
        if fraction {
            return Err("only the last number may have a fraction");
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or("a number lacks its unit")?;
        let (unit, place) = match (&rest[end..=end], in_time) {
            ("Y", false) => return Err("a year has no fixed length; write days"),
            ("M", false) => return Err("a month has no fixed length; write days, or PT…M for minutes"),
            ("W", false) => (7 * DAY, 1),
            ("D", false) => (DAY, 2),
            ("H", true) => (3600, 3),
            ("M", true) => (60, 4),
            ("S", true) => (1, 5),
            ("H" | "S", false) => return Err("hours, minutes and seconds come after 'T'"),
            _ => return Err("it has an unknown unit"),
        };
        if place <= last {
            return Err("its units are out of order");
        }
        last = place;
        let number = rest[..end].replacen(',', ".", 1);
        fraction = number.contains('.');
        total = total.checked_add(times(&number, unit * 1_000_000_000)?).ok_or(TOO_LONG)?;
        rest = &rest[end + 1..];
    }
    Ok(total)
}

macro_rules! iso {
    () => {
        concat!(
            r"P(([0-9]+W)?([0-9]+D)?T(([0-9]+H)?([0-9]+M)?[0-9]+([.,][0-9]+)?S|([0-9]+H)?[0-9]+([.,][0-9]+)?M|[0-9]+([.,][0-9]+)?H)",
            r"|([0-9]+W)?[0-9]+([.,][0-9]+)?D|[0-9]+([.,][0-9]+)?W)"
        )
    };
}
/// What [`iso_duration`] takes, but for its bounds: only the last number may have a fraction.
pub(super) const ISO_PATTERN: &str = concat!("^", iso!(), "$");
/// What [`duration`] takes, but for its bounds.
pub(super) const LENGTH_PATTERN: &str =
    concat!("^(", iso!(), r"|0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+)$");

/// `30s`, `200ms`, `1h30m`, and ISO 8601 as well.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    if text.starts_with('P') {
        return iso_duration(text);
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err("it says no amount");
    }
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or("a number lacks its unit")?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let nanos = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3600 * 1_000_000_000,
            "d" => DAY * 1_000_000_000,
            _ => return Err("its units are ns, us, ms, s, m, h and d"),
        };
        total = total.checked_add(times(number, nanos)?).ok_or(TOO_LONG)?;
        rest = next;
    }
    Ok(total)
}

const TOO_LONG: &str = "it is longer than 100 years";
const LONGEST: u128 = 100 * 365 * DAY as u128 * 1_000_000_000;

/// A decimal number of units of so many nanoseconds; exact to the nanosecond.
fn times(number: &str, nanos: u64) -> Result<Duration, &'static str> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err("it has something that is no number");
    }
    let whole: u64 = whole.parse().map_err(|_| TOO_LONG)?;
    let kept = &fraction[..fraction.len().min(18)];
    let part: u128 = kept.parse().map_err(|_| "it has something that is no number")?;
    let part = part * u128::from(nanos) / 10u128.pow(kept.len() as u32);
    let total = u128::from(whole) * u128::from(nanos) + part;
    if total > LONGEST {
        return Err(TOO_LONG);
    }
    Ok(Duration::new((total / 1_000_000_000) as u64, (total % 1_000_000_000) as u32))
}

/// The ISO 8601 form, in seconds.
pub fn as_iso(duration: Duration) -> String {
    let seconds = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    format!("PT{}S", seconds.trim_end_matches('0').trim_end_matches('.'))
}

/// The humane form: the largest unit that loses nothing.
pub(super) fn as_humane(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units =
        [("h", 3600 * 1_000_000_000), ("m", 60 * 1_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)];
    match units.iter().find(|(_, unit)| nanos > 0 && nanos.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", nanos / unit),
        None if nanos == 0 => "0s".into(),
        None => format!("{nanos}ns"),
    }
}

const BINARY: [(&str, u32); 4] = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];

/// `64KiB`, `1Mi`, `10MB`, `4096`: with `i` powers of 1024, without it of 1000.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let unit = unit.strip_suffix('B').unwrap_or(unit);
    let factor: u64 = match unit {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => match BINARY.iter().find(|(name, _)| *name == unit) {
            Some((_, shift)) => 1 << shift,
            None => return Err("its units are B, KiB, MiB, GiB, TiB (powers of 1024), kB, MB, GB, TB"),
        },
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| "it has something that is no number")?;
    let mut bytes = whole.checked_mul(factor).ok_or("it is larger than any disk")?;
    if !fraction.is_empty() {
        let digits = fraction.len().min(9);
        let part: u64 = fraction[..digits].parse().map_err(|_| "it has something that is no number")?;
        let part = u128::from(part) * u128::from(factor) / 10u128.pow(digits as u32);
        bytes = bytes.checked_add(part as u64).ok_or("it is larger than any disk")?;
    }
    Ok(bytes)
}

/// What [`size`] takes, but for its bounds.
pub(super) const SIZE_PATTERN: &str = r"^ *[0-9]+(\.[0-9]*)? *([kKMGT]|[KMGT]i)?B? *$";

pub(super) fn as_size(bytes: u64) -> String {
    match BINARY.iter().find(|(_, shift)| bytes > 0 && bytes.is_multiple_of(1 << shift)) {
        Some((name, shift)) => format!("{}{name}B", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_durations() {
        let cases = [
            ("PT0.2S", 200),
            ("PT0,2S", 200),
            ("PT0S", 0),
            ("P1DT2H", 93_600_000),
            ("PT1H30M", 5_400_000),
            ("P2W", 1_209_600_000),
            ("PT1.5M", 90_000),
        ];
        for (text, millis) in cases {
            assert_eq!(iso_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "P", "PT", "P1", "1S", "PT1D", "P1H", "PTS", "PT1S1M", "PT1.5M1S", "-PT1S", "PT-1S", "P1DT"]
        {
            assert!(iso_duration(text).is_err(), "{text}");
        }
        for text in ["P1Y", "P1M", "P1Y2DT3H", "PT99999999999999999999S", "PT1é", "P1T1TS", "PT1S "] {
            assert!(iso_duration(text).is_err(), "{text}");
        }
        assert!(iso_duration("P1M").unwrap_err().contains("month"));
    }

    #[test]
    fn humane_durations() {
        let cases =
            [("30s", 30_000), ("200ms", 200), ("1h30m", 5_400_000), ("0", 0), ("1.5s", 1500), ("PT1S", 1000)];
        for (text, millis) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "s", "1y", "-1s", "1 s", "1..5s", "99999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["30s", "200ms", "90m", "2h", "1ns", "0s"] {
            assert_eq!(as_humane(duration(text).unwrap()), text);
        }
        assert_eq!(as_iso(Duration::from_millis(200)), "PT0.2S");
        assert_eq!(as_iso(Duration::from_secs(30)), "PT30S");
    }

    fn is(pattern: &str, text: &str) -> bool {
        regex::Regex::new(pattern).unwrap().is_match(text)
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(3000))]

        /// Editors know by the patterns what the worker will take, but for what is too much.
        #[test]
        fn the_patterns_take_what_is_read(
            iso in "P?([0-9]{0,2}[.,]?[0-9]?[WDTHMSY]){0,5}",
            humane in "([0-9]{0,2}[.]?[0-9]?(n|u|m|h|d|ms|s|y)?){0,3}",
            amount in " ?[0-9]{0,3}[.]?[0-9]{0,2} ?[kKMGTx]?i?B?",
        ) {
            proptest::prop_assert_eq!(is(ISO_PATTERN, &iso), iso_duration(&iso).is_ok(), "{}", iso);
            let said = is(LENGTH_PATTERN, &humane);
            if duration(&humane) != Err(TOO_LONG) {
                proptest::prop_assert_eq!(said, duration(&humane).is_ok(), "{}", humane);
            }
            proptest::prop_assert_eq!(is(SIZE_PATTERN, &amount), size(&amount).is_ok(), "{}", amount);
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("64KiB", 65_536),
            ("1Mi", 1_048_576),
            ("1MiB", 1_048_576),
            ("4096", 4096),
            ("10B", 10),
            ("1.5k", 1500),
            ("2 GB", 2_000_000_000),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1 KiBs", "-1", "1e3", "99999999999999Ti", "1.é"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["64KiB", "1MiB", "4GiB", "1000B", "0B"] {
            assert_eq!(as_size(size(text).unwrap()), text);
        }
    }
}
