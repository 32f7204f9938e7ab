//! The dead letters in the stream of a NatsSink. Which of them have been replayed or dropped is no secret: those are deleted.

use std::path::PathBuf;

use async_nats::jetstream::message::StreamMessage;
use tokio::runtime::Runtime;

use super::choice::Taker;
use super::letter;
use super::tally::{self, Counted};
use crate::cli::exit::Failed;
use crate::cli::stored::Stored;
use crate::client::nats::Login;
use crate::config::{Config, NatsSink, SecretRef, Settings, Sink};
use crate::event::{Position, Uid};
use crate::sink::dead_letter::DeadLetter;
use crate::sink::letter_filter::Filter;
use crate::source::nats::{Message, Onlooker, Reading, written};
use crate::worker::errand::{Errand, Progress};
use crate::worker::letters::Letters;

pub struct Stream {
    /// As people know it: "NatsSink default/letters".
    name: String,
    reading: Reading,
    /// What positions in it have as their source.
    uid: Uid,
    onlooker: Onlooker,
    /// What was its last message when the command began.
    end: u64,
    pub(super) taker: Taker,
    /// Last, so that what needs it goes before.
    asking: Asking,
}

/// What asks, and may be let go of anywhere.
struct Asking(Option<Runtime>);

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Stream {
    /// `paths`: where the documents are, of which `config` was read.
    pub(super) fn open(
        settings: &Settings,
        (sink, nats): (&Sink, &NatsSink),
        (config, paths): (Config, &[PathBuf]),
    ) -> Result<Stream, Failed> {
        let name = format!("NatsSink {}/{}", sink.namespace, sink.name);
        let failed = |why: String| Failed::error(format!("{name}: {why}"));
        let resolve =
            |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok());
        let login = Login::of(&nats.connection, &resolve).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let asking =
            Asking(Some(runtime.map_err(|e| failed(format!("the runtime could not be started: {e}")))?));
        let (onlooker, stream, end) = asking.run(find(&login, nats)).map_err(failed)?;
        Ok(Stream {
            reading: Reading::new(&sink.namespace, &sink.name, &stream),
            uid: Uid::of_topic(sink.uid, &stream),
            onlooker,
            end,
            taker: Taker::new(Stored::to_change(settings, Some(paths)), config),
            name,
            asking,
        })
    }

    /// As a worker answers of its own.
    pub(super) fn answer(&mut self, letters: &Letters) -> Result<String, Failed> {
        let text = match letters {
            Letters::One { id } => {
                let mut text = Ok(String::new());
                self.read(*id, |found, letter| {
                    if found == *id {
                        text = tally::whole(found, letter);
                    }
                    false
                })?;
                text
            }
            Letters::Tally { filter } => self.tally(filter, 0)?,
            Letters::List { filter, last } => self.tally(filter, *last)?,
        };
        text.map_err(|why| Failed::error(format!("{}: {why}", self.name)))
    }

    fn tally(&mut self, filter: &Filter, last: usize) -> Result<Result<String, String>, Failed> {
        let mut counted = Counted::new(filter, last);
        self.read(0, |id, letter| {
            counted.add(id, letter);
            true
        })?;
        Ok(counted.finish())
    }

    /// Visits the letters from a sequence on, until no more is wanted.
    fn read(&mut self, from: u64, mut visit: impl FnMut(u64, &DeadLetter<'_>) -> bool) -> Result<(), Failed> {
        let Stream { name, reading, uid, onlooker, end, asking, .. } = self;
        onlooker.go_to(from);
        loop {
            let next = asking.run(onlooker.next());
            let next = next.map_err(|why| Failed::error(format!("{name}: {why}")))?;
            let Some(message) = next.filter(|message| message.sequence <= *end) else { return Ok(()) };
            let bytes = encoded(reading, *uid, &message);
            let letter = DeadLetter::decode(&bytes).expect("it was encoded here");
            if !visit(message.sequence, &letter) {
                return Ok(());
            }
        }
    }

    /// Some of what is meant, durably: first the worker has them, then they are deleted. A crash between the two has those of
    /// this batch replayed again by whoever runs it again.
    pub(super) fn run(&mut self, errand: &Errand) -> Result<Progress, Failed> {
        let triggers = self.taker.stored.triggers()?;
        let Stream { name, reading, uid, onlooker, end, taker, asking } = self;
        let failed = |why: String| Failed::error(format!("{name}: {why}"));
        let mut choice = taker.choice(errand, triggers);
        let named = errand.filter.ids.iter().copied().filter(|id| (errand.from..errand.before).contains(id));
        let mut named = (!errand.filter.ids.is_empty()).then_some(named);
        onlooker.go_to(errand.from);
        loop {
            let wanted = named.as_mut().map(Iterator::next);
            if let Some(id) = wanted {
                let Some(id) = id else { break };
                onlooker.go_to(id);
            }
            let next = asking.run(onlooker.next()).map_err(failed)?;
            let message = match next.filter(|message| message.sequence <= *end) {
                Some(message) if wanted.is_none_or(|id| id == Some(message.sequence)) => message,
                _ if wanted.is_some() => continue,
                _ => break,
            };
            let bytes = encoded(reading, *uid, &message);
            let letter = DeadLetter::decode(&bytes).expect("it was encoded here");
            if !choice.look(message.sequence, &letter, false) {
                break;
            }
        }
        let made = choice.made();
        taker.take(&made)?;
        for chosen in &made.chosen {
            let deleted = asking.run(onlooker.stream().delete_message(chosen.id));
            deleted.map_err(|error| {
                failed(format!("what has been done can't be deleted: {error}"))
                    .help("the stream must not have deny_delete, and the user must be allowed to")
            })?;
        }
        Ok(taker.finish(made))
    }
}

impl Asking {
    fn run<T>(&self, what: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is there until it is dropped").block_on(what)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// With the stream's name and its last sequence.
async fn find(login: &Login, nats: &NatsSink) -> Result<(Onlooker, String, u64), String> {
    let context = async_nats::jetstream::new(login.connect_now().await?);
    let stream = match &nats.stream {
        Some(stream) => stream.clone(),
        None => context
            .stream_by_subject(nats.one_subject())
            .await
            .map_err(|error| format!("NATS does not say which stream has {}: {error}", nats.one_subject()))?,
    };
    let found = context.get_stream(&stream).await;
    let found =
        found.map_err(|error| format!("NATS does not say what stands in the stream {stream}: {error}"))?;
    let onlooker = Onlooker::new(found, &[nats.subjects()]);
    let (_, end) = onlooker.ends().await?;
    Ok((onlooker, stream, end))
}

/// As `DeadLetter::encode` has it.
fn encoded(reading: &Reading, stream: Uid, message: &StreamMessage) -> Vec<u8> {
    let at = written(message);
    let read =
        Message::of(&message.subject, message.sequence, at, (Some(&message.headers), &message.payload[..]));
    let event = reading.event(&read).unwrap_or_else(|why| reading.undecodable(&read, &why));
    let here = Position { source: stream, partition: 0, offset: message.sequence };
    letter::encoded(event, here, at.cast_unsigned().saturating_mul(1_000_000))
}
