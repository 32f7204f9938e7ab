//! The events that a case is given.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::event::{Event, Invalid, structured};

use super::super::diagnostic::Report;
use super::super::node::{Kind, Node};
use super::super::reader::{self, Fields};
use super::super::shape;
use super::super::text::Span;
use super::pattern::{self, Attribute};

/// What a worker takes by default, too.
const LARGEST: u64 = 1 << 20;
/// Where an event comes from that does not say.
const SOURCE: &str = "/test";

/// One event, or a list of them.
pub(super) fn read(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Vec<Event<'static>>> {
    let Kind::Seq(items) = &node.kind else { return Some(vec![event(node, path.to_owned(), 1, report)?]) };
    if items.is_empty() {
        report.error(node.span, format!("{path} is empty")).help("add an event: {type: …, data: …}");
        return None;
    }
    // Each is read, so that all of their mistakes are said.
    let events: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(n, item)| event(item, format!("{path}[{n}]"), n + 1, report))
        .collect();
    events.into_iter().collect()
}

fn event(node: &Node, path: String, number: usize, report: &mut Report<'_>) -> Option<Event<'static>> {
    let mut fields = Fields::of(node, &shape::test::EVENT, path, report)?;
    match fields.alone("file", report) {
        Some(file) => of_file(file, &fields.below("file"), report),
        None => written(&mut fields, number, report),
    }
}

fn written(fields: &mut Fields<'_>, number: usize, report: &mut Report<'_>) -> Option<Event<'static>> {
    let (attributes, data) = (pattern::attributes(fields, report), pattern::data(fields, report));
    if fields.optional("type").is_none() {
        let help = "add 'type: …': what triggers look for first";
        report.error(fields.node.span, format!("{}.type is missing", fields.path)).help(help);
        return None;
    }
    let (Ok(attributes), Ok(data)) = (attributes, data) else { return None };
    let said = |name: &str| attributes.iter().any(|attribute| *attribute.entry.key == *name);
    let mut members = Vec::new();
    for (name, default) in [("specversion", "1.0"), ("id", &number.to_string()), ("source", SOURCE)] {
        if !said(name) {
            members.push(format!("\"{name}\":\"{default}\""));
        }
    }
    // The names are checked: nothing in them needs an escape.
    members
        .extend(attributes.iter().map(|attribute| format!("\"{}\":{}", attribute.entry.key, attribute.json)));
    members.extend(data.map(|(member, json)| format!("\"{member}\":{json}")));
    let json = format!("{{{}}}", members.join(","));
    match structured::decode(json.as_bytes()) {
        Ok(event) => Some(event.into_owned()),
        Err(invalid) => {
            report
                .error(place(&invalid, &attributes, fields), format!("{}: {invalid}", fields.path))
                .help("it is written as in the JSON format of CloudEvents");
            None
        }
    }
}

/// Where the attribute stands that is wrong.
fn place(invalid: &Invalid, attributes: &[Attribute<'_>], fields: &mut Fields<'_>) -> Span {
    let whole = fields.node.span;
    match invalid {
        Invalid::Attribute { name, .. } => {
            let attribute = attributes.iter().find(|attribute| *attribute.entry.key == **name);
            attribute.map_or(whole, |attribute| attribute.entry.value.span)
        }
        Invalid::Data(_) => fields.optional("data_base64").map_or(whole, |node| node.span),
        Invalid::TooDeep => fields.optional("data").map_or(whole, |node| node.span),
        _ => whole,
    }
}

/// A path relative to the document's file, of one event in the JSON format.
fn of_file(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Event<'static>> {
    let text = reader::string(node, path, report)?;
    let folder = Path::new(&*report.text().name).parent().unwrap_or(Path::new("")).to_owned();
    let file = folder.join(text);
    let mut json = Vec::new();
    let read = File::open(&file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut json));
    let fault = match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ("does not exist".to_owned(), "a path is relative to this file")
        }
        Err(error) => (format!("can't be read: {error}"), "it is a file with one event in JSON"),
        Ok(_) if json.len() as u64 > LARGEST => {
            (format!("is larger than {LARGEST} bytes"), "no worker takes it")
        }
        Ok(_) => match structured::decode(&json) {
            Ok(event) => return Some(event.into_owned()),
            Err(invalid) => (format!("holds no event: {invalid}"), "it is a file with one event in JSON"),
        },
    };
    report.error(node.span, format!("{path}: '{}' {}", file.display(), fault.0)).help(fault.1);
    None
}
