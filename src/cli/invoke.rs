//! `weir invoke`.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;

use super::exit::{Failed, Outcome};
use super::options::{Options, refuse};
use super::out::{print, say};
use super::style::{BAD, FAINT, GOOD, PLAIN};
use super::table::duration;
use super::{documents, input};
use crate::config::{Config, Function};
use crate::event::{Uid, structured};
use crate::function::{Answer, Called, Engine, FunctionIndex, Pool, answer};
use crate::worker::set;

#[derive(Debug, Args)]
#[command(after_help = "\
The replies go to stdout, one JSON event a line; what the function logs, the outcome and
its cost to stderr.
Nothing is stored or billed.

Examples:
  weir invoke payment --event order.json
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
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
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

        let engine = Engine::start(&settings.function_cache).map_err(Failed::error)?;
        let module = set::load_one(&engine, &settings, function)
            .map_err(|problems| Failed::error(problems.join("\n")))?;
        let mut pool = Pool::new(&engine, [module]);
        let called = pool.call(FunctionIndex(0), &event_json);
        self.report(&called, &function.name)
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

    fn report(&self, called: &Called<'_>, name: &str) -> Outcome {
        for line in &called.log.lines {
            say(format_args!("{FAINT}{:5} {}{PLAIN}\n", line.level.as_str(), line.text));
        }
        if called.log.dropped > 0 {
            say(format_args!("{FAINT}and {} more lines, which were dropped{PLAIN}\n", called.log.dropped));
        }
        let took = duration(called.wall.as_nanos() as u64);
        let made = duration(called.init.as_nanos() as u64);
        let fuel = called.fuel;
        let cost = format!(
            "  {FAINT}{} took {took} and {fuel} units of fuel; its instance was made in {made}{PLAIN}",
            self.function
        );
        let failed = |outcome: &dyn Display, reason: &dyn Display, message: &dyn Display| {
            say(format_args!("{BAD}{outcome}{PLAIN} ({reason}): {message}\n{cost}\n"));
            Err(Failed::silent())
        };
        let output = match &called.result {
            Ok(output) => output,
            Err(failure) => return failed(&failure.outcome, &failure.reason, &failure.message),
        };
        let replies = match answer::read(output, name, Uid::default()) {
            Ok(Answer::Done) => Vec::new(),
            Ok(Answer::Replies(replies)) => replies,
            Ok(Answer::Failed { retry, code, message }) => {
                let outcome = if retry { "retryable" } else { "permanent" };
                return failed(&outcome, &"guest", &format_args!("{code}: {message}"));
            }
            Err(bad) => return failed(&"permanent", &"bad-output", &bad),
        };
        for reply in &replies {
            let mut line = Vec::new();
            structured::encode(reply, &mut line);
            print(format_args!("{}\n", String::from_utf8_lossy(&line)))?;
        }
        let replies = match replies.len() {
            0 => "no reply".to_owned(),
            1 => "1 reply".to_owned(),
            many => format!("{many} replies"),
        };
        say(format_args!("{GOOD}succeeded{PLAIN}: {replies}\n{cost}\n"));
        Ok(())
    }
}
