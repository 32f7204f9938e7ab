//! `ref` and `uri`: how a document names another.

use std::sync::Arc;

use super::certificates;
use super::diagnostic::{Code, Report};
use super::endpoint::{self, Endpoint, Uri};
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
    Reference(Reference<'n>, Below),
    Url(Endpoint),
}

/// What a destination says beside its reference.
#[derive(Clone, Debug, Default)]
pub(super) struct Below {
    /// Of its address; empty, or begins with '/'.
    pub path: String,
    pub ca_certs: Option<Arc<str>>,
    /// Where these stand.
    pub places: Vec<(&'static str, Place)>,
}

impl Below {
    /// Where nothing is called, it says nothing.
    pub(super) fn without_effect(&self, path: &str, reason: &str, report: &mut Report<'_>) {
        for (name, place) in &self.places {
            let message = format!("{path}.{name} has no effect: {reason}");
            report.note(place.span, message).code(Code::WITHOUT_EFFECT);
        }
    }
}

impl<'n> Destination<'n> {
    pub(super) fn read(
        mut fields: Fields<'n>,
        namespace: &'n str,
        report: &mut Report<'_>,
    ) -> Option<Destination<'n>> {
        let reference = fields.optional("ref").is_some();
        let uri_entry = if fields.reads("uri") { fields.entry("uri") } else { None };
        let path = fields.below("uri");
        let uri = uri_entry.map(|entry| (entry, endpoint::uri(&entry.value, &path, report)));
        let certificates = if fields.reads("CACerts") { ca_certs(&mut fields, report) } else { Some(None) };
        let mut places = Vec::new();
        places.extend(uri_entry.map(|entry| ("uri", report.place(entry.key_span))));
        if certificates.as_ref().is_some_and(Option::is_some) {
            places.extend(fields.entry("CACerts").map(|entry| ("CACerts", report.place(entry.key_span))));
        }
        let read = match (reference, uri) {
            (true, uri) => {
                let to = fields.map("ref", report).and_then(|to| Reference::read(to, namespace, report));
                let below = match uri {
                    None => Some(String::new()),
                    Some((_, Some(Uri::Path(path)))) => Some(path),
                    Some((entry, Some(Uri::Absolute(_)))) => {
                        report
                            .error(
                                entry.key_span,
                                format!("{path} is absolute, and a 'ref' stands beside it"),
                            )
                            .help("remove one of them, or write only the path below what 'ref' names");
                        None
                    }
                    Some((_, None)) => None,
                };
                to.zip(below).zip(certificates).map(|((to, path), ca_certs)| {
                    Destination::Reference(to, Below { path, ca_certs, places })
                })
            }
            (false, Some((entry, uri))) => match uri {
                Some(Uri::Absolute(url)) => {
                    certificates.map(|ca_certs| Destination::Url(Endpoint { url, ca_certs, service: None }))
                }
                Some(Uri::Path(_)) => {
                    report
                        .error(
                            entry.value.span,
                            format!("{path} is a path, and there is no 'ref' to have it"),
                        )
                        .help("write it whole: http://orders.shop.svc.cluster.local/events");
                    None
                }
                None => None,
            },
            (false, None) => {
                // A misspelling of either is reported by itself.
                if fields.unknown().next().is_none() && !fields.has_refused() {
                    let message = format!("{}: neither 'ref' nor 'uri' stands here", fields.path);
                    report
                        .error(fields.node.span, message)
                        .help("add 'ref:' with the kind and name of what receives the events");
                }
                None
            }
        };
        fields.finish(report);
        read
    }
}

/// `None`: reported.
fn ca_certs(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Option<Arc<str>>> {
    let Some(entry) = fields.entry("CACerts") else { return Some(None) };
    let path = fields.below("CACerts");
    let text = reader::string(&entry.value, &path, report)?;
    match certificates(text) {
        Ok(_) => Some(Some(text.into())),
        Err(reason) => {
            report
                .error(entry.value.span, format!("{path}: {reason}"))
                .help("write the certificates of the authorities as PEM, each from BEGIN to END, below '|'");
            None
        }
    }
}
