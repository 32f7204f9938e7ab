//! `weir invoke`.

mod measures;
mod reply;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use self::measures::Measures;
use super::bar::{compiling, watch};
use super::exit::{Failed, Outcome};
use super::options::{Options, refuse};
use super::{documents, input};
use crate::config::{Config, Function, Isolation};
use crate::event::structured;
use crate::function::{self, Engine, FunctionIndex, NativeCode, Pool, Pooled, Upkeep};
use crate::worker::{set, tasks};

#[derive(Debug, Args)]
#[command(after_help = "\
The replies go to stdout, one JSON event a line; what the function logs, the outcome and
its cost to stderr.
Nothing is stored or billed.
With --repeat the first call is shown, and what all of them cost.

Examples:
  weir invoke payment --event order.json
  weir invoke payment --event order.json --repeat 10000 --isolation reset
  weir invoke shop/payment --event - < order.json | jq .data")]
pub struct Invoke {
    /// The function's name, or namespace/name
    function: String,
    /// A file with one CloudEvent in JSON; - for standard input
    #[arg(short, long, value_name = "FILE")]
    event: PathBuf,
    /// Files and directories of documents to find the function in [default: the setting 'triggers']
    #[arg(long = "in", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Call it so many times, and show percentiles
    #[arg(short, long, value_name = "N", default_value = "1", hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    repeat: u32,
    /// What an event finds of those before it: warm, reset or fresh [default: as the document says]
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true)]
    isolation: Option<How>,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

/// As documents have it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    Warm,
    Reset,
    Fresh,
}

impl Invoke {
    pub fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        let loaded = documents::load(&self.paths, &settings);
        refuse(&loaded.diagnostics)?;
        let config = loaded.config.unwrap_or_default();
        let function = self.find(&config)?;
        let text = input::read(&self.event)?;
        let event =
            structured::decode(&text).map_err(|e| Failed::error(format!("{}: {e}", self.event.display())))?;
        let mut event_json = Vec::new();
        structured::encode(&event, &mut event_json);

        let bar = compiling();
        let watch = watch(&bar, vec![function.full_name()]);
        let engine = Engine::start_with(&NativeCode::of(&settings), watch).map_err(Failed::error)?;
        let module = set::load_one(&engine, &settings, function)
            .map_err(|problems| Failed::error(problems.join("\n")))?;
        bar.finish_and_clear();
        let mut upkeep = Upkeep::of(&function.upkeep, &settings);
        upkeep.isolation = self.isolation.map_or(upkeep.isolation, How::isolation);
        let (called, short, repeat) = (self.function.clone(), function.name.clone(), self.repeat);
        // With the stack that guests have in a worker, too.
        let calls = move || {
            let mut pool = Pool::new(&engine, [Pooled { module, upkeep }]);
            calls(&mut pool, &event_json, repeat, (&called, &short))
        };
        let ended = tasks::thread_with(function::STACK, "invoke", calls).join();
        ended.unwrap_or_else(|_| Err(Failed::error("the call ended without an outcome")))
    }

    fn find<'c>(&self, config: &'c Config) -> Result<&'c Function, Failed> {
        let (namespace, name) = self.function.split_once('/').unwrap_or(("default", &self.function));
        let found = config.functions.iter().find(|f| f.namespace == namespace && f.name == name);
        found.ok_or_else(|| {
            let known: Vec<_> =
                config.functions.iter().map(|f| format!("{}/{}", f.namespace, f.name)).collect();
            Failed::usage(format!("there is no function {namespace}/{name}")).help(if known.is_empty() {
                "no document here is a Function: name where they are with --in".to_owned()
            } else {
                format!("there is {}; --in names other places to look", known.join(", "))
            })
        })
    }
}

/// The first call is shown, and what all of them took is counted.
fn calls(pool: &mut Pool, event: &[u8], repeat: u32, (full, short): (&str, &str)) -> Outcome {
    const ONLY: FunctionIndex = FunctionIndex(0);
    let first = pool.call(ONLY, event);
    let shown = reply::show(&first, full, short);
    if repeat == 1 {
        return shown;
    }
    let mut measures = Measures::default();
    measures.add(&first, short);
    let begun = Instant::now();
    for _ in 1..repeat {
        measures.add(&pool.call(ONLY, event), short);
    }
    measures.show(begun.elapsed());
    if measures.failed() > 0 { Err(Failed::silent()) } else { shown }
}

impl How {
    fn isolation(self) -> Isolation {
        match self {
            How::Warm => Isolation::Warm,
            How::Reset => Isolation::Reset,
            How::Fresh => Isolation::Fresh,
        }
    }
}
