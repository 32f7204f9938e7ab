//! A document's `metadata`: its name, its namespace and what is annotated.

use std::collections::BTreeMap;

use super::diagnostic::{Code, Report};
use super::lint::ALLOW;
use super::node::{Entry, Kind, Node};
use super::reader::{self, Fields};
use super::spelling::{did_you_mean, listed, nearest};
use super::text::Span;

/// What Kubernetes itself writes into metadata.
const OF_THE_CLUSTER: [&str; 11] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "generateName",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

#[derive(Clone, Debug, Default)]
pub(super) struct Metadata<'n> {
    /// `None`, as for the namespace: reported, and the rest of the document is read all the same.
    pub(super) name: Option<(&'n str, Span)>,
    namespace: Option<&'n str>,
    labels: &'n [Entry],
    annotations: &'n [Entry],
}

impl<'n> Metadata<'n> {
    pub(super) fn read(document: &mut Fields<'n>, kind: &str, report: &mut Report<'_>) -> Metadata<'n> {
        let fields = document.required("metadata");
        let fields = fields.and_then(|node| Fields::of(node, format!("{kind}.metadata"), report));
        let Some(mut fields) = fields else { return Metadata::default() };
        let name = fields.required("name");
        let name = name.and_then(|node| Some((self::name(node, &fields.below("name"), report)?, node.span)));
        let namespace = match fields.optional("namespace") {
            Some(node) => label(node, &fields.below("namespace"), report),
            None => Some("default"),
        };
        let labels = texts(&mut fields, "labels", report);
        let annotations = texts(&mut fields, "annotations", report);
        for known in OF_THE_CLUSTER {
            fields.entry(known);
        }
        fields.finish(report);
        Metadata { name, namespace, labels, annotations }
    }

    pub(super) fn namespace(&self) -> &'n str {
        self.namespace.unwrap_or("default")
    }

    /// The value of an annotation; one that is no string has been reported.
    pub(super) fn annotation(&self, name: &str) -> Option<&'n Node> {
        self.annotations.iter().find(|entry| *entry.key == *name).map(|entry| &entry.value)
    }

    /// The value of a label, as of an annotation.
    pub(super) fn label(&self, name: &str) -> Option<&'n Node> {
        self.labels.iter().find(|entry| *entry.key == *name).map(|entry| &entry.value)
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let texts = self.labels.iter().filter_map(|entry| Some((&entry.key, entry.value.text()?)));
        texts.map(|(key, value)| (key.to_string(), value.to_owned())).collect()
    }

    /// Annotations of `prefix` that are none of `known`.
    pub(super) fn check_annotations(&self, prefix: &str, known: &[&str], report: &mut Report<'_>) {
        let domain = "weir.dev";
        let everywhere = Some(ALLOW).filter(|allow| allow.starts_with(prefix));
        let known = || known.iter().copied().chain(everywhere);
        for entry in self.annotations {
            let own = entry.key.split_once('/').map_or("", |(own, _)| own);
            if prefix.starts_with(domain) && own != domain && nearest(own, [domain]).is_some() {
                report
                    .error(entry.key_span, format!("unknown annotation '{}'", entry.key))
                    .code(Code::UNKNOWN_FIELD)
                    .help(format!("did you mean '{domain}/…'?"));
            }
            if entry.key.starts_with(prefix) && !known().any(|known| *known == *entry.key) {
                let help = did_you_mean(&entry.key, known()).unwrap_or_else(|| match known().next() {
                    None => format!("this kind has no annotation under {prefix}"),
                    Some(_) => format!("known here: {}", listed(known())),
                });
                report
                    .error(entry.key_span, format!("unknown annotation '{}'", entry.key))
                    .code(Code::UNKNOWN_FIELD)
                    .help(help);
            }
        }
    }
}

/// Labels and annotations are maps of strings.
fn texts<'n>(fields: &mut Fields<'n>, name: &'static str, report: &mut Report<'_>) -> &'n [Entry] {
    let Some(node) = fields.optional(name) else { return &[] };
    let path = fields.below(name);
    let Kind::Map(entries) = &node.kind else {
        reader::expected(node, &path, "a map of strings", report);
        return &[];
    };
    for entry in entries {
        reader::string(&entry.value, &format!("{path}.{}", entry.key), report);
    }
    entries
}

/// A name that Kubernetes takes: a DNS-1123 subdomain.
pub(super) fn name<'n>(node: &'n Node, path: &str, report: &mut Report<'_>) -> Option<&'n str> {
    checked(node, path, report, 253, "letters, digits, '-' and '.'", is_subdomain)
}

/// Whether a text could be the name of a document.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 253 && is_subdomain(text)
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// A namespace, or a Service's name: a DNS-1123 label.
pub(super) fn label<'n>(node: &'n Node, path: &str, report: &mut Report<'_>) -> Option<&'n str> {
    checked(node, path, report, 63, "letters, digits and '-'", is_label)
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn checked<'n>(
    node: &'n Node,
    path: &str,
    report: &mut Report<'_>,
    longest: usize,
    allowed: &str,
    good: impl Fn(&str) -> bool,
) -> Option<&'n str> {
    let text = reader::string(node, path, report)?;
    if text.len() > longest {
        report.error(
            node.span,
            format!("{path}: a name has at most {longest} characters, this one {}", text.len()),
        );
        return None;
    }
    if good(text) {
        return Some(text);
    }
    let lower = text.to_lowercase().replace(['_', ' '], "-");
    let help = if good(&lower) {
        format!("write '{lower}'")
    } else {
        format!("names are lower-case {allowed}, with a letter or digit at both ends")
    };
    report.error(node.span, format!("{path}: '{text}' is no valid name")).help(help);
    None
}
