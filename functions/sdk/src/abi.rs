//! Guest ABI 1, called by what [`handler!`](crate::handler) exports.
//!
//! Both buffers live as long as the instance, so an event costs one call and, once they have grown, no allocation for
//! the input.

use std::cell::RefCell;

use crate::{panic, respond, Handler};

pub const VERSION: u32 = 1;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where the host may write an input of `len` bytes; valid until the next call.
pub fn buffer(len: u32) -> u32 {
    panic::keep(); // the first call of all is this
    INPUT.with_borrow_mut(|input| {
        if input.len() < len as usize {
            input.resize(len as usize, 0);
        }
        input.as_mut_ptr() as usize as u32
    })
}

/// Answers the event in the buffer: address << 32 | length of the output, which stays until the next call.
pub fn handle<M>(len: u32, handler: impl Handler<M>) -> u64 {
    INPUT.with_borrow(|input| {
        OUTPUT.with_borrow_mut(|output| {
            // A longer `len` than was asked for is the host's mistake: it traps here.
            respond(&input[..len as usize], handler, output);
            ((output.as_ptr() as usize as u64) << 32) | output.len() as u64
        })
    })
}
