//! `weir invoke`.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;

use super::exit::{Failed, Outcome};
use super::options::{Options, refuse};
use super::style::{BAD, FAINT, GOOD, PLAIN};
use super::table::duration;
use crate::config;
use crate::event::{Uid, structured};
use crate::function::{self, Answer, Engine, FunctionIndex, Module, Pool, answer};

#[derive(Debug, Args)]
#[command(after_help = "\
The replies go to stdout, one JSON event a line; the outcome and its cost to stderr.
  weir invoke payment --event order.json
  weir invoke shop/payment --event - < order.json")]
pub struct Invoke {
    /// The function's name, or namespace/name
    function: String,
    /// A file with one CloudEvent in JSON; - for standard input
    #[arg(short, long, value_name = "FILE")]
    event: PathBuf,
    /// Files and directories of documents to find the function in [default: the setting 'triggers']
    #[arg(long = "in", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
}

impl Invoke {
    pub fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        let paths = if self.paths.is_empty() { &settings.triggers } else { &self.paths };
        let loaded = config::load(paths);
        let Some(config) = loaded.config else {
            return refuse(&loaded.diagnostics);
        };
        let (namespace, name) = self.function.split_once('/').unwrap_or(("default", &self.function));
        let function =
            config.functions.iter().find(|f| f.namespace == namespace && f.name == name).ok_or_else(
                || {
                    let known: Vec<_> =
                        config.functions.iter().map(|f| format!("{}/{}", f.namespace, f.name)).collect();
                    let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
                    Failed::usage(format!("there is no function {namespace}/{name}; known: {known}"))
                },
            )?;
        let text = self.read()?;
        let event =
            structured::decode(&text).map_err(|e| Failed::error(format!("{}: {e}", self.event.display())))?;
        let mut input = Vec::new();
        structured::encode(&event, &mut input);

        let engine = Engine::start(&settings.function_cache).map_err(Failed::error)?;
        let limits = function::Limits::default();
        let module =
            Module::load(&engine, &self.function, &function.module, limits).map_err(Failed::error)?;
        let mut pool = Pool::new(&engine, [module]);
        let called = pool.call(FunctionIndex(0), &input);
        let cost = format!(
            "{FAINT}{} in {}, instance made in {}{PLAIN}",
            self.function,
            duration(called.wall.as_nanos() as u64),
            duration(called.init.as_nanos() as u64)
        );
        let output = match called.result {
            Ok(output) => output,
            Err(failure) => {
                anstream::eprintln!(
                    "{BAD}{}{PLAIN} ({}): {} {cost}",
                    failure.outcome,
                    failure.reason,
                    failure.message
                );
                return Err(Failed::silent(1));
            }
        };
        match answer::read(output, name, Uid::default()) {
            Ok(Answer::Done) => anstream::eprintln!("{GOOD}succeeded{PLAIN}, no reply {cost}"),
            Ok(Answer::Replies(replies)) => {
                for reply in &replies {
                    let mut line = Vec::new();
                    structured::encode(reply, &mut line);
                    anstream::println!("{}", String::from_utf8_lossy(&line));
                }
                anstream::eprintln!("{GOOD}succeeded{PLAIN} {cost}");
            }
            Ok(Answer::Failed { retry, code, message }) => {
                let outcome = if retry { "retryable" } else { "permanent" };
                anstream::eprintln!("{BAD}{outcome}{PLAIN} (guest): {code}: {message} {cost}");
                return Err(Failed::silent(1));
            }
            Err(bad) => {
                anstream::eprintln!("{BAD}permanent{PLAIN} (bad-output): {bad} {cost}");
                return Err(Failed::silent(1));
            }
        }
        Ok(())
    }

    fn read(&self) -> Result<Vec<u8>, Failed> {
        let mut text = Vec::new();
        let read = if self.event.as_os_str() == "-" {
            std::io::stdin().lock().read_to_end(&mut text)
        } else {
            std::fs::File::open(&self.event).and_then(|mut file| file.read_to_end(&mut text))
        };
        read.map_err(|e| Failed::error(format!("{} can't be read: {e}", self.event.display())))?;
        Ok(text)
    }
}
