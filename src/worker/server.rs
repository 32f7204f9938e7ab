//! What serves for as long as the worker runs, as a task.

use tokio::sync::watch;

use super::tasks;

/// A task that serves until it is told to stop.
#[derive(Debug)]
pub(super) struct Server {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(super) fn start<F>(serve: impl FnOnce(watch::Receiver<bool>) -> F) -> Server
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        Server { stop, task: tasks::task(serve(stopped)) }
    }

    pub(super) async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}
