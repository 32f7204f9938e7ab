//! JSON pointers (RFC 6901), as they stand in a filter: a name that needs it may stand in quotes.

use super::lexer::quoted;
use super::{Error, Span};

/// The names on the way, each that of a member or the index of an element.
pub(super) type Pointer = Box<[Box<str>]>;

/// What ends a name that stands without quotes.
pub(super) fn ends_a_name(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "/()[],=<>!&|\"'".contains(c)
}

/// The pointer that begins at `at`, where a slash stands, and where it ends.
pub(super) fn read(text: &str, at: usize) -> Result<(Pointer, usize), Error> {
    let (mut names, mut end) = (Vec::new(), at);
    while let Some(rest) = text[end..].strip_prefix('/') {
        let start = end + 1;
        let (name, length) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(text, start, quote)?,
            _ => {
                let length = rest.find(ends_a_name).unwrap_or(rest.len());
                (plain(&rest[..length], Span::new(start, start + length))?, length)
            }
        };
        names.push(name.into_boxed_str());
        end = start + length;
    }
    if names.len() > crate::event::structured::MAX_DEPTH {
        let message = format!("no data is more than {} levels deep", crate::event::structured::MAX_DEPTH);
        return Err(Error::new(Span::new(at, end), message));
    }
    Ok((names.into(), end))
}

/// A name without quotes: `~1` stands for a slash, `~0` for a tilde.
fn plain(written: &str, span: Span) -> Result<String, Error> {
    match written {
        "" => Err(Error::new(Span::new(span.start - 1, span.end), "a name is missing behind the '/'")
            .help("write /amount or /customer/country; a member without a name is /\"\"")),
        "*" => Err(Error::new(span, "a pointer leads to one place: there is no '*'")
            .help("name an element by its index, as in /items/0/sku; a member of that name is /\"*\"")),
        _ => {
            let mut name = String::with_capacity(written.len());
            let mut chars = written.chars();
            while let Some(c) = chars.next() {
                match (c, chars.as_str().chars().next()) {
                    ('~', Some('0')) => name.push('~'),
                    ('~', Some('1')) => name.push('/'),
                    ('~', _) => {
                        return Err(Error::new(span, "'~' stands before 0 or 1 alone in a pointer")
                            .help("write ~0 for a tilde and ~1 for a slash, or the name in quotes"));
                    }
                    _ => {
                        name.push(c);
                        continue;
                    }
                }
                chars.next();
            }
            Ok(name)
        }
    }
}

/// As it could be written.
pub(super) fn shown(pointer: &Pointer) -> String {
    let name = |name: &str| match name {
        "" | "*" => format!("/{name:?}"),
        name if name.contains(|c| ends_a_name(c) || c == '~') => format!("/{name:?}"),
        name => format!("/{name}"),
    };
    pointer.iter().map(|part| name(part)).collect()
}
