//! Limits written into a module before it is compiled: it counts its own work, and asks the host when it has done a lot.
//!
//! ```text
//! cost.rs      what operators cost, and where it is charged
//! calls.rs     who may stand on the stack several times
//! survey.rs    what a module has, as far as that decides how it is rewritten
//! layout.rs    where the things stand that are added to it
//! rewriter.rs  the sections of a module, with what is added
//! body.rs      the body of a function, with charges and the depth of its calls
//! ```
//!
//! *Fuel* is a global from which every function's entry and every turn of a loop takes what the operators up to the
//! next such place cost, taken branches or not; operators whose work has a length take as much as that asks for. Below
//! zero the guest calls the host's `weir.tick` with what is left, and gets more or is ended. So the same input takes the
//! same fuel on every machine, and no signal, no thread and none of the engine's slow modes is needed to stop a guest.
//! *Depth* is an estimate of the stack that functions which call themselves, if by detours, take up.
//!
//! This folder is pure: bytes in, bytes out.

mod body;
mod calls;
mod cost;
mod layout;
mod rewriter;
mod survey;

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;

use std::fmt;

use wasm_encoder::Module;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::{Parser, Validator, WasmFeatures};

use self::rewriter::Rewriter;
use self::survey::Survey;

/// Counts the changes of what a module is rewritten to, costs included: native code of another version is not used.
pub(super) const VERSION: u32 = 2;

/// What a module may use: WebAssembly 2.0. Tail calls would leave a function without giving back its depth.
pub(super) const FEATURES: WasmFeatures = WasmFeatures::WASM2;

/// The host's module of imports, and with a dot behind it what exports begin with that are the host's.
pub(super) const HOST: &str = "weir";
/// `(i64) -> i64`: takes the fuel that is left, below zero, and returns what is there from now on.
pub(super) const TICK: &str = "tick";
/// `(i32) -> ()`: hands over one of these.
pub(super) const NOTE: &str = "note";
/// A growth of memory was refused, as what the module itself says.
pub(super) const NO_GROWTH: i32 = 0;
/// Calls are nested too deeply; `unreachable` follows.
pub(super) const TOO_DEEP: i32 = 1;

/// `(i32, i32) -> i32`: memory has so many pages and is to have so many more; 0 if the host has no room for them.
pub(super) const ROOM: &str = "room";

/// The exported globals: i64 and i32.
pub(super) const FUEL: &str = "weir.fuel";
pub(super) const DEPTH: &str = "weir.depth";
/// And with a number behind it: each mutable global that the module had.
pub(super) const GLOBAL: &str = "weir.global.";

/// The stack of a thread that runs functions. Next to all of it stays untouched, but code that is made to mislead the
/// estimate finds room, too.
pub const STACK: usize = 64 << 20;
/// A call beyond this depth ends. In bytes as estimated.
pub(super) const DEPTH_LIMIT: u32 = 2 << 20;

/// Why a module can't be rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<wasmparser::Error> for Refused {
    fn from(error: wasmparser::Error) -> Refused {
        Refused(error.to_string())
    }
}

impl From<reencode::Error> for Refused {
    fn from(error: reencode::Error) -> Refused {
        match error {
            reencode::Error::ParseError(error) => error.into(),
            error => Refused(error.to_string()),
        }
    }
}

/// The module with its limits. The survey validates it, or it could name a global that is only added; and it is validated
/// afterwards, because what is added may break a limit on sizes.
pub(super) fn rewrite(wasm: &[u8]) -> Result<Vec<u8>, Refused> {
    let survey = Survey::of(wasm)?;
    let mut rewritten = Module::new();
    Rewriter::new(&survey).parse_core_module(&mut rewritten, Parser::new(0), wasm)?;
    let rewritten = rewritten.finish();
    validate(&rewritten)
        .map_err(|Refused(why)| Refused(format!("with its limits written into it: {why}")))?;
    Ok(rewritten)
}

fn validate(wasm: &[u8]) -> Result<(), Refused> {
    Validator::new_with_features(FEATURES).validate_all(wasm)?;
    Ok(())
}
