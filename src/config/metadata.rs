//! A document's `metadata`: its name, its namespace and what is annotated.

use std::collections::BTreeMap;

use super::diagnostic::{Code, Report};
use super::node::{Entry, Kind, Node};
use super::reader::{self, Fields};
use super::shape::{self, Field};
use super::spelling::{did_you_mean, listed, nearest};
use super::text::Span;

#[derive(Clone, Debug)]
pub(super) struct Metadata<'n> {
    kind: &'static shape::Kind,
    /// `None`, as for the namespace: reported, and the rest of the document is read all the same.
    pub(super) name: Option<(&'n str, Span)>,
    namespace: Option<&'n str>,
    labels: &'n [Entry],
    annotations: &'n [Entry],
}

impl<'n> Metadata<'n> {
    pub(super) fn read(
        document: &mut Fields<'n>,
        kind: &'static shape::Kind,
        report: &mut Report<'_>,
    ) -> Metadata<'n> {
        let Some(mut fields) = document.required_map("metadata", report) else {
            return Metadata { kind, name: None, namespace: None, labels: &[], annotations: &[] };
        };
        let name = fields.required_string("name", report);
        let namespace = match fields.entry("namespace") {
            Some(_) => fields.string("namespace", report),
            None => Some("default"),
        };
        let labels = texts(&mut fields, "labels", report);
        let annotations = texts(&mut fields, "annotations", report);
        fields.finish(report);
        let metadata = Metadata { kind, name, namespace, labels, annotations };
        metadata.check_annotations(report);
        metadata
    }

    pub(super) fn namespace(&self) -> &'n str {
        self.namespace.unwrap_or("default")
    }

    /// An annotation of a few words, as what they stand for.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
        report: &mut Report<'_>,
    ) -> Option<T> {
        let known = self.kind.annotations.iter().find(|field| field.name == name);
        word(known, self.annotation(name), words, report)
    }

    /// The same of a label.
    pub(super) fn label_choice<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
        report: &mut Report<'_>,
    ) -> Option<T> {
        let known = self.kind.labels.iter().find(|field| field.name == name);
        let entry = self.labels.iter().find(|entry| *entry.key == *name);
        word(known, entry.map(|entry| &entry.value), words, report)
    }

    /// The value of an annotation; one that is no string has been reported.
    pub(super) fn annotation(&self, name: &str) -> Option<&'n Node> {
        debug_assert!(self.known().any(|known| known == name), "a {} has no {name}", self.kind.name);
        self.annotations.iter().find(|entry| *entry.key == *name).map(|entry| &entry.value)
    }

    fn known(&self) -> impl Iterator<Item = &'static str> {
        self.kind.annotations.iter().map(|field| field.name)
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let texts = self.labels.iter().filter_map(|entry| Some((&entry.key, entry.value.text()?)));
        texts.map(|(key, value)| (key.to_string(), value.to_owned())).collect()
    }

    /// Annotations that the kind does not know and that are no other's.
    fn check_annotations(&self, report: &mut Report<'_>) {
        let domain = "weir.dev";
        for entry in self.annotations {
            let own = entry.key.split_once('/').map_or("", |(own, _)| own);
            if own != domain && nearest(own, [domain]).is_some() {
                report
                    .error(entry.key_span, format!("unknown annotation '{}'", entry.key))
                    .code(Code::UNKNOWN_FIELD)
                    .help(format!("did you mean '{domain}/…'?"));
            }
            let guarded = self.kind.guarded.iter().find(|prefix| entry.key.starts_with(**prefix));
            let Some(prefix) = guarded.filter(|_| self.known().all(|known| *known != *entry.key)) else {
                continue;
            };
            let here = || self.known().filter(|known| known.starts_with(prefix));
            let help = did_you_mean(&entry.key, here()).unwrap_or_else(|| match here().next() {
                None => format!("this kind has no annotation under {prefix}"),
                Some(_) => format!("known here: {}", listed(here())),
            });
            report
                .error(entry.key_span, format!("unknown annotation '{}'", entry.key))
                .code(Code::UNKNOWN_FIELD)
                .help(help);
        }
    }
}

/// One that is no string has been reported.
fn word<T: Copy>(
    known: Option<&Field>,
    node: Option<&Node>,
    words: &[(&str, T)],
    report: &mut Report<'_>,
) -> Option<T> {
    let known = known.expect("a label or an annotation stands among those of its kind");
    known.shape.expect_words(words);
    reader::choice(node.filter(|node| node.text().is_some())?, known.name, words, report)
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
