//! How many functions and instances one process has, and what comes after the last.

use std::sync::Arc;
use std::time::Duration;

use weir::dispatch::{Outcome, Reason};
use weir::function::{FunctionIndex, Limits, Module, Pool};

use crate::neighbour::Neighbour;
use crate::{alone, guests, in_threads_for_functions, resident};

const LIMITS: Limits =
    Limits { output: 4_096, timeout: Duration::from_secs(600), fuel: None, pages: 16, log: 64 << 10 };

/// Answers with as many bytes as `number` says.
fn numbered(number: usize) -> Vec<u8> {
    guests::guest(&format!("(i64.const {number})"), "")
}

#[test]
fn a_thousand_functions_are_loaded_and_each_is_called() {
    let _alone = alone();
    // `make soak` compiles a thousand modules; else a few are loaded again and again.
    let distinct = if std::env::var_os("WEIR_SOAK_SECONDS").is_some() { 1_000 } else { 10 };
    in_threads_for_functions(1, |_| {
        let engine = guests::engine();
        let load = |number: usize| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), numbered(number % distinct)).unwrap();
            Module::load(&engine, &format!("function-{number}"), file.path(), LIMITS).unwrap()
        };
        (0..distinct).for_each(|number| drop(load(number)));
        let before = resident::level();
        let modules: Vec<Arc<Module>> = (0..1_000).map(load).collect();
        let mut pool = Pool::new(&engine, modules);
        for turn in 0..3 {
            for number in 0..1_000 {
                let called = pool.call(FunctionIndex(number as u32), b"x");
                assert_eq!(called.cold, turn == 0);
                assert_eq!(called.result.map(<[u8]>::len), Ok(number % distinct), "function {number}");
            }
        }
        let each = (resident::level() - before) / 1_000;
        println!("1,000 functions, {distinct} of them different: {} KiB each, with an instance", each >> 10);
        assert!(each < 1 << 20, "{each} bytes");
        drop(pool);
        resident::is_back_at(before, "1,000 functions");
    });
}

#[test]
fn ten_thousand_instances_live_at_once_and_what_is_too_many_is_refused_with_the_reason() {
    const LIVE: usize = 10_000;
    const MORE: u32 = 1_000;
    let _alone = alone();
    in_threads_for_functions(1, |_| {
        let engine = guests::engine();
        let module = guests::load_with(&engine, &numbered(7), LIMITS).unwrap();
        let mut neighbour = Neighbour::new();
        let before = resident::level();
        let mut pool = Pool::new(&engine, vec![module.clone(); LIVE]);
        pool.prewarm().unwrap();
        for number in 0..LIVE {
            let called = pool.call(FunctionIndex(number as u32), b"x");
            assert!(!called.cold);
            assert_eq!(called.result.map(<[u8]>::len), Ok(7), "instance {number}");
        }
        let each = (resident::level() - before) / LIVE as i64;
        println!("{LIVE} live instances, each called: {} KiB each", each >> 10);
        assert!(each < 256 << 10, "{each} bytes");

        let mut more = Pool::new(&engine, vec![module.clone(); MORE as usize]);
        let failure = more.prewarm().unwrap_err();
        let there = (0..MORE).take_while(|number| !more.call(FunctionIndex(*number), b"x").cold).count();
        println!("{} instances are as many as there can be: {failure}", LIVE + there);
        assert!(there > 0);
        assert_eq!((failure.outcome, failure.reason), (Outcome::Retryable, Reason::Instantiate), "{failure}");
        let said = "no room for one more instance: each takes 12 GiB of addresses, and ";
        assert!(failure.message.starts_with(said), "{failure}");

        // Who has instances gives up the one that has waited longest for another; who has none is to come again.
        assert_eq!(more.call(FunctionIndex(MORE - 1), b"x").result.map(<[u8]>::len), Ok(7));
        let failure = Pool::new(&engine, [module.clone()]).call(FunctionIndex(0), b"x").result.unwrap_err();
        assert_eq!((failure.outcome, failure.reason), (Outcome::Retryable, Reason::Instantiate), "{failure}");
        neighbour.answers("the last instance");
        assert_eq!(pool.call(FunctionIndex(0), b"x").result.map(<[u8]>::len), Ok(7));
        drop(more);
        assert_eq!(Pool::new(&engine, [module]).call(FunctionIndex(0), b"x").result.map(<[u8]>::len), Ok(7));
        drop(pool);
        resident::is_back_at(before, "10,000 instances");
        neighbour.answers("10,000 instances");
    });
}
