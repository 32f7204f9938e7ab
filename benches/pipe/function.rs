//! The example function, in its sandbox and natively, and an executor's whole work on a delivery.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::{bounded, unbounded};
use weir::dispatch::{Core, Effect, Input, Key, Limits, Progress};
use weir::event::{Envelope, Uid};
use weir::function::{Engine, FunctionIndex, Instance, Isolation, Module, Pool, Pooled, Upkeep};
use weir::telemetry::metrics::Metrics;
use weir::time::Moment;
use weir::worker::backlog::Work;
use weir::worker::chatter::Chatter;
use weir::worker::deployment::{self, Deployment};
use weir::worker::desk::{Desk, Seat};
use weir::worker::executor::{Done, Executor, Job};
use weir::worker::spares::Spares;
use weir::worker::tasks;

use super::meter::{Clock::Thread, Cost, Table, cost, cost_with};
use super::sample;

/// The very function, compiled into the bench. (Its tests come along, without what would run them.)
#[path = "../../functions/payment/src/lib.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
pub(crate) mod payment;

pub(crate) fn measure(table: &Table) {
    table.section("The function");
    let (engine, module) = sample::load();
    let executor = engine.executor();
    let made =
        cost(Thread, 1, || assert!(black_box(Instance::new(&module, &executor, Isolation::Warm)).is_ok()));
    table.row("an instance made and dropped (a cold start)", made, Some(200_000.0));

    let input = sample::json(0).into_bytes();
    let mut output = Vec::new();
    let native = cost(Thread, 1, || {
        weir_guest::respond(black_box(&input), payment::handle, &mut output);
    });
    table.row("payment, natively", native, None);

    let call = |module: &Arc<Module>, isolation: Isolation| {
        let upkeep = Upkeep { isolation, ..Upkeep::default() };
        let mut pool = Pool::new(&engine, [Pooled { module: Arc::clone(module), upkeep }]);
        pool.prewarm().expect("an instance is made");
        cost(Thread, 1, || {
            let called = pool.call(FunctionIndex(0), black_box(&input));
            assert_eq!(called.result.expect("the sample is an order"), output);
        })
    };
    let unlimited =
        Module::load_unlimited(&engine, "payment", &sample::module()).expect("it was loaded before");
    let plain = call(&unlimited, Isolation::Warm);
    table.row("payment, a warm call without limits", plain, Some(1_700.0));
    let warm = call(&module, Isolation::Warm);
    table.row("payment, a warm call", warm, Some(2_300.0));
    table.value("  how many times the native cost", warm.median / native.median, Some(2.4));
    table.value("  how many times the cost without limits", warm.median / plain.median, Some(1.3));
    table.row("payment, memory set back before each event", call(&module, Isolation::Reset), Some(5_400.0));
    table.row("payment, a fresh instance for each event", call(&module, Isolation::Fresh), Some(78_000.0));

    let deployment = Arc::new(Deployment::of(&sample::config(), &[Arc::clone(&module)], &sample::settings()));
    let whole = attempt(&engine, &deployment, || {
        let mut pool = Pool::new(&engine, [Arc::clone(&module)]);
        pool.prewarm().expect("an instance is made");
        pool
    });
    table.row("an attempt: id, envelope, warm call, answer, entry, reply", whole, None);
    table.value("  without the call", whole.median - warm.median, None);
}

fn attempt(engine: &Arc<Engine>, deployment: &Arc<Deployment>, pool: impl Fn() -> Pool) -> Cost {
    const BATCH: usize = 64;
    const BATCHES: usize = 150;
    let config = sample::config();
    let broker = config.triggers[0].broker;
    let envelope = sample::envelope(0);
    let delivery = key(&envelope, broker);
    let job = || {
        let envelope = envelope.clone();
        Job { delivery, trigger: 0, attempt: 1, replay: 0, follows: false, envelope, broker }
    };
    let (spares, _close) = Spares::new(Arc::clone(engine), Metrics::new(), 0);
    let make = || {
        let (sender, jobs) = unbounded();
        for _ in 0..BATCHES {
            let jobs = std::iter::repeat_with(job).take(BATCH).collect();
            sender
                .send(Work { deployment: Arc::clone(deployment), jobs, permit: None })
                .expect("the receiver is here");
        }
        // The loop takes the results away, as another thread.
        let (done, results) = bounded(8);
        let attempts = move || results.iter().map(|done: Done| done.attempts.len()).sum::<usize>();
        let taken = tasks::thread("loop", attempts);
        let mut executor = Executor::new(pool(), Arc::clone(deployment), Chatter::default());
        executor.at(Rc::new(Desk::own(Seat { number: 0, jobs, done })), Arc::clone(&spares));
        (executor, taken)
    };
    cost_with(Thread, BATCHES * BATCH, make, |(mut executor, taken)| {
        executor.sit(None);
        drop(executor);
        assert_eq!(taken.join().expect("the thread ends"), BATCHES * BATCH);
    })
}

/// A delivery's name: only a core gives one.
fn key(envelope: &Envelope, broker: Uid) -> Key {
    let table = deployment::table(&sample::config(), &sample::settings());
    let mut core = Core::new(table, Limits::default());
    let mut effects: Vec<Effect<()>> = Vec::new();
    let position = envelope.position;
    let inputs = [
        Input::Assigned {
            source: position.source,
            partition: position.partition,
            epoch: envelope.epoch,
            progress: Progress::default(),
            ended: Vec::new(),
            parked: Vec::new(),
        },
        Input::Arrived { envelope: envelope.clone(), broker },
    ];
    core.step(inputs, Moment(0), &mut effects);
    match effects.as_slice() {
        [Effect::Invoke { delivery, .. }] => *delivery,
        other => panic!("one delivery was expected: {other:?}"),
    }
}
