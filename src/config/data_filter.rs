//! The annotation `weir.dev/data-filter`: what a Trigger wants of an event's data, with each mistake at its place.

use crate::trigger::DataFilter;

use super::diagnostic::Report;
use super::inside::inside;
use super::metadata::Metadata;

const DATA_FILTER: &str = "weir.dev/data-filter";

/// `None` where it is in error; `Some(None)` where there is none.
pub(super) fn read(metadata: &Metadata<'_>, report: &mut Report<'_>) -> Option<Option<DataFilter>> {
    let Some(node) = metadata.annotation(DATA_FILTER) else { return Some(None) };
    // One that is no string has been reported.
    let text = node.text()?;
    match DataFilter::parse(text) {
        Ok(filter) => Some(Some(filter)),
        Err(error) => {
            let at = inside(report.text(), node.span, text, error.span.start, error.span.end);
            let help = error.help.unwrap_or_else(|| {
                "a filter looks like: /amount > 10000 and /country in [\"DE\", \"FR\"]".into()
            });
            report.error(at, format!("{DATA_FILTER}: {}", error.message)).help(help);
            None
        }
    }
}
