//! The Function document: a WebAssembly module, the Services it stands for, what it is told and what it may use.

use std::path::Path;
use std::time::Duration;

use super::diagnostic::Report;
use super::metadata::{self, Metadata};
use super::modules;
use super::price::{self, Prices, Tariffs};
use super::reader::{self, Fields};
use super::reference::Named;
use super::settings::{self, Bytes, Value};
use super::tenant::{self, Tenant};
use super::text::Span;
use super::told;
use super::upkeep::{self, Upkeep};

/// What a function may use; `None`: as much as the worker's settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionLimits {
    pub timeout: Option<Duration>,
    /// Without it: as much as a call takes in its time.
    pub fuel: Option<u64>,
    /// In bytes.
    pub memory: Option<u64>,
    /// In bytes.
    pub max_output: Option<u64>,
    /// Bytes that a call may log.
    pub log: Option<u64>,
    /// Lines a second that it may log on one executor.
    pub log_rate: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// `None`: reported.
    pub module: Option<modules::Named>,
    pub script: Option<modules::Named>,
    pub serves: Vec<Named>,
    pub tenant: Option<Tenant>,
    pub price: Prices,
    pub tariffs: Tariffs,
    pub limits: FunctionLimits,
    pub config: told::Table,
    pub environment: told::Table,
    pub upkeep: Upkeep,
}

pub(super) fn read(
    document: &mut Fields<'_>,
    metadata: &Metadata<'_>,
    report: &mut Report<'_>,
) -> Option<Draft> {
    let mut spec = document.required_map("spec", report)?;
    let module = module(&mut spec, report);
    let script = script(&mut spec, report);
    let serves = serves(&mut spec, metadata.namespace(), report);
    let tenant = spec.optional("tenant");
    let tenant = tenant.and_then(|node| tenant::read(node, &spec.below("tenant"), report));
    let (price, tariffs) = (price::read(&mut spec, report), price::tariffs(&mut spec, report));
    let limits = limits(&mut spec, report);
    let (config, environment) = (told::config(&mut spec, report), told::environment(&mut spec, report));
    let upkeep = upkeep::read(&mut spec, report);
    spec.finish(report);
    Some(Draft { module, script, serves, tenant, price, tariffs, limits, upkeep, config, environment })
}

fn limits(spec: &mut Fields<'_>, report: &mut Report<'_>) -> FunctionLimits {
    let bytes = |Bytes(bytes)| bytes;
    let mut limits = FunctionLimits {
        timeout: instead_of(spec, "timeout", "function.timeout", report),
        fuel: spec.integer("fuel", report).map(i64::unsigned_abs),
        memory: instead_of(spec, "memory", "function.memory", report).map(bytes),
        max_output: instead_of(spec, "maxOutput", "function.max-output", report).map(bytes),
        ..FunctionLimits::default()
    };
    if let Some(mut log) = spec.map("log", report) {
        limits.log = instead_of(&mut log, "bytes", "function.log-bytes", report).map(bytes);
        let rate = log.integer("rate", report);
        limits.log_rate = rate.map(|lines| u32::try_from(lines).unwrap_or(u32::MAX));
        log.finish(report);
    }
    limits
}

/// A value of its own for what a setting says of all functions, within the same bounds.
pub(super) fn instead_of<T: Value>(
    spec: &mut Fields<'_>,
    field: &'static str,
    setting: &str,
    report: &mut Report<'_>,
) -> Option<T> {
    let node = spec.optional(field)?;
    let path = spec.below(field);
    // No text at all is none of any kind: what is said of it is how to write one.
    let (message, help) = match settings::value_of(setting, node.text().unwrap_or_default()) {
        Ok(value) => return Some(value),
        Err(wrong) if node.text().is_some() => (wrong.message, wrong.help),
        Err(wrong) => (format!("expected a {}, found {}", T::KIND, node.describe()), wrong.help),
    };
    report.error(node.span, format!("{path}: {message}")).maybe_help(help);
    None
}

/// A path relative to the document's file.
fn module(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Option<modules::Named> {
    let (text, span) = spec.required_string("module", report)?;
    if text.is_empty() {
        report.error(span, "Function.spec.module is empty").help("write the path of a .wasm file");
        return None;
    }
    Some(beside(text, span, report))
}

fn script(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Option<modules::Named> {
    let (text, span) = spec.spanned(told::SCRIPT, report)?;
    if text.is_empty() {
        report.error(span, "Function.spec.script is empty").help("write the path of the script's file");
        return None;
    }
    Some(beside(text, span, report))
}

fn beside(text: &str, span: Span, report: &Report<'_>) -> modules::Named {
    let folder = Path::new(&*report.text().name).parent().unwrap_or(Path::new("")).to_owned();
    modules::Named { path: folder.join(text), place: report.place(span) }
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
