//! How far a durable of NATS is behind, as KEDA's nats-jetstream scaler counts it.

use async_nats::jetstream::{self, Context};

use crate::client::nats::Login;
use crate::config::{NatsSource, SecretRef, Settings};
use crate::source::nats::Durable;

/// Of a durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Not handed out yet.
    pub(super) pending: u64,
    /// Handed out, and not answered for.
    pub(super) unacknowledged: u64,
}

/// A source's, and its parking's if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) read: Waiting,
    pub(super) parked: Option<Waiting>,
    /// When the first message was written that is not done, in milliseconds since 1970.
    pub(super) oldest: Option<i64>,
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
}

async fn ask(durable: &Durable, context: &Context) -> Result<Behind, String> {
    let stream = durable.stream(context).await.map_err(|unfit| unfit.to_string())?;
    let (mut read, mut floor) = (Waiting { pending: 0, unacknowledged: 0 }, u64::MAX);
    for durable in durable.all() {
        let info = durable.info(&stream).await.map_err(|unfit| unfit.to_string())?;
        let info =
            info.ok_or_else(|| format!("the consumer {} is not there: weir setup makes it", durable.name))?;
        let own = Waiting { pending: info.num_pending, unacknowledged: info.num_ack_pending as u64 };
        read.pending += own.pending;
        read.unacknowledged += own.unacknowledged;
        if own.sum() > 0 {
            floor = floor.min(info.ack_floor.stream_sequence);
        }
    }
    let oldest = match read.sum() {
        0 => None,
        // Of a stream with filters, the first that is there may be another's: then it says no less than it is.
        _ => {
            let first = (floor + 1).max(stream.cached_info().state.first_sequence);
            let message = stream.get_raw_message(first).await.ok();
            message.map(|message| (message.time.unix_timestamp_nanos() / 1_000_000) as i64)
        }
    };
    let parked = match context.get_stream(&durable.parking().stream).await {
        Err(_) => None,
        Ok(parking) => parking
            .consumer_info(&durable.name)
            .await
            .ok()
            .map(|info| Waiting { pending: info.num_pending, unacknowledged: info.num_ack_pending as u64 }),
    };
    Ok(Behind { read, parked, oldest })
}
