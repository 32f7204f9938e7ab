//! Patterns of `LIKE`, read once.

/// `%` stands for any characters, `_` for one. A backslash before either takes its meaning away; before anything else it
/// stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::trigger) struct Pattern {
    text: Box<str>,
    /// What stands between the `%`: one part more than there are of them.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// With places for any one character.
    Mask(Vec<Option<char>>),
}

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        let (mut parts, mut part) = (Vec::new(), Vec::new());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => part.push(Some(chars.next_if(|next| matches!(next, '%' | '_')).unwrap_or(c))),
                '%' => parts.push(Part::of(std::mem::take(&mut part))),
                '_' => part.push(None),
                _ => part.push(Some(c)),
            }
        }
        parts.push(Part::of(part));
        Pattern { text: text.into(), parts }
    }

    /// As it was written.
    pub(in crate::trigger) fn text(&self) -> &str {
        &self.text
    }

    /// The one text that matches, if there is but one.
    pub(in crate::trigger) fn only(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What every text that matches begins with, as far as it is without wildcards.
    pub(in crate::trigger) fn begin(&self) -> Option<&str> {
        self.parts.first().and_then(Part::text)
    }

    pub(in crate::trigger) fn end(&self) -> Option<&str> {
        self.parts.last().and_then(Part::text)
    }

    /// Each part is taken where it is found first: what is left is then the longest that it can be.
    pub(in crate::trigger) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts[0].begins(text).is_some_and(str::is_empty);
        };
        let Some(mut rest) = first.begins(text) else { return false };
        for part in middle {
            match part.after_first(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        last.ends(rest)
    }
}

impl Part {
    fn of(mask: Vec<Option<char>>) -> Part {
        match mask.iter().copied().collect::<Option<String>>() {
            Some(text) => Part::Text(text.into()),
            None => Part::Mask(mask),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Part::Text(text) => Some(text),
            Part::Mask(_) => None,
        }
    }

    /// What follows it, if `text` begins with it.
    fn begins<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Part::Text(part) => text.strip_prefix(&**part),
            Part::Mask(mask) => {
                let mut chars = text.chars();
                let fits =
                    mask.iter().all(|place| chars.next().is_some_and(|c| place.is_none_or(|p| p == c)));
                fits.then_some(chars.as_str())
            }
        }
    }

    fn ends(&self, text: &str) -> bool {
        match self {
            Part::Text(part) => text.ends_with(&**part),
            Part::Mask(mask) => {
                let mut chars = text.chars().rev();
                mask.iter().rev().all(|place| chars.next().is_some_and(|c| place.is_none_or(|p| p == c)))
            }
        }
    }

    /// What follows the first place where it stands.
    fn after_first<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Part::Text(part) => text.find(&**part).map(|at| &text[at + part.len()..]),
            Part::Mask(_) => text.char_indices().find_map(|(at, _)| self.begins(&text[at..])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, tried in every way.
    fn slowly(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|skip| slowly(rest, &text[skip..])),
            ['\\', c @ ('%' | '_'), rest @ ..] => text.first() == Some(c) && slowly(rest, &text[1..]),
            ['_', rest @ ..] => !text.is_empty() && slowly(rest, &text[1..]),
            [c, rest @ ..] => text.first() == Some(c) && slowly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_definition_says(pattern in "[ab%_\\\\é]{0,8}", text in "[ab%_\\\\é]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), slowly(&chars(&pattern), &chars(&text)));
        }
    }

    #[test]
    fn many_wildcards_end() {
        let text = "a".repeat(50_000);
        assert!(!Pattern::new(&("%a".repeat(2_000) + "b")).matches(&text));
        assert!(Pattern::new(&"%a_%".repeat(500)).matches(&text));
        assert!(!Pattern::new(&format!("%{}b%", "_".repeat(200))).matches(&text));
    }

    #[test]
    fn a_backslash_escapes_wildcards_alone() {
        for (pattern, text, expected) in [
            (r"a\%b", "a%b", true),
            (r"a\%b", "axb", false),
            (r"a\b", r"a\b", true),
            (r"\\%", r"\%", true),
            (r"\\%", r"\\x", false),
            (r"\", r"\", true),
            ("", "", true),
            ("_", "é", true),
            ("_", "", false),
            ("%", "", true),
            ("aB%", "ab", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
