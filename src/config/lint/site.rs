//! The documents as they were written: where a lint looks, and what it points at.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::node::{Entry, Kind, Node};
use crate::config::text::{Place, Span, Text};

use super::allow;

/// What was read of each file, item by item of its lists.
#[derive(Debug, Default)]
pub(in crate::config) struct Trees {
    files: Vec<(Arc<Text>, Vec<Node>)>,
}

impl Trees {
    pub(in crate::config) fn add(&mut self, text: &Arc<Text>, documents: Vec<Node>) {
        self.files.push((text.clone(), documents));
    }
}

pub(super) struct Sites<'t> {
    all: Vec<Site<'t>>,
    /// By kind, namespace and name.
    first: HashMap<[&'t str; 3], usize>,
}

/// A document.
pub(super) struct Site<'t> {
    pub(super) text: &'t Arc<Text>,
    pub(super) root: &'t Node,
    kind: &'t str,
    namespace: &'t str,
    name: &'t str,
    allowed: Vec<&'t str>,
}

impl<'t> Sites<'t> {
    pub(super) fn of(trees: &'t Trees) -> Sites<'t> {
        let mut all = Vec::new();
        for (text, documents) in &trees.files {
            documents.iter().for_each(|root| collect(text, root, &mut all));
        }
        let mut first = HashMap::new();
        for (n, site) in all.iter().enumerate() {
            first.entry([site.kind, site.namespace, site.name]).or_insert(n);
        }
        Sites { all, first }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Site<'t>> {
        self.all.iter()
    }

    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Site<'t>> {
        self.all.iter().filter(move |site| site.kind == kind)
    }

    pub(super) fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Site<'t>> {
        self.first.get(&[kind, namespace, name]).map(|n| &self.all[*n])
    }
}

fn collect<'t>(text: &'t Arc<Text>, root: &'t Node, all: &mut Vec<Site<'t>>) {
    let of = |path: &[&str]| entry(root, path).and_then(|entry| entry.value.text());
    let Some(kind) = of(&["kind"]) else { return };
    if let ("List", Some(Entry { value: Node { kind: Kind::Seq(items), .. }, .. })) =
        (kind, root.get("items"))
    {
        return items.iter().for_each(|item| collect(text, item, all));
    }
    let namespace = of(&["metadata", "namespace"]).unwrap_or("default");
    let name = of(&["metadata", "name"]).unwrap_or_default();
    let allowed = of(&["metadata", "annotations", allow::ALLOW]).map_or_else(Vec::new, allow::names);
    all.push(Site { text, root, kind, namespace, name, allowed });
}

impl<'t> Site<'t> {
    pub(super) fn kind(&self) -> &'t str {
        self.kind
    }

    pub(super) fn namespace(&self) -> &'t str {
        self.namespace
    }

    pub(super) fn name(&self) -> &'t str {
        self.name
    }

    /// The field that a path leads to.
    pub(super) fn entry(&self, path: &[&str]) -> Option<&'t Entry> {
        entry(self.root, path)
    }

    pub(super) fn node(&self, path: &[&str]) -> Option<&'t Node> {
        self.entry(path).map(|entry| &entry.value)
    }

    pub(super) fn text(&self, path: &[&str]) -> Option<&'t str> {
        self.node(path).and_then(Node::text)
    }

    /// Where its name stands.
    pub(super) fn named(&self) -> Span {
        self.node(&["metadata", "name"]).unwrap_or(self.root).span
    }

    pub(super) fn place(&self, span: Span) -> Place {
        Place { text: self.text.clone(), span }
    }

    pub(super) fn allows(&self, lint: &str) -> bool {
        self.allowed.contains(&lint)
    }
}

fn entry<'t>(root: &'t Node, path: &[&str]) -> Option<&'t Entry> {
    let (last, before) = path.split_last()?;
    let parent = before.iter().try_fold(root, |node, key| node.get(key).map(|entry| &entry.value))?;
    parent.get(last).filter(|entry| !entry.value.is_null())
}
