//! What a document is: its apiVersion and kind decide who reads it.

use super::diagnostic::Report;
use super::metadata::Metadata;
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::spelling::{listed, nearest};
use super::text::{Place, Span};
use super::{broker, function, trigger};

/// A kind that is ours to understand, and the apiVersion it must have.
struct Known {
    kind: &'static str,
    api_version: &'static str,
    reading: Reading,
}

#[derive(Clone, Copy)]
enum Reading {
    Trigger,
    Broker,
    Function,
    /// Known and not run by this version: why.
    Later(&'static str),
}

const KNOWN: [Known; 8] = [
    Known { kind: "Trigger", api_version: "eventing.knative.dev/v1", reading: Reading::Trigger },
    Known { kind: "Broker", api_version: "eventing.knative.dev/v1", reading: Reading::Broker },
    Known { kind: "Function", api_version: "weir.dev/v1alpha1", reading: Reading::Function },
    Known {
        kind: "KafkaSource",
        api_version: "sources.knative.dev/v1",
        reading: Reading::Later("does not consume Kafka yet: post the events to the broker over HTTP"),
    },
    Known {
        kind: "KafkaSink",
        api_version: "eventing.knative.dev/v1alpha1",
        reading: Reading::Later("does not write to Kafka yet"),
    },
    Known {
        kind: "NatsSource",
        api_version: "weir.dev/v1alpha1",
        reading: Reading::Later("does not consume NATS yet: post the events to the broker over HTTP"),
    },
    Known {
        kind: "NatsSink",
        api_version: "weir.dev/v1alpha1",
        reading: Reading::Later("does not write to NATS yet"),
    },
    Known {
        kind: "BillingSink",
        api_version: "weir.dev/v1alpha1",
        reading: Reading::Later("does not ship usage yet: the journal keeps it"),
    },
];

/// A document as read by itself. What it names is looked up once all are read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub namespace: String,
    pub name: String,
    pub place: Place,
    pub draft: Draft,
}

#[derive(Clone, Debug)]
pub(super) enum Draft {
    /// `None`: known by its name alone, the rest is reported.
    Trigger(Option<trigger::Draft>),
    Broker(broker::Draft),
    Function(Option<function::Draft>),
}

impl Document {
    pub(super) fn kind(&self) -> &'static str {
        match self.draft {
            Draft::Trigger(_) => "Trigger",
            Draft::Broker(_) => "Broker",
            Draft::Function(_) => "Function",
        }
    }
}

/// Reads a document, or each item of a `List`, into `documents`.
pub(super) fn read(root: &Node, documents: &mut Vec<Document>, report: &mut Report<'_>) {
    let Kind::Map(_) = &root.kind else {
        report
            .error(
                root.span,
                format!("expected a document with apiVersion and kind, found {}", root.describe()),
            )
            .help("a document begins with 'apiVersion:' and 'kind:'");
        return;
    };
    let Some(mut fields) = Fields::of(root, "the document", report) else { return };
    let (version, kind) = (fields.optional("apiVersion"), fields.optional("kind"));
    let kind_text = kind.map(|node| reader::string(node, "kind", report));
    let version_text = version.map(|node| reader::string(node, "apiVersion", report));
    let (Some(version), Some(kind)) = (version, kind) else {
        let missing = if kind.is_none() { "kind" } else { "apiVersion" };
        let known = KNOWN.iter().find(|known| Some(Some(known.kind)) == kind_text);
        let help = match known {
            Some(known) => format!("add 'apiVersion: {}'", known.api_version),
            None => "a document begins with 'apiVersion:' and 'kind:'".into(),
        };
        report.error(root.span, format!("the document has no {missing}")).help(help);
        return;
    };
    // One that is no string is reported.
    let (Some(Some(version_text)), Some(Some(kind_text))) = (version_text, kind_text) else { return };
    if kind_text == "List" && version_text == "v1" {
        fields.entry("metadata");
        match fields.optional("items").map(|node| &node.kind) {
            Some(Kind::Seq(items)) => items.iter().for_each(|item| read(item, documents, report)),
            _ => reader::expected(root, "List.items", "a list of documents", report),
        }
        fields.finish(report);
        return;
    }
    if let Some(known) = recognise(version_text, version.span, kind_text, kind.span, report) {
        fields.path = known.kind.to_owned();
        read_known(known, fields, kind.span, documents, report);
    }
}

fn read_known(
    known: &Known,
    mut fields: Fields<'_>,
    kind_span: Span,
    documents: &mut Vec<Document>,
    report: &mut Report<'_>,
) {
    if let Reading::Later(reason) = known.reading {
        report
            .error(kind_span, format!("this version {reason}"))
            .help(format!("take the {} out", known.kind));
        return;
    }
    // What the cluster writes; nothing to us.
    fields.entry("status");
    let metadata = Metadata::read(&mut fields, known.kind, report);
    let draft = match known.reading {
        Reading::Broker => Draft::Broker(broker::read(&mut fields, &metadata, report)),
        Reading::Function => Draft::Function(function::read(&mut fields, &metadata, report)),
        _ => Draft::Trigger(trigger::read(&mut fields, &metadata, report)),
    };
    if let Some((name, span)) = metadata.name {
        let namespace = metadata.namespace().into();
        documents.push(Document { namespace, name: name.into(), place: report.place(span), draft });
    }
    fields.finish(report);
}

/// The known kind that this is. Foreign ones are passed over with a note; what looks like a mistake is an error.
fn recognise(
    version: &str,
    version_span: Span,
    kind: &str,
    kind_span: Span,
    report: &mut Report<'_>,
) -> Option<&'static Known> {
    let group = group_of(version);
    let weir = nearest(group, ["weir.dev"]).is_some();
    let knative = group == "knative.dev" || group.ends_with(".knative.dev");
    let ours = |known: &Known| {
        group.is_empty() || weir || knative || nearest(group, [group_of(known.api_version)]).is_some()
    };
    let near = nearest(kind, KNOWN.iter().map(|known| known.kind));
    match KNOWN.iter().find(|known| Some(known.kind) == near) {
        Some(known) if known.kind == kind && known.api_version == version => return Some(known),
        Some(known) if known.kind == kind && ours(known) => {
            report
                .error(version_span, format!("a {kind} is not of apiVersion '{version}'"))
                .help(format!("write 'apiVersion: {}'", known.api_version));
            return None;
        }
        Some(known) if ours(known) => {
            report
                .error(kind_span, format!("unknown kind '{kind}'"))
                .help(format!("did you mean '{}'?", known.kind));
            return None;
        }
        _ if weir => {
            let ours = KNOWN.iter().filter(|known| group_of(known.api_version) == "weir.dev");
            report
                .error(kind_span, format!("unknown kind '{kind}'"))
                .help(format!("weir.dev has {}", listed(ours.map(|known| known.kind))));
            return None;
        }
        _ => {}
    }
    report.note(kind_span, format!("a {kind} of '{version}' is not for weir: passed over"));
    None
}

fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}
