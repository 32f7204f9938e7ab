//! Media types (RFC 2046): the check of `datacontenttype`, and what a type says about how the payload stands in JSON.

/// `type "/" subtype *( ";" parameter )`; an empty parameter is let pass, as HTTP does.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    // Nearly all are this one.
    if text == "application/json" {
        return Ok(());
    }
    let (ty, rest) = text.split_once('/').ok_or("no `/` between type and subtype")?;
    let end = rest.find([';', ' ', '\t']).unwrap_or(rest.len());
    if !is_token(ty) || !is_token(&rest[..end]) {
        return Err("type or subtype is empty or has an illegal character");
    }
    let mut rest = rest[end..].trim_matches(BLANK);
    while !rest.is_empty() {
        rest = rest.strip_prefix(';').ok_or("parameters begin with `;`")?.trim_start_matches(BLANK);
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, value) = rest.split_once('=').ok_or("a parameter has no `=`")?;
        if !is_token(name) {
            return Err("a parameter's name is empty or has an illegal character");
        }
        rest = value_end(value)?.trim_start_matches(BLANK);
    }
    Ok(())
}

const BLANK: [char; 2] = [' ', '\t'];

/// What follows a parameter's value: a token or a quoted string.
fn value_end(text: &str) -> Result<&str, &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        return match is_token(&text[..end]) {
            true => Ok(&text[end..]),
            false => Err("a parameter's value is empty or has an illegal character; quote it"),
        };
    };
    let mut escaped = false;
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            _ if !(0x20..0x7f).contains(&byte) => return Err("a quoted string has an illegal character"),
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(&quoted[at + 1..]),
            _ => {}
        }
    }
    Err("a quoted string does not end")
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte))
}

/// The type without its parameters.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim_matches(BLANK)
}

/// `*/json` and `*/*+json`.
pub(crate) fn is_json(content_type: &str) -> bool {
    has_syntax(content_type, "json")
}

/// Whether the payload is text that reads well as a JSON string, in an encoding that JSON has.
pub(crate) fn is_text(content_type: &str) -> bool {
    let textual = starts_with(essence(content_type), "text/")
        || ["xml", "yaml"].iter().any(|syntax| has_syntax(content_type, syntax));
    textual && is_utf8(content_type)
}

/// No charset, UTF-8 or its subset.
pub(crate) fn is_utf8(content_type: &str) -> bool {
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim_matches(BLANK).eq_ignore_ascii_case("charset").then(|| value.trim_matches([' ', '\t', '"']))
    });
    charset.is_none_or(|charset| {
        ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
    })
}

fn has_syntax(content_type: &str, syntax: &str) -> bool {
    let Some((_, subtype)) = essence(content_type).split_once('/') else { return false };
    let at = subtype.len().saturating_sub(syntax.len());
    let ends = subtype.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(syntax));
    ends && (at == 0 || subtype.as_bytes()[at - 1] == b'+')
}

pub(crate) fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal() {
        for text in [
            "application/json",
            "text/plain; charset=us-ascii",
            "TEXT/PLAIN;charset=\"utf-8\" ; format=flowed",
            "application/vnd.acme+json;v=1",
            "multipart/mixed; boundary=\"a;\\\"b\"",
            "application/json;",
            "application/json; ; a=b",
            "x/*",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn illegal() {
        for text in [
            "",
            "json",
            "/json",
            "text/",
            "text/ plain",
            "text /plain",
            "a/b/c",
            "text/plain x",
            "text/plain; charset",
            "text/plain; =utf-8",
            "text/plain; charset=",
            "text/plain; a=\"b",
            "text/plain; a=\"ü\"",
            "text/plain; a=\"b\"c",
            "tëxt/plain",
            "text/plain, text/html",
            "text/plain\n",
            " text/plain",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn syntaxes() {
        for json in
            ["application/json", "TEXT/JSON; charset=utf-8", "application/cloudevents+json", "a/b+JSON"]
        {
            assert!(is_json(json) && !is_text("x/json"), "{json}");
        }
        for other in [
            "application/jsonp",
            "application/xjson",
            "json",
            "application/json+xml",
            "application/ijson",
            "a/",
        ] {
            assert!(!is_json(other), "{other}");
        }
        for text in [
            "text/plain",
            "text/plain; charset=UTF-8",
            "image/svg+xml",
            "application/xml",
            "application/yaml",
        ] {
            assert!(is_text(text), "{text}");
        }
        for other in [
            "text/plain; charset=iso-8859-1",
            "image/png",
            "application/octet-stream",
            "é",
            "application/xmlx",
        ] {
            assert!(!is_text(other), "{other}");
        }
    }
}
