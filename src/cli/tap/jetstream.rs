//! `weir tap` on a NatsSource.

use std::time::Duration;

use serde_json::json;

use super::place::From;
use super::shown::Shown;
use super::{Seen, Tap};
use crate::cli::exit::Failed;
use crate::cli::interrupt;
use crate::client::nats::Login;
use crate::config::{NatsSource, SecretRef, Settings, Source};
use crate::source::nats::{Durable, Message, Onlooker, Reading, written};
use crate::trigger::Memo;

/// How often it is looked for more.
const LOOK: Duration = Duration::from_millis(200);

/// Whose messages are shown.
pub(super) struct Tapped<'c> {
    pub(super) source: &'c Source,
    pub(super) nats: &'c NatsSource,
    pub(super) seen: Seen<'c>,
}

impl Tapped<'_> {
    /// How many were shown.
    pub(super) fn show(&self, tap: &Tap, settings: &Settings) -> Result<u64, Failed> {
        let failed = |why: String| Failed::error(format!("NatsSource {}: {why}", tap.source));
        let resolve =
            |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok());
        let login = Login::of(&self.nats.connection, &resolve).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Failed::error(format!("the runtime can't be started: {error}")))?;
        runtime.block_on(async {
            let context = async_nats::jetstream::new(login.connect_now().await.map_err(|why| {
                Failed::error(why).help("the document's 'servers' say where it is looked for")
            })?);
            let stream = Durable::of(self.nats).stream(&context).await;
            let stream = stream.map_err(|unfit| failed(unfit.to_string()))?;
            let mut onlooker = Onlooker::new(stream, &Durable::of(self.nats).looked_at());
            let (begin, last) = places(&mut onlooker, &tap.from()).await.map_err(failed)?;
            onlooker.go_to(begin);
            self.read(tap, &mut onlooker, last).await
        })
    }

    async fn read(&self, tap: &Tap, onlooker: &mut Onlooker, last: u64) -> Result<u64, Failed> {
        let reading = Reading::of(self.source, self.nats);
        let (mut shown, mut memo) = (0, Memo::default());
        while tap.limit.is_none_or(|limit| shown < limit) && !interrupt::is_asked_for() {
            let next = onlooker.next().await.map_err(Failed::error)?;
            let Some(message) = next.filter(|message| tap.follow || message.sequence <= last) else {
                if !tap.follow {
                    break;
                }
                tokio::time::sleep(LOOK).await;
                continue;
            };
            shown += 1;
            let at = written(&message);
            let read = Message::of(
                &message.subject,
                message.sequence,
                at,
                (Some(&message.headers), &message.payload[..]),
            );
            let event = reading.event(&read);
            let routes = event.as_ref().map(|event| self.seen.routes(event, &mut memo)).unwrap_or_default();
            let stream = &self.nats.stream;
            let place = format!("{stream}@{}", message.sequence);
            let whole = json!({
                "stream": stream, "sequence": message.sequence, "subject": message.subject.as_str(), "timestamp_ms": at,
            });
            tap.print(&Shown { place, whole, event: &event, routes: &routes })?;
        }
        Ok(shown)
    }
}

/// Where to begin, and what was the last by then.
async fn places(onlooker: &mut Onlooker, from: &From) -> Result<(u64, u64), String> {
    let (first, last) = onlooker.ends().await?;
    let begin = match from {
        From::Earliest => first,
        From::Offset(sequence) => sequence.cast_unsigned(),
        From::Time(milliseconds) => onlooker.since(*milliseconds).await?,
        From::Last(count) => onlooker.last(count.cast_unsigned()).await?,
    };
    Ok((begin, last))
}
