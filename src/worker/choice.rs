//! Which set a start goes on with: what the files say; or, where that has a mistake and it may, the last one that was good.

use std::path::PathBuf;
use std::sync::Arc;

use super::in_force::Refused;
use super::last_good::LastGood;
use super::set::{Found, Problems, Refusal, Set};
use super::watch::{Begun, Places};
use crate::config::Settings;
use crate::function::{Engine, Module};
use crate::time::unix_nanos;

/// What a worker is started with.
pub struct Start {
    pub places: Places,
    pub found: Found,
    /// Where what was found has a mistake, the last set that was good may take its place.
    pub last_good: bool,
}

pub struct Choice {
    pub set: Set,
    pub modules: Vec<Arc<Module>>,
    /// What the files say, where this is the last good set.
    pub refused: Option<Refused>,
    /// What the files looked like.
    pub seen: Seen,
}

/// See [`Begun`].
pub struct Seen {
    fingerprint: crate::config::Fingerprint,
    is_whole: bool,
    beside: Vec<PathBuf>,
    refusal: Refusal,
}

impl Start {
    pub fn choose(self, engine: &Engine, settings: &Settings, kept: &LastGood) -> Result<Choice, Problems> {
        let Start { found, last_good, .. } = self;
        let seen = Seen {
            fingerprint: found.fingerprint.clone(),
            is_whole: found.is_whole && !found.is_partial(),
            beside: found.beside.clone(),
            refusal: found.refusal(),
        };
        let digest = found.digest;
        let problems = match found.set(settings).and_then(|set| compiled(engine, settings, set)) {
            Ok((set, modules)) => return Ok(Choice { set, modules, refused: None, seen }),
            Err(problems) => problems,
        };
        if !last_good {
            return Err(problems);
        }
        let none = || vec!["--last-good: no set has been in force here before".to_owned()];
        let set = kept.load(settings).and_then(|set| set.ok_or_else(none));
        let (set, modules) = set.and_then(|set| compiled(engine, settings, set)).map_err(|why| {
            let why = why.into_iter().map(|why| format!("and the last good set can't take its place: {why}"));
            problems.iter().cloned().chain(why).collect::<Problems>()
        })?;
        for problem in &problems {
            tracing::error!(%problem, "a mistake in what the files say");
        }
        tracing::error!(
            refused = %digest,
            in_force = %set.digest,
            mistakes = problems.len(),
            "what the files say is refused: started with the last set that was good"
        );
        let refused = Refused { set: digest, at: unix_nanos(), problems };
        Ok(Choice { set, modules, refused: Some(refused), seen })
    }
}

impl Choice {
    pub fn begun(self) -> Begun {
        let Seen { fingerprint, is_whole, beside, refusal } = self.seen;
        let refused = self.refused.map(|_| refusal);
        Begun { set: self.set, fingerprint, is_whole, beside, refused }
    }
}

fn compiled(engine: &Engine, settings: &Settings, set: Set) -> Result<(Set, Vec<Arc<Module>>), Problems> {
    let modules = set.compile(engine, settings, &[])?;
    Ok((set, modules))
}
