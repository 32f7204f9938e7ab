//! What an event costs, step by step and as a whole, beside the targets: `make bench`, or for some parts alone
//! `scripts/bench codecs whole`.
//!
//! CPU time, not wall time, and rounds with their spread: the machine may be shared. Targets are printed, never asserted.

#[path = "../../tests/brokers/mod.rs"]
mod brokers;
mod codecs;
mod core;
mod deciding;
mod disk;
mod floor;
mod function;
mod http;
mod jetstream;
mod journal;
mod kafka;
mod limits;
mod meter;
mod nats;
mod process;
mod publisher;
mod routing;
mod sample;
mod subscriber;
mod telemetry;
mod topic;
mod whole;

use meter::Table;

/// The worker's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Part = (&'static str, fn(&Table));

const PARTS: [Part; 13] = [
    ("codecs", codecs::measure),
    ("deciding", deciding::measure),
    ("routing", routing::measure),
    ("core", core::measure),
    ("function", function::measure),
    ("limits", limits::measure),
    ("disk", disk::measure),
    ("journal", journal::measure),
    ("whole", whole::measure),
    ("http", http::measure),
    ("kafka", kafka::measure),
    ("nats", nats::measure),
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
