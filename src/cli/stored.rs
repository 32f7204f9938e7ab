//! Asks what is on disk, and has dead letters moved: by the running worker if there is one, else here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::documents;
use super::exit::Failed;
use super::options::refuse;
use crate::config::{Config, Settings};
use crate::time::unix_nanos;
use crate::worker::archive::{Archive, Limits};
use crate::worker::console::{self, Ask};
use crate::worker::errand::{Errand, Progress, Replays, Triggers};
use crate::worker::lock::{Lock, Locked};
use crate::worker::query::{Query, Store};

const ELSEWHERE: &str = "name the worker's with --data-dir, or the file with its settings with --config";

/// The answer's lines of JSON.
pub fn ask(data: &Path, query: Query) -> Result<String, Failed> {
    Stored { data: data.to_owned(), change: None, by: By::Unknown }.ask(query)
}

/// A data directory that several questions are about.
#[derive(Debug)]
pub struct Stored {
    data: PathBuf,
    change: Option<Change>,
    by: By,
}

/// What changing something takes where no worker runs.
#[derive(Debug)]
struct Change {
    settings: Settings,
    /// Where the documents are, if they matter.
    paths: Option<Vec<PathBuf>>,
}

/// Who answers: whoever did so first.
#[derive(Debug)]
enum By {
    Unknown,
    Worker,
    Ourselves(Box<Ourselves>),
}

#[derive(Debug)]
struct Ourselves {
    store: Arc<Store>,
    archive: Option<Archive>,
    replays: Replays,
    _lock: Lock,
}

impl Stored {
    /// For questions.
    pub fn to_look(settings: &Settings) -> Stored {
        Stored { data: settings.data_dir.clone(), change: None, by: By::Unknown }
    }

    /// For more than questions. `paths`: where the documents are, for what asks about triggers.
    pub fn to_change(settings: &Settings, paths: Option<&[PathBuf]>) -> Stored {
        let change = Change { settings: settings.clone(), paths: paths.map(<[_]>::to_vec) };
        Stored { data: settings.data_dir.clone(), change: Some(change), by: By::Unknown }
    }

    pub fn ask(&mut self, query: Query) -> Result<String, Failed> {
        let ours = match self.console(Ask::Query(query.clone()))? {
            Answered::ByWorker(text) => return Ok(text),
            Answered::AskUs(ours) => ours,
        };
        let mut text = String::new();
        let answered = ours.store.answer(&query, &mut |more| {
            text += &more;
            true
        });
        answered.map(|()| text).map_err(Failed::error)
    }

    /// Those of the running worker, or of the documents.
    pub fn triggers(&mut self) -> Result<Triggers, Failed> {
        match self.console(Ask::Triggers)? {
            Answered::ByWorker(text) => read(&text),
            Answered::AskUs(ours) => Ok(ours.replays.triggers.clone()),
        }
    }

    pub fn run(&mut self, errand: &Errand) -> Result<Progress, Failed> {
        let ours = match self.console(Ask::Errand(errand.clone()))? {
            Answered::ByWorker(text) => return read(&text),
            Answered::AskUs(ours) => ours,
        };
        let archive = ours.archive.as_mut().expect("it was opened to change something");
        let ran = errand.run(archive, &ours.replays, unix_nanos(), &mut Vec::new());
        archive.write().map_err(Failed::error)?;
        let progress = ran.map_err(Failed::error)?;
        archive.sweep().map_err(Failed::error)?;
        Ok(progress)
    }

    fn console(&mut self, ask: Ask) -> Result<Answered<'_>, Failed> {
        if !matches!(self.by, By::Ourselves(_)) {
            match console::ask(&self.data, ask) {
                Ok(Some(Ok(text))) => {
                    self.by = By::Worker;
                    return Ok(Answered::ByWorker(text));
                }
                Ok(Some(Err(error))) => return Err(self.unanswered(error)),
                Err(error) => return Err(self.unanswered(error)),
                Ok(None) if matches!(self.by, By::Worker) => return Err(self.unanswered("it has ended")),
                Ok(None) => self.by = By::Ourselves(Box::new(self.open()?)),
            }
        }
        let By::Ourselves(ours) = &mut self.by else { unreachable!("it was opened") };
        Ok(Answered::AskUs(ours))
    }

    fn open(&self) -> Result<Ourselves, Failed> {
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
        let Some(Change { settings, paths }) = &self.change else {
            let store = Arc::new(Store::open(data).map_err(Failed::error)?);
            return Ok(Ourselves { store, archive: None, replays: Replays::default(), _lock: lock });
        };
        let config = match paths {
            None => Config::default(),
            Some(paths) => {
                let loaded = documents::load(paths, settings);
                refuse(&loaded.diagnostics)?;
                loaded.config.unwrap_or_default()
            }
        };
        let replays = Replays::of(&config, settings);
        let limits = Limits {
            queue_bytes: settings.queue_max_bytes.0,
            journal_bytes: settings.journal_max_bytes.0,
            journal_keep: settings.journal_keep.0,
        };
        let store = Store::open_within(data, limits.queue_bytes, limits.journal_bytes);
        let store = Arc::new(store.map_err(Failed::error)?);
        // What is parked for a trigger that is gone is for the next worker to see to.
        let (archive, _) = Archive::open(Arc::clone(&store), limits, |_| true, unix_nanos())
            .map_err(|e| Failed::error(format!("what the last worker left can't be gone on with: {e}")))?;
        Ok(Ourselves { store, archive: Some(archive), replays, _lock: lock })
    }

    fn unanswered(&self, cause: impl std::fmt::Display) -> Failed {
        Failed::error(format!("the worker of {}: {cause}", self.data.display()))
    }
}

enum Answered<'s> {
    ByWorker(String),
    AskUs(&'s mut Ourselves),
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Failed> {
    serde_json::from_str(text).map_err(|e| Failed::error(format!("the answer can't be read: {e}")))
}

/// Reads the lines of an answer.
pub fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, Failed> {
    text.lines().map(read).collect()
}
