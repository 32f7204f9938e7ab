//! The Test document: events that are given, and what is to become of them. It is read once all that it names is known,
//! and only for those who run or check tests: to a worker it is nothing.

mod expect;
mod given;
mod json;
mod names;
mod pattern;

use std::collections::BTreeMap;

use crate::dispatch::{Outcome, Reason};
use crate::event::{Event, Uid};

use super::diagnostic::Report;
use super::metadata::Metadata;
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::shape;
use super::text::Place;

pub(super) use names::Names;

/// A Test's cases, in their order.
#[derive(Clone, Debug)]
pub struct Test {
    pub namespace: String,
    pub name: String,
    pub place: Place,
    pub cases: Vec<Case>,
}

#[derive(Clone, Debug)]
pub struct Case {
    /// No other case of its Test has it.
    pub name: String,
    pub place: Place,
    /// Whose triggers meet what is given.
    pub broker: Uid,
    pub given: Vec<Event<'static>>,
    pub expect: Expect,
}

/// What is expected. A list that is there is complete, in any order; each of its items says what it wants to say. `None`
/// is not looked at, but for dead letters: where none are mentioned there must be none.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Triggers ("namespace/name"), each once.
    pub routes: Option<Placed<Vec<String>>>,
    pub replies: Option<Placed<Vec<Placed<Pattern>>>>,
    pub dead_letters: Option<Placed<Vec<Placed<Letter>>>>,
    pub attempts: Vec<Attempts>,
}

/// How many attempts there are to be, of one trigger or of all together.
#[derive(Clone, Debug)]
pub struct Attempts {
    pub place: Place,
    pub trigger: Option<String>,
    pub count: u64,
}

/// A value and where it is written.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    pub place: Place,
    pub value: T,
}

/// Some of what an event is.
#[derive(Clone, Debug, Default)]
pub struct Pattern {
    /// Or all of it.
    pub exactly: bool,
    /// Context attributes in their string form.
    pub attributes: Vec<(String, String)>,
    pub data: Option<Payload>,
}

#[derive(Clone, Debug)]
pub enum Payload {
    /// Of an object, what is written here must be there, and so on within it.
    Json(serde_json::Value),
    Binary(Vec<u8>),
}

/// Some of what a dead letter says.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    pub trigger: Option<String>,
    pub outcome: Option<Outcome>,
    pub reason: Option<Reason>,
    /// As the function said it.
    pub code: Option<String>,
    /// A part of the message.
    pub message: Option<String>,
    pub attempts: Option<u64>,
    pub event: Option<Pattern>,
}

/// A document of the kind, found and not read.
#[derive(Debug)]
pub(super) struct Unread {
    pub root: Node,
    pub place: Place,
}

/// Reads them all, each with its mistakes.
pub(super) fn read_all(
    unread: Vec<Unread>,
    names: &Names<'_>,
    diagnostics: &mut super::Diagnostics,
) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    let mut first: BTreeMap<(String, String), Place> = BTreeMap::new();
    for Unread { root, place } in unread {
        let report = &mut Report::new(&place.text, diagnostics);
        let Some(test) = read(&root, names, report) else { continue };
        let identity = (test.namespace.clone(), test.name.clone());
        match first.get(&identity) {
            Some(earlier) => report
                .error(
                    test.place.span,
                    format!(
                        "the Test '{}' in namespace '{}' is there twice; the first is at {earlier}",
                        test.name, test.namespace
                    ),
                )
                .help("remove or rename one of them"),
            None => {
                first.insert(identity, test.place.clone());
                tests.push(test);
            }
        }
    }
    tests
}

/// `None`: reported.
fn read(root: &Node, names: &Names<'_>, report: &mut Report<'_>) -> Option<Test> {
    let mut document = Fields::of(root, shape::TEST.root, "Test", report)?;
    // What made it a Test.
    for known in ["apiVersion", "kind"] {
        document.entry(known);
    }
    let metadata = Metadata::read(&mut document, &shape::TEST, report);
    let names = names.seen_from(metadata.namespace());
    let cases = spec(&mut document, &names, report);
    document.finish(report);
    let (name, span) = metadata.name?;
    let namespace = metadata.namespace().to_owned();
    Some(Test { namespace, name: name.into(), place: report.place(span), cases: cases? })
}

fn spec(document: &mut Fields<'_>, names: &Names<'_>, report: &mut Report<'_>) -> Option<Vec<Case>> {
    let mut spec = document.required_map("spec", report)?;
    let broker = spec.optional("broker");
    let broker = broker.and_then(|node| names.broker(node, &spec.below("broker"), report));
    let list = spec.required("cases");
    spec.finish(report);
    let list = list?;
    let Kind::Seq(items) = &list.kind else {
        return reader::wrong(list, "Test.spec.cases", "a list of cases", report);
    };
    if items.is_empty() {
        report.error(list.span, "Test.spec.cases is empty").help("add a case, or remove the Test");
    }
    let mut cases: Vec<Case> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let Some(case) = case(item, format!("Test.spec.cases[{n}]"), broker, names, report) else { continue };
        match cases.iter().find(|other| other.name == case.name) {
            Some(other) => {
                let message =
                    format!("the case '{}' is there twice; the first is at {}", case.name, other.place);
                report.error(case.place.span, message).help("give one of them another name");
            }
            None => cases.push(case),
        }
    }
    Some(cases)
}

fn case(
    item: &Node,
    path: String,
    broker: Option<Uid>,
    names: &Names<'_>,
    report: &mut Report<'_>,
) -> Option<Case> {
    let mut fields = Fields::of(item, &shape::test::CASE, path, report)?;
    let name = fields.required_string("name", report);
    let own = fields.optional("broker");
    let own = own.and_then(|node| names.broker(node, &fields.below("broker"), report));
    let given = fields.required("given").and_then(|node| given::read(node, &fields.below("given"), report));
    let expect = fields.required_map("expect", report);
    let expect = expect.map(|fields| expect::read(fields, names, report));
    fields.finish(report);
    let (name, span) = name?;
    let broker = own.or(broker).unwrap_or_else(|| Uid::of_document("default", "Broker", "default"));
    Some(Case { name: name.into(), place: report.place(span), broker, given: given?, expect: expect? })
}

/// Of a case's name, in characters; it shares its line with a time.
pub(super) const LONGEST_NAME: usize = 200;

/// One line of whatever people like to read.
pub(super) fn name<'n>(node: &'n Node, path: &str, report: &mut Report<'_>) -> Option<&'n str> {
    let text = reader::string(node, path, report)?;
    let fault = if text.trim().is_empty() {
        "is empty".to_owned()
    } else if text.trim() != text || text.chars().any(char::is_control) {
        "is more than one line, or begins or ends with a space".to_owned()
    } else if text.chars().count() > LONGEST_NAME {
        format!("is longer than {LONGEST_NAME} characters")
    } else {
        return Some(text);
    };
    report.error(node.span, format!("{path} {fault}")).help("say in a few words what is to hold");
    None
}
