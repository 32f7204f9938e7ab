//! Reading a value for its mistakes alone.

use super::super::diagnostic::Report;
use super::super::node::{Kind, Node};
use super::super::reader::{self, Fields};
use super::Shape;

impl Shape {
    /// Reports where a value is not of this shape.
    pub(crate) fn check(&self, node: &Node, path: &str, report: &mut Report<'_>) {
        match self {
            Shape::Map(map) => {
                if let Some(fields) = Fields::of(node, map, path, report) {
                    fields.check(report);
                }
            }
            Shape::Pairs(pairs) => match &node.kind {
                Kind::Map(entries) => entries.iter().for_each(|entry| {
                    pairs.values.check(&entry.value, &format!("{path}.{}", entry.key), report);
                }),
                _ => reader::expected(node, path, "a map", report),
            },
            Shape::List { item, .. } => match &node.kind {
                Kind::Seq(items) => items
                    .iter()
                    .enumerate()
                    .for_each(|(n, node)| item.check(node, &format!("{path}[{n}]"), report)),
                _ => reader::expected(node, path, "a list", report),
            },
            Shape::Text(form) => drop((form.read)(node, path, report)),
            Shape::Words(words) => {
                let words: Vec<_> = words.iter().map(|word| (*word, ())).collect();
                reader::choice(node, path, &words, report);
            }
            Shape::Integer(least, most) => drop(reader::integer(node, path, *least..=*most, report)),
            Shape::AnyMap => {
                if !matches!(node.kind, Kind::Map(_)) {
                    reader::expected(node, path, "a map", report);
                }
            }
            Shape::Boolean => drop(reader::boolean(node, path, report)),
            // Nothing that is read for its mistakes alone is any of these.
            Shape::Labels | Shape::Annotations | Shape::Either(_) | Shape::Any => {}
        }
    }

    /// Holds a reader to the words of the shape.
    pub(crate) fn expect_words<T>(&self, words: &[(&str, T)]) {
        let same = |known: &[&str]| known.iter().eq(words.iter().map(|(word, _)| word));
        debug_assert!(matches!(self, Shape::Words(known) if same(known)), "{self:?} has other words");
    }
}
