//! `weir publish` to NATS: nats://host:port/subject, in binary mode, acknowledged by the stream that has the subject.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture};
use indicatif::ProgressBar;

use super::interrupt;
use super::outbox::Outbox;
use crate::client::nats::Login;
use crate::event::{binary, structured};

pub(super) const SCHEME: &str = "nats://";
/// How long a server may take to acknowledge an event.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events whose acknowledgements are waited for together.
const UNDER_WAY: usize = 1024;

/// Where events are published to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) servers: String,
    pub(super) subject: String,
}

impl Target {
    /// Of what follows [`SCHEME`].
    pub(super) fn parse(rest: &str) -> Result<Target, String> {
        let (servers, subject) = rest.split_once('/').unwrap_or((rest, ""));
        let names_a_port = |server: &str| {
            server
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        let is_word = |word: &str| {
            !word.is_empty()
                && !word.contains(|c: char| c.is_whitespace() || matches!(c, '*' | '>' | '/' | '@'))
        };
        if !servers.split(',').all(names_a_port) || servers.contains('@') || !subject.split('.').all(is_word)
        {
            return Err(format!(
                "'{SCHEME}{rest}' is no subject of NATS: write it as {SCHEME}127.0.0.1:4222/orders.created"
            ));
        }
        Ok(Target { servers: servers.to_owned(), subject: subject.to_owned() })
    }
}

/// So many events, in their order, and how many of them are acknowledged; with why not all are.
pub(super) fn publish(
    target: &Target,
    events: &Outbox,
    total: u64,
    rate: Option<u32>,
    bar: &ProgressBar,
) -> (u64, Result<(), String>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return (0, Err(format!("the runtime could not be started: {error}"))),
    };
    let mut acknowledged = 0;
    let result = runtime.block_on(send(target, events, (total, rate), &mut acknowledged, bar));
    (acknowledged, result)
}

async fn send(
    target: &Target,
    events: &Outbox,
    (total, rate): (u64, Option<u32>),
    acknowledged: &mut u64,
    bar: &ProgressBar,
) -> Result<(), String> {
    let client = Login::plain(&target.servers).connect_now().await?;
    let context = ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(client);
    let mut under_way: VecDeque<PublishAckFuture> = VecDeque::new();
    let begun = Instant::now();
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", target.subject);
    for number in 0..total {
        if let Some(rate) = rate {
            let due = begun + Duration::from_secs_f64(number as f64 / f64::from(rate));
            while Instant::now() < due && !interrupt::is_asked_for() {
                tokio::time::sleep((due - Instant::now()).min(Duration::from_millis(100))).await;
            }
        }
        if interrupt::is_asked_for() {
            return Err("interrupted".to_owned());
        }
        if under_way.len() >= UNDER_WAY {
            take(&mut under_way, acknowledged, bar).await.map_err(|error| failed(&error))?;
        }
        let json = events.event(number);
        let event = structured::decode(&json).expect("it was checked when it was made");
        let message = binary::encode_nats(&event);
        let mut headers = HeaderMap::new();
        for (name, value) in &message.headers {
            headers.insert(name.as_str(), value.as_ref());
        }
        let payload = message.body.map(|body| body.into_owned()).unwrap_or_default();
        let sent = context.publish_with_headers(target.subject.clone(), headers, payload.into()).await;
        under_way.push_back(sent.map_err(|error| failed(&error))?);
    }
    while !under_way.is_empty() {
        take(&mut under_way, acknowledged, bar).await.map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// The oldest of them.
async fn take(
    under_way: &mut VecDeque<PublishAckFuture>,
    acknowledged: &mut u64,
    bar: &ProgressBar,
) -> Result<(), async_nats::jetstream::context::PublishError> {
    if let Some(first) = under_way.pop_front() {
        first.await?;
        *acknowledged += 1;
        bar.inc(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_servers_and_a_subject() {
        let target = Target::parse("a:1,b:2/orders.created").unwrap();
        assert_eq!((&*target.servers, &*target.subject), ("a:1,b:2", "orders.created"));
        for wrong in
            ["", "a:1", "a:1/", "a/orders", "a:1/or ders", "a:1/x/y", "a:1/x..y", "a:1/x.*", "me:x@a:1/o"]
        {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
