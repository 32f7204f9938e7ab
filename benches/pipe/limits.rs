//! How late a call is stopped that would never end. In CPU time: how long it runs between two looks at the clock. In wall
//! time, which on a shared machine also has the others' turns in it: how long it ran beyond its timeout.

use std::thread;
use std::time::Duration;

use weir::function::{FunctionIndex, Limits, Module, Pool, STACK};

use super::meter::{Clock::Thread, Table, cost};
use super::sample;

const TIMEOUT: Duration = Duration::from_millis(2);
const STOPS: usize = 500;
/// What is there between two looks.
const SLICE: u64 = 1_000_000;
const SLICES: usize = 50;

const WAYS: [(&str, &str); 3] = [
    ("an empty loop", "(loop $more (br $more))"),
    (
        "a loop of copies",
        "(loop $more (memory.copy (i32.const 0) (i32.const 32768) (i32.const 32768)) (br $more))",
    ),
    (
        "a loop of divisions",
        "(loop $more (i64.store (i32.const 0) (i64.div_u (i64.load (i32.const 8)) (i64.const 7))) (br $more))",
    ),
];

pub(crate) fn measure(table: &Table) {
    table.section("A call without end that is stopped");
    let (engine, _) = sample::load();
    for (what, way) in WAYS {
        let text = format!(
            r#"(module
                (memory (export "memory") 1)
                (global (export "weir_abi") i32 (i32.const 1))
                (func (export "weir_buffer") (param i32) (result i32) (i32.const 0))
                (func (export "weir_handle") (param i32) (result i64) {way} (i64.const 0)))"#
        );
        let path = sample::scratch().join("endless.wasm");
        std::fs::write(&path, wat::parse_str(text).expect("it is WebAssembly")).expect("it is written");
        let load = |limits| Module::load(&engine, "endless", &path, limits).expect("it is a function");

        let fuel = load(Limits { fuel: Some(SLICE * SLICES as u64), ..Limits::default() });
        let mut pool = Pool::new(&engine, [fuel]);
        let between = cost(Thread, SLICES, || assert!(pool.call(FunctionIndex(0), b"x").result.is_err()));
        table.row(&format!("{what}, between two looks at the clock"), between, Some(1e6));

        let module = load(Limits { timeout: TIMEOUT, ..Limits::default() });
        let stop = || {
            let mut pool = Pool::new(&engine, [module.clone()]);
            let stopped = || {
                let called = pool.call(FunctionIndex(0), b"x");
                assert!(called.result.is_err());
                called.wall.saturating_sub(TIMEOUT).as_nanos() as f64
            };
            std::iter::repeat_with(stopped).take(STOPS).collect::<Vec<_>>()
        };
        // On two threads, as executors are.
        let mut late: Vec<f64> = thread::scope(|scope| {
            let two = [(); 2].map(|()| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, stop));
            two.into_iter().flat_map(|thread| thread.expect("it starts").join().expect("it ends")).collect()
        });
        late.sort_by(f64::total_cmp);
        table.value("  how late after its timeout, in wall time: median", late[late.len() / 2], None);
        table.value("  p99", late[late.len() * 99 / 100], Some(1e6));
    }
}
