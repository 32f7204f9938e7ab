//! From one type to another: section 3.7 of the specification.

use std::borrow::Cow;

use super::{Type, Value};

/// `None`: a String that is no Integer of 32 bits, or neither `true` nor `false`. Everything else can be cast.
pub(super) fn cast(value: Value<'_>, to: Type) -> Option<Value<'_>> {
    match to {
        Type::String => Some(Value::String(string(value))),
        Type::Integer => integer(&value).map(Value::Integer),
        Type::Boolean => boolean(&value).map(Value::Boolean),
    }
}

pub(super) fn string(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::String(text) => text,
        Value::Integer(number) => Cow::Owned(number.to_string()),
        Value::Boolean(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
    }
}

pub(super) fn integer(value: &Value<'_>) -> Option<i32> {
    match value {
        // A sign and digits, nothing else: what `parse` takes, too.
        Value::String(text) => text.parse().ok(),
        Value::Integer(number) => Some(*number),
        Value::Boolean(flag) => Some(i32::from(*flag)),
    }
}

pub(super) fn boolean(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::String(_) => None,
        Value::Integer(number) => Some(*number != 0),
        Value::Boolean(flag) => Some(*flag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_strictly() {
        let integer = |text: &'static str| integer(&Value::String(text.into()));
        assert_eq!(["0", "+7", "-7", "007", "2147483647"].map(integer), [0, 7, -7, 7, i32::MAX].map(Some));
        let wrong = ["", " 1", "1 ", "1.0", "+", "-", "--1", "0x1", "2147483648", "\u{663}"];
        assert_eq!(wrong.map(integer), [None; 10]);
        let boolean = |text: &'static str| boolean(&Value::String(text.into()));
        assert_eq!(["true", "FALSE", "tRuE"].map(boolean), [true, false, true].map(Some));
        assert_eq!(["", "1", "yes", "true "].map(boolean), [None; 4]);
    }
}
