//! What is in force, for all who only look: the scribe for the triggers of replays, the console and /readyz for what to
//! say. It is replaced whole, once the loop goes on with it.

use std::sync::{Arc, PoisonError, RwLock};

use super::errand::Replays;
use super::set::{Digest, Problems};

#[derive(Debug)]
pub struct InForce(RwLock<Arc<Standing>>);

#[derive(Clone, Debug)]
pub struct Standing {
    pub set: Digest,
    /// When it took effect, in nanoseconds since 1970.
    pub since: u64,
    /// How often one took another's place.
    pub reloads: u64,
    pub triggers: usize,
    /// Left to other workers.
    pub deselected: usize,
    pub functions: usize,
    /// It was kept from an earlier life, because the files were wrong at the start.
    pub is_last_good: bool,
    pub replays: Replays,
    /// What the files say now, and can't take effect.
    pub refused: Option<Arc<Refused>>,
}

#[derive(Clone, Debug)]
pub struct Refused {
    pub set: Digest,
    /// In nanoseconds since 1970.
    pub at: u64,
    pub problems: Problems,
}

impl Standing {
    /// For tests of what looks.
    #[cfg(test)]
    pub fn nothing() -> Standing {
        let set = Digest::parse(&"00".repeat(32)).expect("it is hexadecimal");
        let replays = Replays::default();
        let is_last_good = false;
        Standing {
            set,
            since: 0,
            reloads: 0,
            triggers: 0,
            deselected: 0,
            functions: 0,
            is_last_good,
            replays,
            refused: None,
        }
    }
}

impl InForce {
    pub fn new(standing: Standing) -> Arc<InForce> {
        Arc::new(InForce(RwLock::new(Arc::new(standing))))
    }

    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, standing: Standing) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
    }
}

/// A line for each thing that there is to say.
impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = if self.is_last_good { ", the last good one" } else { "" };
        writeln!(f, "set {}{whose}, in force since {}", self.set, moment(self.since))?;
        match &self.refused {
            Some(refused) => writeln!(
                f,
                "set {}, which the files hold, was refused at {}: 'weir status' says why",
                refused.set,
                moment(refused.at)
            ),
            None => Ok(()),
        }
    }
}

fn moment(unix_nanos: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(unix_nanos))
        .map_or_else(|_| unix_nanos.to_string(), |at| format!("{at:.0}"))
}
