//! Waiting for the time and for streams. The streams are always ready; who waits for the time alone finds that it has gone by.

use super::call::Refusal;
use super::clock::Clock;
use super::errno::Errno;
use super::process::Process;
use super::world::{World, cost};
use crate::function::memory::{Memory, Outside};

/// At once. Runtimes wait for each open file and one moment.
const SUBSCRIPTIONS: u32 = 1_024;
const SUBSCRIPTION: u32 = 48;
const EVENT: u32 = 32;

/// How much may be written without waiting, as far as anybody asks.
const ROOM: u64 = 64 << 10;
const HUNG_UP: u16 = 1;
const ABSOLUTE: u16 = 1;

struct Subscription {
    /// The guest's own word for it.
    userdata: u64,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Clock { clock: u32, timeout: u64, absolute: bool },
    Read(u32),
    Write(u32),
}

/// What comes of a subscription.
struct Event {
    /// In so many nanoseconds.
    wait: u64,
    errno: Errno,
    bytes: u64,
    flags: u16,
}

/// Events of `count` subscriptions that have come, or come first; how many is written to `size`.
pub(super) fn poll(
    process: &mut Process,
    memory: &mut Memory<'_>,
    world: &dyn World,
    [subscriptions, events, count, size]: [u32; 4],
) -> Result<(), Refusal> {
    if count == 0 || count > SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    world.charge(u64::from(count) * cost::ITEM)?;
    let subscriptions =
        memory.bytes(subscriptions, count * SUBSCRIPTION)?.chunks_exact(SUBSCRIPTION as usize);
    let subscriptions = subscriptions.map(Subscription::read).collect::<Result<Vec<_>, Errno>>()?;
    memory.bytes(events, count * EVENT)?;
    let all: Vec<Event> = subscriptions.iter().map(|one| event(one.what, process, world)).collect();
    let wait = all.iter().map(|event| event.wait).min().unwrap_or_default();
    process.clocks.sleep(wait);
    let mut come = 0;
    for (subscription, event) in subscriptions.iter().zip(all).filter(|(_, event)| event.wait <= wait) {
        let address = events.checked_add(come * EVENT).ok_or(Outside)?;
        memory.write(address, &event.encode(subscription))?;
        come += 1;
    }
    Ok(memory.write_u32(size, come)?)
}

impl Subscription {
    fn read(bytes: &[u8]) -> Result<Subscription, Errno> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let what = match bytes[8] {
            0 => {
                What::Clock { clock: word(16), timeout: long(24), absolute: bytes[40] as u16 & ABSOLUTE != 0 }
            }
            1 => What::Read(word(16)),
            2 => What::Write(word(16)),
            _ => return Err(Errno::Inval),
        };
        Ok(Subscription { userdata: long(0), what })
    }

    fn tag(&self) -> u8 {
        match self.what {
            What::Clock { .. } => 0,
            What::Read(_) => 1,
            What::Write(_) => 2,
        }
    }
}

fn event(what: What, process: &Process, world: &dyn World) -> Event {
    let now = |errno, bytes, flags| Event { wait: 0, errno, bytes, flags };
    let failed = |errno| now(errno, 0, 0);
    match what {
        What::Clock { clock, timeout, absolute } => match Clock::of(clock) {
            Err(errno) => failed(errno),
            Ok(clock) => {
                let past = if absolute { process.clocks.now(clock, world) } else { 0 };
                Event { wait: timeout.saturating_sub(past), errno: Errno::Success, bytes: 0, flags: 0 }
            }
        },
        What::Read(fd) => match process.descriptors.reads(fd) {
            Err(errno) => failed(errno),
            Ok(()) => {
                let unread = process.stdin.len() - process.read;
                now(Errno::Success, unread as u64, if unread == 0 { HUNG_UP } else { 0 })
            }
        },
        What::Write(fd) => match process.descriptors.writes(fd) {
            Err(errno) => failed(errno),
            Ok(()) => now(Errno::Success, ROOM, 0),
        },
    }
}

impl Event {
    fn encode(&self, subscription: &Subscription) -> [u8; EVENT as usize] {
        let mut bytes = [0; EVENT as usize];
        bytes[..8].copy_from_slice(&subscription.userdata.to_le_bytes());
        bytes[8..10].copy_from_slice(&(self.errno as u16).to_le_bytes());
        bytes[10] = subscription.tag();
        bytes[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.flags.to_le_bytes());
        bytes
    }
}
