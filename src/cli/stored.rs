//! Asks what is on disk: the running worker if there is one, else the store itself.

use std::path::Path;

use super::exit::Failed;
use crate::worker::console::{self, Ask};
use crate::worker::lock::{Lock, Locked};
use crate::worker::query::{Query, Store};

const ELSEWHERE: &str = "name the worker's with --data-dir, or the file with its settings with --config";

/// The answer's lines of JSON.
pub fn ask(data: &Path, query: Query) -> Result<String, Failed> {
    let unanswered =
        |cause: &dyn std::fmt::Display| Failed::error(format!("the worker of {}: {cause}", data.display()));
    match console::ask(data, Ask::Query(query.clone())) {
        Ok(Some(Ok(lines))) => return Ok(lines),
        Ok(Some(Err(error))) => return Err(unanswered(&error)),
        Err(error) => return Err(unanswered(&error)),
        Ok(None) => {}
    }
    if !data.is_dir() {
        return Err(Failed::error(format!("there is no data directory {}", data.display())).help(ELSEWHERE));
    }
    // Opening would make an empty store of it.
    if !data.join("journal").is_dir() {
        let message = format!("no worker has kept anything in the directory {} yet", data.display());
        return Err(Failed::error(message).help(ELSEWHERE));
    }
    let _lock = Lock::take(data).map_err(|error| match error {
        Locked::By(_) => unanswered(&format!("{error}, which does not answer yet: try again in a moment")),
        Locked::Failed(_) => unanswered(&error),
    })?;
    let store = Store::open(data).map_err(Failed::error)?;
    store.answer(&query).map_err(Failed::error)
}

/// Reads the lines of an answer.
pub fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, Failed> {
    text.lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|e| Failed::error(format!("the answer can't be read: {e}")))
        })
        .collect()
}
