//! A set: the documents and modules that decide together what runs, as they were at one moment. It takes effect whole or
//! not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::field::Empty;

use super::outlets::Outlets;
use super::told::{self, Secrets};
use crate::config::{
    Config, Diagnostic, Diagnostics, Fingerprint, Function, Loaded, Modules, Settings, Severity, Texts,
};
use crate::function::{Engine, Kept, Limits, Module, NativeCode, Origin, StartError, Step, Surroundings};
use crate::telemetry::trace::doings::DOING;

/// Names a set by all that is in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(blake3::Hash);

impl Digest {
    pub fn parse(hex: &str) -> Option<Digest> {
        blake3::Hash::from_hex(hex).ok().map(Digest)
    }

    pub fn whole(&self) -> String {
        self.0.to_hex().to_string()
    }
}

/// As people are told it: enough to tell two apart.
impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_hex()[..12])
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The bytes of a module, or of a script.
#[derive(Clone, Debug)]
pub struct Wasm {
    pub bytes: Arc<[u8]>,
    pub digest: Digest,
}

impl Wasm {
    pub fn of(bytes: Vec<u8>) -> Wasm {
        Wasm { digest: Digest(blake3::hash(&bytes)), bytes: bytes.into() }
    }
}

/// By the path that the documents name.
pub type Wasms = BTreeMap<PathBuf, Wasm>;

/// A set in which no file has a mistake.
#[derive(Debug)]
pub struct Set {
    pub config: Config,
    pub texts: Texts,
    /// Of the functions of `config`, in their order.
    pub wasm: Vec<Wasm>,
    pub modules: Wasms,
    /// What the functions are told, in their order, too.
    pub surroundings: Vec<Surroundings>,
    /// The topics of Kafka that are written to.
    pub outlets: Outlets,
    pub digest: Digest,
    /// As they were then: the digest knows nothing of them.
    pub secrets: Secrets,
}

/// Why a set can't take effect, a line for each mistake.
pub type Problems = Vec<String>;

/// So many of a set's mistakes are said, and so many warnings.
const SAID: usize = 20;

/// What does not take effect. A file may come or go between the look that judges and the one that reads: the same bytes are
/// another refusal then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    digest: Digest,
    secrets: Secrets,
    mistakes: Problems,
}

/// What was found where documents are kept, whether or not it can take effect.
pub struct Found {
    texts: Texts,
    pub loaded: Loaded,
    modules: Wasms,
    /// Of modules that could not be read.
    unread: Problems,
    pub digest: Digest,
    pub secrets: Secrets,
    /// All files that are looked at beside the documents, there or not.
    pub beside: Vec<PathBuf>,
    pub fingerprint: Fingerprint,
    /// Nothing changed while it was read.
    pub is_whole: bool,
}

impl Found {
    /// Reads the documents of these paths, and the modules, scripts and secrets that they name.
    pub fn read(paths: &[PathBuf], secrets_dir: &Path) -> Found {
        let before = Fingerprint::of(paths, &[]);
        let texts = Texts::read(paths);
        let loaded = texts.load(&Modules::Named, &|_| false);
        let mut beside = loaded.modules.clone();
        beside.extend(loaded.config.iter().flat_map(|config| told::secret_files(config, secrets_dir)));
        let named = Fingerprint::of(paths, &beside);
        let secrets =
            loaded.config.as_ref().map(|config| Secrets::read(config, secrets_dir)).unwrap_or_default();
        let (mut modules, mut unread) = (Wasms::new(), Problems::new());
        for path in &loaded.modules {
            match Module::read(path) {
                Ok(bytes) => drop(modules.insert(path.clone(), Wasm::of(bytes))),
                Err(problem) => unread.push(format!("{}: {problem}", path.display())),
            }
        }
        let fingerprint = Fingerprint::of(paths, &beside);
        let is_whole = named == fingerprint && before == Fingerprint::of(paths, &[]);
        let digest = digest(&texts, &modules);
        Found { texts, loaded, modules, unread, digest, secrets, beside, fingerprint, is_whole }
    }

    /// The same, once nothing changes while it is read: at most so often.
    pub fn read_whole(paths: &[PathBuf], secrets_dir: &Path, tries: usize) -> Found {
        let mut found = Found::read(paths, secrets_dir);
        for _ in 1..tries {
            if found.is_whole {
                break;
            }
            found = Found::read(paths, secrets_dir);
        }
        found
    }

    /// Could something not be read? It may be there again later, and look the same.
    pub fn is_partial(&self) -> bool {
        self.texts.is_partial() || !self.unread.is_empty()
    }

    /// What it would be refused as.
    pub fn refusal(&self) -> Refusal {
        Refusal { digest: self.digest, secrets: self.secrets.clone(), mistakes: self.mistakes() }
    }

    /// What can be told without compiling anything.
    fn mistakes(&self) -> Problems {
        match &self.loaded.config {
            None => said(&self.loaded.diagnostics, Severity::Error),
            Some(_) => self.unread.clone(),
        }
    }

    /// What is no mistake and still worth saying.
    pub fn warnings(&self) -> Problems {
        said(&self.loaded.diagnostics, Severity::Warning)
    }

    pub fn set(self, settings: &Settings) -> Result<Set, Problems> {
        let mistakes = self.mistakes();
        let Some(config) = self.loaded.config.filter(|_| mistakes.is_empty()) else { return Err(mistakes) };
        let config = settled(config, settings)?;
        let Found { texts, modules, digest, secrets, .. } = self;
        let wasm = config.functions.iter().map(|function| modules[&function.module].clone()).collect();
        let surroundings = surroundings(&config, &secrets, |script| &modules[script].bytes)?;
        let outlets = Outlets::of(&config, &secrets)?;
        Ok(Set { config, texts, wasm, modules, surroundings, outlets, digest, secrets })
    }
}

impl Set {
    /// One that was kept: modules by the path that the documents name, with the file that each is in now. Its secrets are
    /// those of today.
    pub fn kept(
        texts: Texts,
        kept: BTreeMap<PathBuf, (PathBuf, Wasm)>,
        settings: &Settings,
    ) -> Result<Set, Problems> {
        let paths = kept.iter().map(|(named, (path, _))| (named.clone(), path.clone())).collect();
        let loaded = texts.load(&Modules::Kept(paths), &|_| false);
        let Some(config) = loaded.config else { return Err(said(&loaded.diagnostics, Severity::Error)) };
        let config = settled(config, settings)?;
        let by_file: BTreeMap<&PathBuf, &Wasm> = kept.values().map(|(path, wasm)| (path, wasm)).collect();
        let wasm = config.functions.iter().map(|function| by_file[&function.module].clone()).collect();
        let secrets = Secrets::read(&config, &settings.secrets_dir);
        let surroundings = surroundings(&config, &secrets, |script| &by_file[script].bytes)?;
        let modules = kept.iter().map(|(named, (_, wasm))| (named.clone(), wasm.clone())).collect();
        let digest = digest(&texts, &modules);
        let outlets = Outlets::of(&config, &secrets)?;
        Ok(Set { config, texts, wasm, modules, surroundings, outlets, digest, secrets })
    }

    /// The functions' modules, ready to run. Those of `standing` that are the same, with the same limits, and are told the
    /// same, stay; the others are compiled, which takes seconds.
    pub fn compile(
        &self,
        engine: &Engine,
        settings: &Settings,
        standing: &[Arc<Module>],
    ) -> Result<Vec<Arc<Module>>, Problems> {
        let (mut modules, mut problems, mut compiled) = (Vec::new(), Problems::new(), false);
        let files = self.wasm.iter().zip(&self.surroundings);
        for (function, (wasm, surroundings)) in self.config.functions.iter().zip(files) {
            let name = function.full_name();
            let limits = Limits::of(&function.limits, settings);
            let same = |m: &&Arc<Module>| {
                m.name() == name
                    && m.digest() == wasm.digest.0.as_bytes()
                    && m.limits() == limits
                    && m.surroundings() == surroundings
            };
            let told = || surroundings.clone();
            match standing.iter().find(same) {
                Some(module) => modules.push(Arc::clone(module)),
                None => {
                    let doing = tracing::info_span!(target: DOING, "load", function = name, origin = Empty);
                    let _doing = doing.clone().entered();
                    match Module::of(engine, &name, &function.module, &wasm.bytes, limits, told()) {
                        Ok(module) => {
                            say(&module);
                            doing.record("origin", module.origin().as_str());
                            compiled |= module.origin() != Origin::Cached;
                            modules.push(module);
                        }
                        Err(error) => problems.push(error.to_string()),
                    }
                }
            }
        }
        if compiled {
            say_kept(engine, settings);
        }
        if problems.is_empty() { Ok(modules) } else { Err(problems) }
    }
}

/// How much native code is kept: what has been compiled has made it more.
fn say_kept(engine: &Engine, settings: &Settings) {
    let (Kept { files, bytes }, max_bytes) = (engine.kept(), settings.function_cache_max_bytes.0);
    tracing::info!(files, bytes, max_bytes, "compiled functions are kept");
    if bytes > max_bytes {
        tracing::warn!("what is in use is more than function.cache-max-bytes: set it higher");
    }
}

/// An engine that says in the log what takes long.
pub fn engine(settings: &Settings) -> Result<Arc<Engine>, StartError> {
    let watch = |function: &str, step| match step {
        Step::Compiling => tracing::info!(function, "compiling"),
        Step::Waiting => tracing::info!(function, "another process compiles it: waiting for that"),
    };
    Engine::start_with(&NativeCode::of(settings), Box::new(watch))
}

/// The functions' modules of a configuration alone, as their files are now.
pub fn load(engine: &Engine, settings: &Settings, config: &Config) -> Result<Vec<Arc<Module>>, Problems> {
    config.functions.iter().map(|function| load_one(engine, settings, function)).collect()
}

/// The same of one function.
pub fn load_one(engine: &Engine, settings: &Settings, function: &Function) -> Result<Arc<Module>, Problems> {
    let path = function.script.as_ref();
    let read = |path: &PathBuf| std::fs::read(path).map_err(|e| vec![format!("{}: {e}", path.display())]);
    let script = path.map(read).transpose()?;
    let secrets = Secrets::of(function, &settings.secrets_dir);
    let surroundings = secrets.surroundings(function, script.as_deref())?;
    let (name, limits) = (function.full_name(), Limits::of(&function.limits, settings));
    let module = Module::load_in(engine, &name, &function.module, limits, surroundings);
    module.inspect(|module| say(module)).map_err(|error| vec![error.to_string()])
}

/// What each function of a configuration is told; all problems at once.
fn surroundings<'s>(
    config: &Config,
    secrets: &Secrets,
    script: impl Fn(&PathBuf) -> &'s Arc<[u8]>,
) -> Result<Vec<Surroundings>, Problems> {
    let (mut all, mut problems) = (Vec::new(), Problems::new());
    for function in &config.functions {
        match secrets.surroundings(function, function.script.as_ref().map(|path| &**script(path))) {
            Ok(surroundings) => all.push(surroundings),
            Err(wrong) => problems.extend(wrong),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

fn settled(mut config: Config, settings: &Settings) -> Result<Config, Problems> {
    match config.settle(settings) {
        Ok(()) => Ok(config),
        Err(nothing) => Err(vec![format!("{} ({})", nothing.message, nothing.help)]),
    }
}

fn say(module: &Module) {
    let function = module.name();
    match module.origin() {
        Origin::Compiled(took) => tracing::info!(function, took_ms = took.as_millis() as u64, "compiled"),
        Origin::Replaced(took) => {
            let took_ms = took.as_millis() as u64;
            tracing::warn!(function, took_ms, "the compiled function was damaged: compiled anew");
        }
        Origin::Cached => tracing::debug!(function, "loaded from the cache"),
    }
}

fn digest(texts: &Texts, modules: &Wasms) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(b"weir set 1");
    for (name, content) in texts.iter() {
        part(name.as_bytes());
        part(content.as_bytes());
    }
    part(b"modules");
    for (path, wasm) in modules {
        part(path.as_os_str().as_encoded_bytes());
        part(wasm.digest.0.as_bytes());
    }
    Digest(hasher.finalize())
}

fn said(diagnostics: &Diagnostics, severity: Severity) -> Problems {
    let all = diagnostics.sorted().into_iter().filter(|diagnostic| diagnostic.severity == severity);
    let mut said: Problems = all.take(SAID).map(line).collect();
    let more = diagnostics.count(severity) - said.len();
    if more > 0 {
        said.push(format!("and {more} more: 'weir check' shows them"));
    }
    said
}

/// A diagnostic in one line.
fn line(diagnostic: &Diagnostic) -> String {
    let Diagnostic { file, line, column, message, suggestion, .. } = diagnostic;
    let place = if *line == 0 { file.to_string() } else { format!("{file}:{line}:{column}") };
    match suggestion {
        Some(help) => format!("{place}: {message} ({help})"),
        None => format!("{place}: {message}"),
    }
}
