//! JSON numbers as they are written, compared exactly: a large integer or a price is never rounded to a binary fraction.

use std::cmp::Ordering;

/// More digits than the exponent of any number that means something.
const MAX_EXPONENT_DIGITS: usize = 9;
/// Longer ones mean nothing either: every clause reads a number anew, and whoever sends events chooses how long it is.
const MAX_LENGTH: usize = 1_000;

/// A number that others are compared with.
#[derive(Clone, Debug)]
pub(super) struct Number {
    text: Box<str>,
    short: Option<i64>,
}

impl Number {
    /// `None`: the text is no JSON number, or has more digits than are read.
    pub(super) fn new(text: &str) -> Option<Number> {
        (length(text.as_bytes()) == Some(text.len())).then(|| decimal(text))??;
        Some(Number { text: text.into(), short: short(text) })
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How `text`, a JSON number, stands to this one; `None`: it has more digits than are read.
    pub(super) fn compare(&self, text: &str) -> Option<Ordering> {
        match (short(text), self.short) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => Some(decimal(text)?.cmp(&decimal(&self.text)?)),
        }
    }
}

/// The same value is the same number, however it is written.
impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.compare(&other.text) == Some(Ordering::Equal)
    }
}

impl Eq for Number {}

/// Most numbers: integers of no more digits than surely fit.
fn short(text: &str) -> Option<i64> {
    if text.len() > 18 {
        return None;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut number = 0;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(byte - b'0');
    }
    Some(if digits.len() < text.len() { -number } else { number })
}

/// How many bytes of a JSON number stand at the beginning; `None`: there is none.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    match digits(at) {
        0 => return None,
        // No digits after a zero.
        count if count > 1 && bytes[at] == b'0' => at += 1,
        count => at += count,
    }
    if bytes.get(at) == Some(&b'.') {
        let count = digits(at + 1);
        if count == 0 {
            return None;
        }
        at += 1 + count;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let count = digits(at + 1 + sign);
        if count == 0 {
            return None;
        }
        at += 1 + sign + count;
    }
    Some(at)
}

/// `0.d1d2d3… · 10^power`, d1 not being 0; no digits: zero.
struct Decimal<'t> {
    negative: bool,
    /// Before and after the point. The zeros at both ends are cut off.
    digits: [&'t str; 2],
    power: i64,
}

/// Of a JSON number.
fn decimal(text: &str) -> Option<Decimal<'_>> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let unsigned = text.strip_prefix('-');
    let (negative, text) = (unsigned.is_some(), unsigned.unwrap_or(text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (mut whole, mut part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    if whole.is_empty() && part.is_empty() {
        return Some(Decimal { negative: false, digits: [""; 2], power: 0 });
    }
    let mut power = exponent_of(exponent)?;
    if whole.is_empty() {
        let after_zeros = part.trim_start_matches('0');
        power -= (part.len() - after_zeros.len()) as i64;
        part = after_zeros;
    } else {
        power += whole.len() as i64;
        if part.is_empty() {
            whole = whole.trim_end_matches('0');
        }
    }
    Some(Decimal { negative, digits: [whole, part], power })
}

fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.trim_start_matches(['+', '-']);
    if digits.trim_start_matches('0').len() > MAX_EXPONENT_DIGITS {
        return None;
    }
    let number: i64 = digits.parse().unwrap_or_default();
    Some(if text.starts_with('-') { -number } else { number })
}

impl Decimal<'_> {
    fn cmp(&self, other: &Decimal<'_>) -> Ordering {
        let sign = self.sign().cmp(&other.sign());
        // Behind the last digit that differs from 0 there is nothing: the longer of two that begin alike is the larger.
        let size = || self.power.cmp(&other.power).then_with(|| self.bytes().cmp(other.bytes()));
        sign.then_with(|| if self.negative { size().reverse() } else { size() })
    }

    fn sign(&self) -> i8 {
        match self.digits {
            ["", ""] => 0,
            _ if self.negative => -1,
            _ => 1,
        }
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.digits.into_iter().flat_map(str::bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(one: &str, other: &str) -> Option<Ordering> {
        Number::new(other).unwrap().compare(one)
    }

    /// A number as digits, how many of them stand behind the point, and an exponent.
    fn written() -> impl Strategy<Value = (String, i128)> {
        let mantissa = prop_oneof![
            -30_i64..30,
            any::<i32>().prop_map(i64::from),
            -1_000_000_000_000_i64..1_000_000_000_000
        ];
        (mantissa, 0_usize..8, -6_i32..7, any::<bool>(), 0_usize..3).prop_map(
            |(mantissa, point, exponent, e, zeros)| {
                let sign = if mantissa < 0 { "-" } else { "" };
                let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = point + 1);
                let (whole, part) = digits.split_at(digits.len() - point);
                let zeros = "0".repeat(zeros);
                let fraction = if point == 0 { String::new() } else { format!(".{part}{zeros}") };
                let e = if exponent == 0 && e {
                    String::new()
                } else {
                    format!("{}{exponent:+}", if e { 'e' } else { 'E' })
                };
                // In units of 10^-14.
                let scale = 14 - i32::try_from(point).unwrap() + exponent;
                (
                    format!("{sign}{whole}{fraction}{e}"),
                    i128::from(mantissa) * 10_i128.pow(scale.unsigned_abs()),
                )
            },
        )
    }

    proptest! {
        #[test]
        fn numbers_compare_as_what_they_are((one, value) in written(), (other, second) in written()) {
            prop_assert_eq!(length(one.as_bytes()), Some(one.len()), "{}", one);
            prop_assert_eq!(compare(&one, &other), Some(value.cmp(&second)), "{} {}", one, other);
            prop_assert_eq!(compare(&one, &one), Some(Ordering::Equal));
        }

        #[test]
        fn what_a_number_is_says_serde_json_too(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            let ours = length(text.as_bytes()) == Some(text.len());
            prop_assert_eq!(ours, serde_json::from_str::<serde_json::Number>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn nothing_is_rounded() {
        use Ordering::*;
        for (one, expected, other) in [
            ("9007199254740993", Greater, "9007199254740992"),
            ("9007199254740993.0", Greater, "9007199254740992"),
            ("18446744073709551616", Greater, "18446744073709551615"),
            ("-123456789012345678901234567890", Less, "-123456789012345678901234567889"),
            ("0.1", Equal, "1e-1"),
            ("0.30000000000000004", Greater, "0.3"),
            ("1e400", Less, "1e401"),
            ("1e-400", Greater, "0"),
            ("-0", Equal, "0"),
            ("-0.0e5", Equal, "0"),
            ("100", Equal, "1E+2"),
            ("0e99999999999999999999", Equal, "0"),
            ("1e0000000000000000001", Equal, "10"),
            ("999999999999999999", Less, "1000000000000000000"),
        ] {
            assert_eq!(compare(one, other), Some(expected), "{one} {other}");
            assert_eq!(compare(other, one), Some(expected.reverse()), "{other} {one}");
        }
        assert_eq!(compare("1e99999999999999999999", "5"), None);
        assert_eq!(compare(&"1".repeat(MAX_LENGTH), "5"), Some(Greater));
        assert_eq!(compare(&"1".repeat(MAX_LENGTH + 1), "5"), None);
        for text in ["", "-", "+1", "01", ".5", "1.", "1e", "1e+", "0x1", "1 ", "NaN", "1e1000000000"] {
            assert!(Number::new(text).is_none(), "{text}");
        }
    }
}
