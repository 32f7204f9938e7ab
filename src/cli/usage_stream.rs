//! `weir cost --from nats://…`: what all workers have shipped to a subject of NATS. No consumer is made.

use std::collections::BTreeMap;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamByNameErrorKind;

use super::exit::Failed;
use super::produce_nats::Target;
use super::usage_tally::Tally;
use crate::client::nats::Login;
use crate::event::binary::decode_nats;
use crate::source::nats::Onlooker;

/// From the stream's beginning to where it ends now.
pub(super) fn count(target: &Target, tally: &mut Tally) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::error(format!("the runtime can't be started: {error}")))?;
    runtime.block_on(read(target, tally)).map_err(Failed::error)
}

async fn read(target: &Target, tally: &mut Tally) -> Result<(), String> {
    let Target { servers, subject } = target;
    let context = async_nats::jetstream::new(Login::plain(servers).connect_now().await?);
    for (stream, subjects) in streams(&context, subject).await? {
        let found = context.get_stream(&stream).await;
        let found = found.map_err(|error| format!("the stream {stream} can't be read: {error}"))?;
        add(Onlooker::new(found, &subjects), subject, &stream, tally).await?;
    }
    Ok(())
}

/// Each that has the subject, or those that a sink with partitions makes of it, with what of them to read.
async fn streams(context: &Context, subject: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for subject in [subject.to_owned(), format!("{subject}.*")] {
        match context.stream_by_subject(&subject).await {
            Ok(stream) => streams.entry(stream).or_default().push(subject),
            Err(error) if error.kind() == GetStreamByNameErrorKind::NotFound => {}
            Err(error) => return Err(format!("NATS does not say which stream has {subject}: {error}")),
        }
    }
    if streams.is_empty() {
        return Err(format!("no stream is known to have the subject {subject}, or {subject}.*"));
    }
    Ok(streams)
}

async fn add(mut onlooker: Onlooker, subject: &str, stream: &str, tally: &mut Tally) -> Result<(), String> {
    let (_, last) = onlooker.ends().await?;
    while let Some(message) = onlooker.next().await?.filter(|message| message.sequence <= last) {
        // Another's, where the last word is no partition.
        let word = message.subject.strip_prefix(subject).and_then(|rest| rest.strip_prefix('.'));
        if word.is_some_and(|word| word.parse::<u32>().is_err()) {
            continue;
        }
        let headers = message.headers.iter().flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| (name, value.as_str().as_bytes()))
        });
        let event = decode_nats(headers, &message.payload).map_err(|why| why.to_string());
        event.and_then(|event| tally.add(&event)).map_err(|why| {
            format!("{stream}, sequence {}: this is no usage of weir's: {why}", message.sequence)
        })?;
    }
    Ok(())
}
