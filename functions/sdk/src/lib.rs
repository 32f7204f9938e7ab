//! Write a weir function in Rust.
//!
//! ```
//! use weir_guest::{Error, Event, Reply};
//!
//! weir_guest::handler!(handle);
//!
//! #[derive(serde::Deserialize)]
//! struct Guest {
//!     name: String,
//! }
//!
//! fn handle(event: Event<'_>, guest: Guest) -> Result<Vec<Reply>, Error> {
//!     if guest.name.is_empty() {
//!         return Err(Error::permanent("nameless", "nobody to greet"));
//!     }
//!     let greeting = format!("hello, {}", guest.name);
//!     Ok(vec![Reply::new("greeting.made").id(format!("{}/greeting", event.id)).data(&greeting)?])
//! }
//! ```
//!
//! Built for `wasm32-unknown-unknown` as a `cdylib`, this is a whole function: [`handler!`] exports Guest ABI 1. A
//! [`Handler`] is an ordinary Rust function, so it is tested natively with [`respond`]. One that panics traps: that attempt
//! failed, the host tells what the panic said, and the next event has a fresh instance. [`log()`] writes to the worker's log,
//! [`config`] finds what the Function document says under `config`.

pub mod abi;
mod error;
mod event;
mod handler;
mod host;
pub mod panic;
mod reply;

pub use error::Error;
pub use event::Event;
pub use handler::Handler;
#[cfg(not(target_family = "wasm"))]
pub use host::configure;
pub use host::{config, log, Level};
pub use reply::{Replies, Reply};

/// Answers one event, given and returned as the bytes that host and guest exchange.
pub fn respond<M>(input: &[u8], handler: impl Handler<M>, output: &mut Vec<u8>) {
    output.clear();
    let answered = Event::parse(input).and_then(|event| handler.handle(event)).map(Replies::into_vec);
    match answered {
        Ok(replies) => reply::write_all(&replies, output),
        Err(error) => error.write(output),
    }
}

/// Exports a [`Handler`] as Guest ABI 1. It takes an [`Event`] and, if it wants, the event's data as a type of yours, and
/// returns `Result<R, Error>`, where `R` is `()`, `Reply`, `Option<Reply>` or `Vec<Reply>`.
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
                $crate::abi::handle(len, $handle)
            }
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &[u8] = br#"{"specversion":"1.0","id":"7","source":"/here","type":"ping","data":{"n":3}}"#;

    fn answer<M>(handler: impl Handler<M>) -> String {
        let mut output = b"left over".to_vec();
        respond(INPUT, handler, &mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn no_reply_is_an_empty_output() {
        assert_eq!(answer(|_: Event<'_>| Ok(())), "");
        assert_eq!(answer(|_: Event<'_>| Ok(Vec::new())), "");
        assert_eq!(answer(|_: Event<'_>| Ok(None)), "");
    }

    #[test]
    fn one_reply_is_an_object_and_several_an_array() {
        let one = r#"{"specversion":"1.0","type":"pong"}"#;
        assert_eq!(answer(|_: Event<'_>| Ok(Reply::new("pong"))), one);
        assert_eq!(
            answer(|_: Event<'_>| Ok(vec![Reply::new("pong"), Reply::new("pong")])),
            format!("[{one},{one}]")
        );
    }

    #[test]
    fn an_error_is_an_object_of_its_own() {
        assert_eq!(
            answer(|_: Event<'_>| Err::<(), _>(Error::retryable("busy", "later, \"please\""))),
            r#"{"error":{"retry":true,"code":"busy","message":"later, \"please\""}}"#
        );
    }

    #[test]
    fn data_is_given_as_the_type_that_the_handler_takes() {
        #[derive(serde::Deserialize)]
        struct Count {
            n: u8,
        }
        fn one_more(event: Event<'_>, count: Count) -> Result<Reply, Error> {
            Reply::new(event.ty).data(&(count.n + 1))
        }
        let said = r#"{"specversion":"1.0","type":"ping","datacontenttype":"application/json","data":4}"#;
        assert_eq!(answer(one_more), said);

        fn words(_: Event<'_>, _: Vec<String>) -> Result<(), Error> {
            unreachable!("the data is no list")
        }
        let said = answer(words);
        assert!(said.starts_with(r#"{"error":{"retry":false,"code":"invalid-data""#), "{said}");
    }

    #[test]
    fn an_input_that_is_no_event_is_a_permanent_error() {
        let mut output = Vec::new();
        respond(b"{}", |_: Event<'_>| Ok(()), &mut output);
        let text = String::from_utf8(output).unwrap();
        assert!(text.starts_with(r#"{"error":{"retry":false,"code":"invalid-event""#), "{text}");
    }
}
