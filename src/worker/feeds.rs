//! The sources of the documents become consumers, each a thread of its own, with another that reads what it has parked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded, unbounded};

use super::outlets::cluster_of;
use super::shares::Share;
use super::streams::Feed;
use super::tasks;
use crate::client::nats::Login;
use crate::config::{Config, KafkaSource, NatsSource, Reads, SecretRef, Settings, Source};
use crate::event::Uid;
use crate::sink::parcel::{Cluster, Outlet};
use crate::source::kafka::parked::{self, Reader};
use crate::source::kafka::{Consumed, Consumer, Ends, Farewell, Reading, Start, client, consumer};
use crate::source::nats;
use crate::telemetry::metrics::Partitions;

/// Batches that may wait for the loop.
const AHEAD: usize = 4;
/// What a group gets at least to let go of a worker.
const LET_GO: Duration = Duration::from_secs(1);

/// What has begun.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    pub(super) feeds: Vec<Feed>,
    pub(super) shares: Vec<Share>,
    pub(super) threads: Vec<JoinHandle<()>>,
}

/// All that the documents name: from here on the worker is a member of their groups. Must be called on a tokio runtime.
pub(super) fn begin(
    config: &Config,
    settings: &Settings,
    cells: &Arc<Partitions>,
) -> Result<Consumers, String> {
    let mut begun = Consumers::default();
    let runtime = tokio::runtime::Handle::current();
    for source in &config.sources {
        let name = format!("{}/{}", source.namespace, source.name);
        match &source.reads {
            Reads::Kafka(kafka) => {
                let (feed, consumer, reader) = feed(source, kafka, settings, cells)
                    .map_err(|why| format!("the KafkaSource {name} can't be consumed: {why}"))?;
                let (group, topics) = (&kafka.consumer_group, kafka.topics.join(","));
                tracing::info!(source = name, group, topics, "consuming from Kafka");
                begun.feeds.push(feed);
                begun.threads.push(tasks::thread(&format!("parked-{}", source.name), move || reader.run()));
                begun
                    .threads
                    .push(tasks::thread(&format!("kafka-{}", source.name), move || leave(consumer.run())));
            }
            Reads::Nats(nats) if nats.partitions.is_some() => {
                let (feed, consumer, hand_on) = partitions(source, nats, settings, cells)
                    .map_err(|why| format!("the NatsSource {name} can't be consumed: {why}"))?;
                let (stream, consumer_name, partitions) = (&nats.stream, &nats.consumer, nats.partitions);
                tracing::info!(
                    source = name,
                    stream,
                    consumer = consumer_name,
                    partitions,
                    "consuming from NATS"
                );
                begun.feeds.push(feed);
                let runtime = runtime.clone();
                begun.threads.push(tasks::thread(&format!("orders-{}", source.name), hand_on));
                let run = move || runtime.block_on(consumer.run());
                begun.threads.push(tasks::thread(&format!("nats-{}", source.name), run));
            }
            Reads::Nats(nats) => {
                let (share, consumer) = share(source, nats, settings)
                    .map_err(|why| format!("the NatsSource {name} can't be consumed: {why}"))?;
                tracing::info!(
                    source = name,
                    stream = nats.stream,
                    consumer = nats.consumer,
                    "consuming from NATS"
                );
                begun.shares.push(share);
                let runtime = runtime.clone();
                let run = move || runtime.block_on(consumer.run());
                begun.threads.push(tasks::thread(&format!("nats-{}", source.name), run));
            }
        }
    }
    Ok(begun)
}

/// What has to be kept is kept by now, and a group that is being balanced lets nobody go for long: it is not waited for beyond
/// its time.
fn leave(farewell: Farewell) {
    let (source, by) = (farewell.source.clone(), farewell.by.max(Instant::now() + LET_GO));
    let (gone, left) = bounded::<()>(0);
    tasks::thread("leave", move || {
        farewell.leave();
        drop(gone);
    });
    if left.recv_deadline(by) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!(
            source,
            "the group is being balanced and has not let go of this worker in time: \
             its partitions wait until kafka.session-timeout has passed"
        );
    }
}

/// Messages that may be under way of one source, whatever is said.
const MOST: usize = 50_000;

/// What a source of NATS reads, how it logs in there, and where it parks.
fn of_nats(
    source: &Source,
    nats: &NatsSource,
    settings: &Settings,
) -> Result<(nats::Consumed, Login, Arc<Outlet>), String> {
    let resolve =
        |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|variable| std::env::var(variable).ok());
    let login = Login::of(&nats.connection, &resolve)?;
    let durable = nats::Durable::of(nats);
    let parking = Arc::new(Outlet {
        name: format!("the parking of {}/{}", source.namespace, source.name),
        cluster: Arc::new(Cluster::of_nats(login.clone().properties())),
        topic: durable.parking().subject,
        is_structured: false,
        create: None,
        stream: None,
        partitions: None,
    });
    let in_flight = settings.dispatch_max_in_flight as usize / nats.partitions.unwrap_or(1) as usize;
    let most = (nats.max_ack_pending as usize).min(in_flight).min(MOST);
    let consumed = nats::Consumed {
        name: format!("{}/{}", source.namespace, source.name),
        durable,
        // Of this document alone, as it reads this stream.
        uid: Uid::of_topic(source.uid, &nats.stream),
        reading: nats::Reading::of(source, nats),
        broker: source.sink.broker(),
        undecodable: source.undecodable,
        most: most.max(1),
    };
    Ok((consumed, login, parking))
}

/// Its partitions are as Kafka's to the loop. What its consumer may hold bounds all channels.
fn partitions(
    source: &Source,
    nats: &NatsSource,
    settings: &Settings,
    cells: &Arc<Partitions>,
) -> Result<(Feed, nats::Partitioned, impl FnOnce() + Send + use<>), String> {
    let (consumed, login, parking) = of_nats(source, nats, settings)?;
    let (changes_sender, changes) = unbounded();
    let (reads_sender, reads) = unbounded();
    let (fetched_sender, fetched) = unbounded();
    let (orders, orders_out) = unbounded();
    let (wanted, wanted_out) = unbounded();
    let (wishes_sender, wishes) = tokio::sync::mpsc::unbounded_channel();
    let name = consumed.name.clone();
    let channels = nats::partitioned::Channels {
        changes: changes_sender,
        reads: reads_sender,
        fetched: fetched_sender,
        wishes,
        cells: Arc::clone(cells),
    };
    let consumer = nats::Partitioned::new(consumed, login, channels);
    let feed = Feed { changes, reads, orders, wanted, fetched, parking, name, firsts: None };
    Ok((feed, consumer, move || nats::partitioned::hand_on(orders_out, wanted_out, &wishes_sender)))
}

fn share(source: &Source, nats: &NatsSource, settings: &Settings) -> Result<(Share, nats::Consumer), String> {
    let (consumed, login, parking) = of_nats(source, nats, settings)?;
    let uid = consumed.uid;
    // What the consumer may hold bounds both.
    let (news_sender, news) = unbounded();
    let (orders_sender, orders) = tokio::sync::mpsc::unbounded_channel();
    let consumer = nats::Consumer::new(consumed, login, nats::Ends { news: news_sender, orders });
    let name = format!("{}/{}", source.namespace, source.name);
    Ok((Share { source: uid, news, orders: orders_sender, parking, name, waits: false }, consumer))
}

fn feed(
    source: &Source,
    kafka: &KafkaSource,
    settings: &Settings,
    cells: &Arc<Partitions>,
) -> Result<(Feed, Consumer, Reader), String> {
    let resolve =
        |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|variable| std::env::var(variable).ok());
    let cluster = client::config(&kafka.bootstrap_servers, &kafka.security, &resolve)?;
    let mut member = cluster.clone();
    consumer::configure(&mut member, &kafka.consumer_group);
    member.set("session.timeout.ms", settings.kafka_session_timeout.as_millis().to_string());
    if let Some(id) = &settings.kafka_instance_id {
        // Of each source: two members of one group can't have the same.
        member.set("group.instance.id", format!("{id}-{}", source.uid));
    }
    let parking = Arc::new(Outlet {
        name: format!("the parking of {}/{}", source.namespace, source.name),
        cluster: Arc::new(cluster_of(&cluster)),
        topic: parked::topic_of(&kafka.consumer_group),
        is_structured: false,
        create: None,
        stream: None,
        partitions: None,
    });
    let (changes_sender, changes) = unbounded();
    let (reads_sender, reads) = bounded(AHEAD);
    let (orders_sender, orders) = unbounded();
    let (wanted_sender, wanted) = unbounded();
    let (fetched_sender, fetched) = bounded(AHEAD);
    let reader = Reader::new(&cluster, &kafka.consumer_group, wanted, fetched_sender);
    let (wanted, cells) = (wanted_sender.clone(), Arc::clone(cells));
    let ends = Ends { changes: changes_sender, reads: reads_sender, orders, wanted, cells };
    let consumed = consumed(source, kafka);
    let (name, firsts) = (consumed.name.clone(), Some(Arc::clone(&consumed.firsts)));
    let consumer = Consumer::join(&member, cluster, consumed, ends);
    let feed =
        Feed { changes, reads, orders: orders_sender, wanted: wanted_sender, fetched, parking, name, firsts };
    Ok((feed, consumer.map_err(|e| e.to_string())?, reader.map_err(|e| e.to_string())?))
}

fn consumed(source: &Source, kafka: &KafkaSource) -> Consumed {
    let mut topics = kafka.topics.clone();
    topics.sort_unstable();
    let uid = |topic: &String| (topic.clone(), Uid::of_topic(source.uid, topic));
    Consumed {
        name: format!("{}/{}", source.namespace, source.name),
        group: kafka.consumer_group.clone(),
        uids: topics.iter().map(uid).collect(),
        topics,
        start: Start { initial: kafka.initial_offset },
        reading: Reading::of(source, kafka),
        broker: source.sink.broker(),
        undecodable: source.undecodable,
        firsts: Arc::default(),
    }
}

/// May this take the other's place while the worker runs? Its consumers are of the start: what they read would go to triggers
/// that are not there any more, or be read in another way than they do.
pub(super) fn may_change(before: &Config, after: &Config) -> Result<(), String> {
    let consumed = |config: &Config| -> BTreeMap<Uid, Source> {
        config.sources.iter().map(|source| (source.uid, source.clone())).collect()
    };
    let (before, after) = (consumed(before), consumed(after));
    let of_both = before.keys().chain(after.keys());
    let changed = of_both.filter(|uid| before.get(*uid) != after.get(*uid));
    let names: BTreeSet<String> = changed
        .filter_map(|uid| after.get(uid).or(before.get(uid)))
        .map(|source| {
            let kind = match source.reads {
                Reads::Kafka(_) => "KafkaSource",
                Reads::Nats(_) => "NatsSource",
            };
            format!("{kind} {}/{}", source.namespace, source.name)
        })
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = names.into_iter().collect();
    Err(format!("the {} would come, change or go: that takes a restart", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    fn config(group: &str, sink: &str) -> Config {
        let text = format!(
            "apiVersion: sources.knative.dev/v1\nkind: KafkaSource\nmetadata: {{name: orders}}\nspec:\n  \
             bootstrapServers: ['kafka:9092']\n  topics: [orders]\n  consumerGroup: {group}\n  sink: {{{sink}}}\n"
        );
        load_text("a.yaml", &text).config.unwrap()
    }

    #[test]
    fn what_is_consumed_changes_with_a_restart_alone() {
        let broker = "ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}";
        let one = config("a", broker);
        may_change(&one, &config("a", broker)).unwrap();
        for other in [config("b", broker), config("a", "uri: 'http://orders/'"), Config::default()] {
            let why = "the KafkaSource default/orders would come, change or go: that takes a restart";
            assert_eq!(may_change(&one, &other), Err(why.to_owned()));
            assert_eq!(may_change(&other, &one), Err(why.to_owned()));
        }
    }
}
