//! One call, as people are shown it.

use std::fmt::Display;

use crate::cli::exit::{Failed, Outcome};
use crate::cli::out::{print, say};
use crate::cli::style::{BAD, FAINT, GOOD, PLAIN};
use crate::cli::table::{bytes, duration};
use crate::event::{Uid, structured};
use crate::function::{Answer, Called, answer};

/// The function is called `full` there, and `short` in its replies.
pub(super) fn show(called: &Called<'_>, full: &str, short: &str) -> Outcome {
    for line in &called.log.lines {
        say(format_args!("{FAINT}{:5} {}{PLAIN}\n", line.level.as_str(), line.text));
    }
    if called.log.dropped > 0 {
        say(format_args!("{FAINT}and {} more lines, which were dropped{PLAIN}\n", called.log.dropped));
    }
    let took = duration(called.wall.as_nanos() as u64);
    let made = duration(called.init.as_nanos() as u64);
    let fuel = called.fuel;
    let cost = format!(
        "  {FAINT}{full} took {took} and {fuel} units of fuel; its instance was made in {made}, and its memory is {}{PLAIN}",
        bytes(called.memory)
    );
    let failed = |outcome: &dyn Display, reason: &dyn Display, message: &dyn Display| {
        say(format_args!("{BAD}{outcome}{PLAIN} ({reason}): {message}\n{cost}\n"));
        Err(Failed::silent())
    };
    let output = match &called.result {
        Ok(output) => output,
        Err(failure) => return failed(&failure.outcome, &failure.reason, &failure.message),
    };
    let replies = match answer::read(output, short, Uid::default()) {
        Ok(Answer::Done) => Vec::new(),
        Ok(Answer::Replies(replies)) => replies,
        Ok(Answer::Failed { retry, code, message }) => {
            let outcome = if retry { "retryable" } else { "permanent" };
            return failed(&outcome, &"guest", &format_args!("{code}: {message}"));
        }
        Err(bad) => return failed(&"permanent", &"bad-output", &bad),
    };
    for reply in &replies {
        let mut line = Vec::new();
        structured::encode(reply, &mut line);
        print(format_args!("{}\n", String::from_utf8_lossy(&line)))?;
    }
    let replies = match replies.len() {
        0 => "no reply".to_owned(),
        1 => "1 reply".to_owned(),
        many => format!("{many} replies"),
    };
    say(format_args!("{GOOD}succeeded{PLAIN}: {replies}\n{cost}\n"));
    Ok(())
}
