//! The functions of the module `weir` that guests may import: a line for the log, a value of the configuration.

use super::limits::Stop;
use super::log::Level;
use super::memory::{Memory, Outside};
use super::wasi::{Process, World, cost};

/// What guests import it as.
pub(super) const MODULE: &str = "weir";
/// `(level: i32, address: i32, len: i32) -> ()`
pub(super) const LOG: &str = "log";
/// `(key: i32, key_len: i32, out: i32, room: i32) -> i64`
pub(super) const CONFIG: &str = "config";

impl From<Outside> for Stop {
    fn from(_: Outside) -> Stop {
        Stop::Bounds
    }
}

/// Text that there is no room for is not even looked at, and charged as the call alone.
pub(super) fn log(
    process: &mut Process,
    memory: &Memory<'_>,
    world: &dyn World,
    [level, address, len]: [u32; 3],
) -> Result<(), Stop> {
    let text = memory.bytes(address, len)?;
    if !process.log.has_room(text.len()) {
        process.log.dropped += 1;
        return world.charge(cost::CALL);
    }
    world.charge(cost::CALL + cost::printed(text.len()))?;
    process.log.write(Level::of(level), text);
    Ok(())
}

/// The length of a value, of which as much is written as there is room for; -1: there is none.
pub(super) fn config(
    process: &Process,
    memory: &mut Memory<'_>,
    world: &dyn World,
    [key, key_len, out, room]: [u32; 4],
) -> Result<i64, Stop> {
    memory.bytes(out, room)?;
    let key = memory.bytes(key, key_len)?;
    world.charge(cost::CALL + cost::copied(key.len()))?;
    let value = std::str::from_utf8(key).ok().and_then(|key| process.surroundings.config.get(key));
    let Some(value) = value else { return Ok(-1) };
    let written = &value.as_bytes()[..value.len().min(room as usize)];
    world.charge(cost::copied(written.len()))?;
    memory.write(out, written)?;
    Ok(value.len() as i64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::function::Log;
    use crate::function::surroundings::Surroundings;

    struct Idle;

    impl World for Idle {
        fn realtime(&self) -> u64 {
            0
        }

        fn monotonic(&self) -> u64 {
            0
        }

        fn random(&self, _: &mut [u8]) -> bool {
            false
        }

        fn charge(&self, _: u64) -> Result<(), Stop> {
            Ok(())
        }
    }

    fn process() -> Process {
        let config = [("limit".to_owned(), "10000".to_owned())].into();
        Process::new(Arc::new(Surroundings { config, ..Surroundings::of("f") }), Log::BYTES)
    }

    #[test]
    fn a_value_is_written_as_far_as_there_is_room_and_its_length_is_told() {
        for (room, written) in
            [(0, "limit_______"), (3, "limit_100___"), (5, "limit_10000_"), (6, "limit_10000_")]
        {
            let mut memory = *b"limit_______";
            assert_eq!(config(&process(), &mut Memory(&mut memory), &Idle, [0, 5, 6, room]), Ok(5));
            assert_eq!(memory, *written.as_bytes());
        }
    }

    #[test]
    fn a_key_that_is_not_there_has_no_value() {
        let mut memory = *b"limi\xff_______";
        for len in 0..6 {
            assert_eq!(config(&process(), &mut Memory(&mut memory), &Idle, [0, len, 6, 6]), Ok(-1));
        }
        assert_eq!(memory, *b"limi\xff_______");
    }

    #[test]
    fn a_pointer_outside_memory_ends_the_call() {
        let mut memory = *b"limit_______";
        let mut memory = Memory(&mut memory);
        for [key, key_len, out, room] in [[8, 5, 0, 0], [0, 5, 6, 7], [u32::MAX; 4], [0, 5, u32::MAX, 1]] {
            let answer = config(&process(), &mut memory, &Idle, [key, key_len, out, room]);
            assert_eq!(answer, Err(Stop::Bounds));
        }
        for [address, len] in [[0, 13], [12, 1], [u32::MAX, u32::MAX]] {
            assert_eq!(log(&mut process(), &memory, &Idle, [0, address, len]), Err(Stop::Bounds));
        }
    }

    #[test]
    fn what_has_no_place_in_a_log_is_dropped_and_counted() {
        let mut process = process();
        let mut bytes = vec![b'\n'; Log::BYTES as usize + 1];
        let memory = Memory(&mut bytes);
        log(&mut process, &memory, &Idle, [0, 0, Log::BYTES + 1]).unwrap();
        assert_eq!((process.log.lines.len(), process.log.dropped), (0, 1));
        log(&mut process, &memory, &Idle, [1, 0, 1]).unwrap();
        assert_eq!((process.log.lines.len(), process.log.lines[0].level), (1, Level::Warn));
    }

    proptest! {
        #[test]
        fn no_call_panics(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..64), arguments in any::<[u32; 4]>(),
            small in proptest::array::uniform4(0..70_u32),
        ) {
            for [a, b, c, d] in [arguments, small] {
                let mut memory = Memory(&mut bytes);
                let _ = log(&mut process(), &memory, &Idle, [a, b, c]);
                let _ = config(&process(), &mut memory, &Idle, [a, b, c, d]);
            }
        }
    }
}
