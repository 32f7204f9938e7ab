//! Filters that no event can match.

use crate::config::diagnostic::{Diagnostics, Report};
use crate::config::filters;
use crate::config::node::{Entry, Kind, Node};
use crate::config::reader::Fields;
use crate::config::shape::TRIGGER_SPEC;
use crate::config::text::Span;
use crate::trigger::Filter;

use super::site::Site;
use super::{Findings, Lint};

pub(super) const LINT: Lint =
    Lint::always("lint/unreachable", "no event can match: what a filter asks for can't be so at once");

pub(super) fn check(site: &Site<'_>, findings: &mut Findings<'_>) {
    match site.entry(&["spec", "filters"]) {
        Some(entry) => {
            of_list(entry, site, findings);
        }
        None => {
            let (Some(spec), Some(entry)) = (site.node(&["spec"]), site.entry(&["spec", "filter"])) else {
                return;
            };
            let filter = silently(site, |report| {
                let mut fields = Fields::of(spec, &TRIGGER_SPEC, String::new(), report)?;
                filters::read(&mut fields, report)
            });
            if let Some(reason) = filter.and_then(|filter| filter.unreachable()) {
                tell(entry.key_span, &reason, site, findings);
            }
        }
    }
}

/// A list of filters that must all match. Whether it was told of: then of what it stands in nothing need be said.
fn of_list(list: &Entry, site: &Site<'_>, findings: &mut Findings<'_>) -> bool {
    let Kind::Seq(items) = &list.value.kind else { return false };
    // All are looked at.
    let told = items.iter().map(|item| of_item(item, site, findings)).filter(|told| *told).count() > 0;
    if told {
        return true;
    }
    let each: Option<Vec<Filter>> = items.iter().map(|item| read(item, site)).collect();
    let reason = each.and_then(|each| Filter::all(each).unreachable());
    reason.map(|reason| tell(list.key_span, &reason, site, findings)).is_some()
}

/// One filter, by its dialect.
fn of_item(item: &Node, site: &Site<'_>, findings: &mut Findings<'_>) -> bool {
    let Kind::Map(entries) = &item.kind else { return false };
    let [entry] = entries.as_slice() else { return false };
    match (&*entry.key, &entry.value.kind) {
        ("all", _) => of_list(entry, site, findings),
        // Where one alternative can't be, others can: the whole has not been told of.
        ("any", Kind::Seq(items)) => {
            for item in items {
                of_item(item, site, findings);
            }
            false
        }
        ("not", _) => {
            of_item(&entry.value, site, findings);
            false
        }
        _ => {
            let reason = read(item, site).and_then(|filter| filter.unreachable());
            reason.map(|reason| tell(entry.key_span, &reason, site, findings)).is_some()
        }
    }
}

fn read(item: &Node, site: &Site<'_>) -> Option<Filter> {
    silently(site, |report| filters::of_dialect(item, String::new(), report))
}

/// What is wrong has been reported.
fn silently<T>(site: &Site<'_>, read: impl FnOnce(&mut Report<'_>) -> T) -> T {
    read(&mut Report::new(site.text, &mut Diagnostics::default()))
}

fn tell(at: Span, reason: &str, site: &Site<'_>, findings: &mut Findings<'_>) {
    let help =
        "all of it must be so of one event: take out what is not meant, or write 'any' for alternatives";
    findings.add(LINT, site, at, format!("no event can match: {reason}"), help);
}
