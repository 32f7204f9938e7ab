//! A function's module: read, checked, compiled or found in the cache, tried once, then shared by all threads.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::abi::{self, Shape};
use super::address_space;
use super::cache::{CacheError, Code, Fetched, Origin};
use super::engine::{Ast, Engine};
use super::failure::{Failure, MESSAGE, told};
use super::limits::{Limits, PAGE};
use super::panic;
use super::place::Places;
use super::sandbox::{Executor, Sandbox};
use super::surroundings::Surroundings;
use super::wasi::Process;

/// A file larger than this is no function.
const FILE_LIMIT: u64 = 64 << 20;

/// Native code that is there, and is not removed to make room as long as this is held.
pub struct Compiled {
    pub origin: Origin,
    _ast: Ast,
}

pub struct Module {
    name: String,
    ast: Arc<Ast>,
    limits: Limits,
    shape: Shape,
    surroundings: Arc<Surroundings>,
    origin: Origin,
    /// BLAKE3 of the file.
    digest: [u8; blake3::OUT_LEN],
    /// Of its instances in all pools.
    pub(super) places: Arc<Places>,
}

impl Module {
    /// A function that is told its name alone.
    pub fn load(engine: &Engine, name: &str, path: &Path, limits: Limits) -> Result<Arc<Module>, LoadError> {
        Module::load_in(engine, name, path, limits, Surroundings::of(name))
    }

    pub fn load_in(
        engine: &Engine,
        name: &str,
        path: &Path,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Result<Arc<Module>, LoadError> {
        let refused = |problem| LoadError { name: name.to_owned(), path: path.to_owned(), problem };
        let wasm = Module::read(path).map_err(refused)?;
        Module::made(engine, name, Code::Metered(&wasm), limits, surroundings).map_err(refused)
    }

    /// Its native code, compiled or found; nothing of it is run.
    pub fn compile(engine: &Engine, name: &str, path: &Path, limits: Limits) -> Result<Compiled, LoadError> {
        let compiled = || {
            let wasm = Module::read(path)?;
            abi::check(&wasm, limits.pages)?;
            let fetched = engine.fetch(name, Code::Metered(&wasm)).map_err(Problem::Cache)?;
            Ok(Compiled { origin: fetched.origin, _ast: fetched.ast })
        };
        compiled().map_err(|problem| LoadError { name: name.to_owned(), path: path.to_owned(), problem })
    }

    /// Without limits: for the bench, which shows what they cost.
    pub fn load_unlimited(engine: &Engine, name: &str, path: &Path) -> Result<Arc<Module>, LoadError> {
        let refused = |problem| LoadError { name: name.to_owned(), path: path.to_owned(), problem };
        let wasm = Module::read(path).map_err(refused)?;
        Module::made(engine, name, Code::Plain(&wasm), Limits::default(), Surroundings::of(name))
            .map_err(refused)
    }

    /// What was read from `path`.
    pub fn of(
        engine: &Engine,
        name: &str,
        path: &Path,
        wasm: &[u8],
        limits: Limits,
        surroundings: Surroundings,
    ) -> Result<Arc<Module>, LoadError> {
        let refused = |problem| LoadError { name: name.to_owned(), path: path.to_owned(), problem };
        Module::made(engine, name, Code::Metered(wasm), limits, surroundings).map_err(refused)
    }

    fn made(
        engine: &Engine,
        name: &str,
        code: Code<'_>,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Result<Arc<Module>, Problem> {
        let (Code::Plain(wasm) | Code::Metered(wasm)) = code;
        let shape = abi::check(wasm, limits.pages)?;
        let Fetched { ast, origin } = engine.fetch(name, code).map_err(Problem::Cache)?;
        let digest = *blake3::hash(wasm).as_bytes();
        let (name, ast, surroundings) = (name.to_owned(), Arc::new(ast), Arc::new(surroundings));
        let module =
            Module { name, ast, limits, shape, surroundings, origin, digest, places: Arc::default() };
        module.try_out(engine)?;
        Ok(Arc::new(module))
    }

    /// A module's file, within the limit of its size.
    pub fn read(path: &Path) -> Result<Vec<u8>, Problem> {
        let mut wasm = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut wasm))
            .map_err(Problem::Read)?;
        if wasm.len() as u64 > FILE_LIMIT { Err(Problem::TooLarge) } else { Ok(wasm) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What it is told besides its events.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    pub fn digest(&self) -> &[u8; blake3::OUT_LEN] {
        &self.digest
    }

    /// How many instances of it are kept, by all pools.
    pub fn instances(&self) -> u32 {
        self.places.taken()
    }

    /// Where its native code came from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// A program, which wants a fresh sandbox for each event.
    pub(super) fn is_command(&self) -> bool {
        self.shape.command
    }

    /// A copy of memory and globals brings an instance back.
    pub(super) fn is_restorable(&self) -> bool {
        self.shape.restorable
    }

    /// A sandbox of it, initialized, and its process, if it needs one.
    pub(super) fn sandbox(
        &self,
        executor: &Rc<Executor>,
    ) -> Result<(Sandbox, Option<Box<Process>>), Failure> {
        let running = &executor.running;
        if self.shape.imports {
            running.seat(Box::new(Process::new(Arc::clone(&self.surroundings), self.limits.log)));
        }
        let started = self.start(executor);
        let mut process = running.unseat();
        if let Some(process) = &mut process {
            process.end();
        }
        Ok((started?, process))
    }

    fn start(&self, executor: &Rc<Executor>) -> Result<Sandbox, Failure> {
        let limits = self.limits.at_start();
        let running = &executor.running;
        // A start function finds no fuel, and asks for it.
        running.begin(&limits, Instant::now());
        address_space::check().map_err(Failure::no_room)?;
        let mut sandbox = Sandbox::new(executor, &self.ast)
            .map_err(|fault| Failure::of_instantiation(fault, running, &limits))?;
        // Where the engine gets no memory it goes on without.
        if sandbox.memory_bytes() < u64::from(self.shape.pages) * PAGE {
            return Err(Failure::no_room(address_space::shortage()));
        }
        if let Some(initialize) = sandbox.find(abi::INITIALIZE) {
            let failed = |fault| Failure::of_call(fault, running, &limits);
            let started = sandbox.call(initialize, []).map_err(failed);
            started.map_err(|failure| panic::explained(failure, &sandbox))?;
        }
        Ok(sandbox)
    }

    /// What only a running guest can show: that it starts, and which ABI it speaks.
    fn try_out(&self, engine: &Engine) -> Result<(), Problem> {
        let executor = engine.executor();
        let (mut sandbox, process) = self.sandbox(&executor).map_err(Problem::Start)?;
        if self.shape.command {
            return Ok(());
        }
        if let Some(process) = process {
            executor.running.seat(process);
        }
        let version = match sandbox.find(abi::ABI) {
            Some(function) => {
                let limits = self.limits.at_start();
                let failed = |fault| Problem::Start(Failure::of_call(fault, &executor.running, &limits));
                sandbox.call(function, []).map_err(failed)? as i64
            }
            None => sandbox.global(abi::ABI).unwrap_or_default(),
        };
        // The upper half of an i32 is not defined.
        let version = i64::from(version as i32);
        if version == abi::VERSION { Ok(()) } else { Err(Problem::Version(version)) }
    }
}

/// A function that can't be used. Nothing of it runs.
#[derive(Debug)]
pub struct LoadError {
    pub name: String,
    pub path: PathBuf,
    pub problem: Problem,
}

#[derive(Debug)]
pub enum Problem {
    Read(io::Error),
    TooLarge,
    NotAModule(String),
    Invalid(String),
    /// Every way in which it breaks Guest ABI 1, each a sentence about "it".
    Abi(Vec<String>),
    Version(i64),
    Cache(CacheError),
    Start(Failure),
}

impl LoadError {
    /// One or, for a module that breaks the ABI in several ways, more.
    pub fn sentences(&self) -> Vec<String> {
        match &self.problem {
            Problem::Abi(violations) => violations.clone(),
            problem => vec![problem.to_string()],
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {} ({}): {}", self.name, self.path.display(), self.problem)
    }
}

impl std::error::Error for LoadError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Read(error) => write!(f, "can't read the module: {error}"),
            Problem::TooLarge => write!(f, "the file is larger than {} MiB", FILE_LIMIT >> 20),
            Problem::NotAModule(what) => write!(f, "the file is {what}"),
            Problem::Invalid(why) => {
                write!(f, "the module is not valid WebAssembly 2.0: {}", told(why, MESSAGE))
            }
            Problem::Abi(violations) => f.write_str(&violations.join("; ")),
            Problem::Version(version) => write!(
                f,
                "its `{}` is {version}; this worker speaks Guest ABI {}. \
                 (Rust and C export the address of a static: export a function instead)",
                abi::ABI,
                abi::VERSION
            ),
            Problem::Cache(error) => error.fmt(f),
            Problem::Start(failure) => write!(f, "it can't be started: {failure}"),
        }
    }
}
