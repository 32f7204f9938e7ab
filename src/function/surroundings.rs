//! What a function is told besides its events: its name, its environment, its configuration.

use std::collections::BTreeMap;
use std::fmt;

/// The same for all instances of a function. Values are never shown: secrets are among them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The arguments of a program, its own name first.
    pub arguments: Vec<String>,
    /// The environment of a program, as WASI gives it.
    pub environment: BTreeMap<String, String>,
    /// What `weir.config` answers.
    pub config: BTreeMap<String, String>,
}

impl Surroundings {
    /// A function that is told its name alone.
    pub fn of(name: &str) -> Surroundings {
        Surroundings { arguments: vec![name.to_owned()], ..Surroundings::default() }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |told: &BTreeMap<String, String>| told.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("Surroundings")
            .field("arguments", &self.arguments)
            .field("environment", &keys(&self.environment))
            .field("config", &keys(&self.config))
            .finish()
    }
}
