//! The only place that starts threads and tasks, so that each has a name and none is forgotten.

use std::thread::JoinHandle;

/// A named thread of the worker.
pub fn thread<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .unwrap_or_else(|error| panic!("could not start the thread {name}: {error}"))
}

/// A task on the tokio runtime that this is called in.
pub fn task<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}
