//! The annotation that silences lints in a document.

use crate::config::diagnostic::{Code, Diagnostics, Severity};
use crate::config::inside::inside;
use crate::config::spelling::{did_you_mean, listed};

use super::site::Sites;
use super::{ALL, Lint};

/// `weir.dev/allow: no-timeout, no-dead-letter-sink -- a reason`, or several such lines.
pub(in crate::config) const ALLOW: &str = "weir.dev/allow";

/// With or without the `lint/` that diagnostics show.
pub(super) fn names(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lists = lines.map(|line| line.split_once("--").map_or(line, |(list, _reason)| list));
    lists.flat_map(|list| list.split(',')).map(|name| name.trim().trim_start_matches("lint/")).collect()
}

/// What is misspelt silences nothing, which is heard. So it stops nobody, nor an older version that has fewer lints.
pub(super) fn check(sites: &Sites<'_>, diagnostics: &mut Diagnostics) {
    for site in sites.all() {
        let Some(node) = site.node(&["metadata", "annotations", ALLOW]) else { continue };
        // One that is no string has been reported.
        let Some(text) = node.text() else { continue };
        let known = || ALL.iter().map(Lint::name);
        for name in names(text).into_iter().filter(|name| !known().any(|known| known == *name)) {
            let start = name.as_ptr() as usize - text.as_ptr() as usize;
            let at = inside(site.text, node.span, text, start, start + name.len());
            let help =
                did_you_mean(name, known()).unwrap_or_else(|| format!("lints are {}", listed(known())));
            diagnostics
                .at(Severity::Warning, &site.place(at), format!("{ALLOW}: there is no lint '{name}'"))
                .code(Code::UNKNOWN_FIELD)
                .help(help);
        }
    }
}
