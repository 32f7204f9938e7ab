//! What documents may say: the fields of every kind, in tables. Readers ask for what stands here and for nothing else
//! ([`Fields`](super::reader::Fields) holds them to that), and the schemas for editors and docs/documents.md are made
//! of it: what one knows, all know.

mod billing_sink;
mod broker;
mod check;
mod delivery;
mod document;
mod filters;
mod form;
mod function;
mod kafka_sink;
mod kafka_source;
mod metadata;
mod nats_sink;
mod nats_source;
mod network;
mod reference;
#[cfg(test)]
pub(crate) mod samples;
mod secret;
mod source;
pub(crate) mod test;
mod trigger;

pub(crate) use document::{DOCUMENT, LIST};
pub(crate) use filters::DIALECT;
#[cfg(test)]
pub(crate) use form::BUDGET;
pub(crate) use form::Form;
pub(crate) use reference::Target;
pub(crate) use secret::{SECRET, SECRET_KEY};

pub(crate) use billing_sink::KIND as BILLING_SINK;
pub(crate) use broker::KIND as BROKER;
pub(crate) use function::{
    KIND as FUNCTION, PRICE as FUNCTION_PRICE, PRICE_THEN as FUNCTION_PRICE_THEN, SPEC as FUNCTION_SPEC,
};
pub(crate) use kafka_sink::KIND as KAFKA_SINK;
pub(crate) use kafka_source::KIND as KAFKA_SOURCE;
pub(crate) use nats_sink::KIND as NATS_SINK;
pub(crate) use nats_source::KIND as NATS_SOURCE;
pub(crate) use test::KIND as TEST;
pub(crate) use trigger::{KIND as TRIGGER, SPEC as TRIGGER_SPEC};

use super::later::Later;

/// Every kind whose documents are read.
pub(crate) static KINDS: [&Kind; 9] = [
    &TRIGGER,
    &BROKER,
    &FUNCTION,
    &KAFKA_SOURCE,
    &KAFKA_SINK,
    &NATS_SOURCE,
    &NATS_SINK,
    &BILLING_SINK,
    &TEST,
];

/// A kind of document.
#[derive(Debug)]
pub(crate) struct Kind {
    pub name: &'static str,
    /// The one to write first.
    pub api_versions: &'static [&'static str],
    pub doc: &'static str,
    /// What is said of it, where it does nothing yet.
    pub later: Option<&'static Later>,
    pub root: &'static Map,
    /// The labels that it knows.
    pub labels: &'static [Field],
    /// The annotations that it knows.
    pub annotations: &'static [Field],
    /// An annotation that begins so must be a known one.
    pub guarded: &'static [&'static str],
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Map(&'static Map),
    /// A map with keys that nobody knows beforehand.
    Pairs(&'static Pairs),
    /// A list of so many items at least.
    List {
        item: &'static Shape,
        least: usize,
    },
    /// The labels of a document: those of its [`Kind`], and strings.
    Labels,
    Annotations,
    Text(&'static Form),
    /// One of these.
    Words(&'static [&'static str]),
    /// A whole number from the first to the second.
    Integer(i64, i64),
    Boolean,
    /// One of these, which are of different types.
    Either(&'static [Shape]),
    /// Whatever stands in it.
    AnyMap,
    /// Nobody looks at it.
    Any,
}

/// A map with these fields and no others.
#[derive(Debug)]
pub(crate) struct Map {
    /// Of one that stands in several places, or in itself: what schemas and tables refer to it by.
    pub name: &'static str,
    pub fields: &'static [Field],
    pub rules: &'static [Rule],
    /// What may stand there beside its fields; else nothing.
    pub others: Option<&'static Pairs>,
}

/// What holds for the fields of a map together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// One of these must stand there, and no other of them.
    OneOf(&'static [&'static str]),
    /// One of these must stand there, or several.
    AnyOf(&'static [&'static str]),
    /// All of these or none.
    Together(&'static [&'static str]),
    /// If the first is true, the others must stand there.
    Enables(&'static str, &'static [&'static str]),
    /// Where the first stands, the others must, too.
    Needs(&'static str, &'static [&'static str]),
    /// Not one and the other.
    NotBoth(&'static str, &'static str),
    /// Where this stands, nothing else does.
    Alone(&'static str),
    /// `kind` and `apiVersion` are those of one of these.
    Names(&'static [Target]),
}

#[derive(Debug)]
pub(crate) struct Pairs {
    pub keys: &'static Form,
    pub values: &'static Shape,
    /// So many at least.
    pub least: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub shape: Shape,
    /// What it does, in a line.
    pub doc: &'static str,
    pub required: bool,
    /// What holds without it; empty: nothing in particular.
    pub default: &'static str,
    pub role: Role,
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The reader of its map asks for it.
    Read,
    /// Its mistakes are told, and that it has no effect: why.
    Idle(&'static str),
    /// It is an error: what to do instead.
    Refused(&'static str),
    /// The cluster writes it; nothing to us.
    Cluster,
}

impl Map {
    const fn of(fields: &'static [Field]) -> Map {
        Map { name: "", fields, rules: &[], others: None }
    }

    const fn with(self, rules: &'static [Rule]) -> Map {
        Map { rules, ..self }
    }

    const fn open(self, others: &'static Pairs) -> Map {
        Map { others: Some(others), ..self }
    }

    const fn named(self, name: &'static str) -> Map {
        Map { name, ..self }
    }

    /// The fields of which one must stand there, and mostly no other.
    pub(crate) fn one_of(&self) -> &'static [&'static str] {
        let found = self.rules.iter().find_map(|rule| match rule {
            Rule::OneOf(names) | Rule::AnyOf(names) => Some(names),
            _ => None,
        });
        found.copied().unwrap_or_default()
    }

    /// What a reference may name.
    pub(crate) fn targets(&self) -> &'static [Target] {
        let found = self
            .rules
            .iter()
            .find_map(|rule| if let Rule::Names(targets) = rule { Some(targets) } else { None });
        found.copied().unwrap_or_default()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.fields.iter().map(|field| field.name)
    }

    /// Those that this version does not honour.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.fields.iter().filter(|field| matches!(field.role, Role::Refused(_))).map(|field| field.name)
    }

    /// The names that are worth writing.
    pub(crate) fn useful(&self) -> impl Iterator<Item = &'static str> + '_ {
        let useful = |field: &&Field| matches!(field.role, Role::Read | Role::Idle(_));
        self.fields.iter().filter(useful).map(|field| field.name)
    }
}

impl Field {
    const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Field {
        Field { name, shape, doc, required: false, default: "", role: Role::Read }
    }

    const fn required(self) -> Field {
        Field { required: true, ..self }
    }

    const fn default(self, default: &'static str) -> Field {
        Field { default, ..self }
    }

    const fn idle(self, why: &'static str) -> Field {
        Field { role: Role::Idle(why), ..self }
    }

    const fn refused(name: &'static str, instead: &'static str) -> Field {
        Field { role: Role::Refused(instead), ..Field::new(name, Shape::Any, "") }
    }

    const fn of_the_cluster(name: &'static str) -> Field {
        Field {
            role: Role::Cluster,
            ..Field::new(name, Shape::Any, "Written by the cluster; nothing to weir.")
        }
    }
}
