//! What a plain YAML scalar is: the core schema of YAML 1.2.

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str,
}

impl Scalar {
    pub(super) fn of_plain(text: &str) -> Scalar {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
            "true" | "True" | "TRUE" => return Scalar::Bool(true),
            "false" | "False" | "FALSE" => return Scalar::Bool(false),
            ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
            _ => {}
        }
        integer(text).map(Scalar::Int).or_else(|| float(text).map(Scalar::Float)).unwrap_or(Scalar::Str)
    }

    /// Words that are strings here and booleans to readers of YAML 1.1, kubectl among them.
    pub(super) fn is_boolean_elsewhere(text: &str) -> bool {
        ["yes", "no", "on", "off"].iter().any(|word| word.eq_ignore_ascii_case(text))
    }
}

fn integer(text: &str) -> Option<i64> {
    let digits = |text: &str, radix: u32| {
        let all = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
        all.then(|| i64::from_str_radix(text, radix).ok()).flatten()
    };
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let numeric = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
    if !unsigned.bytes().all(numeric) || !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema() {
        use Scalar::*;
        let cases = [
            ("", Null),
            ("~", Null),
            ("nULL", Str),
            ("TRUE", Bool(true)),
            ("yes", Str),
            ("0", Int(0)),
            ("-12", Int(-12)),
            ("+7", Int(7)),
            ("010", Int(10)),
            ("0o17", Int(15)),
            ("0xfF", Int(255)),
            ("0x", Str),
            ("-0x1", Str),
            ("1_000", Str),
            ("1.0", Float(1.0)),
            (".5", Float(0.5)),
            ("1e3", Float(1000.0)),
            ("1.", Float(1.0)),
            (".", Str),
            ("-", Str),
            ("inf", Str),
            ("-.inf", Float(f64::NEG_INFINITY)),
            ("e5", Str),
            ("1.2.3", Str),
            ("12e03", Float(12000.0)),
            ("9223372036854775808", Float(9_223_372_036_854_775_808.0)),
        ];
        for (text, expected) in cases {
            assert_eq!(Scalar::of_plain(text), expected, "{text}");
        }
    }
}
