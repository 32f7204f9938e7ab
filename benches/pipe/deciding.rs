//! Routing, the core's own work, and the way to another thread and back.

use std::hint::black_box;
use std::sync::Arc;

use crossbeam_channel::bounded;
use weir::dispatch::{Core, Effect, Input, Limits, Outcome, Policy, Progress, Table as Triggers};
use weir::event::{Envelope, Epoch, Uid, structured};
use weir::time::Moment;
use weir::trigger::{Filter, Memo, Routes};
use weir::worker::tasks;

use super::meter::{Clock, Cost, Table, cost, cost_with};
use super::sample;

const BROKER: Uid = Uid(3);
const BATCH: usize = 64;

pub(crate) fn measure(table: &Table) {
    table.section("Deciding and handing over");
    let few = route(10, one_of_many_types);
    let many = route(10_000, one_of_many_types);
    table.row("route, 1 trigger", route(1, one_of_many_types), None);
    table.row("route, 10 triggers", few, None);
    table.row("route, 10,000 triggers", many, Some(40.0));
    table.value("  10,000 against 10: how many times the cost", many.median / few.median, Some(1.1));
    let few = route(10, one_source);
    let many = route(10_000, one_source);
    table.row("route, 10,000 triggers of one type, told apart by source", many, Some(40.0));
    table.value("  10,000 against 10: how many times the cost", many.median / few.median, Some(1.1));
    table.row("core: arrived, attempted, journaled; batches of 64", step(), None);
    table.row("hand-over of 64 to a thread and back (both threads)", hand_over(), Some(32.0));
}

/// The filter of trigger `n`; that of 0 is the one that matches.
fn one_of_many_types(n: usize) -> Vec<(&'static str, String)> {
    vec![("type", if n == 0 { "order.created".to_owned() } else { format!("order.other-{n}") })]
}

fn one_source(n: usize) -> Vec<(&'static str, String)> {
    let source = if n == 0 { "/shop/checkout".to_owned() } else { format!("/shop/{n}") };
    vec![("type", "order.created".to_owned()), ("source", source)]
}

fn routes(count: usize, filter: fn(usize) -> Vec<(&'static str, String)>) -> Routes {
    Routes::new((0..count).map(|n| {
        (BROKER, Filter::exact(filter(n).into_iter().map(|(name, value)| (name.to_owned(), value))))
    }))
}

fn route(count: usize, filter: fn(usize) -> Vec<(&'static str, String)>) -> Cost {
    let routes = routes(count, filter);
    let json = sample::json(0);
    let event = structured::decode(json.as_bytes()).expect("the sample is an event");
    let (mut memo, mut matched) = (Memo::default(), Vec::new());
    cost(Clock::Thread, 1, || {
        matched.clear();
        routes.matching(BROKER, black_box(&event), &mut memo, &mut matched);
        assert_eq!(matched, [0]);
    })
}

/// One delivery an event, from arrival to settlement.
fn step() -> Cost {
    const BATCHES: usize = 500;
    let triggers = Triggers {
        routes: routes(1, one_of_many_types),
        policies: vec![Policy::default()],
        uids: vec![Uid(1)],
        ..Triggers::default()
    };
    let mut core = Core::new(Arc::new(triggers), Limits::default());
    let mut effects = Vec::new();
    let assigned: Input<()> = Input::Assigned {
        source: sample::SOURCE,
        partition: 0,
        epoch: Epoch(1),
        progress: Progress::default(),
        ended: Vec::new(),
        parked: Vec::new(),
    };
    core.step([assigned], Moment(0), &mut effects);
    let envelopes: Vec<Envelope> = (0..BATCH).map(sample::envelope).collect();
    let mut next = 0;
    let make = || {
        let batch = |from: u64| {
            let at = |(n, envelope): (u64, &Envelope)| {
                let mut envelope = envelope.clone();
                envelope.position.offset = from + n;
                Input::Arrived { envelope, broker: BROKER }
            };
            (0..).zip(&envelopes).map(at).collect::<Vec<Input<()>>>()
        };
        let batches: Vec<_> = (0..BATCHES).map(|b| batch(next + (b * BATCH) as u64)).collect();
        next += (BATCHES * BATCH) as u64;
        batches
    };
    cost_with(Clock::Thread, BATCHES * BATCH, make, |batches| {
        for mut inputs in batches {
            // Thrice: to be invoked, to be journalled, to settle.
            while !inputs.is_empty() {
                core.step(inputs.drain(..), Moment(1), &mut effects);
                inputs.extend(effects.drain(..).map(|effect| match effect {
                    Effect::Invoke { delivery, .. } => {
                        let outcome = Outcome::Succeeded;
                        Input::Attempted { delivery, outcome, retry_after: None, report: () }
                    }
                    Effect::Journal { delivery, .. } => Input::Journaled { delivery, parked: None },
                    effect => unreachable!("nothing fails: {effect:?}"),
                }));
            }
        }
        assert!(core.is_idle());
    })
}

/// As many messages under way as the loop keeps with an executor.
fn hand_over() -> Cost {
    const UNDER_WAY: usize = 4;
    const MESSAGES: usize = 2_000;
    let (there, jobs) = bounded::<Vec<Envelope>>(UNDER_WAY);
    let (done, back) = bounded::<Vec<Envelope>>(UNDER_WAY);
    let echo = tasks::thread("echo", move || jobs.iter().try_for_each(|batch| done.send(batch)));
    let batch: Vec<Envelope> = (0..BATCH).map(sample::envelope).collect();
    for _ in 0..UNDER_WAY {
        there.send(batch.clone()).expect("the thread lives");
    }
    let cost = cost(Clock::Process, MESSAGES * BATCH, || {
        for _ in 0..MESSAGES {
            let batch = back.recv().expect("the thread lives");
            there.send(batch).expect("the thread lives");
        }
    });
    drop((there, back));
    // It ends because nobody listens any more.
    let _ = echo.join().expect("the thread ends");
    cost
}
