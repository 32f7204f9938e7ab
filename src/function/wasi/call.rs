//! Each function to what does it.

use super::clock::{Clock, RESOLUTION};
use super::errno::Errno;
use super::function::Function;
use super::process::Process;
use super::world::{World, cost};
use super::{poll, stream, strings};
use crate::function::limits::Stop;
use crate::function::memory::{Memory, Outside};

/// Why a function did not do what it was asked.
pub(super) enum Refusal {
    Errno(Errno),
    /// The call ends with it.
    Stop(Stop),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        Refusal::Errno(errno)
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Refusal {
        Refusal::Stop(stop)
    }
}

impl From<Outside> for Refusal {
    fn from(_: Outside) -> Refusal {
        Refusal::Stop(Stop::Bounds)
    }
}

/// The arguments are as many as the function has parameters; those of 32 bits have zeros above.
pub(in crate::function) fn call(
    function: Function,
    arguments: &[u64; Function::PARAMETERS],
    process: &mut Process,
    memory: &mut Memory<'_>,
    world: &dyn World,
) -> Result<Errno, Stop> {
    let done = world.charge(cost::CALL).map_err(Refusal::from);
    match done.and_then(|()| answer(function, arguments, process, memory, world)) {
        Ok(()) => Ok(Errno::Success),
        Err(Refusal::Errno(errno)) => Ok(errno),
        Err(Refusal::Stop(stop)) => {
            process.ended_in = function.name();
            Err(stop)
        }
    }
}

fn answer(
    function: Function,
    arguments: &[u64; Function::PARAMETERS],
    process: &mut Process,
    memory: &mut Memory<'_>,
    world: &dyn World,
) -> Result<(), Refusal> {
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| arguments[n] as u32);
    let surroundings = &process.surroundings;
    let given = || surroundings.arguments.iter().cloned();
    let environment = || surroundings.environment.iter().map(|(name, value)| format!("{name}={value}"));
    match function {
        Function::args_sizes_get => strings::sizes(given(), memory, world, [a, b]),
        Function::args_get => strings::get(given(), memory, world, [a, b]),
        Function::environ_sizes_get => strings::sizes(environment(), memory, world, [a, b]),
        Function::environ_get => strings::get(environment(), memory, world, [a, b]),

        Function::clock_res_get => {
            Clock::of(a)?;
            Ok(memory.write_u64(b, RESOLUTION)?)
        }
        // The second argument is how precise it need be.
        Function::clock_time_get => {
            let now = process.clocks.now(Clock::of(a)?, world);
            Ok(memory.write_u64(c, now)?)
        }
        Function::poll_oneoff => poll::poll(process, memory, world, [a, b, c, d]),
        // Nobody else is there to go first.
        Function::sched_yield => Ok(()),
        Function::random_get => random(memory, world, a, b),
        Function::proc_exit => {
            process.exit = Some(a);
            Err(Stop::Exit.into())
        }

        Function::fd_read => stream::read(process, memory, world, [a, b, c, d]),
        Function::fd_write => stream::write(process, memory, world, [a, b, c, d]),
        Function::fd_close => process.descriptors.close(a),
        Function::fd_fdstat_get => process.descriptors.status(a, memory, b),
        Function::fd_fdstat_set_flags => process.descriptors.set_flags(a, b),
        Function::fd_filestat_get => process.descriptors.file_status(a, memory, b),
        Function::fd_seek | Function::fd_tell => process.descriptors.seek(a),
        // Libraries ask for directories, from 3 upward, until they hear this.
        Function::fd_prestat_get => Err(Errno::BadF.into()),

        _ => Err(Errno::NoSys.into()),
    }
}

fn random(memory: &mut Memory<'_>, world: &dyn World, address: u32, len: u32) -> Result<(), Refusal> {
    for piece in memory.bytes_mut(address, len)?.chunks_mut(cost::PIECE) {
        world.charge(cost::random(piece.len()))?;
        if !world.random(piece) {
            return Err(Errno::Io.into());
        }
    }
    Ok(())
}
