//! What signals ask for: to stop, or to look at the files.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM (an orchestrator) and SIGINT (a terminal) both ask for a drain; the second one ends at once.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// SIGHUP: the files are to be looked at. Who listens is not ended by it.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    pub fn listen() -> std::io::Result<Hangups> {
        signal(SignalKind::hangup()).map(Hangups)
    }

    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}
