//! A trigger's `filter` and `filters`. What can't be understood is an error, never a filter that matches everything.

use std::collections::BTreeMap;

use crate::trigger::Filter;

use super::diagnostic::Report;
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::spelling::{did_you_mean, listed};

/// Dialects of the CloudEvents Subscriptions API that are known and not yet run.
const LATER: [&str; 7] = ["prefix", "suffix", "all", "any", "not", "cesql", "sql"];

/// The filter of a trigger's spec; `None` where it is in error.
pub(super) fn read(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Filter> {
    let by_attributes = spec
        .entry("filter")
        .map(|entry| (entry.key_span, of_attributes(&entry.value, spec.below("filter"), report)));
    let by_dialects = match spec.optional("filters") {
        Some(node) => of_dialects(node, &spec.below("filters"), report)?,
        None => None,
    };
    let pairs = match (by_attributes, by_dialects) {
        (Some((span, _)), Some(dialects)) => {
            report
                .warning(span, format!("{}: 'filter' has no effect, as 'filters' stands here too", spec.path))
                .help("remove 'filter'");
            dialects
        }
        (Some((_, attributes)), None) => attributes?,
        (None, Some(dialects)) => dialects,
        (None, None) => Vec::new(),
    };
    Some(Filter::exact(pairs))
}

type Pairs = Vec<(String, String)>;

fn of_attributes(node: &Node, path: String, report: &mut Report<'_>) -> Option<Pairs> {
    let mut fields = Fields::of(node, path, report)?;
    let pairs = match fields.optional("attributes") {
        Some(attributes) => exact(attributes, &fields.below("attributes"), true, report),
        None => Some(Vec::new()),
    };
    let loose: Vec<_> = fields.unknown().filter(|entry| is_attribute(&entry.key)).collect();
    let misspelt = |key: &str| did_you_mean(key, ["attributes"]).is_some();
    if let [entry, ..] = loose.as_slice()
        && fields.node.get("attributes").is_none()
        && !misspelt(&entry.key)
    {
        report
            .error(entry.key_span, format!("unknown field '{}' in {}", entry.key, fields.path))
            .help(format!("attributes stand one level deeper: 'attributes: {{{}: …}}'", entry.key));
        return None;
    }
    fields.finish(report);
    pairs
}

/// `Some(None)`: an empty list, which is as if it were not there.
fn of_dialects(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Option<Pairs>> {
    let Kind::Seq(items) = &node.kind else {
        let help = matches!(node.kind, Kind::Map(_)).then(|| "begin each filter with '- '".to_owned());
        report
            .error(node.span, format!("{path}: expected a list of filters, found {}", node.describe()))
            .maybe_help(help);
        return None;
    };
    let each: Vec<Option<Pairs>> =
        items.iter().enumerate().map(|(n, item)| of_dialect(item, format!("{path}[{n}]"), report)).collect();
    if each.is_empty() {
        return Some(None);
    }
    let pairs: Pairs = each.into_iter().collect::<Option<Vec<Pairs>>>()?.concat();
    let mut wanted = BTreeMap::new();
    for (name, value) in &pairs {
        if let Some(other) = wanted.insert(name, value).filter(|other| *other != value) {
            report
                .warning(
                    node.span,
                    format!("{path}: no event matches: '{name}' can't be both '{other}' and '{value}'"),
                )
                .help("all filters of the list must match");
        }
    }
    Some(Some(pairs))
}

fn of_dialect(node: &Node, path: String, report: &mut Report<'_>) -> Option<Pairs> {
    let fields = Fields::of(node, path, report)?;
    let Kind::Map(entries) = &node.kind else { return None };
    let [entry] = entries.as_slice() else {
        let help = "one dialect per filter: begin each with '- ', all of the list must match";
        let message = match entries.len() {
            0 => format!("{}: a filter without a dialect would match everything", fields.path),
            _ => format!("{}: more than one dialect in a filter", fields.path),
        };
        report.error(entries.get(1).map_or(node.span, |second| second.key_span), message).help(help);
        return None;
    };
    let path = fields.below(&entry.key);
    match &*entry.key {
        "exact" => exact(&entry.value, &path, false, report),
        later if LATER.contains(&later) => {
            report
                .error(
                    entry.key_span,
                    format!("the filter dialect '{later}' is not supported by this version"),
                )
                .help("only 'exact' is");
            None
        }
        other => {
            let known = || LATER.into_iter().chain(["exact"]);
            let help = if other == "and" {
                Some("did you mean 'all'?".into())
            } else {
                did_you_mean(other, known())
            };
            report
                .error(entry.key_span, format!("unknown filter dialect '{other}' in {}", fields.path))
                .help(help.unwrap_or_else(|| format!("dialects are {}", listed(known()))));
            None
        }
    }
}

/// A map of attributes to the values they must have.
fn exact(node: &Node, path: &str, may_be_empty: bool, report: &mut Report<'_>) -> Option<Pairs> {
    let Kind::Map(entries) = &node.kind else {
        return reader::wrong(node, path, "a map of attributes", report);
    };
    if entries.is_empty() && !may_be_empty {
        report.error(node.span, format!("{path}: no attribute to match would match everything"));
        return None;
    }
    let mut pairs = Some(Vec::new());
    for entry in entries {
        let name = &*entry.key;
        if !is_attribute(name) {
            let plain: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
            let help = if is_attribute(&plain) {
                format!("did you mean '{plain}'?")
            } else {
                "attribute names are lower-case letters and digits, a letter first".into()
            };
            report.error(entry.key_span, format!("{path}: '{name}' is no attribute name")).help(help);
            pairs = None;
            continue;
        }
        let value_path = format!("{path}.{name}");
        let value = if entry.value.is_null() {
            report
                .error(entry.key_span, format!("{value_path}: expected a string, found nothing"))
                .help("write \"\" to ask that the attribute is there and not empty");
            None
        } else {
            reader::string(&entry.value, &value_path, report)
        };
        match value {
            Some("") if !may_be_empty => {
                report
                    .error(entry.value.span, format!("{value_path}: the value is empty"))
                    .help("only filter.attributes may ask for 'there and not empty' by \"\"");
                pairs = None;
            }
            Some(value) => {
                if let Some(pairs) = &mut pairs {
                    pairs.push((name.to_owned(), value.to_owned()));
                }
            }
            None => pairs = None,
        }
    }
    pairs
}

/// As Knative has it: `^[a-z][a-z0-9]*$`.
fn is_attribute(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}
