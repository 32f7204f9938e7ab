//! Native code of modules, kept on disk: compiling takes seconds, loading a fraction of a millisecond.
//!
//! A file's name is a digest of everything its content depends on, so a stale one is never found. Loading one runs it: the
//! directory must be ours alone, and each file ends with a digest of the rest, because the dynamic loader dies of a
//! truncated one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, process};

use super::engine::{self, Ast, Configuration, Fault};
use super::meter;

/// The first thing in every digest: the layout of a file and the flags it was compiled with.
const FORMAT: &str = "weir aot 2, O3";
const UNFINISHED: &str = "unfinished-";
/// No compilation takes that long, so an unfinished file this old is what a killed worker left.
const ABANDONED: Duration = Duration::from_secs(3_600);
const DIGEST: usize = blake3::OUT_LEN;

pub(super) struct Cache {
    dir: PathBuf,
    /// The engine and the processor that its code is for.
    target: String,
}

pub(super) struct Fetched {
    pub ast: Ast,
    pub origin: Origin,
}

/// What native code is made of.
#[derive(Clone, Copy)]
pub(super) enum Code<'a> {
    /// A valid module as it is.
    Plain(&'a [u8]),
    /// A valid module with its limits written into it.
    Metered(&'a [u8]),
}

/// Where a module's native code came from: for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Cached,
    Compiled(Duration),
    /// The cached file was damaged and is compiled anew.
    Replaced(Duration),
}

#[derive(Debug)]
pub enum CacheError {
    NotPrivate { dir: PathBuf, mode: u32 },
    NotOurs { dir: PathBuf, owner: u32 },
    NotADirectory { dir: PathBuf },
    Io { what: &'static str, path: PathBuf, error: io::Error },
    Engine { what: &'static str, message: String },
    Meter { message: String },
}

impl Cache {
    pub(super) fn open(dir: &Path) -> Result<Cache, CacheError> {
        let io = |what| move |error| CacheError::Io { what, path: dir.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("create"))?;
        let about = fs::metadata(dir).map_err(io("read"))?;
        if !about.is_dir() {
            return Err(CacheError::NotADirectory { dir: dir.to_owned() });
        }
        if about.uid() != rustix::process::geteuid().as_raw() {
            return Err(CacheError::NotOurs { dir: dir.to_owned(), owner: about.uid() });
        }
        if about.mode() & 0o022 != 0 {
            return Err(CacheError::NotPrivate { dir: dir.to_owned(), mode: about.mode() & 0o7777 });
        }
        sweep(dir).map_err(io("sweep"))?;
        Ok(Cache { dir: dir.to_owned(), target: format!("{}\n{}", engine::version(), processor()) })
    }

    /// The module, loaded from its cached native code; compiled first where there is none.
    pub(super) fn fetch(&self, configuration: &Configuration, code: Code<'_>) -> Result<Fetched, CacheError> {
        let path = self.path(code);
        let there = path.exists();
        if there {
            if is_whole(&path)
                && let Ok(ast) = Ast::load(configuration, &path)
            {
                return Ok(Fetched { ast, origin: Origin::Cached });
            }
            let removed = fs::remove_file(&path);
            removed.map_err(|error| CacheError::Io {
                what: "remove the damaged",
                path: path.clone(),
                error,
            })?;
        }
        let start = Instant::now();
        match code {
            Code::Plain(wasm) => self.compile(configuration, wasm, &path)?,
            Code::Metered(wasm) => {
                let metered = meter::rewrite(wasm)
                    .map_err(|refused| CacheError::Meter { message: refused.to_string() })?;
                self.compile(configuration, &metered, &path)?;
            }
        }
        let took = start.elapsed();
        let ast =
            Ast::load(configuration, &path).map_err(|fault| engine_failed("load what it compiled", fault))?;
        let origin = if there { Origin::Replaced(took) } else { Origin::Compiled(took) };
        Ok(Fetched { ast, origin })
    }

    fn path(&self, code: Code<'_>) -> PathBuf {
        let (how, wasm) = match code {
            Code::Plain(wasm) => ("plain".to_owned(), wasm),
            Code::Metered(wasm) => (format!("meter {}", meter::VERSION), wasm),
        };
        let mut hasher = blake3::Hasher::new();
        for part in [FORMAT.as_bytes(), self.target.as_bytes(), how.as_bytes(), wasm] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        self.dir.join(format!("{}.so", hasher.finalize().to_hex()))
    }

    /// Compiled beside and renamed: nobody ever finds half a file, and of two who compile the last one wins.
    fn compile(&self, configuration: &Configuration, wasm: &[u8], path: &Path) -> Result<(), CacheError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.dir.join(format!("{UNFINISHED}{}-{number}.so", process::id()));
        let finish = || {
            engine::compile(configuration, wasm, &unfinished)
                .map_err(|fault| engine_failed("compile it", fault))?;
            let io = |what| move |error| CacheError::Io { what, path: path.to_owned(), error };
            seal(&unfinished).map_err(io("write"))?;
            fs::rename(&unfinished, path).map_err(io("rename to"))
        };
        finish().inspect_err(|_| {
            let _ = fs::remove_file(&unfinished);
        })
    }
}

fn engine_failed(what: &'static str, fault: Fault) -> CacheError {
    CacheError::Engine { what, message: fault.to_string() }
}

fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let age =
            entry.metadata().and_then(|about| about.modified()).ok().and_then(|time| time.elapsed().ok());
        let unfinished = entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        if unfinished && age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Appends the digest: loaders don't mind what follows a library.
fn seal(path: &Path) -> io::Result<()> {
    let digest = blake3::hash(&fs::read(path)?);
    OpenOptions::new().append(true).open(path)?.write_all(digest.as_bytes())
}

fn is_whole(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    let Some((code, digest)) = bytes.split_last_chunk::<DIGEST>() else { return false };
    blake3::hash(code) == *digest
}

/// What native code is made for: the processor's model and features, as the system names them. Of the first processor: they
/// are alike in what matters.
fn processor() -> String {
    const TELLING: [&str; 10] = [
        "vendor_id",
        "cpu family",
        "model",
        "model name",
        "flags",
        "Features",
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
    ];
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let first = info.split("\n\n").next().unwrap_or_default();
    let telling = first
        .lines()
        .filter(|line| line.split_once(':').is_some_and(|(key, _)| TELLING.contains(&key.trim_end())));
    [std::env::consts::ARCH, std::env::consts::OS].into_iter().chain(telling).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheError::NotPrivate { dir, mode } => write!(
                f,
                "others may write the cache of native code {} (mode {mode:o}), and so run code here: \
                 `chmod go-w` it, or name another directory",
                dir.display()
            ),
            CacheError::NotOurs { dir, owner } => write!(
                f,
                "the cache of native code {} belongs to user {owner}, who could run code here: \
                 name a directory that this user owns",
                dir.display()
            ),
            CacheError::NotADirectory { dir } => {
                write!(f, "the cache of native code {} is not a directory", dir.display())
            }
            CacheError::Io { what, path, error } => {
                write!(f, "can't {what} {} in the cache of native code: {error}", path.display())
            }
            CacheError::Meter { message } => {
                write!(f, "its limits on time and work can't be written into it: {message}")
            }
            CacheError::Engine { what, message } => write!(f, "WasmEdge can't {what}: {message}"),
        }
    }
}

impl std::error::Error for CacheError {}
