//! What a log asks of a disk: volumes, made and removed whole, and batches that are written whole. sled stands behind it
//! in `volume.rs`; the simulated one crashes and fails when a test says so.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// What sled or the file system says.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Small named values beside the segments.
pub type States = BTreeMap<String, Vec<u8>>;

/// Where the volumes of one log are. They are told apart by the number of their first segment.
pub trait Disk: Debug + Send + Sync {
    /// For people: where it is.
    fn name(&self) -> String;

    /// The volumes that are there, each with the bytes it takes up. Finishes what a crash interrupted.
    fn list(&self) -> Result<Vec<(u64, u64)>, Cause>;

    /// A volume with nothing but states in it, there for good when this returns. It may be there already, left by a try
    /// that failed.
    fn create(&self, first: u64, states: &States) -> Result<Arc<dyn Volume>, Cause>;

    /// One that is there. Whoever had it open must have let go of it.
    fn open(&self, first: u64) -> Result<Arc<dyn Volume>, Cause>;

    /// Gives its room back. Nobody has it open.
    fn remove(&self, first: u64) -> Result<(), Cause>;
}

/// A volume that is open; it is closed by letting go of it.
pub trait Volume: Debug + Send + Sync {
    fn get(&self, segment: u64) -> Result<Option<Vec<u8>>, Cause>;

    fn state(&self, name: &str) -> Result<Option<Vec<u8>>, Cause>;

    fn states(&self) -> Result<States, Cause>;

    fn last_segment(&self) -> Result<Option<u64>, Cause>;

    /// All or nothing, on disk for good when it returns. When it fails, the batch may be on disk or not, and the volume
    /// takes nothing more until it has been opened anew.
    fn write(&self, segments: &[(u64, Vec<u8>)], states: &States) -> Result<(), Cause>;
}
