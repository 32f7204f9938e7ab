//! What a filter asks of one context attribute, as text.

/// The attribute must be there in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    name: Box<str>,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Text(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    /// Any but the empty one.
    Something,
}

impl Attribute {
    pub(super) fn new(name: &str, wanted: Wanted) -> Attribute {
        Attribute { name: name.into(), wanted }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub(super) fn is_met(&self, value: Option<&str>) -> bool {
        let Some(value) = value else { return false };
        match &self.wanted {
            Wanted::Text(text) => *value == **text,
            Wanted::Prefix(prefix) => value.starts_with(&**prefix),
            Wanted::Suffix(suffix) => value.ends_with(&**suffix),
            Wanted::Something => !value.is_empty(),
        }
    }

    /// The one text that meets it.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.wanted {
            Wanted::Text(text) => Some(text),
            _ => None,
        }
    }
}
