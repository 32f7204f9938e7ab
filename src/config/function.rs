//! The Function document: a WebAssembly module and the Services it stands for.

use std::path::Path;

use super::diagnostic::Report;
use super::metadata::{self, Metadata};
use super::modules;
use super::reader::{self, Fields};
use super::reference::Named;

/// Fields of the kind that this version does not honour.
pub(super) const LATER: [&str; 9] =
    ["memory", "timeout", "fuel", "isolation", "environment", "config", "concurrency", "price", "output"];

#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// `None`: reported.
    pub module: Option<modules::Named>,
    pub serves: Vec<Named>,
    pub tenant: Option<String>,
}

pub(super) fn read(
    document: &mut Fields<'_>,
    metadata: &Metadata<'_>,
    report: &mut Report<'_>,
) -> Option<Draft> {
    metadata.check_annotations("weir.dev/", &[], report);
    let mut spec = Fields::of(document.required("spec")?, "Function.spec", report)?;
    let module = module(&mut spec, report);
    let serves = serves(&mut spec, metadata.namespace(), report);
    let tenant = spec.optional("tenant");
    let tenant =
        tenant.and_then(|node| metadata::name(node, &spec.below("tenant"), report)).map(str::to_owned);
    for field in LATER {
        spec.refuse(field, "remove it: the worker's own limits hold for every function", report);
    }
    spec.finish(report);
    Some(Draft { module, serves, tenant })
}

/// A path relative to the document's file.
fn module(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Option<modules::Named> {
    let node = spec.required("module")?;
    let text = reader::string(node, "Function.spec.module", report)?;
    if text.is_empty() {
        report.error(node.span, "Function.spec.module is empty").help("write the path of a .wasm file");
        return None;
    }
    let folder = Path::new(&*report.text().name).parent().unwrap_or(Path::new("")).to_owned();
    Some(modules::Named { path: folder.join(text), place: report.place(node.span) })
}

fn serves(spec: &mut Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Vec<Named> {
    let Some(node) = spec.optional("serves") else { return Vec::new() };
    let items = reader::list(node, "Function.spec.serves", report).unwrap_or_default();
    items
        .iter()
        .enumerate()
        .filter_map(|(n, item)| {
            let name = metadata::label(item, &format!("Function.spec.serves[{n}]"), report)?;
            Some(Named { namespace: namespace.into(), name: name.into(), place: report.place(item.span) })
        })
        .collect()
}
