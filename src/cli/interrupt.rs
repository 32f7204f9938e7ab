//! Ctrl-C, for commands whose client blocks: whoever listens for signals is a thread beside it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::{self, Failed};
use crate::worker::shutdown::Signals;
use crate::worker::tasks;

static ASKED_FOR: AtomicBool = AtomicBool::new(false);

pub fn is_asked_for() -> bool {
    ASKED_FOR.load(Ordering::Relaxed)
}

/// From here on the first signal asks for an end in good order, and the second one ends at once.
pub fn listen() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failed::error(format!("the runtime could not be started: {e}")))?;
    drop(tasks::thread("signals", move || {
        runtime.block_on(async {
            let Ok(mut signals) = Signals::listen() else { return };
            signals.next().await;
            ASKED_FOR.store(true, Ordering::Relaxed);
            signals.next().await;
            exit::at_once(1);
        });
    }));
    Ok(())
}
