//! Group commits: appending and flushing, with the CPU time that the kernel and sled's own threads take for it.

use std::sync::Arc;

use weir::dispatch::{Outcome, Reason};
use weir::event::{Position, Uid};
use weir::journal::{Entry, Journal, Reply};
use weir::sink::queue::QueueSink;
use weir::store::Log;

use super::meter::{Clock::Process, Cost, Table, cost};
use super::sample;

pub(crate) fn measure(table: &Table) {
    table.section("The disk");
    for (count, target) in [(1, None), (64, None), (512, Some(240.0))] {
        table.row(&format!("journal: append and flush, groups of {count}"), journal(count), target);
    }
    for count in [1, 64, 512] {
        table.row(&format!("queue: append and flush, groups of {count}"), queue(count), None);
    }
}

fn with_log(run: impl FnOnce(Arc<Log>) -> Cost) -> Cost {
    let directory = tempfile::tempdir_in(sample::scratch()).expect("the scratch directory is writable");
    run(Arc::new(Log::open(directory.path(), Default::default()).expect("a log opens")))
}

fn journal(count: usize) -> Cost {
    let mut entry = Vec::new();
    Entry {
        delivery: Uid(9),
        position: Position { source: sample::SOURCE, partition: 0, offset: 1 },
        trigger: "default/process-payments",
        function: "default/payment",
        tenant: "default",
        version: 0,
        replay: 0,
        attempt: 1,
        outcome: Outcome::Succeeded,
        reason: Reason::None,
        ended: 1_800_000_000_000_000_000,
        wall_ns: 1_700,
        init_ns: None,
        fuel: 4_000,
        price: 0,
        memory: 131_072,
        memory_limit: 0,
        bytes_in: 400,
        bytes_out: 200,
        event_id: "order-00000000",
        event_source: "/shop/checkout",
        event_type: "order.created",
        replies: vec![Reply { id: "order-00000000/payment".into(), ty: "payment.processed" }],
        fenced: false,
        dead_letter: false,
    }
    .encode(&mut entry);
    with_log(|log| {
        let mut journal = Journal::open(Arc::clone(&log)).expect("an empty journal opens");
        cost(Process, count, || {
            (0..count).for_each(|_| journal.push(&entry, 1_700));
            journal.write();
            log.flush().expect("the disk takes it");
        })
    })
}

fn queue(count: usize) -> Cost {
    let envelope = sample::envelope(0);
    with_log(|log| {
        let mut queue = QueueSink::open(Arc::clone(&log), 0).expect("an empty queue opens");
        cost(Process, count, || {
            (0..count).for_each(|_| queue.push(Uid(3), envelope.record()));
            queue.write();
            log.flush().expect("the disk takes it");
        })
    })
}
