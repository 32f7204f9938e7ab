//! Functions: WebAssembly modules that answer one CloudEvent with others.
//!
//! ```text
//! engine.rs    WasmEdge's C interface made safe, and Engine: what a process has once
//! sandbox.rs   the same for what stays in one thread: executors and sandboxes
//! guard.rs     the thread that keeps WasmEdge's fault handlers installed
//! cache/       native code of modules, kept on disk
//! compiler.rs  the compiler, in a process of its own
//! abi.rs       Guest ABI 1 as a module can be checked for it
//! sizes.rs     what of a module may be how large
//! address_space.rs  is there room for one more instance?
//! meter/       limits on time, work and depth, written into a module before it is compiled
//! limits.rs    what a function may use, and what the host knows of the call that runs
//! import.rs    what guests may import, and what is said of the rest
//! host.rs      the same, as WasmEdge calls it
//! memory.rs    a guest's memory, as what it calls sees it
//! weir.rs      of these: a line for the log, a value of the configuration
//! wasi/        and WASI preview 1, without files, sockets or waiting
//! surroundings.rs  what a function is told besides its events
//! log.rs       what a function says while it is called
//! module.rs    a function's module, loaded once and shared
//! instance.rs  one warm sandbox: bytes in, bytes out
//! snapshot.rs  what it was before its first event, and is again
//! upkeep.rs    how the instances of a function are kept
//! place.rs     and how many there are in all threads
//! failure.rs   why a call had no output
//! panic.rs     what a guest said as it panicked
//! answer.rs    output bytes to replies
//! pool.rs      the instances of one executor thread
//! pages.rs     the compiler's memory given back
//! ```
//!
//! A module is shared by all threads; an executor, its instances and its pool stay in the thread that made them.

mod abi;
mod address_space;
pub mod answer;
mod cache;
mod compiler;
mod engine;
mod failure;
mod guard;
mod host;
mod import;
mod instance;
mod limits;
mod log;
mod memory;
mod meter;
mod module;
mod pages;
mod panic;
mod place;
mod pool;
mod sandbox;
mod sizes;
mod snapshot;
mod surroundings;
mod upkeep;
mod wasi;
mod weir;

pub use answer::{Answer, BadOutput};
pub use cache::{CacheError, Kept, NativeCode, Origin, Step};
pub use compiler::apart as compile_apart;
pub use engine::{Engine, StartError, Watch};
pub use failure::Failure;
pub use instance::Instance;
pub use limits::Limits;
pub use log::{Level, Line, Log};
pub use meter::STACK;
pub use module::{Compiled, LoadError, Module, Problem};
pub use pages::give_back;
pub use pool::{Called, FunctionIndex, Pool};
pub use sandbox::Executor;
pub use surroundings::Surroundings;
pub use upkeep::{Isolation, Pooled, Upkeep};
