//! WASI preview 1 for guests that expect it: a program's streams, arguments, environment, clocks and exit, and nothing
//! else. The engine's own would hand out the worker's files, terminal and sockets.
//!
//! ```text
//! function.rs    the functions with their types
//! errno.rs       what they answer
//! call.rs        each function to what does it; what has no place here answers ENOSYS
//! process.rs     what a guest sees of itself: its streams and clocks, in one call
//! descriptor.rs  the three streams as file descriptors
//! stream.rs      reading and writing them
//! clock.rs       the time
//! poll.rs        waiting, which takes no time here
//! strings.rs     arguments and environment
//! world.rs       what is asked of the machine
//! ```
//!
//! This folder is pure, but for what [`World`] brings. No call blocks: who sleeps has its clocks put forward instead. A
//! pointer outside memory ends the call.

mod call;
mod clock;
mod descriptor;
mod errno;
mod function;
mod poll;
mod process;
mod stream;
mod strings;
mod world;

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod model_tests;

pub(super) use call::call;
pub(super) use function::Function;
pub(super) use process::Process;
pub(super) use world::{World, cost};

/// What guests import it as.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";
