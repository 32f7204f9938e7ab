//! What a function is told besides its events: its name, its environment, its configuration.

use std::collections::BTreeMap;

/// The same for all instances of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
