//! Native code of modules, kept on disk: compiling takes seconds, loading a fraction of a millisecond.
//!
//! ```text
//! place.rs    the directory, which nobody else may write
//! target.rs   what the code is for: this processor, or every one with the same features
//! sealed.rs   a file of code, whole or not
//! turn.rs     of those who want the same module, one compiles it
//! room.rs     how much is kept
//! error.rs    what goes wrong
//! ```
//!
//! A file's name is a digest of everything its content depends on, so a stale one is never found, and it has its name when
//! it is whole. Workers may share a directory: they only ever add files under such names, and remove what has not been used
//! for longest.

mod error;
mod place;
mod room;
mod sealed;
mod target;
#[cfg(test)]
mod tests;
mod turn;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

pub use self::error::CacheError;
use self::error::engine_failed;
use self::place::Place;
use self::sealed::Unfit;
use self::target::Target;
use self::turn::Turn;
use super::engine::{self, Ast, Configuration};
use super::meter;
use crate::config::Settings;

/// The first thing in every digest: the layout of a file and the flags it was compiled with.
const FORMAT: &str = "weir aot 3, O3";
/// How much is kept unless it is said.
const MAX_BYTES: u64 = 1 << 30;

/// Where native code is kept, how much of it, and for whom it is made.
#[derive(Clone, Debug)]
pub struct NativeCode {
    pub dir: PathBuf,
    pub max_bytes: u64,
    /// For every processor that has the features of this one, not for this one alone.
    pub portable: bool,
}

impl NativeCode {
    /// As much as is usual, for this processor.
    pub fn within(dir: &Path) -> NativeCode {
        NativeCode { dir: dir.to_owned(), max_bytes: MAX_BYTES, portable: false }
    }

    pub fn of(settings: &Settings) -> NativeCode {
        let max_bytes = settings.function_cache_max_bytes.0;
        NativeCode { max_bytes, ..NativeCode::within(&settings.function_cache) }
    }
}

/// What takes long before a function is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Compiling,
    /// Another process, or another thread, compiles it.
    Waiting,
}

/// Where a module's native code came from: for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Cached,
    Compiled(Duration),
    /// The cached file was damaged, or of somebody who may not write it, and is compiled anew.
    Replaced(Duration),
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Cached => "cached",
            Origin::Compiled(_) => "compiled",
            Origin::Replaced(_) => "replaced",
        }
    }
}

/// What there is in a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub files: u64,
    pub bytes: u64,
}

/// What native code is made of.
#[derive(Clone, Copy)]
pub(super) enum Code<'a> {
    /// A valid module as it is.
    Plain(&'a [u8]),
    /// A valid module with its limits written into it.
    Metered(&'a [u8]),
}

pub(super) struct Fetched {
    pub ast: Ast,
    pub origin: Origin,
}

pub(super) struct Cache {
    place: Place,
    max_bytes: u64,
    /// What is compiled is made for the first; what is made for any of them is used.
    targets: Vec<Target>,
    /// Names of what this process has loaded: never removed.
    loaded: Mutex<Vec<Weak<str>>>,
}

impl Cache {
    pub(super) fn open(code: &NativeCode) -> Result<Cache, CacheError> {
        let place = Place::open(&code.dir)?;
        let targets = match (code.portable, Target::portable()) {
            (false, portable) => std::iter::once(Target::native()).chain(portable).collect(),
            (true, Some(portable)) => vec![portable],
            (true, None) => return Err(CacheError::NotPortable),
        };
        if place.writable {
            room::sweep(place.path());
        }
        Ok(Cache { place, max_bytes: code.max_bytes, targets, loaded: Mutex::default() })
    }

    /// The module, loaded from its cached native code; compiled first where there is none. Of all who want the same one at a
    /// time, in whatever process, one compiles it.
    pub(super) fn fetch(
        &self,
        configuration: &Configuration,
        code: Code<'_>,
        watch: &dyn Fn(Step),
    ) -> Result<Fetched, CacheError> {
        let cached = |ast| Ok(Fetched { ast, origin: Origin::Cached });
        let unfit = match self.find(configuration, code) {
            Ok(ast) => return cached(ast),
            Err(unfit) => unfit,
        };
        if !self.place.writable {
            return Err(CacheError::Missing { dir: self.place.dir.clone(), unfit });
        }
        let target = &self.targets[0];
        let name = target.name(code);
        let _turn = Turn::take(self.place.path(), &name, || watch(Step::Waiting))
            .map_err(|error| self.place.failed("take the turn for", error))?;
        // Whoever had the turn before has done it, or died of it.
        let unfit = match self.find(configuration, code) {
            Ok(ast) => return cached(ast),
            Err(unfit) => unfit,
        };
        watch(Step::Compiling);
        let start = Instant::now();
        match code {
            Code::Plain(wasm) => self.compile(target, wasm, &name)?,
            Code::Metered(wasm) => {
                let metered = meter::rewrite(wasm)
                    .map_err(|refused| CacheError::Meter { message: refused.to_string() })?;
                self.compile(target, &metered, &name)?;
            }
        }
        let took = start.elapsed();
        let ast =
            self.load(configuration, &name).map_err(|fault| engine_failed("load what it compiled", fault))?;
        room::make(self.place.path(), self.max_bytes, |name| self.is_loaded(name));
        let replaced = matches!(unfit, Some(Unfit::Damaged | Unfit::Foreign));
        let origin = if replaced { Origin::Replaced(took) } else { Origin::Compiled(took) };
        Ok(Fetched { ast, origin })
    }

    /// What is there now.
    pub(super) fn kept(&self) -> Kept {
        room::kept(self.place.path())
    }

    /// Else says why what is there can't be used: the last of it that can't.
    fn find(&self, configuration: &Configuration, code: Code<'_>) -> Result<Ast, Option<Unfit>> {
        let mut why = None;
        for target in &self.targets {
            let name = target.name(code);
            // Held until it is loaded: whoever makes room leaves it alone.
            match sealed::open(&self.place.path().join(&name), target) {
                Ok(Some(_held)) => match self.load(configuration, &name) {
                    Ok(ast) => return Ok(ast),
                    Err(_) => why = Some(Unfit::Damaged),
                },
                Ok(None) => {}
                Err(unfit) => why = Some(unfit),
            }
        }
        Err(why)
    }

    fn load(&self, configuration: &Configuration, name: &str) -> Result<Ast, engine::Fault> {
        let ast = Ast::load(configuration, &self.place.path().join(name))?;
        let name: Arc<str> = name.into();
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|name| name.strong_count() > 0);
        loaded.push(Arc::downgrade(&name));
        Ok(ast.named(name))
    }

    fn is_loaded(&self, name: &str) -> bool {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.iter().filter_map(Weak::upgrade).any(|other| *other == *name)
    }

    /// Compiled beside and renamed: nobody ever finds half a file. A file that could not be used is replaced by that.
    fn compile(&self, target: &Target, wasm: &[u8], name: &str) -> Result<(), CacheError> {
        let dir = self.place.path();
        let unfinished = dir.join(room::unfinished(name));
        let finish = || {
            engine::compile(&target.configuration(), wasm, &unfinished)
                .map_err(|message| CacheError::Engine { what: "compile it", message })?;
            sealed::seal(&unfinished, target).map_err(|error| self.place.failed("write", error))?;
            fs::rename(&unfinished, dir.join(name))
                .map_err(|error| self.place.failed("rename a file of", error))
        };
        finish().inspect_err(|_| {
            let _ = fs::remove_file(&unfinished);
        })
    }
}
