//! What a document is: its apiVersion and kind decide who reads it.

use super::diagnostic::{Code, Report};
use super::metadata::Metadata;
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::shape;
use super::spelling::{listed, nearest};
use super::text::{Place, Span};
use super::{KafkaSink, NatsSink};
use super::{
    billing_sink, broker, function, kafka_sink, kafka_source, nats_sink, nats_source, source, trigger,
};

/// A kind that is ours to understand.
struct Known {
    shape: &'static shape::Kind,
    reading: Reading,
}

#[derive(Clone, Copy)]
enum Reading {
    Trigger,
    Broker,
    Function,
    KafkaSource,
    KafkaSink,
    NatsSource,
    NatsSink,
    BillingSink,
    /// Once all else is known, and not by everybody.
    Test,
}

impl Known {
    fn group(&self) -> &'static str {
        group_of(self.shape.api_versions[0])
    }
}

static KNOWN: [Known; 9] = [
    Known { shape: &shape::TRIGGER, reading: Reading::Trigger },
    Known { shape: &shape::BROKER, reading: Reading::Broker },
    Known { shape: &shape::FUNCTION, reading: Reading::Function },
    Known { shape: &shape::TEST, reading: Reading::Test },
    Known { shape: &shape::KAFKA_SOURCE, reading: Reading::KafkaSource },
    Known { shape: &shape::KAFKA_SINK, reading: Reading::KafkaSink },
    Known { shape: &shape::NATS_SOURCE, reading: Reading::NatsSource },
    Known { shape: &shape::NATS_SINK, reading: Reading::NatsSink },
    Known { shape: &shape::BILLING_SINK, reading: Reading::BillingSink },
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
    Trigger(Option<Box<trigger::Draft>>),
    Broker(broker::Draft),
    Function(Option<function::Draft>),
    KafkaSource(Option<source::Draft>),
    KafkaSink(Option<KafkaSink>),
    NatsSource(Option<source::Draft>),
    NatsSink(Option<NatsSink>),
    BillingSink(Option<billing_sink::Draft>),
    /// Not read yet, not even its name.
    Test(Node),
}

impl Document {
    pub(super) fn kind(&self) -> &'static str {
        match self.draft {
            Draft::Trigger(_) => "Trigger",
            Draft::Broker(_) => "Broker",
            Draft::Function(_) => "Function",
            Draft::KafkaSource(_) => "KafkaSource",
            Draft::KafkaSink(_) => "KafkaSink",
            Draft::NatsSource(_) => "NatsSource",
            Draft::NatsSink(_) => "NatsSink",
            Draft::BillingSink(_) => "BillingSink",
            Draft::Test(_) => "Test",
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
            .code(Code::DOCUMENT)
            .help("a document begins with 'apiVersion:' and 'kind:'");
        return;
    };
    let Some(mut fields) = Fields::of(root, &shape::DOCUMENT, "the document", report) else { return };
    let (version, kind) = (fields.optional("apiVersion"), fields.optional("kind"));
    let kind_text = kind.map(|node| reader::string(node, "kind", report));
    let version_text = version.map(|node| reader::string(node, "apiVersion", report));
    let (Some(version), Some(kind)) = (version, kind) else {
        let missing = if kind.is_none() { "kind" } else { "apiVersion" };
        let known = KNOWN.iter().find(|known| Some(Some(known.shape.name)) == kind_text);
        let help = match known {
            Some(known) => format!("add 'apiVersion: {}'", known.shape.api_versions[0]),
            None => "a document begins with 'apiVersion:' and 'kind:'".into(),
        };
        report.error(root.span, format!("the document has no {missing}")).code(Code::DOCUMENT).help(help);
        return;
    };
    // One that is no string is reported.
    let (Some(Some(version_text)), Some(Some(kind_text))) = (version_text, kind_text) else { return };
    if kind_text == "List" && version_text == "v1" {
        fields.turn_into(&shape::LIST, "List");
        match fields.optional("items").map(|node| &node.kind) {
            Some(Kind::Seq(items)) => items.iter().for_each(|item| read(item, documents, report)),
            _ => reader::expected(root, "List.items", "a list of documents", report),
        }
        fields.finish(report);
        return;
    }
    if let Some(known) = recognise(version_text, version.span, kind_text, kind.span, report) {
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
    let shape = known.shape;
    if let Some(later) = &shape.later {
        later.note(kind_span, &format!("a {}", shape.name), report);
    }
    if let Reading::Test = known.reading {
        let (place, draft) = (report.place(kind_span), Draft::Test(fields.node.clone()));
        return documents.push(Document { namespace: String::new(), name: String::new(), place, draft });
    }
    fields.turn_into(shape.root, shape.name);
    let metadata = Metadata::read(&mut fields, shape, report);
    let document = &mut fields;
    let draft = match known.reading {
        Reading::Trigger => Draft::Trigger(trigger::read(document, &metadata, report).map(Box::new)),
        Reading::Broker => Draft::Broker(broker::read(document, &metadata, report)),
        Reading::Function => Draft::Function(function::read(document, &metadata, report)),
        Reading::KafkaSource => Draft::KafkaSource(kafka_source::read(document, &metadata, report)),
        Reading::KafkaSink => Draft::KafkaSink(kafka_sink::read(document, report)),
        Reading::NatsSource => Draft::NatsSource(nats_source::read(document, &metadata, report)),
        Reading::NatsSink => Draft::NatsSink(nats_sink::read(document, report)),
        Reading::BillingSink => Draft::BillingSink(billing_sink::read(document, &metadata, report)),
        Reading::Test => unreachable!("it is read later"),
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
    let ours =
        |known: &Known| group.is_empty() || weir || knative || nearest(group, [known.group()]).is_some();
    let near = nearest(kind, KNOWN.iter().map(|known| known.shape.name));
    match KNOWN.iter().find(|known| Some(known.shape.name) == near) {
        Some(known) if known.shape.name == kind && known.shape.api_versions.contains(&version) => {
            return Some(known);
        }
        Some(known) if known.shape.name == kind && ours(known) => {
            report
                .error(version_span, format!("a {kind} is not of apiVersion '{version}'"))
                .code(Code::DOCUMENT)
                .help(format!("write 'apiVersion: {}'", known.shape.api_versions[0]));
            return None;
        }
        Some(known) if ours(known) => {
            report
                .error(kind_span, format!("unknown kind '{kind}'"))
                .code(Code::DOCUMENT)
                .help(format!("did you mean '{}'?", known.shape.name));
            return None;
        }
        _ if weir => {
            let ours = KNOWN.iter().filter(|known| known.group() == "weir.dev");
            report
                .error(kind_span, format!("unknown kind '{kind}'"))
                .code(Code::DOCUMENT)
                .help(format!("weir.dev has {}", listed(ours.map(|known| known.shape.name))));
            return None;
        }
        _ => {}
    }
    report
        .note(kind_span, format!("a {kind} of '{version}' is not for weir: passed over"))
        .code(Code::PASSED_OVER);
    None
}

fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}
