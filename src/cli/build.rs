//! `weir build`: compiles what the documents name, so that no worker has to.

use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::{compiling, watch};
use super::documents;
use super::exit::{Failed, Outcome};
use super::options::{Options, say_all};
use super::out::{plural, print};
use super::style::{GOOD, PLAIN};
use super::table::duration;
use crate::config::{self, Code, Config, Diagnostics, Function, Settings, Severity};
use crate::function::{CacheError, Compiled, Engine, Limits, LoadError, Module, NativeCode, Origin, Problem};

#[derive(Debug, Args)]
#[command(after_help = "\
Compiles every function that the documents name, unless it is in the cache already. None is run,
so no secret is needed. A worker of this version that uses the directory compiles none of them any
more. Workers and builds may use one directory at a time: each function is compiled once.

What is compiled runs on processors of the kind that this command runs on. With --portable it runs
on every processor that has all of this one's features: build on the oldest there is. A worker
prefers what is made for its own processor, and takes no code that needs what its processor lacks.

In a Dockerfile, as root, so that the worker can't write there:
  RUN install -d -m 0755 /weir/aot && weir build --cache /weir/aot --portable
  ENV WEIR_FUNCTION_CACHE=/weir/aot

Exit codes: 0 all are there, 1 the cache can't be used, 78 a document or a module is wrong.

Examples:
  weir build
  weir build deploy/triggers --cache /weir/aot --portable")]
pub struct Build {
    /// Files and directories of documents [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    /// Where compiled functions are kept (setting function.cache) [default: <data.dir>/aot]
    #[arg(long, value_name = "DIR")]
    cache: Option<String>,
    /// For every processor with the features of this one, not for this kind alone
    #[arg(long)]
    portable: bool,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

/// What became of all of them.
#[derive(Default)]
struct Built {
    /// Held to the end: what is loaded is not removed to make room for others.
    all: Vec<Compiled>,
    wrong: Diagnostics,
}

impl Build {
    pub fn main(&self) -> Outcome {
        let (settings, of_settings) = self.options.load(&[("function.cache", self.cache.clone())])?;
        let loaded = config::load(documents::paths(&self.paths, &settings));
        let (config, _) = documents::accept(&of_settings, loaded)?;
        let code = NativeCode { portable: self.portable, ..NativeCode::of(&settings) };
        let built = self.build(&config, &code, &settings)?;
        say_all(&built.wrong);
        let (wrong, total) = (built.wrong.count(Severity::Error), config.functions.len());
        if wrong > 0 {
            let (wrong, total) = (plural(wrong as u64, "mistake"), plural(total as u64, "function"));
            return Err(Failed::configuration(format!("{wrong} in the modules of {total}")));
        }
        let compiled = built.all.iter().filter(|one| one.origin != Origin::Cached).count();
        let (functions, dir) = (plural(total as u64, "function"), code.dir.display());
        print(format_args!("{GOOD}ok{PLAIN}: {functions} in {dir}, {compiled} compiled\n"))
    }

    /// One after the other: WasmEdge compiles one at a time. Each is said as soon as it is there.
    fn build(&self, config: &Config, code: &NativeCode, settings: &Settings) -> Result<Built, Failed> {
        let names: Vec<String> = config.functions.iter().map(Function::full_name).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        let bar = compiling();
        let engine = Engine::start_with(code, watch(&bar, names.clone())).map_err(Failed::error)?;
        let mut built = Built::default();
        for (function, name) in config.functions.iter().zip(&names) {
            let limits = Limits::of(&function.limits, settings);
            let compiled = Module::compile(&engine, name, &function.module, limits);
            bar.set_message("");
            bar.suspend(|| match compiled {
                Ok(compiled) => {
                    let how = match compiled.origin {
                        Origin::Cached => "cached".to_owned(),
                        Origin::Compiled(took) => format!("compiled in {}", duration(took.as_nanos() as u64)),
                        Origin::Replaced(took) => {
                            let took = duration(took.as_nanos() as u64);
                            format!("compiled anew in {took}: what was there could not be used")
                        }
                    };
                    built.all.push(compiled);
                    print(format_args!("{name:width$}  {how}\n"))
                }
                Err(LoadError { problem: Problem::Cache(cause), .. }) if is_of_the_cache(&cause) => {
                    Err(Failed::error(format!("{name}: {cause}")))
                }
                Err(error) => {
                    mistaken(function, &error, &mut built.wrong);
                    Ok(())
                }
            })?;
        }
        bar.finish_and_clear();
        Ok(built)
    }
}

/// Or of the module, which WasmEdge can't compile?
fn is_of_the_cache(cause: &CacheError) -> bool {
    !matches!(cause, CacheError::Engine { .. } | CacheError::Meter { .. })
}

/// Where the document names the module, in the words of `weir check`.
fn mistaken(function: &Function, error: &LoadError, wrong: &mut Diagnostics) {
    let path = Path::new(&function.module).display();
    for sentence in error.sentences() {
        let message = format!("Function.spec.module: '{path}': {sentence}");
        wrong.at(Severity::Error, &function.module_place, message).code(Code::VALUE);
    }
}
