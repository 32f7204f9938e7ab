//! Percent-coding of header values, as HTTP and NATS carry them.

use std::borrow::Cow;

use crate::event::invalid::Fault;

/// Encoded are space, `"`, `%` and all outside U+0021..U+007E.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'%';
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
        }
    }
    Cow::Owned(out)
}

pub(super) fn encode_cow(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => encode(text),
        Cow::Owned(text) => Cow::Owned(encode(&text).into_owned()),
    }
}

/// Exactly one round. A quoted string is unquoted first; a `%` that begins no code stands for itself.
pub(super) fn decode(value: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let value = unquote(value.trim_ascii());
    if !value.contains(&b'%') {
        return match value {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Fault::Utf8),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Fault::Utf8),
        };
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = &value[..];
    while let [byte, tail @ ..] = rest {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(digit(*high) << 4 | digit(*low));
                tail
            }
            _ => {
                out.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| Fault::Utf8)
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => (hex | 0x20) - b'a' + 10,
    }
}

fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return Cow::Borrowed(value);
    };
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut escaped = false;
    let unescaped = inner.iter().copied().filter(|byte| {
        escaped = !escaped && *byte == b'\\';
        !escaped
    });
    Cow::Owned(unescaped.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_the_specification_shows() {
        assert_eq!(encode("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(encode("a\"b%"), "a%22b%25");
        assert_eq!(encode("!~"), "!~");
        for (value, text) in [
            ("Euro%20%E2%82%AC%20%f0%9f%98%80", "Euro € 😀"),
            ("\"a b\"", "a b"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("\"a%20b\"", "a b"),
            ("%2520", "%20"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("\"", "\""),
            ("\"a", "\"a"),
            (" a ", "a"),
            ("é", "é"),
            ("%41", "A"),
        ] {
            assert_eq!(decode(value.as_bytes()).unwrap(), text, "{value}");
        }
        for value in ["%C0%A0", "%FF", "%ED%A0%80", "%E2%82"] {
            assert_eq!(decode(value.as_bytes()), Err(Fault::Utf8), "{value}");
        }
        assert_eq!(decode(b"\xff"), Err(Fault::Utf8));
    }

    proptest! {
        #[test]
        fn text_reads_back(text in any::<String>()) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(decode(encoded.as_bytes()).unwrap(), &text[..]);
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), codes in "[%\"\\\\0-9a-fA-F]*") {
            let _ = (decode(&bytes), decode(codes.as_bytes()));
        }
    }
}
