//! What an event costs, step by step and as a whole, beside the targets: `make bench`, or for some parts alone
//! `scripts/bench codecs whole`.
//!
//! CPU time, not wall time, and rounds with their spread: the machine may be shared. Targets are printed, never asserted.

mod codecs;
mod core;
mod deciding;
mod disk;
mod function;
mod http;
mod limits;
mod meter;
mod process;
mod publisher;
mod routing;
mod sample;
mod subscriber;
mod telemetry;
mod whole;

use meter::Table;

type Part = (&'static str, fn(&Table));

const PARTS: [Part; 10] = [
    ("codecs", codecs::measure),
    ("deciding", deciding::measure),
    ("routing", routing::measure),
    ("core", core::measure),
    ("function", function::measure),
    ("limits", limits::measure),
    ("disk", disk::measure),
    ("whole", whole::measure),
    ("http", http::measure),
    ("telemetry", telemetry::measure),
];

fn main() {
    // Cargo adds an option of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let known = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        eprintln!("there is no part {unknown}; the parts are {}", PARTS.map(|(name, _)| name).join(", "));
        std::process::exit(2);
    }
    let table = Table::begin(sample::json(0).len());
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) {
            measure(&table);
        }
    }
}
