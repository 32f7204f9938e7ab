//! What a NatsSource needs of its server: its durable, and where it parks. And a NatsSink: a stream that has its subject.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::GetStreamByNameErrorKind;

use super::State;
use crate::client::nats::Login;
use crate::config::{Config, NatsConnection, NatsSink, NatsSource, Reads, SecretRef, Settings, Writes};
use crate::source::nats::{Durable, Unfit};

/// A line: what became of what, and what there is to say of it.
pub(super) type Line = (State, String, String);

/// A document, and what it is to its server.
#[derive(Debug)]
pub(super) struct Asks<'c> {
    /// `NatsSource default/orders`.
    pub(super) whose: String,
    role: Role<'c>,
}

#[derive(Clone, Copy, Debug)]
enum Role<'c> {
    Reads(&'c NatsSource),
    Writes(&'c NatsSink),
}

/// In the documents' order, sources first.
pub(super) fn all(config: &Config) -> Vec<Asks<'_>> {
    let sources = config.sources.iter().filter_map(|source| match &source.reads {
        Reads::Nats(nats) => Some(Asks {
            whose: format!("NatsSource {}/{}", source.namespace, source.name),
            role: Role::Reads(nats),
        }),
        Reads::Kafka(_) => None,
    });
    let sinks = config.sinks.iter().filter_map(|sink| match &sink.writes {
        Writes::Nats(nats) => Some(Asks {
            whose: format!("NatsSink {}/{}", sink.namespace, sink.name),
            role: Role::Writes(nats),
        }),
        Writes::Kafka(_) => None,
    });
    sources.chain(sinks).collect()
}

impl Asks<'_> {
    fn connection(&self) -> &NatsConnection {
        match self.role {
            Role::Reads(nats) => &nats.connection,
            Role::Writes(nats) => &nats.connection,
        }
    }

    pub(super) fn servers(&self) -> String {
        let servers: Vec<_> = self.connection().servers.iter().map(ToString::to_string).collect();
        servers.join(",")
    }

    /// In the order in which they are needed. An error: nobody answers.
    pub(super) fn see_to(&self, settings: &Settings, makes: bool) -> Result<Vec<Line>, String> {
        let resolve =
            |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok());
        let login = Login::of(self.connection(), &resolve)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime can't be started: {error}"))?;
        runtime.block_on(async {
            let context = async_nats::jetstream::new(login.connect_now().await?);
            match self.role {
                Role::Reads(nats) => look(&Durable::of(nats), &context, makes).await,
                Role::Writes(nats) => look_for_stream(nats, &context).await.map(|line| vec![line]),
            }
        })
    }

    /// For whoever administers the server: what has to be there, and what the worker's user must be allowed.
    pub(super) fn needs(&self) -> Vec<(String, String)> {
        match self.role {
            Role::Reads(nats) => of_source(nats),
            Role::Writes(nats) => of_sink(nats),
        }
    }
}

fn of_source(nats: &NatsSource) -> Vec<(String, String)> {
    let durable = Durable::of(nats);
    let parking = durable.parking();
    let (stream, name) = (&durable.stream, &durable.name);
    let pull = "ack explicit, max_deliver=-1";
    let mut all = vec![(format!("stream {stream}"), "has to be there".to_owned())];
    for durable in durable.all() {
        let filtered = match durable.subjects.as_slice() {
            [] => String::new(),
            some => format!(", filter {}", some.join(" ")),
        };
        let pinned = match durable.partitions {
            Some(_) => format!(
                ", priority_policy=pinned_client, group weir, priority_timeout={}s",
                durable.pin().as_secs()
            ),
            None => String::new(),
        };
        all.push((
            format!("durable {stream}/{}", durable.name),
            format!("pull, {pull}, ack_wait={}s{filtered}{pinned}", durable.ack_wait.as_secs()),
        ));
    }
    all.extend([
        (
            format!("stream {}", parking.stream),
            format!("subject {}, retention=workqueue, storage=file", parking.subjects()),
        ),
        (format!("durable {}/{name}", parking.stream), format!("pull, {pull}, max_pending=1000000")),
    ]);
    let mut by = vec![(&parking.stream, name.clone())];
    by.extend(durable.all().into_iter().map(|durable| (stream, durable.name)));
    by.reverse();
    for (stream, name) in by {
        for (subject, right) in [
            (format!("$JS.API.STREAM.INFO.{stream}"), "publish"),
            (format!("$JS.API.CONSUMER.INFO.{stream}.{name}"), "publish"),
            (format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"), "publish"),
            (format!("$JS.ACK.{stream}.{name}.>"), "publish"),
        ] {
            let needed = (format!("right on {subject}"), right.to_owned());
            if !all.contains(&needed) {
                all.push(needed);
            }
        }
    }
    all.push((format!("right on {}", parking.subjects()), "publish".to_owned()));
    if durable.partitions.is_some() {
        let peers = durable.peers();
        for (subject, right) in [
            (format!("$JS.API.CONSUMER.UNPIN.{stream}.>"), "publish"),
            (format!("$JS.API.STREAM.MSG.GET.{}", parking.stream), "publish"),
            (format!("$JS.API.STREAM.MSG.DELETE.{}", parking.stream), "publish"),
            (peers.clone(), "publish"),
            (peers, "subscribe"),
        ] {
            all.push((format!("right on {subject}"), right.to_owned()));
        }
    }
    all.push(("right on _INBOX.>".to_owned(), "subscribe".to_owned()));
    all
}

fn of_sink(nats: &NatsSink) -> Vec<(String, String)> {
    let stream = match &nats.stream {
        Some(stream) => format!("stream {stream}"),
        None => "stream of any name".to_owned(),
    };
    let subject = nats.subjects();
    let there = format!("has to be there, and have the subject {subject}");
    let right = |subject: &str, right: &str| (format!("right on {subject}"), right.to_owned());
    vec![(stream, there), right(&subject, "publish"), right("_INBOX.>", "subscribe")]
}

/// It is for others to make: what it keeps, and for how long, is theirs to say.
async fn look_for_stream(nats: &NatsSink, context: &Context) -> Result<Line, String> {
    let subject = nats.one_subject();
    let name = match context.stream_by_subject(subject.clone()).await {
        Ok(name) => name,
        Err(error) if error.kind() == GetStreamByNameErrorKind::NotFound => {
            let what = "no stream has this subject: make one, or have one take it".to_owned();
            return Ok((State::Wrong, subject, what));
        }
        Err(error) => return Err(format!("NATS does not say which stream has {subject}: {error}")),
    };
    if let Some(wanted) = nats.stream.as_ref().filter(|wanted| **wanted != name) {
        return Ok((State::Wrong, subject, format!("the stream {name} has this subject, and not {wanted}")));
    }
    let found = context.get_stream(&name).await;
    let found = found.map_err(|error| format!("the stream {name} can't be looked at: {error}"))?;
    let window = found.cached_info().config.duplicate_window.as_secs();
    Ok((State::There, subject, format!("in the stream {name}, which knows for {window} s what it has")))
}

async fn look(durable: &Durable, context: &Context, makes: bool) -> Result<Vec<Line>, String> {
    let stream = durable.stream.clone();
    let found = match durable.stream(context).await {
        Ok(found) => found,
        Err(unfit) => return Ok(vec![(State::Wrong, stream, unfit.to_string())]),
    };
    let kept = found.cached_info().config.num_replicas;
    let mut lines = vec![(State::There, stream, format!("a stream, kept {kept} times"))];
    for durable in durable.all() {
        let was_there = durable.info(&found).await.map_err(|unfit| unfit.to_string())?.is_some();
        let of_durable = match (was_there, makes) {
            (false, false) => (State::Lacking, "is not there".to_owned()),
            _ => match durable.ensure(context, makes).await {
                Ok((_, info)) => {
                    let what = format!("a durable, {} to read", info.num_pending);
                    (if was_there { State::There } else { State::Made }, what)
                }
                Err(unfit) => (State::Wrong, unfit.to_string()),
            },
        };
        lines.push((of_durable.0, format!("{}/{}", durable.stream, durable.name), of_durable.1));
    }
    let parking = durable.parking();
    let was_there = context.get_stream(&parking.stream).await.is_ok();
    let of_parking = match (was_there, makes) {
        (false, false) => (State::Lacking, "is not there".to_owned()),
        _ => match parking.ensure(context, &found).await {
            Ok(()) => {
                let what = "a stream for what is parked, with its durable".to_owned();
                (if was_there { State::There } else { State::Made }, what)
            }
            Err(Unfit::Now(why) | Unfit::Wrong(why)) => (State::Wrong, why),
        },
    };
    lines.push((of_parking.0, parking.stream, of_parking.1));
    Ok(lines)
}
