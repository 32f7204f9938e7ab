//! Where a worker lives: documents, modules and the data directory, all in one that goes away with the test; and the
//! commands that ask what is in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use weir::worker::console::{self, Ask, StatusAnswer};
use weir::worker::query::{CostAnswer, DeadLetterLine, EntryLine};

use super::running::eventually;

#[derive(Debug)]
pub struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    /// With `documents` as the only file of documents.
    pub fn new(documents: &str) -> Home {
        let home = Home { directory: tempfile::tempdir().unwrap() };
        home.write("documents.yaml", documents.as_bytes());
        home
    }

    /// Writes or replaces a file, a module mostly.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    /// Writes or replaces a secret: "http/token".
    pub fn secret(&self, name: &str, value: &str) {
        let path = self.path().join("secrets").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn documents(&self) -> PathBuf {
        self.path().join("documents.yaml")
    }

    /// `weir` with these arguments, to its end.
    pub fn weir(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// `weir`, away from any settings of whoever runs the tests.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WEIR_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.path());
        command
    }

    /// The last entries of the journal, oldest first: up to a million.
    pub fn journal(&self) -> Vec<EntryLine> {
        self.ask(&["journal", "--last", "1000000", "--format", "json"])
    }

    /// The entries about one event.
    pub fn about(&self, id: &str) -> Vec<EntryLine> {
        self.ask(&["journal", "--event", id, "--last", "1000000", "--format", "json"])
    }

    pub fn dead_letters(&self) -> Vec<DeadLetterLine> {
        self.ask(&["journal", "--dead-letters", "--last", "1000000", "--format", "json"])
    }

    pub fn cost(&self) -> CostAnswer {
        self.ask(&["cost", "--format", "json"]).pop().unwrap()
    }

    /// What a running worker says of itself.
    pub fn status(&self) -> StatusAnswer {
        // Who is too busy to answer in five seconds says so.
        let text = eventually("it says how it is", || {
            console::ask(&self.data(), Ask::Status).unwrap().expect("a worker runs").ok()
        });
        serde_json::from_str(&text).unwrap()
    }

    /// How many succeeded attempts each event has at a trigger ("default/orders").
    pub fn succeeded(&self, trigger: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.journal() {
            if entry.trigger == trigger && entry.outcome == "succeeded" {
                *counts.entry(entry.event_id).or_default() += 1;
            }
        }
        counts
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, arguments: &[&str]) -> Vec<T> {
        let output = self.command().args(arguments).arg("--data-dir").arg(self.data()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "weir {arguments:?}: {}: {said}", output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The lines of a worker's log. One that is not JSON (a panic's, say) is kept as text.
pub fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line))).collect()
}
