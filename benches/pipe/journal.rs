//! A journal that has grown for long: what it takes to append to it, to start with it, and what is given back once it has been
//! shipped. WEIR_BENCH_ENTRIES (a million) says how long.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use weir::dispatch::{Outcome, Reason};
use weir::event::{Position, Uid};
use weir::journal::{Entry, Journal, Reply, read};
use weir::store::Log;

use super::meter::{Clock, Table};
use super::sample;

/// Entries that become durable together.
const GROUP: u64 = 512;

pub(crate) fn measure(table: &Table) {
    let entries =
        std::env::var("WEIR_BENCH_ENTRIES").map_or(1_000_000, |text| text.parse().expect("a number"));
    table.section(&format!("A journal of {entries} entries"));
    let home = tempfile::tempdir_in(sample::scratch()).expect("the scratch directory is writable");
    let open = || Arc::new(Log::open(home.path(), Default::default()).expect("a log opens"));
    let before = resident();
    let log = open();
    let mut journal = Journal::open(Arc::clone(&log)).expect("an empty journal opens");
    let mut cpu = 0.0;
    for from in (0..entries).step_by(GROUP as usize) {
        let group: Vec<_> = (from..(from + GROUP).min(entries)).map(Attempt::numbered).collect();
        let begun = Clock::Process.now();
        for attempt in &group {
            journal.push(&attempt.entry(), 1_700);
        }
        journal.write();
        log.flush().expect("the disk takes it");
        cpu += Clock::Process.now() - begun;
    }
    table.value("append, encoding included, CPU ns an entry", cpu / entries as f64, Some(500.0));
    table.value("disk, bytes an entry", size(home.path()) as f64 / entries as f64, None);
    table.value("memory that it took, MB", resident() - before, None);
    drop((journal, log));

    let begun = Instant::now();
    let log = open();
    let journal = Journal::open(Arc::clone(&log)).expect("it opens again");
    table.value("restart, s of wall time", begun.elapsed().as_secs_f64(), Some(1.0));
    let (begun, mut seen) = (Instant::now(), 0_u64);
    read(&log, |_| seen += 1).expect("its chain holds");
    assert_eq!(seen, entries, "all of it is there");
    table.value(
        "reading and proving all of it, ns an entry",
        begun.elapsed().as_nanos() as f64 / seen as f64,
        None,
    );
    table.value("memory after that, MB", resident() - before, None);
    log.drop_below(log.flushed()).expect("volumes can be dropped");
    table.value("disk once all is shipped, MB", size(home.path()) as f64 / 1e6, Some(32.0));
    drop(journal);
}

/// What an entry is of, made beforehand.
struct Attempt {
    position: Position,
    delivery: Uid,
    event: String,
    reply: String,
}

impl Attempt {
    fn numbered(offset: u64) -> Attempt {
        let position = Position { source: sample::SOURCE, partition: 0, offset };
        // As most producers make them, each unlike the one before it.
        let event = Uid::of_delivery(position, Uid(1), 0).to_string();
        let reply = format!("{event}/payment");
        Attempt { position, delivery: Uid::of_delivery(position, Uid(9), 0), event, reply }
    }

    fn entry(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(320);
        Entry {
            delivery: self.delivery,
            position: self.position,
            trigger: "default/process-payments",
            function: "default/payment",
            tenant: "default",
            version: 9,
            replay: 0,
            attempt: 1,
            outcome: Outcome::Succeeded,
            reason: Reason::None,
            ended: 1_800_000_000_000_000_000 + self.position.offset,
            wall_ns: 1_700,
            init_ns: None,
            fuel: 4_000,
            memory: 131_072,
            memory_limit: 128 << 20,
            price: 210,
            bytes_in: 400,
            bytes_out: 200,
            event_id: &self.event,
            event_source: "/shop/checkout",
            event_type: "order.created",
            replies: vec![Reply { id: Cow::Borrowed(&self.reply), ty: "payment.processed" }],
            fenced: false,
            dead_letter: false,
        }
        .encode(&mut bytes);
        bytes
    }
}

/// In MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1e3
}

fn size(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("it can be listed").flatten();
    entries
        .map(|entry| {
            let about = entry.metadata().expect("it is there");
            if about.is_dir() { size(&entry.path()) } else { about.len() }
        })
        .sum()
}
