//! All that was found, for programs: version 1, which docs/diagnostics.md describes.

use serde_json::{Value as Json, json};

use crate::config::{Diagnostic, Diagnostics, Loaded, Severity};

pub(super) fn object(all: [&Diagnostics; 2], loaded: &Loaded, ok: bool) -> Json {
    let count = |severity| all.iter().map(|diagnostics| diagnostics.count(severity)).sum::<usize>();
    let documents = loaded.config.as_ref().map(|config| {
        json!({
            "triggers": config.triggers.len() + config.deselected.len(),
            "functions": config.functions.len(),
            "brokers": config.brokers.len(),
            "sources": config.sources.len(),
            "sinks": config.sinks.len(),
            "billingSinks": config.billing.len(),
        })
    });
    json!({
        "version": 1,
        "diagnostics": all.iter().flat_map(|d| d.sorted()).map(diagnostic).collect::<Vec<_>>(),
        "summary": {
            "ok": ok,
            "errors": count(Severity::Error),
            "warnings": count(Severity::Warning),
            "notes": count(Severity::Note),
            "dropped": all.iter().map(|diagnostics| diagnostics.dropped()).sum::<usize>(),
            "files": loaded.files.len(),
            "documents": documents,
        },
    })
}

fn diagnostic(it: &Diagnostic) -> Json {
    // Of what is no place in a file, the numbers are null.
    let number = |number: u32| (it.line > 0).then_some(number);
    json!({
        "severity": it.severity.to_string(),
        "code": it.code.text(),
        "message": it.message,
        "help": it.suggestion,
        "file": &*it.file,
        "line": number(it.line),
        "column": number(it.column),
        "endLine": number(it.line),
        "endColumn": number(it.column.saturating_add(it.length)),
    })
}
