//! A small YAML tree that knows where each of its parts stands.

use super::scalar::Scalar;
use super::text::Span;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub kind: Kind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// What it is by the schema, its text, and whether it stood without quotes.
    Scalar {
        is: Scalar,
        text: Box<str>,
        plain: bool,
    },
    Seq(Vec<Node>),
    /// In the order written; keys are unique.
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: Box<str>,
    pub key_span: Span,
    pub value: Node,
}

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar { is: Scalar::Null, .. })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| *entry.key == *key),
            _ => None,
        }
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { is: Scalar::Str, text, .. } => Some(text),
            _ => None,
        }
    }

    /// What it is, in words for a message.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar { is, text, .. } => match is {
                Scalar::Null => "nothing".into(),
                Scalar::Bool(_) => format!("the boolean {text}"),
                Scalar::Int(_) | Scalar::Float(_) => format!("the number {text}"),
                Scalar::Str => "a string".into(),
            },
            Kind::Seq(_) => "a list".into(),
            Kind::Map(_) => "a map".into(),
        }
    }

    /// How many nodes and bytes of text it holds, and how deep it is: what an alias to it costs.
    pub(super) fn weight(&self) -> Weight {
        let mut weight = Weight { nodes: 1, bytes: 0, depth: 1 };
        match &self.kind {
            Kind::Scalar { text, .. } => weight.bytes = text.len(),
            Kind::Seq(items) => items.iter().for_each(|item| weight.hold(item.weight())),
            Kind::Map(entries) => entries.iter().for_each(|entry| {
                weight.bytes += entry.key.len();
                weight.hold(entry.value.weight());
            }),
        }
        weight
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    pub(super) depth: usize,
}

impl Weight {
    fn hold(&mut self, child: Weight) {
        self.nodes += child.nodes;
        self.bytes += child.bytes;
        self.depth = self.depth.max(child.depth + 1);
    }
}
