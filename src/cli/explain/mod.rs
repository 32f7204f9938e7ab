//! `weir explain`.

mod asked;
mod delivery;
mod json;
mod text;

use std::path::PathBuf;

use clap::Args;

use super::documents;
use super::exit::{Failed, Outcome};
use super::format::Textual;
use super::options::{Options, refuse};
use super::out::print;
use crate::config::{Broker, Config, Trigger};
use crate::event::Event;
use crate::trigger::Clause;
use asked::Asked;

#[derive(Debug, Args)]
#[command(after_help = "\
✓ is true, ✗ false, ! can't be decided and so does not match, - was not asked: it was decided before.
Nothing is published and no function runs. The exit code is 1 if an event meets no trigger.

Examples:
  weir explain --type order.created --source /shop
  weir explain order.json
  weir explain order.json deploy/triggers --broker shop/orders
  weir explain events.jsonl --trigger process-payments
  weir dlq show 3 --as-event | weir explain - --format json | jq '.triggers[] | select(.matched)'")]
pub struct Explain {
    /// A file with a CloudEvent in JSON, a batch, or one a line (- for standard input); left out with --type
    event: Option<PathBuf>,
    /// Files and directories of triggers, brokers and functions [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    /// The broker that the event is posted to: its name, or namespace/name [default: default]
    #[arg(long, value_name = "NAME")]
    broker: Option<String>,
    /// Only this trigger, by its name, or namespace/name
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// A text for people, JSON for programs: an object an event, a line each
    #[arg(long, value_enum, default_value = "text")]
    format: Textual,
    #[command(flatten)]
    select: documents::Select,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

/// What becomes of an event at one trigger.
struct Route<'c> {
    trigger: &'c Trigger,
    clause: Clause,
}

/// What becomes of an event at the triggers that were asked for.
struct Explained<'c, 'e> {
    event: &'e Event<'e>,
    config: &'c Config,
    broker: &'c Broker,
    routes: Vec<Route<'c>>,
}

impl Explained<'_, '_> {
    fn matched(&self) -> usize {
        self.routes.iter().filter(|route| route.clause.matches()).count()
    }
}

impl Explain {
    pub fn main(&self) -> Outcome {
        if self.event.is_none() && !self.asked.is_made() {
            return Err(Failed::usage("no event: name a file (- for standard input), or say --type"));
        }
        let (settings, of_settings) = self.options.load(&[self.select.setting()])?;
        refuse(&of_settings)?;
        // With --type there is no file of an event: the first argument is a path like the others.
        let made = self.asked.is_made();
        let first = self.event.as_ref().filter(|_| made);
        let paths: Vec<PathBuf> = first.into_iter().chain(&self.paths).cloned().collect();
        let loaded = documents::load(&paths, &settings);
        refuse(&loaded.diagnostics)?;
        let mut config = loaded.config.unwrap_or_default();
        documents::select(&mut config, &settings)?;
        let (broker, triggers) = self.find(&config)?;
        let bodies = self.asked.bodies(self.event.as_deref())?;
        let mut unrouted = false;
        for (n, body) in bodies.iter().enumerate() {
            let event = asked::decoded(body)?;
            let routes =
                triggers.iter().map(|&trigger| Route { trigger, clause: trigger.criteria().explain(&event) });
            let explained = Explained { event: &event, config: &config, broker, routes: routes.collect() };
            unrouted |= explained.matched() == 0;
            match self.format {
                Textual::Json => print(format_args!("{}\n", json::line(&explained)))?,
                Textual::Text => {
                    let gap = if n == 0 { "" } else { "\n" };
                    print(format_args!("{gap}{}", text::Shown(&explained)))?;
                }
            }
        }
        if unrouted { Err(Failed::silent()) } else { Ok(()) }
    }

    /// The broker, and its triggers that were asked for.
    fn find<'c>(&self, config: &'c Config) -> Result<(&'c Broker, Vec<&'c Trigger>), Failed> {
        let only = self.trigger.as_deref().map(|name| trigger(config, name)).transpose()?;
        let broker = match (&self.broker, only) {
            (Some(name), _) => broker(config, name)?,
            (None, Some(only)) => of(config, only),
            (None, None) => broker(config, "default")?,
        };
        if let Some(only) = only.filter(|only| only.broker != broker.uid) {
            let message = format!("the trigger {} is none of broker {}", named(only), full(broker));
            return Err(Failed::usage(message).help(format!("it is of {}", full(of(config, only)))));
        }
        let of_broker = config.triggers.iter().filter(|trigger| trigger.broker == broker.uid);
        let triggers: Vec<&Trigger> = match only {
            Some(only) => vec![only],
            None => of_broker.collect(),
        };
        Ok((broker, triggers))
    }
}

fn trigger<'c>(config: &'c Config, wanted: &str) -> Result<&'c Trigger, Failed> {
    let (namespace, name) = split(wanted);
    let found = config.triggers.iter().find(|t| t.namespace == namespace && t.name == name);
    found.ok_or_else(|| {
        let known: Vec<String> = config.triggers.iter().map(named).collect();
        match config.deselected.iter().any(|t| t.namespace == namespace && t.name == name) {
            true => missing(format!("the trigger {namespace}/{name} is not selected"), &known),
            false => missing(format!("there is no trigger {namespace}/{name}"), &known),
        }
    })
}

fn broker<'c>(config: &'c Config, wanted: &str) -> Result<&'c Broker, Failed> {
    let (namespace, name) = split(wanted);
    let found = config.brokers.iter().find(|b| b.namespace == namespace && b.name == name);
    found.ok_or_else(|| {
        let known: Vec<String> = config.brokers.iter().map(full).collect();
        missing(format!("there is no broker {namespace}/{name}"), &known)
    })
}

fn missing(message: String, known: &[String]) -> Failed {
    let failed = Failed::usage(message);
    match known {
        [] => failed,
        known => failed.help(format!("there is {}", known.join(", "))),
    }
}

/// The broker of a trigger: every one names one that is there.
fn of<'c>(config: &'c Config, trigger: &Trigger) -> &'c Broker {
    let found = config.brokers.iter().find(|broker| broker.uid == trigger.broker);
    found.expect("a linked trigger's broker is in the config")
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("default", name))
}

fn named(trigger: &Trigger) -> String {
    format!("{}/{}", trigger.namespace, trigger.name)
}

fn full(broker: &Broker) -> String {
    format!("{}/{}", broker.namespace, broker.name)
}
