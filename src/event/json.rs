//! The little of JSON that the codecs do themselves: bounding its depth, and writing strings.

use serde::de::IgnoredAny;

/// How deep a payload may nest: what `serde_json` reads into a value, so that a reader after us does not fail or overflow.
pub const MAX_DEPTH: usize = 127;

/// Whether `text` is one JSON value that is not nested too deep.
pub(crate) fn is_value(text: &str) -> bool {
    // Skipping is iterative in serde_json: no input overflows the stack, and none is refused for its depth.
    serde_json::from_str::<IgnoredAny>(text).is_ok() && !is_too_deep(text)
}

/// Of valid JSON.
pub(crate) fn is_too_deep(text: &str) -> bool {
    let opening = |byte: u8| (byte == b'[') | (byte == b'{');
    // Counting alone is nearly always enough, and vectorised where the counts of chunks fit a byte.
    let count = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(opening(*byte))).sum::<u8>();
    if text.as_bytes().chunks(255).map(|chunk| usize::from(count(chunk))).sum::<usize>() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Without an early exit this is vectorised, and what needs no escape is copied whole.
    if text.bytes().fold(false, |special, byte| special | is_special(byte)) {
        write_escaped(text.as_bytes(), out);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn write_escaped(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = bytes.iter().position(|byte| is_special(*byte)) {
        out.extend_from_slice(&bytes[..at]);
        let short = match bytes[at] {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            byte => byte,
        };
        if short < 0x20 {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(short >> 4)], HEX[usize::from(short & 15)]]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_read_back(text in any::<String>(), control in "[\\x00-\\x7f]*") {
            for text in [text, control] {
                let mut out = Vec::new();
                write_string(&text, &mut out);
                prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            }
        }
    }

    #[test]
    fn depth_is_serde_jsons() {
        for depth in [1, MAX_DEPTH, MAX_DEPTH + 1, 20_000] {
            let (array, object) = (
                "[".repeat(depth) + &"]".repeat(depth),
                "{\"[\\\"\":".repeat(depth) + "0" + &"}".repeat(depth),
            );
            for text in [array, object] {
                assert_eq!(is_value(&text), depth <= MAX_DEPTH);
                assert_eq!(is_value(&text), serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
        let wide = format!("[{}[]]", "[],\"]\",".repeat(1000));
        assert!(is_value(&wide));
        assert!(!is_value("[") && !is_value("") && !is_value("[] []"));
    }
}
