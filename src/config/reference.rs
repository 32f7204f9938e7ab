//! `ref` and `uri`: how a document names another.

use super::diagnostic::Report;
use super::reader::{self, Fields};
use super::shape::Target;
use super::text::{Place, Span};

/// Knative's KReference.
#[derive(Clone, Debug)]
pub(super) struct Reference<'n> {
    pub kind: &'n str,
    pub api_version: Option<(&'n str, Span)>,
    pub namespace: &'n str,
    pub name: &'n str,
    /// What may stand there.
    targets: &'static [Target],
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
        mut fields: Fields<'n>,
        namespace: &'n str,
        report: &mut Report<'_>,
    ) -> Option<Reference<'n>> {
        let targets = fields.targets();
        let kind = fields.required_string("kind", report);
        let name = fields.required_string("name", report);
        let api_version = fields.spanned("apiVersion", report);
        let namespace = match fields.entry("namespace") {
            Some(_) => fields.string("namespace", report),
            None => Some(namespace),
        };
        fields.finish(report);
        let ((kind, kind_span), (name, name_span)) = (kind?, name?);
        Some(Reference { kind, api_version, namespace: namespace?, name, targets, kind_span, name_span })
    }

    pub(super) fn named(&self, report: &Report<'_>) -> Named {
        Named {
            namespace: self.namespace.into(),
            name: self.name.into(),
            place: report.place(self.name_span),
        }
    }

    /// Whether its apiVersion, if it says one, is one that its kind has; reports where it isn't.
    pub(super) fn is_of_its_version(&self, report: &mut Report<'_>) -> bool {
        let wanted = self.targets.iter().find(|target| target.kind == self.kind);
        match (self.api_version, wanted) {
            (Some((version, span)), Some(Target { api_versions, .. }))
                if !api_versions.contains(&version) =>
            {
                report
                    .error(span, format!("a {} is not of apiVersion '{version}'", self.kind))
                    .help(format!("write 'apiVersion: {}'", api_versions[0]));
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
        let read = match (reference, uri) {
            (Some(_), None) => fields
                .map("ref", report)
                .and_then(|to| Reference::read(to, namespace, report))
                .map(Destination::Reference),
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
