//! `weir cost --from nats://…`: what all workers have shipped to a subject of NATS. No consumer is made.

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
    let stream = context.stream_by_subject(subject.clone()).await;
    let stream =
        stream.map_err(|error| format!("no stream is known to have the subject {subject}: {error}"))?;
    let found = context.get_stream(&stream).await;
    let found = found.map_err(|error| format!("the stream {stream} can't be read: {error}"))?;
    let mut onlooker = Onlooker::new(found, std::slice::from_ref(subject));
    let (_, last) = onlooker.ends().await?;
    while let Some(message) = onlooker.next().await?.filter(|message| message.sequence <= last) {
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
