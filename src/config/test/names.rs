//! What a Test may name: the triggers and brokers of the documents beside it.

use std::collections::BTreeSet;

use crate::event::Uid;

use super::super::diagnostic::Report;
use super::super::node::Node;
use super::super::reader;
use super::super::spelling::{listed, nearest};
use super::super::text::Span;

/// All there are, by namespace and name.
#[derive(Clone, Debug)]
pub(in super::super) struct Names<'d> {
    pub triggers: BTreeSet<(&'d str, &'d str)>,
    pub brokers: BTreeSet<(&'d str, &'d str)>,
    /// Every file was read to its end, so what is not found is not there.
    pub whole: bool,
    /// Where a name without a namespace is looked for.
    pub namespace: &'d str,
}

impl<'d> Names<'d> {
    pub(super) fn seen_from<'n>(&self, namespace: &'n str) -> Names<'n>
    where
        'd: 'n,
    {
        Names { namespace, ..self.clone() }
    }

    pub(super) fn broker(&self, node: &Node, path: &str, report: &mut Report<'_>) -> Option<Uid> {
        let text = reader::string(node, path, report)?;
        let (namespace, name) = self.known((text, node.span), path, ("Broker", &self.brokers), report)?;
        Some(Uid::of_document(namespace, "Broker", name))
    }

    /// "namespace/name", as the journal has it.
    pub(super) fn trigger(&self, node: &Node, path: &str, report: &mut Report<'_>) -> Option<String> {
        let text = reader::string(node, path, report)?;
        self.trigger_called((text, node.span), path, report)
    }

    /// The same, of one that is named by a key.
    pub(super) fn trigger_called(
        &self,
        called: (&str, Span),
        path: &str,
        report: &mut Report<'_>,
    ) -> Option<String> {
        let (namespace, name) = self.known(called, path, ("Trigger", &self.triggers), report)?;
        Some(format!("{namespace}/{name}"))
    }

    fn known(
        &self,
        (text, span): (&str, Span),
        path: &str,
        (kind, known): (&str, &BTreeSet<(&'d str, &'d str)>),
        report: &mut Report<'_>,
    ) -> Option<(&'d str, &'d str)> {
        let wanted = text.split_once('/').unwrap_or((self.namespace, text));
        if let Some(found) = known.iter().find(|found| **found == wanted) {
            return Some(*found);
        }
        let (namespace, name) = wanted;
        let here: Vec<&str> =
            known.iter().filter(|(own, _)| *own == namespace).map(|(_, name)| *name).collect();
        let elsewhere = known.iter().find(|(_, other)| *other == name && !text.contains('/'));
        let help = match (nearest(name, here.iter().copied()), elsewhere) {
            _ if !self.whole => "it may stand in what could not be read".to_owned(),
            (_, Some((other, _))) => format!("write '{other}/{name}': it is of another namespace"),
            (Some(near), _) => format!("did you mean '{near}'?"),
            (None, _) if here.is_empty() => "there is none: name its file or directory, too".to_owned(),
            (None, _) => format!("there are {}", listed(here)),
        };
        report.error(span, format!("{path}: no {kind} '{name}' in namespace '{namespace}'")).help(help);
        None
    }
}
