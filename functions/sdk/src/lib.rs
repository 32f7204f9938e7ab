//! Write a weir function in Rust.
//!
//! ```
//! use weir_guest::{Error, Event, Reply};
//!
//! weir_guest::handler!(handle);
//!
//! fn handle(event: Event<'_>) -> Result<Vec<Reply>, Error> {
//!     let greeting = format!("hello, {}", event.source);
//!     Ok(vec![Reply::new("greeting.made").data(&greeting)?])
//! }
//! ```
//!
//! Built for `wasm32-unknown-unknown` as a `cdylib`, this is a whole function: [`handler!`] exports Guest ABI 1. A handler
//! is an ordinary Rust function, so it is tested natively with [`respond`].

pub mod abi;
mod error;
mod event;
mod reply;

pub use error::Error;
pub use event::Event;
pub use reply::{Replies, Reply};

/// Answers one event, given and returned as the bytes that host and guest exchange.
pub fn respond<'a, R: Replies>(
    input: &'a [u8],
    handle: impl FnOnce(Event<'a>) -> Result<R, Error>,
    output: &mut Vec<u8>,
) {
    output.clear();
    let answered = Event::parse(input).and_then(handle).map(Replies::into_vec);
    match answered {
        Ok(replies) => reply::write_all(&replies, output),
        Err(error) => error.write(output),
    }
}

/// Exports the function as Guest ABI 1. The handler takes an [`Event`] and returns `Result<R, Error>`, where `R` is
/// `()`, `Reply`, `Option<Reply>` or `Vec<Reply>`.
#[macro_export]
macro_rules! handler {
    ($handle:path) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[no_mangle]
            pub extern "C" fn weir_abi() -> u32 {
                $crate::abi::VERSION
            }
            #[no_mangle]
            pub extern "C" fn weir_buffer(len: u32) -> u32 {
                $crate::abi::buffer(len)
            }
            #[no_mangle]
            pub extern "C" fn weir_handle(len: u32) -> u64 {
                $crate::abi::handle(len, |event| $handle(event))
            }
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &[u8] = br#"{"specversion":"1.0","id":"7","source":"/here","type":"ping","data":{"n":3}}"#;

    fn answer<R: Replies>(handle: impl for<'a> FnOnce(Event<'a>) -> Result<R, Error>) -> String {
        let mut output = b"left over".to_vec();
        respond(INPUT, handle, &mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn no_reply_is_an_empty_output() {
        assert_eq!(answer(|_| Ok(())), "");
        assert_eq!(answer(|_| Ok(Vec::new())), "");
        assert_eq!(answer(|_| Ok(None)), "");
    }

    #[test]
    fn one_reply_is_an_object_and_several_an_array() {
        let one = r#"{"specversion":"1.0","type":"pong"}"#;
        assert_eq!(answer(|_| Ok(Reply::new("pong"))), one);
        assert_eq!(answer(|_| Ok(vec![Reply::new("pong"), Reply::new("pong")])), format!("[{one},{one}]"));
    }

    #[test]
    fn an_error_is_an_object_of_its_own() {
        assert_eq!(
            answer(|_| Err::<(), _>(Error::retryable("busy", "later, \"please\""))),
            r#"{"error":{"retry":true,"code":"busy","message":"later, \"please\""}}"#
        );
    }

    #[test]
    fn an_input_that_is_no_event_is_a_permanent_error() {
        let mut output = Vec::new();
        respond(b"{}", |_| Ok(()), &mut output);
        let text = String::from_utf8(output).unwrap();
        assert!(text.starts_with(r#"{"error":{"retry":false,"code":"invalid-event""#), "{text}");
    }
}
