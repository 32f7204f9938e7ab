//! What a guest said as it panicked: a text that it left in its memory, looked for once a call has trapped.

use super::failure::{Failure, told};
use super::sandbox::Sandbox;
use crate::dispatch::Outcome;

/// An exported global: the address of two 32-bit words, which are the text's address and its length.
const PANIC: &str = "weir_panic";
/// Bytes; more of a text is not told.
const LONGEST: u32 = 1 << 10;

/// A failure with the panic that was its reason, if the guest told one.
pub(super) fn explained(failure: Failure, sandbox: &Sandbox) -> Failure {
    match said(sandbox) {
        Some(text) if failure.outcome == Outcome::Trapped => {
            Failure { message: format!("{}: {text}", failure.message), ..failure }
        }
        _ => failure,
    }
}

/// On one line. The guest may have put anything there: what is not within its memory is no text.
fn said(sandbox: &Sandbox) -> Option<String> {
    let words = sandbox.bytes(sandbox.global(PANIC)? as u32, 8)?;
    let (address, len) = words.split_at(4);
    let word = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).ok();
    let text = sandbox.bytes(word(address)?, word(len)?.min(LONGEST))?;
    let text = told(String::from_utf8_lossy(text).trim(), usize::MAX);
    (!text.is_empty()).then_some(text)
}
