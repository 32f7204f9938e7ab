//! The durable consumers of a source, and what has to be true of them: what its messages wait in, and what is parked of them.

use std::fmt::Write as _;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy, Info, PriorityPolicy, pull};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use serde_json::json;

use super::line::GROUP;
use crate::config::{Initial, NatsSource};

/// What is consumed, as the document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    pub stream: String,
    pub name: String,
    /// None: all of the stream's.
    pub subjects: Vec<String>,
    /// Of so many partitions, each with a durable of its own. `None`: there is one, which is shared message by message.
    pub partitions: Option<u32>,
    /// It is the durable of one partition.
    is_partition: bool,
    pub ack_wait: Duration,
    pub max_ack_pending: u32,
    pub initial: Initial,
}

/// Where deliveries wait that must wait long, and who reads them: a stream for one durable, which all of its workers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    pub stream: String,
    pub subject: String,
    /// As the source's own.
    pub durable: String,
    pub ack_wait: Duration,
    /// Each partition has a subject of its own, and whoever has the partition reads it; nobody pulls by its consumer, which says
    /// how much there is.
    pub is_partitioned: bool,
}

/// Why something can't be consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It may be otherwise soon: NATS does not answer, a stream is not there yet.
    Now(String),
    /// A setting would break a guarantee: it takes somebody to mend it.
    Wrong(String),
}

/// As many deliveries may wait in a parking at once as its consumer can have under way.
const PARKED: i64 = 1_000_000;
/// How long pins last.
const SHORTEST_PIN: Duration = Duration::from_secs(2);
const LONGEST_PIN: Duration = Duration::from_secs(10);

impl Durable {
    pub fn of(nats: &NatsSource) -> Durable {
        Durable {
            stream: nats.stream.clone(),
            name: nats.consumer.clone(),
            subjects: nats.subjects.clone(),
            partitions: nats.partitions,
            is_partition: false,
            ack_wait: nats.ack_wait,
            max_ack_pending: nats.max_ack_pending,
            initial: nats.initial_position,
        }
    }

    /// The durable of one partition, whose subjects end with its number.
    pub fn of_partition(&self, number: u32) -> Durable {
        Durable {
            name: format!("{}-{number}", self.name),
            subjects: self.subjects.iter().map(|subject| format!("{subject}.{number}")).collect(),
            is_partition: true,
            ..self.clone()
        }
    }

    /// All durables that there are: of each partition, or the shared one.
    pub fn all(&self) -> Vec<Durable> {
        match self.partitions {
            Some(count) => (0..count).map(|number| self.of_partition(number)).collect(),
            None => vec![self.clone()],
        }
    }

    /// The subjects of all of its durables.
    pub fn looked_at(&self) -> Vec<String> {
        let last = if self.partitions.is_some() { ".*" } else { "" };
        self.subjects.iter().map(|subject| format!("{subject}{last}")).collect()
    }

    /// Where the workers that share its partitions hear of each other.
    pub fn peers(&self) -> String {
        format!("weir.peers.{}.{}", self.stream, self.name)
    }

    /// How long a pin lasts of whose worker nothing is heard.
    pub fn pin(&self) -> Duration {
        self.ack_wait.clamp(SHORTEST_PIN, LONGEST_PIN)
    }

    /// Whoever has the pin has it no more.
    pub(super) async fn unpin(&self, context: &Context) -> Result<(), String> {
        let stream = self.stream(context).await.map_err(|unfit| unfit.to_string())?;
        stream.unpin_consumer(&self.name, GROUP).await.map_err(|error| error.to_string())
    }

    /// Of all of its partitions.
    pub fn parking(&self) -> Parking {
        Parking {
            stream: format!("{}-{}-parked", self.stream, self.name),
            subject: format!("weir.parked.{}.{}", self.stream, self.name),
            durable: self.name.clone(),
            ack_wait: self.ack_wait,
            is_partitioned: self.partitions.is_some(),
        }
    }

    pub fn config(&self) -> pull::Config {
        let deliver_policy = match self.initial {
            Initial::Earliest => DeliverPolicy::All,
            Initial::Latest => DeliverPolicy::New,
            Initial::At(milliseconds) => since(milliseconds),
        };
        let (filter_subject, filter_subjects) = match self.subjects.as_slice() {
            [one] => (one.clone(), Vec::new()),
            more => (String::new(), more.to_vec()),
        };
        pull::Config {
            durable_name: Some(self.name.clone()),
            description: Some("weir".to_owned()),
            deliver_policy,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            max_deliver: -1,
            filter_subject,
            filter_subjects,
            max_ack_pending: i64::from(self.max_ack_pending),
            priority_policy: if self.is_partition {
                PriorityPolicy::PinnedClient
            } else {
                PriorityPolicy::None
            },
            priority_groups: if self.is_partition { vec![GROUP.to_owned()] } else { Vec::new() },
            priority_timeout: if self.is_partition { self.pin() } else { Duration::ZERO },
            ..pull::Config::default()
        }
    }

    /// Every setting that would lose events, or have them done again and again; and how to mend each.
    pub fn faults(&self, config: &Config) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |found: bool, what: &str, mend: &str| {
            if found {
                faults.push(format!("{what}: {mend}"));
            }
        };
        fault(
            config.deliver_subject.is_some(),
            "deliver_subject is set, so messages are pushed to whoever listens",
            "it has to be a pull consumer: make another",
        );
        fault(
            config.ack_policy != AckPolicy::Explicit,
            "ack_policy is not 'explicit', so one answer would stand for messages that are not done",
            "make another with 'explicit': it can't be changed",
        );
        fault(
            config.max_deliver > 0,
            "max_deliver is set, so messages are given up without a word when workers fall",
            "set it to -1: retries and dead letters are the triggers'",
        );
        fault(
            !config.backoff.is_empty(),
            "backoff is set, so ack_wait is not what it says, and messages are given up",
            "take it out: retries are the triggers'",
        );
        fault(
            config.headers_only,
            "headers_only is set, so events come without their data",
            "set it to false",
        );
        fault(
            config.memory_storage,
            "mem_storage is set, so a restart of the server forgets what is done",
            "make another on disk",
        );
        fault(
            !config.inactive_threshold.is_zero(),
            "inactive_threshold is set, so the consumer goes, with what is done, while no worker runs",
            "take it out",
        );
        fault(
            !self.is_partition && config.priority_policy != PriorityPolicy::None,
            "priority_policy is set, and pulls without a group get nothing",
            "take it out, or make another",
        );
        fault(
            self.is_partition
                && (config.priority_policy != PriorityPolicy::PinnedClient
                    || config.priority_groups != [GROUP]
                    || config.priority_timeout < self.pin()),
            "it does not pin one worker for long enough, so two could have its messages side by side",
            "make another with priority_policy 'pinned_client', the group 'weir' and a priority_timeout of ackWait, at most 10 s",
        );
        let mut filters = config.filter_subjects.clone();
        filters.extend(Some(config.filter_subject.clone()).filter(|subject| !subject.is_empty()));
        let mut wanted = self.subjects.clone();
        filters.sort_unstable();
        wanted.sort_unstable();
        if filters != wanted {
            let shown = |subjects: &[String]| match subjects {
                [] => "all of the stream's".to_owned(),
                some => some.join(", "),
            };
            faults.push(format!(
                "it filters {}, and the source says {}: edit the consumer, or 'subjects' of the source",
                shown(&filters),
                shown(&wanted)
            ));
        }
        faults
    }

    /// The consumer as it is; made where it is not there and `makes` says so.
    pub async fn ensure(&self, context: &Context, makes: bool) -> Result<(Stream, Info), Unfit> {
        let stream = self.stream(context).await?;
        let info = match self.info(&stream).await? {
            Some(info) => info,
            None if !makes => {
                return Err(Unfit::Now(format!(
                    "the consumer {} of the stream {} is gone: it is waited for (weir setup makes it)",
                    self.name, self.stream
                )));
            }
            None => {
                let made = stream.create_consumer(self.config()).await.map_err(|error| {
                    Unfit::Wrong(format!(
                        "the consumer {} of the stream {} is not there and can't be made: {error}; have it made by someone \
                         who may: weir setup",
                        self.name, self.stream
                    ))
                })?;
                tracing::info!(stream = self.stream, consumer = self.name, "the consumer was made");
                made.cached_info().clone()
            }
        };
        let faults = self.faults(&info.config);
        match faults.is_empty() {
            true => Ok((stream, info)),
            false => Err(Unfit::Wrong(format!(
                "the consumer {} of the stream {} would break what is promised: {}",
                self.name,
                self.stream,
                faults.join("; ")
            ))),
        }
    }

    pub async fn stream(&self, context: &Context) -> Result<Stream, Unfit> {
        context.get_stream(&self.stream).await.map_err(|error| {
            Unfit::Now(match is_missing(&error) {
                true => format!("the stream {} is not there", self.stream),
                false => format!("NATS does not say where the stream {} is: {error}", self.stream),
            })
        })
    }

    /// `None`: it is not there.
    pub async fn info(&self, stream: &Stream) -> Result<Option<Info>, Unfit> {
        match stream.consumer_info(&self.name).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(Unfit::Now(format!("NATS does not say where the consumer {} is: {error}", self.name)))
            }
        }
    }
}

impl Parking {
    /// What its stream keeps.
    pub fn subjects(&self) -> String {
        if self.is_partitioned { format!("{}.*", self.subject) } else { self.subject.clone() }
    }

    /// Where one partition parks.
    pub(super) fn of_partition(&self, number: u32) -> String {
        format!("{}.{number}", self.subject)
    }

    pub fn stream_config(&self, replicas: usize) -> stream::Config {
        stream::Config {
            name: self.stream.clone(),
            description: Some("deliveries that wait long, of weir".to_owned()),
            subjects: vec![self.subjects()],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            num_replicas: replicas,
            ..stream::Config::default()
        }
    }

    pub fn config(&self) -> pull::Config {
        pull::Config {
            durable_name: Some(self.durable.clone()),
            description: Some("weir".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            max_deliver: -1,
            max_ack_pending: PARKED,
            ..pull::Config::default()
        }
    }

    /// What would lose what is parked.
    pub fn faults(&self, config: &stream::Config) -> Vec<&'static str> {
        let mut faults = Vec::new();
        if config.subjects != [self.subjects()] {
            faults.push(
                "its subjects are others, as of a source with 'partitions' and one without: give the source another 'consumer'",
            );
        }
        if !config.max_age.is_zero() {
            faults.push("max_age is set: set it to 0");
        }
        if config.storage != StorageType::File {
            faults.push("it is not on disk: make it anew with storage 'file'");
        }
        if config.discard == DiscardPolicy::Old
            && (config.max_messages > 0 || config.max_bytes > 0 || config.max_messages_per_subject > 0)
        {
            faults.push("it is limited and discards what is old: set discard to 'new'");
        }
        if config.retention == RetentionPolicy::Limits {
            faults.push("it keeps what is done: make it anew with retention 'workqueue'");
        }
        faults
    }

    /// The stream and its consumer; made where they are not there, kept as often as the stream that it is of.
    pub async fn ensure(&self, context: &Context, of: &Stream) -> Result<(), Unfit> {
        let made = |what: &str, error: &dyn std::fmt::Display| {
            Unfit::Wrong(format!(
                "the {what} {}, where deliveries wait that must wait long, is not there and can't be made: {error}; have it \
                 made by someone who may: weir setup",
                self.stream
            ))
        };
        let stream = match context.get_stream(&self.stream).await {
            Ok(stream) => stream,
            Err(error) if is_missing(&error) => {
                let config = self.stream_config(of.cached_info().config.num_replicas);
                // Another worker may be as fast: the same is no error.
                let created = context.create_stream(config).await.map_err(|error| made("stream", &error))?;
                tracing::info!(stream = self.stream, "the parking stream was made");
                created
            }
            Err(error) => {
                return Err(Unfit::Now(format!("NATS does not say where {} is: {error}", self.stream)));
            }
        };
        let faults = self.faults(&stream.cached_info().config);
        if !faults.is_empty() {
            let mut said = format!("the parking stream {} would lose what is parked: ", self.stream);
            let _ = write!(said, "{}", faults.join("; "));
            return Err(Unfit::Wrong(said));
        }
        match stream.consumer_info(&self.durable).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {
                let consumer = stream.create_consumer(self.config()).await;
                consumer.map(drop).map_err(|error| made("consumer of", &error))
            }
            Err(error) => Err(Unfit::Now(format!("NATS does not say who reads {}: {error}", self.stream))),
        }
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::Now(why) | Unfit::Wrong(why) => f.write_str(why),
        }
    }
}

/// From a time on. The client's own type of times is another crate's: it reads it as the server writes it.
fn since(milliseconds: i64) -> DeliverPolicy {
    let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let policy = json!({"deliver_policy": "by_start_time", "opt_start_time": time.to_string()});
    serde_json::from_value(policy).expect("it is a policy as the server writes it")
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durable(partitions: Option<u32>) -> Durable {
        Durable {
            stream: "ORDERS".to_owned(),
            name: "payments".to_owned(),
            subjects: vec!["orders.>".to_owned()],
            partitions,
            is_partition: false,
            ack_wait: Duration::from_secs(30),
            max_ack_pending: 1000,
            initial: Initial::Earliest,
        }
    }

    /// As the server has it.
    fn config(durable: &Durable) -> Config {
        use async_nats::jetstream::consumer::IntoConsumerConfig;
        durable.config().into_consumer_config()
    }

    #[test]
    fn each_setting_that_breaks_what_is_promised_is_named_alone() {
        type Breaks = fn(&mut Config);
        let all: [(&str, Breaks); 9] = [
            ("deliver_subject", |config| config.deliver_subject = Some("push".to_owned())),
            ("ack_policy", |config| config.ack_policy = AckPolicy::All),
            ("max_deliver", |config| config.max_deliver = 5),
            ("backoff", |config| config.backoff = vec![Duration::from_secs(1)]),
            ("headers_only", |config| config.headers_only = true),
            ("mem_storage", |config| config.memory_storage = true),
            ("inactive_threshold", |config| config.inactive_threshold = Duration::from_secs(60)),
            ("it filters", |config| config.filter_subject = "orders.eu.>".to_owned()),
            ("it filters", |config| {
                config.filter_subject.clear();
                config.filter_subjects = vec!["orders.>".to_owned(), "returns.>".to_owned()];
            }),
        ];
        let (shared, cut) = (durable(None), durable(Some(2)).of_partition(1));
        for durable in [&shared, &cut] {
            assert_eq!(durable.faults(&config(durable)), [""; 0], "what is made here is fit");
            for (name, breaks) in all {
                // Of a partition the filters are others.
                let mut config = config(durable);
                breaks(&mut config);
                let faults = durable.faults(&config);
                assert!(faults.len() == 1 && faults[0].contains(name), "{name}: {faults:?}");
            }
        }
        let of = |durable: &Durable, breaks: Breaks| {
            let mut config = config(durable);
            breaks(&mut config);
            durable.faults(&config).join("; ")
        };
        let pins: Breaks = |config| config.priority_policy = PriorityPolicy::PinnedClient;
        assert!(of(&shared, pins).contains("priority_policy is set"));
        let breaks: [Breaks; 3] = [
            |config| config.priority_policy = PriorityPolicy::Overflow,
            |config| config.priority_groups = vec!["other".to_owned()],
            |config| config.priority_timeout = Duration::from_secs(1),
        ];
        for breaks in breaks {
            assert!(of(&cut, breaks).contains("does not pin one worker"));
        }
    }

    #[test]
    fn a_parking_that_would_lose_what_is_parked_is_named_by_its_setting() {
        type Breaks = fn(&mut stream::Config);
        let all: [(&str, Breaks); 5] = [
            ("subjects", |config| config.subjects = vec!["other".to_owned()]),
            ("max_age", |config| config.max_age = Duration::from_secs(60)),
            ("not on disk", |config| config.storage = StorageType::Memory),
            ("discard", |config| (config.max_bytes, config.discard) = (1 << 20, DiscardPolicy::Old)),
            ("retention", |config| config.retention = RetentionPolicy::Limits),
        ];
        for parking in [durable(None).parking(), durable(Some(2)).parking()] {
            assert_eq!(parking.faults(&parking.stream_config(1)), [""; 0]);
            for (name, breaks) in all {
                let mut config = parking.stream_config(1);
                breaks(&mut config);
                let faults = parking.faults(&config);
                assert!(faults.len() == 1 && faults[0].contains(name), "{name}: {faults:?}");
            }
        }
    }
}
