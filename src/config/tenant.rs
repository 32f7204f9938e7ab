//! Who pays: `acme`, or what an event says itself: `$customer, $authid, acme`. The first of the list that says something.

use std::borrow::Cow;

use super::diagnostic::Report;
use super::metadata;
use super::node::Node;
use super::reader;
use crate::event::Event;

/// Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Name(String),
    /// An attribute of the event.
    Attribute(String),
}

/// What an event says is cut there: no publisher makes the journal grow.
const LONGEST: usize = 128;
const MOST: usize = 8;
/// Of all of it, in bytes.
pub(super) const LENGTH: usize = 253;

impl Tenant {
    pub const PATTERN: &'static str = concat!(
        r"^( *(\$[a-z0-9]{1,20}|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*) *,){0,7}",
        r" *(\$[a-z0-9]{1,20}|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*) *$"
    );

    pub fn named(name: &str) -> Tenant {
        Tenant(vec![Part::Name(name.to_owned())])
    }

    fn parse(text: &str) -> Option<Tenant> {
        let part = |part: &str| match part.trim_matches(' ') {
            name if metadata::is_name(name) => Some(Part::Name(name.to_owned())),
            other => {
                let name = other.strip_prefix('$')?;
                let is_one = (1..=20).contains(&name.len())
                    && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
                is_one.then(|| Part::Attribute(name.to_owned()))
            }
        };
        let parts: Option<Vec<Part>> = text.split(',').map(part).collect();
        parts.filter(|parts| parts.len() <= MOST && text.len() <= LENGTH).map(Tenant)
    }

    /// Of this event; `otherwise` where nothing of it is there.
    pub fn of<'t>(&'t self, event: &'t Event<'_>, otherwise: &'t str) -> Cow<'t, str> {
        let said = self.0.iter().find_map(|part| match part {
            Part::Name(name) => Some(Cow::Borrowed(name.as_str())),
            Part::Attribute(name) => event.attribute(name).filter(|said| !said.is_empty()).map(cut),
        });
        said.unwrap_or(Cow::Borrowed(otherwise))
    }
}

fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    Cow::Owned(text[..end].to_owned())
}

/// Reports what is none.
pub(super) fn text<'n>(node: &'n Node, path: &str, report: &mut Report<'_>) -> Option<&'n str> {
    read(node, path, report)?;
    node.text()
}

/// `None`: reported.
pub(super) fn read(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Tenant> {
    let text = reader::string(node, path, report)?;
    let tenant = Tenant::parse(text);
    if tenant.is_none() {
        report.error(node.span, format!("{path}: '{text}' does not say who pays")).help(
            "write a name (lower-case letters, digits, '-' and '.'), an attribute of the event as $customer, or up to \
             eight of them separated by commas: the first that is there counts",
        );
    }
    tenant
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Value;

    #[test]
    fn the_first_that_says_something_pays() {
        let tenant = Tenant::parse("$customer, $authid ,acme").unwrap();
        let mut event = Event {
            id: "1".into(),
            source: "/shop".into(),
            ty: "order".into(),
            subject: None,
            time: None,
            dataschema: None,
            datacontenttype: None,
            extensions: Vec::new(),
            data: None,
        };
        assert_eq!(tenant.of(&event, "default"), "acme");
        event.set_extension("authid", Value::String("shop".into()));
        event.set_extension("customer", Value::String("".into()));
        assert_eq!(tenant.of(&event, "default"), "shop");
        event.set_extension("customer", Value::String("é".repeat(100).into()));
        assert_eq!(tenant.of(&event, "default"), "é".repeat(64));
        assert_eq!(Tenant::parse("$subject").unwrap().of(&event, "default"), "default");
    }

    proptest! {
        #[test]
        fn the_pattern_says_what_is_read(
            text in prop::collection::vec("\\$?[a-z0-9.-]{0,4}|\\$[a-z]{19,22}| *", 0..10).prop_map(|parts| parts.join(",")),
        ) {
            let pattern = regex::Regex::new(Tenant::PATTERN).unwrap();
            prop_assert_eq!(Tenant::parse(&text).is_some(), pattern.is_match(&text), "{}", text);
        }
    }
}
