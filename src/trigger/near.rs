//! A value that is nearly the one wanted: what was probably meant.

use std::fmt;

use super::attribute::Wanted;

/// Of a value that is not what was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Near {
    Blank,
    Case,
    /// What was wanted whole, or as the end, is its beginning.
    Begins,
    /// What was wanted whole, or as the beginning, is its end.
    Ends,
    /// Without the `*` or `%` it would be.
    Wildcard(char),
    /// So many characters are wrong, missing or too many.
    Typo(usize),
}

/// Longer texts are no misspellings, and distance is quadratic.
const LONGEST: usize = 200;

impl Near {
    pub(super) fn of(wanted: &Wanted, value: &str) -> Option<Near> {
        let fits = |text: &str, value: &str| match wanted {
            Wanted::Text(_) => text == value,
            Wanted::Prefix(_) => value.starts_with(text),
            Wanted::Suffix(_) => value.ends_with(text),
            Wanted::Something => false,
        };
        let (Wanted::Text(text) | Wanted::Prefix(text) | Wanted::Suffix(text)) = wanted else { return None };
        if text.is_empty() || fits(text, value) {
            return None;
        }
        if fits(text.trim(), value.trim()) {
            return Some(Near::Blank);
        }
        if fits(&text.to_lowercase(), &value.to_lowercase()) {
            return Some(Near::Case);
        }
        let star = |c: char| matches!(c, '*' | '%');
        if let Some(c) = text.chars().find(|&c| star(c)) {
            let bare = text.trim_matches(star);
            let met = match (text.starts_with(star), text.ends_with(star)) {
                (true, true) => value.contains(bare),
                (true, false) => value.ends_with(bare),
                (false, true) => value.starts_with(bare),
                (false, false) => false,
            };
            return met.then_some(Near::Wildcard(c));
        }
        let whole = matches!(wanted, Wanted::Text(_));
        if (whole || matches!(wanted, Wanted::Suffix(_))) && value.starts_with(&**text) {
            return Some(Near::Begins);
        }
        if (whole || matches!(wanted, Wanted::Prefix(_))) && value.ends_with(&**text) {
            return Some(Near::Ends);
        }
        let length = text.chars().count();
        if !whole || !(4..=LONGEST).contains(&length) || value.len() > 4 * LONGEST {
            return None;
        }
        let distance = strsim::damerau_levenshtein(text, value);
        (distance * 5 <= length && distance <= 2).then_some(Near::Typo(distance))
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Near::Blank => f.write_str("it would match but for white space at an end"),
            Near::Case => f.write_str("it would match but for upper and lower case"),
            Near::Begins => f.write_str("it begins with that: a prefix would match"),
            Near::Ends => f.write_str("it ends with that: a suffix would match"),
            Near::Wildcard(c) => {
                write!(f, "'{c}' stands for itself here: a prefix or suffix without it would match")
            }
            Near::Typo(1) => f.write_str("it would match but for one character"),
            Near::Typo(n) => write!(f, "it would match but for {n} characters"),
        }
    }
}

/// The name among `known` that is nearly `name`.
pub(super) fn name<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.filter(|known| known.len() <= LONGEST).map(|known| {
        let distance = strsim::damerau_levenshtein(name, known);
        (distance, known)
    });
    near.filter(|(distance, _)| *distance <= 2 && *distance * 3 <= name.len()).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant() {
        let text = |wanted: &str, value| Near::of(&Wanted::Text(wanted.into()), value);
        for (wanted, value, expected) in [
            ("order.created", "Order.Created", Some(Near::Case)),
            ("order.created ", "order.created", Some(Near::Blank)),
            ("order.", "order.created", Some(Near::Begins)),
            ("created", "order.created", Some(Near::Ends)),
            ("order.*", "order.created", Some(Near::Wildcard('*'))),
            ("%created", "order.created", Some(Near::Wildcard('%'))),
            ("bill.*", "order.created", None),
            ("order.craeted", "order.created", Some(Near::Typo(1))),
            ("order.updated", "order.created", None),
            ("a", "b", None),
            ("", "b", None),
            ("order.created", "order.created", None),
        ] {
            assert_eq!(text(wanted, value), expected, "{wanted} {value}");
        }
        let prefix = |wanted: &str, value| Near::of(&Wanted::Prefix(wanted.into()), value);
        assert_eq!(prefix("/Shop", "/shop/1"), Some(Near::Case));
        assert_eq!(prefix("shop", "/a/shop"), Some(Near::Ends));
        assert_eq!(prefix("/shop/*", "/shop/1"), Some(Near::Wildcard('*')));
        let suffix = |wanted: &str, value| Near::of(&Wanted::Suffix(wanted.into()), value);
        assert_eq!(suffix("/shop", "/shop/1"), Some(Near::Begins));
        assert_eq!(Near::of(&Wanted::Something, ""), None);
        assert_eq!(text(&"a".repeat(100_000), &"b".repeat(100_000)), None);
    }

    #[test]
    fn attributes_are_misspelt_too() {
        let known = ["type", "source", "partitionkey"];
        assert_eq!(name("partitonkey", known.into_iter()), Some("partitionkey"));
        assert_eq!(name("subject", known.into_iter()), None);
    }
}
