//! Asks what is on disk: the running worker if there is one, else the store itself.

use std::path::{Path, PathBuf};

use super::exit::Failed;
use crate::worker::console::{self, Ask};
use crate::worker::lock::{Lock, Locked};
use crate::worker::query::{Query, Store};

const ELSEWHERE: &str = "name the worker's with --data-dir, or the file with its settings with --config";

/// The answer's lines of JSON.
pub fn ask(data: &Path, query: Query) -> Result<String, Failed> {
    Stored::new(data).ask(query)
}

/// A data directory that several questions are about.
#[derive(Debug)]
pub struct Stored {
    data: PathBuf,
    by: By,
}

/// Who answers: whoever did so first.
#[derive(Debug)]
enum By {
    Unknown,
    Worker,
    Ourselves(Box<Store>, #[allow(dead_code)] Lock),
}

impl Stored {
    pub fn new(data: &Path) -> Stored {
        Stored { data: data.to_owned(), by: By::Unknown }
    }

    pub fn ask(&mut self, query: Query) -> Result<String, Failed> {
        if !matches!(self.by, By::Ourselves(..)) {
            match console::ask(&self.data, Ask::Query(query.clone())) {
                Ok(Some(Ok(lines))) => {
                    self.by = By::Worker;
                    return Ok(lines);
                }
                Ok(Some(Err(error))) => return Err(self.unanswered(error)),
                Err(error) => return Err(self.unanswered(error)),
                Ok(None) if matches!(self.by, By::Worker) => return Err(self.unanswered("it has ended")),
                Ok(None) => self.open()?,
            }
        }
        let By::Ourselves(store, _) = &self.by else { unreachable!("it was opened") };
        let mut text = String::new();
        let answered = store.answer(&query, &mut |more| {
            text += &more;
            true
        });
        answered.map(|()| text).map_err(Failed::error)
    }

    fn open(&mut self) -> Result<(), Failed> {
        let data = self.data.as_path();
        if !data.is_dir() {
            return Err(
                Failed::error(format!("there is no data directory {}", data.display())).help(ELSEWHERE)
            );
        }
        // Opening would make an empty store of it.
        if !data.join("journal").is_dir() {
            let message = format!("no worker has kept anything in the directory {} yet", data.display());
            return Err(Failed::error(message).help(ELSEWHERE));
        }
        let lock = Lock::take(data).map_err(|error| match error {
            Locked::By(_) => {
                self.unanswered(format!("{error}, which does not answer yet: try again in a moment"))
            }
            Locked::Failed(_) => self.unanswered(error),
        })?;
        let store = Store::open(data).map_err(Failed::error)?;
        self.by = By::Ourselves(Box::new(store), lock);
        Ok(())
    }

    fn unanswered(&self, cause: impl std::fmt::Display) -> Failed {
        Failed::error(format!("the worker of {}: {cause}", self.data.display()))
    }
}

/// Reads the lines of an answer.
pub fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, Failed> {
    text.lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|e| Failed::error(format!("the answer can't be read: {e}")))
        })
        .collect()
}
