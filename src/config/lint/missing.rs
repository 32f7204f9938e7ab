//! `not` of what asks for an attribute that may be missing: it matches events without it, too.

use std::collections::BTreeSet;

use crate::config::diagnostic::{Diagnostics, Report};
use crate::config::filters;
use crate::config::node::{Entry, Kind, Node};
use crate::config::reader::Fields;
use crate::config::shape::TRIGGER_SPEC;
use crate::trigger::Filter;

use super::site::Site;
use super::{Findings, Lint};

pub(super) const LINT: Lint = Lint::always(
    "lint/not-of-missing",
    "`not` of an attribute that may be missing matches the events without it, too",
);

pub(super) fn check(site: &Site<'_>, findings: &mut Findings<'_>) {
    let Some(spec) = site.node(&["spec"]) else { return };
    let Some(Entry { value: Node { kind: Kind::Seq(items), .. }, .. }) = site.entry(&["spec", "filters"])
    else {
        return;
    };
    let whole = {
        let (mut unsaid, spec_path) = (Diagnostics::default(), String::new());
        let report = &mut Report::new(site.text, &mut unsaid);
        Fields::of(spec, &TRIGGER_SPEC, spec_path, report)
            .and_then(|mut fields| filters::read(&mut fields, report))
    };
    let Some(whole) = whole else { return };
    items.iter().for_each(|item| of_item(item, &whole, site, findings));
}

/// Finds each `not` that is not itself within one.
fn of_item(item: &Node, whole: &Filter, site: &Site<'_>, findings: &mut Findings<'_>) {
    let Kind::Map(entries) = &item.kind else { return };
    let [entry] = entries.as_slice() else { return };
    match (&*entry.key, &entry.value.kind) {
        ("all" | "any", Kind::Seq(items)) => {
            items.iter().for_each(|item| of_item(item, whole, site, findings));
        }
        ("not", _) => {
            let mut names = BTreeSet::new();
            missed(&entry.value, site, &mut names);
            // Elsewhere it may be asked for.
            names.retain(|name| !whole.needs(name));
            let Some(first) = names.first() else { return };
            let listed: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
            let message = format!("'not' also matches the events without {}", listed.join(" or "));
            let help = format!("add '- cesql: EXISTS {first}' to the list, if they are not meant");
            findings.add(LINT, site, entry.key_span, message, &help);
        }
        _ => {}
    }
}

/// The attributes without which what stands below `not` can't match.
fn missed(item: &Node, site: &Site<'_>, names: &mut BTreeSet<String>) {
    let Kind::Map(entries) = &item.kind else { return };
    let [entry] = entries.as_slice() else { return };
    match (&*entry.key, &entry.value.kind) {
        ("all" | "any", Kind::Seq(items)) => items.iter().for_each(|item| missed(item, site, names)),
        // Twice turned around: it does not match without the attribute.
        ("not", _) => {}
        _ => {
            let mut unsaid = Diagnostics::default();
            let filter = filters::of_dialect(item, String::new(), &mut Report::new(site.text, &mut unsaid));
            if let Some(filter) = filter {
                let asked = filter.compared();
                names.extend(asked.into_iter().filter(|name| filter.can_miss(name)).map(str::to_owned));
            }
        }
    }
}
