//! Are a durable, its stream and its parking there, and as they have to be? That is asked beside: a server that takes its time keeps
//! nobody from asking for messages, nor from saying what is being worked on, and no pin is lost over it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::Info;
use async_nats::jetstream::stream::Stream;

use super::durable::{Durable, Parking, Unfit};

/// How long the server may take for all of it.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) type Found = Result<Box<(Stream, Info)>, Unfit>;

/// One that is under way, or none.
#[derive(Default)]
pub(super) struct Look(Option<Pin<Box<dyn Future<Output = Found> + Send>>>);

impl Look {
    pub(super) fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// `makes`: what is not there is made. One that was there and is gone is not made anew behind anybody's back: it would begin
    /// where the document says.
    pub(super) fn begin(&mut self, durable: &Durable, parking: &Parking, context: &Context, makes: bool) {
        let (durable, parking, context) = (durable.clone(), parking.clone(), context.clone());
        self.0 = Some(Box::pin(async move {
            let found = async {
                let found = durable.ensure(&context, makes).await?;
                parking.ensure(&context, &found.0).await?;
                Ok(Box::new(found))
            };
            let found = tokio::time::timeout(PATIENCE, found).await;
            found.unwrap_or_else(|_| Err(Unfit::Now("NATS does not answer".to_owned())))
        }));
    }

    /// Its answer may have gone astray.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// What came of it. May be dropped, and asked for again.
    pub(super) async fn found(&mut self) -> Found {
        let Some(looking) = &mut self.0 else { return std::future::pending().await };
        let found = looking.as_mut().await;
        self.0 = None;
        found
    }
}
