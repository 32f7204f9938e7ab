//! A trigger's `filter` and `filters`. What can't be understood is an error, never a filter that matches everything.

use crate::trigger::Filter;

use super::cesql;
use super::diagnostic::{Code, Report};
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::shape::DIALECT;
use super::spelling::{did_you_mean, listed};

/// The filter of a trigger's spec; `None` where it is in error.
pub(super) fn read(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Filter> {
    let by_attributes = spec.entry("filter").map(|entry| {
        (entry.key_span, spec.map("filter", report).and_then(|fields| of_attributes(fields, report)))
    });
    let by_dialects = match spec.optional("filters") {
        // An empty list is as if it were not there.
        Some(Node { kind: Kind::Seq(items), .. }) if items.is_empty() => None,
        Some(node) => Some(all_of(node, &spec.below("filters"), report)),
        None => None,
    };
    match (by_attributes, by_dialects) {
        (Some((span, _)), Some(dialects)) => {
            report
                .warning(span, format!("{}: 'filter' has no effect, as 'filters' stands here too", spec.path))
                .help("remove 'filter'");
            dialects
        }
        (Some((_, attributes)), None) => attributes,
        (None, Some(dialects)) => dialects,
        (None, None) => Some(Filter::default()),
    }
}

fn of_attributes(mut fields: Fields<'_>, report: &mut Report<'_>) -> Option<Filter> {
    let filter = match fields.optional("attributes") {
        Some(attributes) => pairs(attributes, &fields.below("attributes"), true, report).map(Filter::exact),
        None => Some(Filter::default()),
    };
    let loose: Vec<_> = fields.unknown().filter(|entry| is_attribute(&entry.key)).collect();
    let misspelt = |key: &str| did_you_mean(key, ["attributes"]).is_some();
    if let [entry, ..] = loose.as_slice()
        && fields.node.get("attributes").is_none()
        && !misspelt(&entry.key)
    {
        report
            .error(entry.key_span, format!("unknown field '{}' in {}", entry.key, fields.path))
            .code(Code::UNKNOWN_FIELD)
            .help(format!("attributes stand one level deeper: 'attributes: {{{}: …}}'", entry.key));
        return None;
    }
    fields.finish(report);
    filter
}

/// A list of filters that must all match.
fn all_of(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Filter> {
    list(node, path, report).map(Filter::all)
}

/// One filter or more; all of them are read, so that all mistakes are found.
fn list(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Vec<Filter>> {
    let Kind::Seq(items) = &node.kind else {
        let help = matches!(node.kind, Kind::Map(_)).then(|| "begin each filter with '- '".to_owned());
        report
            .error(node.span, format!("{path}: expected a list of filters, found {}", node.describe()))
            .maybe_help(help);
        return None;
    };
    if items.is_empty() {
        report
            .error(node.span, format!("{path}: a list without a filter says nothing"))
            .help("add a filter, or remove the list");
        return None;
    }
    let each: Vec<Option<Filter>> =
        items.iter().enumerate().map(|(n, item)| of_dialect(item, format!("{path}[{n}]"), report)).collect();
    each.into_iter().collect()
}

/// One filter, by its dialect.
pub(super) fn of_dialect(node: &Node, path: String, report: &mut Report<'_>) -> Option<Filter> {
    let fields = Fields::of(node, &DIALECT, path, report)?;
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
    let (value, path) = (&entry.value, fields.below(&entry.key));
    match &*entry.key {
        "exact" => pairs(value, &path, false, report).map(Filter::exact),
        "prefix" => pairs(value, &path, false, report).map(Filter::prefix),
        "suffix" => pairs(value, &path, false, report).map(Filter::suffix),
        "all" => all_of(value, &path, report),
        "any" => list(value, &path, report).map(Filter::any),
        "not" => negated(value, path, report),
        "cesql" | "sql" => cesql::read(value, &path, report).map(Filter::cesql),
        other => {
            let help = match other {
                "and" => Some("did you mean 'all'?".into()),
                "or" => Some("did you mean 'any'?".into()),
                other => did_you_mean(other, DIALECT.names()),
            };
            report
                .error(entry.key_span, format!("unknown filter dialect '{other}' in {}", fields.path))
                .code(Code::UNKNOWN_FIELD)
                .help(help.unwrap_or_else(|| format!("dialects are {}", listed(DIALECT.names()))));
            None
        }
    }
}

fn negated(node: &Node, path: String, report: &mut Report<'_>) -> Option<Filter> {
    if let Kind::Seq(_) = &node.kind {
        report
            .error(node.span, format!("{path}: expected one filter, found a list"))
            .help("write 'not: {any: […]}' for none of them, 'not: {all: […]}' for not all of them");
        return None;
    }
    of_dialect(node, path, report).map(std::ops::Not::not)
}

/// A map of attributes to the values they must have.
fn pairs(
    node: &Node,
    path: &str,
    may_be_empty: bool,
    report: &mut Report<'_>,
) -> Option<Vec<(String, String)>> {
    let Kind::Map(entries) = &node.kind else {
        return reader::wrong(node, path, "a map of attributes", report);
    };
    if entries.is_empty() && !may_be_empty {
        report
            .error(node.span, format!("{path}: no attribute to match would match everything"))
            .help("name one: {type: …}");
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
            report.error(entry.key_span, format!("{value_path}: expected a string, found nothing")).help(
                if may_be_empty {
                    "write \"\" to ask that the attribute is there and not empty"
                } else {
                    "write the value that it must have"
                },
            );
            None
        } else {
            reader::string(&entry.value, &value_path, report)
        };
        match value {
            Some("") if !may_be_empty => {
                report.error(entry.value.span, format!("{value_path}: the value is empty")).help(format!(
                    "'cesql: EXISTS {name}' asks that it is there; \"\" does in filter.attributes alone"
                ));
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
