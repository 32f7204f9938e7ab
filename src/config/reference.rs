//! `ref` and `uri`: how a document names another.

use super::diagnostic::Report;
use super::metadata;
use super::node::Node;
use super::reader::{self, Fields};
use super::text::{Place, Span};

/// Knative's KReference.
#[derive(Clone, Debug)]
pub(super) struct Reference<'n> {
    pub kind: &'n str,
    pub api_version: Option<(&'n str, Span)>,
    pub namespace: &'n str,
    pub name: &'n str,
    pub kind_span: Span,
    pub name_span: Span,
}

/// A document named by another, until all are known.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub namespace: String,
    pub name: String,
    pub place: Place,
}

impl<'n> Reference<'n> {
    /// Without a namespace it is that of the document that it stands in.
    pub(super) fn read(
        node: &'n Node,
        path: String,
        namespace: &'n str,
        report: &mut Report<'_>,
    ) -> Option<Reference<'n>> {
        let mut fields = Fields::of(node, path, report)?;
        let kind_node = fields.required("kind");
        let kind = kind_node.and_then(|node| reader::string(node, &fields.below("kind"), report));
        let name_node = fields.required("name");
        let name = name_node.and_then(|node| metadata::name(node, &fields.below("name"), report));
        let version = fields.optional("apiVersion");
        let api_version = version
            .and_then(|node| Some((reader::string(node, &fields.below("apiVersion"), report)?, node.span)));
        let own = fields.optional("namespace");
        let namespace = match own {
            Some(node) => metadata::label(node, &fields.below("namespace"), report),
            None => Some(namespace),
        };
        fields.refuse("group", "write apiVersion instead", report);
        fields.refuse("address", "name the document instead", report);
        fields.finish(report);
        Some(Reference {
            kind: kind?,
            api_version,
            namespace: namespace?,
            name: name?,
            kind_span: kind_node?.span,
            name_span: name_node?.span,
        })
    }

    pub(super) fn named(&self, report: &Report<'_>) -> Named {
        Named {
            namespace: self.namespace.into(),
            name: self.name.into(),
            place: report.place(self.name_span),
        }
    }

    /// Whether its apiVersion, if it says one, is this; reports where it isn't.
    pub(super) fn is_of(&self, wanted: &[&str], report: &mut Report<'_>) -> bool {
        match self.api_version {
            Some((version, span)) if !wanted.contains(&version) => {
                report
                    .error(span, format!("a {} is not of apiVersion '{version}'", self.kind))
                    .help(format!("write 'apiVersion: {}'", wanted[0]));
                false
            }
            _ => true,
        }
    }
}

/// Where something is sent: Knative's Destination.
pub(super) enum Destination<'n> {
    Reference(Reference<'n>),
    Uri(Span),
}

impl<'n> Destination<'n> {
    pub(super) fn read(
        mut fields: Fields<'n>,
        namespace: &'n str,
        report: &mut Report<'_>,
    ) -> Option<Destination<'n>> {
        let (reference, uri) = (fields.optional("ref"), fields.entry("uri"));
        fields.string("CACerts", report);
        fields.without_effect("CACerts", "nothing is called over HTTP", report);
        fields.string("audience", report);
        fields.without_effect("audience", "nothing is called over HTTP", report);
        let read = match (reference, uri) {
            (Some(node), None) => {
                Reference::read(node, fields.below("ref"), namespace, report).map(Destination::Reference)
            }
            (None, Some(uri)) => reader::string(&uri.value, &fields.below("uri"), report)
                .map(|_| Destination::Uri(uri.key_span)),
            (Some(_), Some(uri)) => {
                report
                    .error(uri.key_span, format!("{}: 'ref' and 'uri' both stand here", fields.path))
                    .help("remove one of them; a path below a ref is not supported by this version");
                None
            }
            (None, None) => {
                // A misspelling of either is reported by itself.
                if fields.unknown().next().is_none() {
                    report
                        .error(
                            fields.node.span,
                            format!("{}: neither 'ref' nor 'uri' stands here", fields.path),
                        )
                        .help("add 'ref:' with the kind and name of what receives the events");
                }
                None
            }
        };
        fields.finish(report);
        read
    }
}
