//! Clocks and waiting for them: what is waited for has come, and nobody has waited.

use proptest::collection::vec;
use proptest::prelude::*;

use super::clock::RESOLUTION;
use super::errno::Errno;
use super::model_tests::{Machine, ask, long, process, word};
use super::*;
use crate::function::memory::Memory;

/// A subscription as it is in memory.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Clock { clock: u32, timeout: u64, absolute: bool },
    Stream { fd: u32, write: bool },
}

impl Wait {
    fn encode(self, userdata: u64) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..8].copy_from_slice(&userdata.to_le_bytes());
        match self {
            Wait::Clock { clock, timeout, absolute } => {
                bytes[16..20].copy_from_slice(&clock.to_le_bytes());
                bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
                bytes[40] = absolute.into();
            }
            Wait::Stream { fd, write } => {
                bytes[8] = 1 + u8::from(write);
                bytes[16..20].copy_from_slice(&fd.to_le_bytes());
            }
        }
        bytes
    }

    /// Is there something to say at once? And is it an error?
    fn at_once(self) -> Option<u16> {
        match self {
            Wait::Clock { clock: 2.., .. } => Some(28),
            Wait::Clock { .. } => None,
            Wait::Stream { fd: 0, write: false } | Wait::Stream { fd: 1 | 2, write: true } => Some(0),
            Wait::Stream { .. } => Some(8),
        }
    }
}

fn waits() -> impl Strategy<Value = Vec<Wait>> {
    let clock = (0..3_u32, prop_oneof![3 => 0..5_000_000_000_u64, 1 => any::<u64>()], any::<bool>())
        .prop_map(|(clock, timeout, absolute)| Wait::Clock { clock, timeout, absolute });
    let stream = (0..4_u32, any::<bool>()).prop_map(|(fd, write)| Wait::Stream { fd, write });
    prop_oneof![vec(clock.clone(), 1..5), vec(prop_oneof![3 => clock, 1 => stream], 1..5)]
}

fn now(process: &mut Process, machine: &Machine, clock: u64) -> u64 {
    let mut memory = [0; 8];
    let arguments = [clock, 0, 0, 0, 0, 0, 0, 0, 0];
    let answer = call(Function::clock_time_get, &arguments, process, &mut Memory(&mut memory), machine);
    assert_eq!(answer, Ok(Errno::Success));
    u64::from_le_bytes(memory)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_waited_for_has_come_when_a_poll_returns(rounds in vec(waits(), 1..6)) {
        let machine = Machine::new();
        let mut process = process();
        for waits in rounds {
            let before = [now(&mut process, &machine, 0), now(&mut process, &machine, 1)];
            let mut memory = vec![0; 512];
            for (n, wait) in waits.iter().enumerate() {
                memory[48 * n..48 * (n + 1)].copy_from_slice(&wait.encode(n as u64 + 100));
            }
            let arguments = [0, 256, waits.len() as u64, 500, 0, 0, 0, 0, 0];
            let answer =
                call(Function::poll_oneoff, &arguments, &mut process, &mut Memory(&mut memory), &machine);
            prop_assert_eq!(answer, Ok(Errno::Success));
            let after = [now(&mut process, &machine, 0), now(&mut process, &machine, 1)];
            prop_assert!(after[0] >= before[0] && after[1] >= before[1], "a clock went back");
            let events = word(&memory, 500) as usize;
            prop_assert!((1..=waits.len()).contains(&events), "nothing came of it, or too much");
            let at_once = waits.iter().any(|wait| wait.at_once().is_some());
            let mut come = Vec::new();
            for at in (0..events).map(|n| 256 + 32 * n) {
                let n = long(&memory, at) as usize - 100;
                come.push(n);
                let errno = u16::from_le_bytes([memory[at + 8], memory[at + 9]]);
                prop_assert_eq!(errno, waits[n].at_once().unwrap_or(0));
                if let Wait::Clock { clock: clock @ 0..=1, timeout, absolute } = waits[n] {
                    let clock = clock as usize;
                    let due = if absolute { timeout } else { before[clock].saturating_add(timeout) };
                    let last = u64::MAX - u64::MAX % RESOLUTION;
                    prop_assert!(after[clock] >= due.min(last), "{} is before {due}", after[clock]);
                }
            }
            prop_assert!(come.is_sorted_by(|a, b| a < b), "each at most once");
            for (n, wait) in waits.iter().enumerate().filter(|(_, wait)| wait.at_once().is_some()) {
                prop_assert!(come.contains(&n), "{wait:?} was ready");
            }
            if at_once {
                // Nobody slept: the machine's own time is all that went by.
                prop_assert!(after[1] - before[1] < 20 * RESOLUTION);
            }
        }
    }
}

#[test]
fn a_sleep_puts_the_clock_of_the_day_forward_until_the_next_event() {
    let machine = Machine::new();
    let mut process = process();
    let mut memory = [0; 128];
    memory[..48]
        .copy_from_slice(&Wait::Clock { clock: 1, timeout: 3_600_000_000_000, absolute: false }.encode(1));
    let before = [now(&mut process, &machine, 0), now(&mut process, &machine, 1)];
    let arguments = [0, 48, 1, 100, 0, 0, 0, 0, 0];
    let answer = call(Function::poll_oneoff, &arguments, &mut process, &mut Memory(&mut memory), &machine);
    assert_eq!((answer, word(&memory, 100)), (Ok(Errno::Success), 1));
    let hour = |process: &mut Process, clock| {
        (now(process, &machine, clock) - before[clock as usize]) / 3_600_000_000_000
    };
    assert_eq!([hour(&mut process, 0), hour(&mut process, 1)], [1, 1]);
    process.begin();
    assert_eq!([hour(&mut process, 0), hour(&mut process, 1)], [0, 1]);
}

#[test]
fn clocks_go_in_whole_milliseconds_and_there_are_two() {
    let mut memory = [0; 8];
    for clock in [0, 1] {
        assert_eq!(ask(Function::clock_res_get, [clock, 0], &mut process(), &mut memory), Ok(Errno::Success));
        assert_eq!(long(&memory, 0), 1_000_000);
        let time = [clock, 0, 0];
        assert_eq!(ask(Function::clock_time_get, time, &mut process(), &mut memory), Ok(Errno::Success));
        assert!(long(&memory, 0) > 0 && long(&memory, 0).is_multiple_of(1_000_000));
    }
    for clock in [2, 3, 4, 0xffff_ffff] {
        assert_eq!(ask(Function::clock_res_get, [clock, 0], &mut process(), &mut memory), Ok(Errno::Inval));
    }
}

#[test]
fn a_poll_for_nothing_for_too_much_or_for_what_is_no_subscription_is_invalid() {
    for count in [0, 1_025, 0xffff_ffff] {
        let answer = ask(Function::poll_oneoff, [0, 0, count, 0], &mut process(), &mut [0; 64]);
        assert_eq!(answer, Ok(Errno::Inval), "{count}");
    }
    let mut memory = [3; 128];
    assert_eq!(ask(Function::poll_oneoff, [0, 48, 1, 0], &mut process(), &mut memory), Ok(Errno::Inval));
}
