//! The functions against anything that a guest may ask of them, and against the simplest thing that answers the same.

use std::cell::Cell;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::errno::Errno;
use super::*;
use crate::function::limits::Stop;
use crate::function::memory::Memory;
use crate::function::surroundings::Surroundings;

/// A machine whose time goes on by a bit whenever it is looked at.
pub(super) struct Machine {
    pub now: Cell<u64>,
    pub tick: u64,
    pub fuel: Cell<u64>,
}

impl Machine {
    pub(super) fn new() -> Machine {
        Machine { now: Cell::new(1_000_000_123), tick: 300_000, fuel: Cell::new(1 << 40) }
    }
}

impl World for Machine {
    fn realtime(&self) -> u64 {
        self.now.set(self.now.get() + self.tick);
        self.now.get() + (1 << 60)
    }

    fn monotonic(&self) -> u64 {
        self.now.set(self.now.get() + self.tick);
        self.now.get()
    }

    fn random(&self, bytes: &mut [u8]) -> bool {
        bytes.fill(0xab);
        true
    }

    fn charge(&self, units: u64) -> Result<(), Stop> {
        self.fuel.set(self.fuel.get().checked_sub(units).ok_or(Stop::Fuel)?);
        Ok(())
    }
}

pub(super) fn process() -> Process {
    let mut surroundings = Surroundings::of("shop");
    surroundings.environment.insert("REGION".into(), "eu".into());
    surroundings.environment.insert("EMPTY".into(), String::new());
    Process::new(Arc::new(surroundings), crate::function::Log::BYTES)
}

pub(super) fn ask<const N: usize>(
    function: Function,
    given: [u64; N],
    process: &mut Process,
    memory: &mut [u8],
) -> Result<Errno, Stop> {
    assert_eq!(N, function.parameters().len(), "{function:?}");
    let mut arguments = [0; Function::PARAMETERS];
    arguments[..N].copy_from_slice(&given);
    call(function, &arguments, process, &mut Memory(memory), &Machine::new())
}

pub(super) fn word(memory: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(memory[at..at + 4].try_into().unwrap())
}

pub(super) fn long(memory: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(memory[at..at + 8].try_into().unwrap())
}

/// Addresses near what is there, near the end of 32 bits, and any.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![5 => 0..48_u64, 3 => 0..600_u64, 1 => 0xffff_ff00..=0xffff_ffff_u64, 1 => any::<u64>()]
}

/// Small numbers, so that vectors in it are often good.
fn memory() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![6 => Just(0_u8), 3 => 0..64_u8, 1 => any::<u8>()], 0..512)
}

// ---- anything ------------------------------------------------------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_call_panics_and_one_that_answers_an_errno_has_written_nothing(
        mut memory in memory(),
        event in vec(any::<u8>(), 0..64),
        command in any::<bool>(),
        calls in vec((0..Function::ALL.len(), vec(number(), 9)), 1..20),
    ) {
        let mut process = process();
        if command { process.begin_command(&event, 100) } else { process.begin() }
        let machine = Machine::new();
        for (function, arguments) in calls {
            let function = Function::ALL[function];
            let mut given = [0; Function::PARAMETERS];
            for (n, ty) in function.parameters().iter().enumerate() {
                let narrow = *ty == wasmparser::ValType::I32;
                given[n] = if narrow { u64::from(arguments[n] as u32) } else { arguments[n] };
            }
            let before = memory.clone();
            match call(function, &given, &mut process, &mut Memory(&mut memory), &machine) {
                Ok(Errno::Success) => {}
                Ok(_) => prop_assert_eq!(before, memory.clone(), "{:?}", function),
                Err(Stop::Exit) => prop_assert_eq!(function, Function::proc_exit),
                Err(Stop::Output) => prop_assert!(command && function == Function::fd_write),
                Err(Stop::Bounds) => prop_assert_eq!(process.ended_in, function.name()),
                Err(stop) => prop_assert!(false, "{function:?}: {stop:?}"),
            }
        }
        process.end();
        prop_assert!(process.answer().len() <= 100);
    }
}

#[test]
fn all_that_has_no_place_here_answers_enosys_whatever_it_is_given() {
    use Function as F;
    let answers = [
        F::args_get,
        F::args_sizes_get,
        F::clock_res_get,
        F::clock_time_get,
        F::environ_get,
        F::environ_sizes_get,
        F::fd_close,
        F::fd_fdstat_get,
        F::fd_fdstat_set_flags,
        F::fd_filestat_get,
        F::fd_prestat_get,
        F::fd_read,
        F::fd_seek,
        F::fd_tell,
        F::fd_write,
        F::poll_oneoff,
        F::proc_exit,
        F::random_get,
        F::sched_yield,
    ];
    for function in F::ALL.iter().filter(|function| !answers.contains(function)) {
        let machine = Machine::new();
        for argument in [0, 1, 3, u64::MAX] {
            let answer = call(*function, &[argument; 9], &mut process(), &mut Memory(&mut []), &machine);
            assert_eq!(answer, Ok(Errno::NoSys), "{function:?}");
        }
    }
}

#[test]
fn every_call_is_paid_for() {
    for function in Function::ALL {
        let machine = Machine { fuel: Cell::new(1), ..Machine::new() };
        let answer = call(*function, &[0; 9], &mut process(), &mut Memory(&mut [0; 64]), &machine);
        assert_eq!(answer, Err(Stop::Fuel), "{function:?}");
    }
    // Many bytes cost more, and are paid for before they are all made.
    let mut memory = vec![0; 1 << 20];
    let machine = Machine { fuel: Cell::new(1 << 18), ..Machine::new() };
    let mut arguments = [0; 9];
    arguments[1] = 1 << 20;
    let answer = call(Function::random_get, &arguments, &mut process(), &mut Memory(&mut memory), &machine);
    assert_eq!(answer, Err(Stop::Fuel));
    assert_eq!((memory[0], memory[(1 << 20) - 1]), (0xab, 0));
}

// ---- streams -------------------------------------------------------------------------------------------------------

/// What reads and writes one byte after the other, with numbers that can't overflow.
struct Model {
    unread: Vec<u8>,
    answer: Vec<u8>,
    errors: Vec<u8>,
    open: [bool; 3],
}

impl Model {
    const LIMIT: usize = 40;

    fn word(memory: &[u8], at: u128) -> Option<u128> {
        let byte =
            |n: u128| memory.get(usize::try_from(at + n).ok()?).map(|byte| u128::from(*byte) << (8 * n));
        Some(byte(0)? | byte(1)? | byte(2)? | byte(3)?)
    }

    fn vectors(memory: &[u8], list: u128, count: u128) -> Result<Vec<(u128, u128)>, Result<Errno, Stop>> {
        if count > 1_024 {
            return Err(Ok(Errno::Inval));
        }
        if list + count * 8 > memory.len() as u128 {
            return Err(Err(Stop::Bounds));
        }
        let mut vectors = Vec::new();
        let mut sum = 0;
        for n in 0..count {
            let address = Model::word(memory, list + 8 * n).ok_or(Err(Stop::Bounds))?;
            let len = Model::word(memory, list + 8 * n + 4).ok_or(Err(Stop::Bounds))?;
            if address + len > memory.len() as u128 {
                return Err(Err(Stop::Bounds));
            }
            sum += len;
            if sum > u128::from(u32::MAX) {
                return Err(Ok(Errno::Inval));
            }
            vectors.push((address, len));
        }
        Ok(vectors)
    }

    fn write_word(memory: &mut [u8], at: u128, value: u128) -> Result<Errno, Stop> {
        if at + 4 > memory.len() as u128 {
            return Err(Stop::Bounds);
        }
        for n in 0..4 {
            memory[(at + n) as usize] = (value >> (8 * n)) as u8;
        }
        Ok(Errno::Success)
    }

    fn ask(&mut self, ask: &Ask, memory: &mut [u8]) -> Result<Errno, Stop> {
        let [fd, list, count, size] = ask.arguments.map(u128::from);
        let fd = usize::try_from(fd).unwrap();
        if !self.open.get(fd).copied().unwrap_or_default() {
            return Ok(Errno::BadF);
        }
        if ask.function == Function::fd_close {
            self.open[fd] = false;
            return Ok(Errno::Success);
        }
        let reads = ask.function == Function::fd_read;
        if reads != (fd == 0) {
            return Ok(Errno::BadF);
        }
        let vectors = match Model::vectors(memory, list, count) {
            Ok(vectors) => vectors,
            Err(answer) => return answer,
        };
        let mut done = 0;
        for (address, len) in vectors {
            let out = if fd == 1 { &mut self.answer } else { &mut self.errors };
            if fd == 1 && out.len() as u128 + len > Model::LIMIT as u128 {
                return Err(Stop::Output);
            }
            for at in address..address + len {
                if !reads {
                    out.push(memory[at as usize]);
                } else if self.unread.is_empty() {
                    break;
                } else {
                    memory[at as usize] = self.unread.remove(0);
                }
                done += 1;
            }
        }
        Model::write_word(memory, size, done)
    }
}

#[derive(Clone, Debug)]
struct Ask {
    function: Function,
    arguments: [u32; 4],
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let function = prop_oneof![
        5 => Just(Function::fd_read), 5 => Just(Function::fd_write), 1 => Just(Function::fd_close)
    ];
    let small = prop_oneof![8 => 0..64_u32, 1 => any::<u32>()];
    let ask = (function, 0..4_u32, small.clone(), prop_oneof![9 => 0..4_u32, 1 => any::<u32>()], small)
        .prop_map(|(function, fd, list, count, size)| Ask { function, arguments: [fd, list, count, size] });
    vec(ask, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn streams_are_read_and_written_as_byte_by_byte(
        event in vec(any::<u8>(), 0..40), mut memory in memory(), asks in asks(),
    ) {
        let mut process = process();
        process.begin_command(&event, Model::LIMIT as u32);
        let mut model = Model { unread: event, answer: Vec::new(), errors: Vec::new(), open: [true; 3] };
        let mut expected = memory.clone();
        for one in asks {
            let mut arguments = [0; Function::PARAMETERS];
            arguments[..4].copy_from_slice(&one.arguments.map(u64::from));
            let answer = call(one.function, &arguments, &mut process, &mut Memory(&mut memory), &Machine::new());
            prop_assert_eq!(answer, model.ask(&one, &mut expected), "{:?}", one);
            if answer.is_err() {
                return Ok(());
            }
            prop_assert_eq!(&memory, &expected);
        }
        process.end();
        prop_assert_eq!(process.answer(), model.answer.trim_ascii());
        prop_assert_eq!(process.log.lines.len() as u64 + process.log.dropped, lines(&model.errors));
    }
}

fn lines(text: &[u8]) -> u64 {
    let ends = text.iter().filter(|byte| **byte == b'\n').count();
    let unfinished = text.last().is_some_and(|last| *last != b'\n');
    ends as u64 + u64::from(unfinished)
}

#[test]
fn what_a_command_prints_to_the_last_byte_of_the_limit_is_its_answer() {
    let mut memory = *b"\x08\0\0\0\x05\0\0\0 {} \n___";
    let mut process = process();
    process.begin_command(b"", 10);
    for answer in [Ok(Errno::Success), Ok(Errno::Success), Err(Stop::Output)] {
        assert_eq!(ask(Function::fd_write, [1, 0, 1, 12], &mut process, &mut memory), answer);
        memory[8..13].copy_from_slice(b" {} \n");
    }
    assert_eq!((process.answer(), process.ended_in), (&b"{} \n {}"[..], "fd_write"));
}

#[test]
fn what_is_called_prints_to_the_log_and_has_nothing_to_read() {
    let mut memory = *b"\x10\0\0\0\x05\0\0\0________a\nb\nc____";
    let mut process = process();
    process.begin();
    for fd in [1, 2] {
        assert_eq!(ask(Function::fd_write, [fd, 0, 1, 8], &mut process, &mut memory), Ok(Errno::Success));
    }
    assert_eq!(word(&memory, 8), 5);
    assert_eq!(ask(Function::fd_read, [0, 0, 1, 8], &mut process, &mut memory), Ok(Errno::Success));
    assert_eq!(word(&memory, 8), 0);
    process.end();
    let texts: Vec<_> = process.log.lines.iter().map(|line| &*line.text).collect();
    assert_eq!(texts, ["a", "b", "a", "b", "c", "c"]);
    assert_eq!(process.last_words(), "c");
    assert_eq!(process.answer(), b"");
}

#[test]
fn a_stream_is_no_file_no_terminal_and_has_no_places() {
    let mut process = process();
    let mut memory = [9; 64];
    assert_eq!(ask(Function::fd_fdstat_set_flags, [2, 4], &mut process, &mut memory), Ok(Errno::Success));
    assert_eq!(ask(Function::fd_fdstat_get, [2, 0], &mut process, &mut memory), Ok(Errno::Success));
    assert_eq!((memory[0], memory[2], long(&memory, 8), memory[24]), (0, 4, 1 << 27 | 1 << 6, 9));
    assert_eq!(ask(Function::fd_filestat_get, [0, 0], &mut process, &mut memory), Ok(Errno::Success));
    assert_eq!(memory, [0; 64]);
    for (function, fd, answer) in [
        (Function::fd_tell, 1, Errno::SPipe),
        (Function::fd_tell, 3, Errno::BadF),
        (Function::fd_prestat_get, 3, Errno::BadF),
        (Function::fd_fdstat_get, 3, Errno::BadF),
    ] {
        assert_eq!(ask(function, [fd, 0], &mut process, &mut memory), Ok(answer), "{function:?}");
    }
    assert_eq!(ask(Function::fd_seek, [0, 0, 0, 0], &mut process, &mut memory), Ok(Errno::SPipe));
    assert_eq!(ask(Function::fd_close, [2], &mut process, &mut memory), Ok(Errno::Success));
    assert_eq!(ask(Function::fd_close, [2], &mut process, &mut memory), Ok(Errno::BadF));
    process.begin();
    assert_eq!(ask(Function::fd_close, [2], &mut process, &mut memory), Ok(Errno::Success), "open anew");
}

#[test]
fn an_exit_is_known_by_its_code() {
    let mut process = process();
    assert_eq!(ask(Function::proc_exit, [7], &mut process, &mut []), Err(Stop::Exit));
    assert_eq!(process.exit(), Some(7));
    process.begin();
    assert_eq!(process.exit(), None);
}

// ---- arguments and environment ---------------------------------------------------------------------------------------

#[test]
fn arguments_and_environment_are_lists_of_strings_that_end_in_zero() {
    let mut memory = [9; 48];
    assert_eq!(ask(Function::args_sizes_get, [0, 4], &mut process(), &mut memory), Ok(Errno::Success));
    assert_eq!((word(&memory, 0), word(&memory, 4)), (1, 5));
    assert_eq!(ask(Function::args_get, [0, 8], &mut process(), &mut memory), Ok(Errno::Success));
    assert_eq!((word(&memory, 0), &memory[8..14]), (8, &b"shop\0\x09"[..]));
    assert_eq!(ask(Function::environ_sizes_get, [0, 4], &mut process(), &mut memory), Ok(Errno::Success));
    assert_eq!((word(&memory, 0), word(&memory, 4)), (2, 17));
    assert_eq!(ask(Function::environ_get, [0, 8], &mut process(), &mut memory), Ok(Errno::Success));
    assert_eq!((word(&memory, 0), word(&memory, 4)), (8, 15));
    assert_eq!(memory[8..26], *b"EMPTY=\0REGION=eu\0\x09");
    // To the last byte, and not beyond.
    assert_eq!(ask(Function::environ_get, [0, 31], &mut process(), &mut memory), Ok(Errno::Success));
    assert_eq!(ask(Function::environ_get, [0, 32], &mut process(), &mut memory), Err(Stop::Bounds));
}
