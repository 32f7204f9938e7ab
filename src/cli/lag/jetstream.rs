//! How far a durable of NATS is behind, as KEDA's nats-jetstream scaler counts it.

use async_nats::jetstream::{self, Context};

use crate::client::nats::Login;
use crate::config::{NatsSource, SecretRef, Settings};
use crate::source::nats::{Durable, Onlooker, written};

/// Of a durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Not handed out yet.
    pub(super) pending: u64,
    /// Handed out, and not answered for.
    pub(super) unacknowledged: u64,
}

/// Of one of its durables: of a partition, or the one that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) durable: String,
    pub(super) number: Option<u32>,
    pub(super) read: Waiting,
    /// Up to this sequence all is acknowledged.
    pub(super) floor: u64,
    /// When the first message was written that is not done, in milliseconds since 1970.
    pub(super) oldest: Option<i64>,
}

/// A source's, and its parking's if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) parts: Vec<Part>,
    pub(super) parked: Option<Waiting>,
    /// The last sequence of the stream.
    pub(super) last: u64,
}

impl Waiting {
    pub(super) fn sum(self) -> u64 {
        self.pending + self.unacknowledged
    }
}

impl Behind {
    pub(super) fn of(nats: &NatsSource, settings: &Settings) -> Result<Behind, String> {
        let resolve =
            |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok());
        let login = Login::of(&nats.connection, &resolve)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime can't be started: {error}"))?;
        runtime.block_on(async {
            let context = jetstream::new(login.connect_now().await?);
            ask(&Durable::of(nats), &context).await
        })
    }

    /// All of its durables together.
    pub(super) fn read(&self) -> Waiting {
        let add = |sum: Waiting, part: &Part| Waiting {
            pending: sum.pending + part.read.pending,
            unacknowledged: sum.unacknowledged + part.read.unacknowledged,
        };
        self.parts.iter().fold(Waiting { pending: 0, unacknowledged: 0 }, add)
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        self.parts.iter().filter_map(|part| part.oldest).min()
    }
}

async fn ask(durable: &Durable, context: &Context) -> Result<Behind, String> {
    let stream = durable.stream(context).await.map_err(|unfit| unfit.to_string())?;
    let numbers = durable.partitions.map_or(vec![None], |count| (0..count).map(Some).collect());
    let mut parts = Vec::new();
    for (durable, number) in durable.all().into_iter().zip(numbers) {
        let info = durable.info(&stream).await.map_err(|unfit| unfit.to_string())?;
        let info =
            info.ok_or_else(|| format!("the consumer {} is not there: weir setup makes it", durable.name))?;
        let read = Waiting { pending: info.num_pending, unacknowledged: info.num_ack_pending as u64 };
        let floor = info.ack_floor.stream_sequence;
        let oldest = if read.sum() == 0 {
            None
        } else {
            let mut onlooker = Onlooker::new(stream.clone(), &durable.subjects);
            onlooker.go_to(floor + 1);
            // Who may not look at messages is told of the rest all the same.
            onlooker.next().await.ok().flatten().map(|message| written(&message))
        };
        parts.push(Part { durable: durable.name, number, read, floor, oldest });
    }
    let parked = match context.get_stream(&durable.parking().stream).await {
        Err(_) => None,
        Ok(parking) => parking
            .consumer_info(&durable.name)
            .await
            .ok()
            .map(|info| Waiting { pending: info.num_pending, unacknowledged: info.num_ack_pending as u64 }),
    };
    Ok(Behind { parts, parked, last: stream.cached_info().state.last_sequence })
}
