//! What may be a handler: a function of the event, or of the event and its data.

use serde::de::DeserializeOwned;

use crate::{Error, Event, Replies};

/// A function from an event to what it answers. With a second parameter it is given the event's data as a type of yours;
/// data of another shape is a permanent failure, and the function is not called.
///
/// `M` tells the two apart and is never written. A handler whose data borrows from the event, or that looks at the event
/// first, calls [`Event::data`] itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    note = "a handler is `fn(Event<'_>) -> Result<R, Error>` or `fn(Event<'_>, T) -> Result<R, Error>`",
    note = "where `T` is `DeserializeOwned`, and `R` is `()`, `Reply`, `Option<Reply>` or `Vec<Reply>`"
)]
pub trait Handler<M> {
    type Replies: Replies;

    fn handle(self, event: Event<'_>) -> Result<Self::Replies, Error>;
}

impl<F, R> Handler<(R,)> for F
where
    F: for<'a> FnOnce(Event<'a>) -> Result<R, Error>,
    R: Replies,
{
    type Replies = R;

    fn handle(self, event: Event<'_>) -> Result<R, Error> {
        self(event)
    }
}

impl<F, T, R> Handler<(T, R)> for F
where
    F: for<'a> FnOnce(Event<'a>, T) -> Result<R, Error>,
    T: DeserializeOwned,
    R: Replies,
{
    type Replies = R;

    fn handle(self, event: Event<'_>) -> Result<R, Error> {
        let data = event.data()?;
        self(event, data)
    }
}
