//! Modules that were right once: cut off, and with bytes that are others.

use std::time::Duration;

use weir::function::{Engine, Limits, Pool};

use crate::dice::{Dice, dice_of};
use crate::guest::Guest;
use crate::{ONLY, alone, guests, in_threads_for_functions};

/// What a corrupt module may do is not known: it is not waited for.
const LIMITS: Limits =
    Limits { output: 1 << 20, timeout: Duration::from_millis(20), fuel: None, pages: 64, log: 64 << 10 };

/// Changes a few bytes of what can be called, and calls what can be called after that.
pub(crate) fn some(dice: &mut Dice, count: u32) {
    let small = |guest: &&Guest| !guest.is_refused() && guest.bytes().len() < 5_000;
    let originals: Vec<Vec<u8>> = crate::guests().filter(small).map(Guest::bytes).collect();
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::start(directory.path()).unwrap();
    let mut loaded = 0;
    for _ in 0..count {
        let mut wasm = originals[dice.within(0..originals.len() as u64) as usize].clone();
        for _ in 0..dice.within(1..4) {
            let at = dice.within(8..wasm.len() as u64) as usize;
            match dice.within(0..4) {
                0 => wasm[at] ^= 1 << dice.within(0..8),
                1 => wasm[at] = dice.pick(&[0, 1, 0x0b, 0x40, 0x7f, 0x80, 0xff]),
                2 => wasm[at] = dice.next() as u8,
                _ => drop(wasm.remove(at)),
            }
        }
        let Ok(module) = guests::load_with(&engine, &wasm, LIMITS) else { continue };
        loaded += 1;
        let mut pool = Pool::new(&engine, [module]);
        for _ in 0..2 {
            if let Err(failure) = pool.call(ONLY, b"{}").result {
                assert!(failure.message.len() <= 4_096, "{failure}");
            }
        }
    }
    println!("{loaded} of {count} corrupt modules could be loaded");
}

#[test]
fn a_corrupt_module_is_refused_or_does_no_harm() {
    let _alone = alone();
    in_threads_for_functions(1, |_| some(&mut dice_of(5, &[]), 300));
}

#[test]
fn no_beginning_of_a_module_is_one() {
    let whole = crate::guests().find(|guest| guest.name == "host-through-a-table").unwrap().bytes();
    let engine = guests::engine();
    let load = |len: usize| guests::load_with(&engine, &whole[..len], LIMITS);
    // But for one: its names come last, and nobody reads them.
    let loaded: Vec<usize> = (0..whole.len()).filter(|len| load(*len).is_ok()).collect();
    assert!(
        loaded.len() == 1 && whole[loaded[0] + 2..].starts_with(b"\x04name"),
        "{loaded:?} of {}",
        whole.len()
    );
    assert!(load(whole.len()).is_ok());
}
