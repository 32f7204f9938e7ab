//! Looks at the files of documents, modules, scripts, secrets and settings, and has what has changed take effect. A change is taken when two
//! looks in a row find the same, so that nobody is taken by surprise halfway through writing; a SIGHUP says that it is
//! finished.

use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tracing::field::Empty;

use super::last_good::LastGood;
use super::reload::{Failed, Reload};
use super::set::{Found, Refusal, Set};
use super::stillness::Stillness;
use crate::config::Fingerprint;
use crate::telemetry::trace::doings::DOING;

/// Where documents and settings are read from.
#[derive(Clone, Debug)]
pub struct Places {
    /// Files and directories of documents.
    pub paths: Vec<PathBuf>,
    /// The settings, whether they are there or not.
    pub settings: PathBuf,
}

/// What is done at a SIGHUP.
#[derive(Debug)]
pub struct Look;

pub struct Watch {
    places: Places,
    /// Zero: only when asked.
    interval: Duration,
    reload: Reload,
    last_good: LastGood,
    /// What is in force and could not be kept yet.
    unkept: Option<Set>,
    /// That has been said.
    is_said: bool,
    stillness: Stillness,
    /// What the documents named when they were last read.
    beside: Vec<PathBuf>,
    refused: Option<Refusal>,
    settings: SettingsFile,
}

/// A directory that is emptied to be filled again would cost all events that come meanwhile.
const NOTHING_LEFT: &str = "there is no trigger any more: if that is meant, say so with a SIGHUP";

/// How often a set that changes while it is read is read again for a SIGHUP.
const TRIES: usize = 10;

impl Watch {
    /// `found` is what was found at the start; `set` is in force.
    pub fn new(
        places: Places,
        interval: Duration,
        reload: Reload,
        last_good: LastGood,
        begun: Begun,
    ) -> Watch {
        Watch {
            settings: SettingsFile::new(places.settings.clone()),
            places,
            interval,
            reload,
            last_good,
            unkept: Some(begun.set),
            is_said: false,
            stillness: Stillness::of(begun.fingerprint, begun.is_whole),
            beside: begun.beside,
            refused: begun.refused,
        }
    }

    /// Until nobody can ask any more.
    pub fn run(mut self, asked: &Receiver<Look>) {
        loop {
            self.keep();
            let next = if self.interval.is_zero() {
                asked.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                asked.recv_timeout(self.interval)
            };
            match next {
                Ok(Look) => self.look_now(),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.settings.look();
        }
    }

    fn look(&mut self) {
        let now = Fingerprint::of(&self.places.paths, &self.beside);
        if self.stillness.look(now) {
            let found = Found::read(&self.places.paths, &self.reload.settings.secrets_dir);
            if found.is_whole {
                self.take(found, false);
            }
        }
    }

    fn look_now(&mut self) {
        let found = Found::read_whole(&self.places.paths, &self.reload.settings.secrets_dir, TRIES);
        if found.is_whole {
            return self.take(found, true);
        }
        tracing::warn!("SIGHUP: the files change while they are read; they are taken when they no longer do");
        self.stillness.doubt();
    }

    fn take(&mut self, found: Found, asked: bool) {
        self.stillness = Stillness::of(found.fingerprint.clone(), !found.is_partial());
        self.beside.clone_from(&found.beside);
        let digest = found.digest;
        let standing = self.reload.standing();
        if digest == standing.set && found.secrets == self.reload.secrets {
            if standing.refused.is_some() || standing.is_last_good {
                tracing::info!(set = %digest, "the files are as what is in force");
                self.reload.settle();
            } else if asked {
                tracing::info!(set = %digest, "SIGHUP: nothing has changed");
            }
            self.refused = None;
            return;
        }
        // Said once; whoever asks is told again, and what failed for want of room may work now.
        let refusal = found.refusal();
        if self.refused.as_ref() == Some(&refusal) && !asked {
            return;
        }
        let warnings = found.warnings();
        let doing = tracing::info_span!(
            target: DOING,
            "reload",
            set = %digest,
            added = Empty,
            changed = Empty,
            removed = Empty,
            functions = Empty,
            compiled = Empty,
            otel.status_code = Empty,
            otel.status_description = Empty,
        );
        let doing = doing.entered();
        let taken = found
            .set(&self.reload.settings)
            .map_err(Failed::Wrong)
            .and_then(|set| self.go_on_with(set, asked));
        match taken {
            Ok(set) => {
                warnings.iter().for_each(|warning| tracing::warn!(%warning, "about the documents"));
                self.refused = None;
                self.unkept = Some(set);
            }
            Err(Failed::Wrong(problems)) => {
                doing.record("otel.status_code", "error");
                doing.record("otel.status_description", problems.first().map_or("", String::as_str));
                self.refused = Some(refusal);
                self.reload.refuse(digest, problems);
            }
            Err(Failed::Stopping) => {}
        }
    }

    fn go_on_with(&mut self, set: Set, asked: bool) -> Result<Set, Failed> {
        if set.config.triggers.is_empty() && self.reload.standing().triggers > 0 && !asked {
            return Err(Failed::Wrong(vec![NOTHING_LEFT.to_owned()]));
        }
        self.reload.take(&set).map(|()| set)
    }

    fn keep(&mut self) {
        let Some(set) = self.unkept.take() else { return };
        match self.last_good.keep(&set) {
            Ok(()) => self.is_said = false,
            Err(error) => {
                if !std::mem::replace(&mut self.is_said, true) {
                    tracing::warn!(
                        %error,
                        set = %set.digest,
                        "what is in force can't be kept: with --last-good, a start would take the one before"
                    );
                }
                self.unkept = Some(set);
            }
        }
    }
}

/// What was there at the start.
#[derive(Debug)]
pub struct Begun {
    pub set: Set,
    pub fingerprint: Fingerprint,
    pub is_whole: bool,
    pub beside: Vec<PathBuf>,
    /// What the files said, where that could not take effect.
    pub refused: Option<Refusal>,
}

/// The settings are read at the start alone.
#[derive(Debug)]
struct SettingsFile {
    path: PathBuf,
    seen: Fingerprint,
    content: Option<blake3::Hash>,
}

impl SettingsFile {
    fn new(path: PathBuf) -> SettingsFile {
        let seen = Fingerprint::of(&[], std::slice::from_ref(&path));
        let content = SettingsFile::content(&path);
        SettingsFile { path, seen, content }
    }

    fn content(path: &PathBuf) -> Option<blake3::Hash> {
        std::fs::read(path).ok().map(|bytes| blake3::hash(&bytes))
    }

    fn look(&mut self) {
        let now = Fingerprint::of(&[], std::slice::from_ref(&self.path));
        if now == self.seen {
            return;
        }
        self.seen = now;
        let content = SettingsFile::content(&self.path);
        if content != self.content {
            self.content = content;
            tracing::warn!(
                file = %self.path.display(),
                "the settings have changed: that takes effect at the next start"
            );
        }
    }
}
