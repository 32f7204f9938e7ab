//! File descriptors: each connection takes one, and a process may often have more than it is given at first.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the worker needs beside its connections: logs, sockets, modules, pipes.
const OTHERS: u64 = 512;

/// Lets the process have as many as it may, and says so where they don't do for these connections.
pub(super) fn raise(connections: u32) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        if let Err(error) = raised {
            tracing::debug!(%error, "the limit of file descriptors could not be raised");
        }
    }
    // None: as many as it likes.
    let Some(most) = getrlimit(Resource::Nofile).current else { return };
    if most < u64::from(connections) + OTHERS {
        tracing::warn!(
            connections = most.saturating_sub(OTHERS),
            descriptors = most,
            "http.max-connections can't be had: the process may not have so many file descriptors (ulimit -n)"
        );
    }
}
