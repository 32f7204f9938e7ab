//! RFC 3986, checked where it stands: a `source` is a URI reference, a `dataschema` an absolute URI.

use super::invalid::Fault;

pub(crate) fn check_reference(text: &str) -> Result<(), Fault> {
    let Some((_, rest)) = split_scheme(text) else {
        let segment = text.find(['/', '?', '#']).map_or(text, |end| &text[..end]);
        if segment.contains(':') {
            // Also the place where a misspelt scheme is seen; illegal characters are the clearer message.
            check_rest(text)?;
            return Err(Fault::Uri("what stands before the first ':' is not a scheme"));
        }
        return check_rest(text);
    };
    check_rest(rest)
}

/// The specification's letter allows no fragment; everyone accepts one, and so does its own JSON schema.
pub(crate) fn check_absolute(text: &str) -> Result<(), Fault> {
    let (_, rest) =
        split_scheme(text).ok_or(Fault::Uri("it is not absolute; begin it with a scheme (https:)"))?;
    check_rest(rest)
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    legal.then_some((scheme, rest))
}

/// `[ "//" authority ] path [ "?" query ] [ "#" fragment ]`
fn check_rest(text: &str) -> Result<(), Fault> {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    check_characters(fragment, b"/?:@")?;
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    check_characters(query, b"/?:@")?;
    let Some(text) = text.strip_prefix("//") else {
        return check_characters(text, b"/:@");
    };
    let (authority, path) = text.find('/').map_or((text, ""), |slash| text.split_at(slash));
    check_characters(path, b"/:@")?;
    check_authority(authority)
}

fn check_authority(authority: &str) -> Result<(), Fault> {
    let (user, host) = authority.split_once('@').unwrap_or(("", authority));
    check_characters(user, b":")?;
    let port = if let Some(literal) = host.strip_prefix('[') {
        let (address, port) =
            literal.split_once(']').ok_or(Fault::Uri("']' is missing after the address"))?;
        if !is_ip_literal(address) {
            return Err(Fault::Uri("what stands in [ ] is not an IPv6 address"));
        }
        match port {
            "" => "",
            _ => port.strip_prefix(':').ok_or(Fault::Uri("something follows the address"))?,
        }
    } else {
        let (name, port) = host.split_once(':').unwrap_or((host, ""));
        check_characters(name, b"")?;
        port
    };
    match port.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(()),
        false => Err(Fault::Uri("the port is not a number")),
    }
}

fn is_ip_literal(address: &str) -> bool {
    let is_future = || {
        let (version, rest) = address.strip_prefix(['v', 'V'])?.split_once('.')?;
        let legal = !version.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte == b':' || is_plain(byte));
        legal.then_some(())
    };
    address.parse::<std::net::Ipv6Addr>().is_ok() || is_future().is_some()
}

/// Unreserved, sub-delims, percent-encoded, and what this part allows besides.
fn check_characters(text: &str, also: &[u8]) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if is_plain(byte) || also.contains(&byte) {
            continue;
        }
        if byte != b'%' {
            let c = text[at..].chars().next().expect("a character begins at the first illegal byte");
            return Err(Fault::UriCharacter(c));
        }
        if !bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
            return Err(Fault::Uri("two hexadecimal digits must follow '%'; write '%' itself as %25"));
        }
    }
    Ok(())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for text in [
            "/mycontext/subcontext",
            "https://github.com/cloudevents",
            "mailto:cncf-wg-serverless@lists.cncf.io",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "cloudevents/spec/pull/123",
            "1-555-123-4567",
            "#fragment",
            "?query",
            "//authority/path",
            "http://[::1]:8080/",
            "http://[v1.a:b]/",
            "http://user:pass@host:/p?a=/?b#/?c",
            "http:///p",
            "./a:b",
            "a/b:c",
            "%7Bid%7D",
            ".",
            "*",
        ] {
            assert_eq!(check_reference(text), Ok(()), "{text}");
        }
        for (text, c) in [
            ("/subscriptions/{id}/x", '{'),
            ("/<guid>/", '<'),
            ("a b", ' '),
            ("/a\\b", '\\'),
            ("/a|b", '|'),
            ("/a^b", '^'),
            ("/`", '`'),
            ("/\"", '"'),
            ("/[a]", '['),
            ("/ü", 'ü'),
            ("/a#b#c", '#'),
            ("http://a@b@c/", '@'),
            ("/a\u{7f}", '\u{7f}'),
            ("/a\n", '\n'),
        ] {
            assert_eq!(check_reference(text), Err(Fault::UriCharacter(c)), "{text}");
        }
        for text in [
            ":",
            "1:2",
            "a_b:c",
            "/%",
            "/%4",
            "/%zz",
            "http://h:port/",
            "http://[::1/",
            "http://[nope]/",
            "http://[::1]x",
        ] {
            assert!(matches!(check_reference(text), Err(Fault::Uri(_))), "{text}");
        }
    }

    #[test]
    fn absolute() {
        for text in ["https://cloudevents.io/dataschema", "urn:x:y", "http://example.com/s#v1", "tel:+1"] {
            assert_eq!(check_absolute(text), Ok(()), "{text}");
        }
        for text in ["/schema", "schema.json", "//host/schema", "#x", "1http://x"] {
            assert!(matches!(check_absolute(text), Err(Fault::Uri(_))), "{text}");
        }
    }

    #[test]
    fn the_message_says_what_to_write() {
        let message = check_reference("/{id}").unwrap_err().to_string();
        assert_eq!(message, "'{' is not legal in a URI reference; write it as %7B");
    }
}
