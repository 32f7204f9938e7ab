//! Where a command speaks: results go to standard output, talk to standard error. `anstream` leaves the colours out
//! off a terminal and under NO_COLOR.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use super::exit::{Failed, Outcome};

/// Prints a result. That its reader has seen enough (`| head -1`) ends the command, quietly.
pub fn print(text: impl Display) -> Outcome {
    let mut out = anstream::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failed::unread(),
        _ => Failed::error(format!("standard output can't be written: {error}")),
    })
}

/// Says something to whoever watches. That nobody does is no reason to stop.
pub fn say(text: impl Display) {
    let _ = write!(anstream::stderr().lock(), "{text}");
}

/// `1 file`, `2 files`.
pub fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
