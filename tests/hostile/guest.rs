//! A hostile guest: what it is, what it does, and what must come of it.

use std::sync::Arc;
use std::time::Duration;

use weir::dispatch::{Outcome, Reason};
use weir::event::Uid;
use weir::function::{Answer, Called, Engine, Failure, Limits, LoadError, Module, answer};

use crate::{guests, made};

#[derive(Clone, Copy)]
pub(crate) struct Guest {
    /// For whoever looks for one.
    pub(crate) name: &'static str,
    pub(crate) does: &'static str,
    pub(crate) wasm: Wasm,
    pub(crate) input: &'static [u8],
    pub(crate) limits: Limits,
    pub(crate) end: End,
}

#[derive(Clone, Copy)]
pub(crate) enum Wasm {
    /// Text: what it imports (as [`IMPORTS`] names it), the body of its handler and what else it has. The input is at 1,024.
    Handler(&'static [&'static str], &'static str, &'static str),
    /// The same of a program.
    Command(&'static [&'static str], &'static str, &'static str),
    /// A handler that answers this, whatever it is asked.
    Answer(&'static str),
    LongAnswer(fn() -> Vec<u8>),
    /// A whole module as text.
    Text(&'static str),
    Bytes(fn() -> Vec<u8>),
}

/// In a text, `…` stands for whatever is there.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// It is not loaded, and why.
    Refused(&'static str),
    /// It is loaded, its call ends so, and nothing of it is used again.
    Fails(Outcome, Reason, &'static str),
    /// What it says is a failure, and its instance is as good as before.
    Says(Outcome, Reason, &'static str),
    /// So many replies.
    Replies(usize),
}

/// What ends by itself has all the time that there is: on a busy machine, too.
pub(crate) const PATIENT: Limits =
    Limits { output: 1 << 20, timeout: Duration::from_secs(600), fuel: None, pages: 2_048, log: 64 << 10 };
/// For what doesn't.
pub(crate) const SHORT: Limits = Limits { timeout: Duration::from_millis(20), ..PATIENT };

pub(crate) const DEADLINE: &str = "it ran for longer than 20ms";
pub(crate) const ENDLESS: End = End::Fails(Outcome::TimedOut, Reason::Deadline, DEADLINE);
pub(crate) const BOUNDS: End = End::Fails(Outcome::Trapped, Reason::Bounds, "…out of bounds…");
/// Whatever it tried did no harm, and gained nothing.
pub(crate) const NOTHING: End = End::Replies(0);

pub(crate) const fn handler(
    name: &'static str,
    does: &'static str,
    imports: &'static [&'static str],
    handle: &'static str,
    more: &'static str,
    end: End,
) -> Guest {
    let limits =
        if matches!(end, End::Fails(Outcome::TimedOut, Reason::Deadline, _)) { SHORT } else { PATIENT };
    Guest { name, does, wasm: Wasm::Handler(imports, handle, more), input: b"x", limits, end }
}

pub(crate) const fn other(name: &'static str, does: &'static str, wasm: Wasm, end: End) -> Guest {
    Guest { name, does, wasm, input: b"x", limits: PATIENT, end }
}

/// What guests import, by the name by which they call it.
const IMPORTS: [(&str, &str, &str); 16] = [
    ("weir", "log", "(param i32 i32 i32)"),
    ("weir", "config", "(param i32 i32 i32 i32) (result i64)"),
    ("wasi_snapshot_preview1", "fd_read", "(param i32 i32 i32 i32) (result i32)"),
    ("wasi_snapshot_preview1", "fd_write", "(param i32 i32 i32 i32) (result i32)"),
    ("wasi_snapshot_preview1", "fd_close", "(param i32) (result i32)"),
    ("wasi_snapshot_preview1", "proc_exit", "(param i32)"),
    ("wasi_snapshot_preview1", "proc_raise", "(param i32) (result i32)"),
    ("wasi_snapshot_preview1", "random_get", "(param i32 i32) (result i32)"),
    ("wasi_snapshot_preview1", "sched_yield", "(result i32)"),
    ("wasi_snapshot_preview1", "poll_oneoff", "(param i32 i32 i32 i32) (result i32)"),
    ("wasi_snapshot_preview1", "clock_time_get", "(param i32 i64 i32) (result i32)"),
    ("wasi_snapshot_preview1", "clock_res_get", "(param i32 i32) (result i32)"),
    ("wasi_snapshot_preview1", "args_get", "(param i32 i32) (result i32)"),
    ("wasi_snapshot_preview1", "args_sizes_get", "(param i32 i32) (result i32)"),
    ("wasi_snapshot_preview1", "sock_accept", "(param i32 i32 i32) (result i32)"),
    ("wasi_snapshot_preview1", "path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)"),
];

impl Guest {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let importing = |names: &[&str]| -> String {
            let one = |name: &&str| {
                let (module, _, ty) = IMPORTS.iter().find(|import| import.1 == *name).expect(name);
                format!(r#"(import "{module}" "{name}" (func ${name} {ty}))"#)
            };
            names.iter().map(one).collect()
        };
        let text = match self.wasm {
            Wasm::Bytes(make) => return make(),
            Wasm::Answer(answer) => made::answering(answer.as_bytes()),
            Wasm::LongAnswer(answer) => made::answering(&answer()),
            Wasm::Text(text) => text.to_owned(),
            Wasm::Handler(imports, handle, more) => format!(
                r#"(module {} (memory (export "memory") 1)
                (global (export "weir_abi") i32 (i32.const 1))
                (func (export "weir_buffer") (param i32) (result i32) (i32.const 1024))
                (func $handle (export "weir_handle") (param $len i32) (result i64) {handle}) {more})"#,
                importing(imports)
            ),
            Wasm::Command(imports, start, more) => format!(
                r#"(module {} (memory (export "memory") 1) (func (export "_start") {start}) {more})"#,
                importing(imports)
            ),
        };
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", self.name))
    }

    pub(crate) fn load(&self, engine: &Engine) -> Result<Arc<Module>, LoadError> {
        guests::load_with(engine, &self.bytes(), self.limits)
    }

    /// What is refused at load.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.end, End::Refused(_))
    }

    /// Was it refused as it is to be? What is wrong with that, else.
    pub(crate) fn check_refusal(&self, error: &LoadError) -> Result<(), String> {
        let End::Refused(wanted) = self.end else { return Err(format!("{}: {error}", self.name)) };
        self.check_text(wanted, &error.problem.to_string())
    }

    /// The same of its call.
    pub(crate) fn check(&self, called: Called<'_>) -> Result<(), String> {
        match (ended(called), self.end) {
            (Ok(replies), End::Replies(count)) if replies == count => Ok(()),
            (Err(failure), End::Fails(outcome, reason, text) | End::Says(outcome, reason, text))
                if (failure.outcome, failure.reason) == (outcome, reason) =>
            {
                self.check_text(text, &failure.message)
            }
            (ended, _) => Err(format!("{}: {ended:?}", self.name)),
        }
    }

    fn check_text(&self, wanted: &str, said: &str) -> Result<(), String> {
        // It goes into logs and dead letters.
        let is_fit = said.len() <= 4_096 && !said.contains(char::is_control);
        if is_fit && is(said, wanted) { Ok(()) } else { Err(format!("{}: {said:?}", self.name)) }
    }
}

/// `…` stands for anything.
fn is(said: &str, wanted: &str) -> bool {
    let mut rest = said;
    for (number, part) in wanted.split('…').enumerate() {
        let Some(at) = rest.find(part).filter(|at| number > 0 || *at == 0) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || wanted.ends_with('…')
}

/// Replies, or the failure that the worker makes of it.
fn ended(called: Called<'_>) -> Result<usize, Failure> {
    match answer::read(called.result?, "guest", Uid(1)) {
        Ok(Answer::Done) => Ok(0),
        Ok(Answer::Replies(replies)) => Ok(replies.len()),
        Ok(Answer::Failed { retry, code, message }) => {
            let outcome = if retry { Outcome::Retryable } else { Outcome::Permanent };
            Err(Failure { outcome, reason: Reason::Guest, message: format!("{code}: {message}") })
        }
        Err(answer::BadOutput(message)) => {
            Err(Failure { outcome: Outcome::Permanent, reason: Reason::BadOutput, message })
        }
    }
}
