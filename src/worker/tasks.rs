//! The only place that starts threads and tasks, so that each has a name and none is forgotten.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

/// Of most threads.
const STACK: usize = 2 << 20;

/// A named thread of the worker. If it panics the process ends: a worker that lacks a thread would stand still and
/// look alive, whereas one that starts again goes on from what is on disk.
pub fn thread<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread_with(STACK, name, body)
}

/// The same with a stack of so many bytes, of which what is not used takes up nothing.
pub fn thread_with<T: Send + 'static>(
    stack: usize,
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let called = name.to_owned();
    let body = move || {
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
            tracing::error!(thread = %called, "a thread panicked, a defect of the worker: ending at once");
            std::process::abort()
        })
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(stack)
        .spawn(body)
        .unwrap_or_else(|error| panic!("could not start the thread {name}: {error}"))
}

/// A task on the tokio runtime that this is called in.
pub fn task<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}
