//! `secretKeyRef`: a key of a Kubernetes Secret, by its name. Whatever stands in its place may be the secret itself, so
//! nothing of that is ever shown.

use super::diagnostic::Report;
use super::node::{Kind, Node};
use super::reader::Fields;
use super::secret::SecretRef;
use super::shape;

const WANTED: &str = "write 'secretKeyRef: {name: …, key: …}' and keep the value in <secrets.dir>/name/key or in \
                      WEIR_SECRET_NAME_KEY";

/// `{secretKeyRef: {name, key}}`; `None`: not there, or reported.
pub(super) fn read(node: Option<&Node>, path: String, report: &mut Report<'_>) -> Option<SecretRef> {
    let node = node?;
    let Kind::Map(_) = &node.kind else { return concealed(node, &path, report) };
    let mut fields = Fields::of(node, &shape::SECRET, path, report)?;
    let reference = fields.required("secretKeyRef");
    if fields.unknown().next().is_some() {
        return concealed(node, &fields.path, report);
    }
    let read = reference.and_then(|inner| key(inner, fields.below("secretKeyRef"), report));
    fields.finish(report);
    read
}

fn key(node: &Node, path: String, report: &mut Report<'_>) -> Option<SecretRef> {
    let Kind::Map(_) = &node.kind else { return concealed(node, &path, report) };
    let mut fields = Fields::of(node, &shape::SECRET_KEY, path, report)?;
    let (name, key) = (fields.required("name"), fields.required("key"));
    if fields.unknown().next().is_some() {
        return concealed(node, &fields.path, report);
    }
    let name = name.map(|node| part(node, fields.below("name"), report));
    let key = key.map(|node| part(node, fields.below("key"), report));
    fields.finish(report);
    SecretRef::new(name??, key??)
}

fn part<'n>(node: &'n Node, path: String, report: &mut Report<'_>) -> Option<&'n str> {
    match node.text().filter(|text| SecretRef::new(text, text).is_some()) {
        Some(text) => Some(text),
        None => concealed(node, &path, report),
    }
}

fn concealed<T>(node: &Node, path: &str, report: &mut Report<'_>) -> Option<T> {
    report.error(node.span, format!("{path}: expected a reference to a key of a secret")).help(WANTED);
    report.conceal(node.span);
    None
}
