//! The producer of a NATS: what it takes is published in its order, many at a time, and told of when a stream has it. What no
//! stream takes comes back, and whoever sent it sends it again: it has an id by which a stream knows what it has already.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::{ContextBuilder, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use crossbeam_channel::Sender;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::message::Message;
use crate::client::nats::Login;
use crate::sink::parcel::{Cluster, Parcel};
use crate::sink::receipt::{Kind, Receipt, Refusal, Unsent};
use crate::telemetry::limit::Limit;

/// It may hold so many, and so many are under way at once.
const MOST: usize = 8192;
const UNDER_WAY: usize = 1024;
/// How long an acknowledgement is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Producer {
    outgoing: UnboundedSender<Outgoing>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Outgoing {
    token: usize,
    message: Message,
}

/// A NATS that is down says so again and again.
static TROUBLE: Limit = Limit::new("trouble with a NATS that is written to", 1);

impl Producer {
    /// With what has to run until it is dropped.
    pub fn open(
        cluster: &Cluster,
        receipts: Sender<Receipt>,
    ) -> (Producer, impl Future<Output = ()> + Send + use<>) {
        let (sender, outgoing) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let login = Login::of_properties(cluster.properties());
        let running = run(login, outgoing, receipts, Arc::clone(&waiting));
        (Producer { outgoing: sender, waiting }, running)
    }

    pub fn send(&self, parcel: &Parcel, token: usize) -> Result<(), Unsent> {
        if self.waiting.load(Ordering::Relaxed) >= MOST {
            return Err(Unsent::Full);
        }
        let message = Message::of(parcel).map_err(Unsent::Refused)?;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let outgoing = Outgoing { token, message };
        self.outgoing.send(outgoing).map_err(|_| {
            Unsent::Refused(Refusal { kind: Kind::Again, why: "the client is closed".to_owned() })
        })
    }

    pub fn is_broken(&self) -> bool {
        self.outgoing.is_closed()
    }
}

async fn run(
    login: Login,
    mut outgoing: UnboundedReceiver<Outgoing>,
    receipts: Sender<Receipt>,
    waiting: Arc<AtomicUsize>,
) {
    let servers = login.servers().to_owned();
    let heard = move |event| {
        if TROUBLE.admits() {
            tracing::info!(servers, "NATS that is written to: {event}");
        }
    };
    let context = match login.connect(heard).await {
        // A login that is wrong was refused before.
        Err(why) => return tracing::error!(why, "the client of NATS can't be made"),
        Ok(client) => ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(client),
    };
    let tell = |token, result| {
        waiting.fetch_sub(1, Ordering::Relaxed);
        // Whoever does not listen any more is on its way out.
        let _ = receipts.send(Receipt { token, result });
    };
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some((token, result)) = under_way.next(), if !under_way.is_empty() => tell(token, result),
            next = outgoing.recv(), if under_way.len() < UNDER_WAY => {
                let Some(Outgoing { token, message }) = next else { return };
                let Message { subject, headers, payload } = message;
                let publish = PublishMessage::build().headers(headers).payload(payload);
                // In their order: only the acknowledgements are waited for together.
                match context.send_publish(subject.clone(), publish).await {
                    Err(error) => tell(token, Err(refusal(&error, &subject))),
                    Ok(acknowledged) => under_way.push(async move {
                        let acknowledged = acknowledged.await;
                        (token, acknowledged.map(|ack| ack.sequence).map_err(|error| refusal(&error, &subject)))
                    }),
                }
            }
        }
    }
}

/// What is not known to be for good is tried again: that may take for ever, and loses nothing.
fn refusal(error: &PublishError, subject: &str) -> Refusal {
    let (kind, why) = match error.kind() {
        PublishErrorKind::StreamNotFound => (
            Kind::Again,
            format!("no stream has the subject {subject}: make one, or have it take that subject"),
        ),
        PublishErrorKind::MaxPayloadExceeded => (Kind::TooLarge, error.to_string()),
        _ => match said(error) {
            Some(said) if said.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
                (Kind::TooLarge, said.to_string())
            }
            Some(said) => (Kind::Again, said.to_string()),
            None => (Kind::Again, error.to_string()),
        },
    };
    Refusal { kind, why }
}

/// What the server said, if it was the server.
fn said(error: &PublishError) -> Option<jetstream::Error> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<jetstream::Error>().cloned()
}
