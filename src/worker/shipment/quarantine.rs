//! What billing will not take: kept in a file, whole, with the reason, for whoever finds out why.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::way::Usage;

/// When it is full nothing more goes: what is wrong is wrong with all of it, and the journal has the rest.
const MOST: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Quarantine(pub(super) PathBuf);

impl Quarantine {
    /// A line of JSON, on disk when it returns.
    pub(super) fn put(&self, usage: &Usage, why: &str) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.0.display());
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() >= MOST {
            return Err(format!(
                "{} is full: find out why so much is refused, and move it away",
                self.0.display()
            ));
        }
        let why = serde_json::Value::from(why).to_string();
        let mut line = format!("{{\"refused\":{why},\"event\":").into_bytes();
        line.extend_from_slice(&usage.bytes);
        line.extend_from_slice(b"}\n");
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(failed)
    }
}
