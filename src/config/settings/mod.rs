//! The worker's own settings: one table, from which parsing, `--show-origin` and the documentation are made.

pub(super) mod foreign;
mod layers;
mod list;
mod otlp;
mod page;
mod value;

pub use layers::load_settings;
pub use otlp::{OtlpEndpoint, Ratio};
pub use page::documentation;
pub use value::{Bytes, HttpMode, LogFormat, LogLevel, Names, OtlpProtocol, SecretRefs};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::detour::Detour;
use super::reach::{Destination, Network};
use super::secret::SecretRef;
use super::select::Selector;
use super::services::Services;
pub(super) use value::Value;
use value::Wrong;

/// Which layer a value is from: the first of flag, environment, file and default that says one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag,
    /// The variable.
    Env(String),
    /// The line.
    File(u32),
    Default,
}

/// What is known of a setting beforehand.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// What its values are, in a few words.
    pub kind: &'static str,
    pub default: &'static str,
    pub doc: &'static str,
    /// Its value is a reference to a secret: nothing that stands there is ever shown.
    pub secret: bool,
    /// The file may have it as a list.
    list: bool,
    least: &'static str,
    most: &'static str,
    schema: fn(&str, &str) -> serde_json::Value,
}

impl Row {
    /// What editors know of it.
    pub(super) fn schema(&self) -> serde_json::Value {
        (self.schema)(self.least, self.most)
    }

    /// `http.max-body`: `WEIR_HTTP_MAX_BODY`.
    pub fn variable(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("WEIR_{}", self.name).chars().map(plain).collect()
    }
}

/// Reads what may stand in the place of a setting.
pub(super) fn value_of<T: Value>(setting: &str, text: &str) -> Result<T, Wrong> {
    let row = TABLE.iter().find(|row| row.name == setting).expect("a setting of the table");
    value::within(text, row.least, row.most)
}

/// A setting as `--show-origin` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'s> {
    pub name: &'static str,
    pub value: String,
    pub origin: &'s Origin,
}

macro_rules! settings {
    ($($field:ident: $type:ty = $name:literal, $default:literal, $least:literal ..= $most:literal, $doc:literal;)*) => {
        /// What the worker runs with.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(#[doc = $doc] pub $field: $type,)*
            origins: Vec<Origin>,
        }

        /// Every setting there is.
        pub static TABLE: &[Row] = &[$(Row {
            name: $name,
            kind: <$type as Value>::KIND,
            default: $default,
            doc: $doc,
            secret: <$type as Value>::SECRET,
            list: <$type as Value>::LIST,
            least: $least,
            most: $most,
            schema: <$type as Value>::schema,
        },)*];

        impl Settings {
            /// Reads every default; a test reads them too.
            pub(crate) fn defaults() -> Settings {
                Settings {
                    $($field: <$type as Value>::parse($default).expect(concat!("the default of ", $name)),)*
                    origins: vec![Origin::Default; TABLE.len()],
                }
            }

            /// Sets one of the table from text, within its bounds.
            fn set(&mut self, name: &str, text: &str, origin: Origin) -> Result<(), Wrong> {
                let Some(at) = TABLE.iter().position(|row| row.name == name) else { return Ok(()) };
                match name {
                    $($name => self.$field = value::within(text, TABLE[at].least, TABLE[at].most)?,)*
                    _ => return Ok(()),
                }
                self.origins[at] = origin;
                Ok(())
            }

            pub fn shown(&self) -> Vec<Shown<'_>> {
                let values = [$(($name, self.$field.show()),)*];
                values
                    .into_iter()
                    .zip(&self.origins)
                    .map(|((name, value), origin)| Shown { name, value, origin })
                    .collect()
            }
        }
    };
}

settings! {
    data_dir: PathBuf = "data.dir", "data", ""..="", "where the queue, the journal and the dead letters are kept";
    data_durable: bool = "data.durable", "true", ""..="",
        "whether that disk outlives the worker; false: nothing settles before billing has what it cost, and what would be kept there alone is refused at the start";
    data_min_free: Bytes = "data.min-free", "64MiB", ""..="", "free disk space below which no events are taken in";
    http_address: SocketAddr = "http.address", "127.0.0.1:8080", ""..="", "where events are posted to";
    http_mode: HttpMode = "http.mode", "stored", ""..="",
        "stored: answered once the event is on disk; direct: once its functions have run, with their reply";
    http_max_body: Bytes = "http.max-body", "1MiB", "1KiB"..="1GiB", "the largest request body";
    http_max_batch: u32 = "http.max-batch", "1000", "1"..="100000", "the most events in one batch";
    http_max_connections: u32 = "http.max-connections", "1024", "1"..="1000000",
        "connections at a time; for one more, the one that has had no request for longest is closed; where all are busy it waits";
    http_header_timeout: Duration = "http.header-timeout", "10s", "1ms"..="1h", "how long a request's head may take";
    http_request_timeout: Duration = "http.request-timeout", "30s", "1ms"..="24h", "how long a whole request may take";
    http_max_concurrent_requests: u32 = "http.max-concurrent-requests", "1000", "1"..="1000000",
        "requests at a time; more are answered 429";
    http_rate_limit_per_second: u32 = "http.rate-limit.per-second", "0", ""..="",
        "requests a second, of this worker; more are answered 429; 0: no limit";
    http_rate_limit_burst: u32 = "http.rate-limit.burst", "0", ""..="",
        "requests at once above the rate; 0: as many as a second's";
    http_token: Option<SecretRef> = "http.token", "", ""..="", "the bearer token that requests must carry";
    http_tokens: SecretRefs = "http.tokens", "", ""..="",
        "more bearer tokens; the key of each (`http/shop`: shop) names who has it, as `authid` of its events";
    http_oidc_issuer: Option<String> = "http.oidc.issuer", "", ""..="",
        "whose signed tokens (OpenID Connect) are taken as bearer tokens, too: their `iss`";
    http_oidc_audience: Option<String> = "http.oidc.audience", "", ""..="", "whom those tokens must be for: their `aud`";
    http_oidc_jwks: Option<String> = "http.oidc.jwks", "", ""..="",
        "the issuer's keys: a file, read anew when it changes, or an https URL";
    http_oidc_ca: Option<PathBuf> = "http.oidc.ca", "", ""..="",
        "who signs the certificate of that URL, a PEM file, beside the system's authorities; read at the start";
    http_tls_certificate: Option<PathBuf> = "http.tls.certificate", "", ""..="",
        "the listener's certificate with its chain, a PEM file: TLS then; read anew when it changes";
    http_tls_key: Option<PathBuf> = "http.tls.key", "", ""..="", "the certificate's private key, a PEM file";
    http_tls_client_ca: Option<PathBuf> = "http.tls.client-ca", "", ""..="",
        "who signs the clients' certificates, a PEM file: each client must have one then";
    http_allowed_origins: Names = "http.allowed-origins", "", ""..="",
        "who is allowed to send by the web hooks' handshake (OPTIONS), as it names itself in WebHook-Request-Origin; `*`: anyone";
    admin_address: SocketAddr = "admin.address", "127.0.0.1:9090", ""..="", "where /healthz, /readyz and /metrics are served";
    reload_interval: Duration = "reload.interval", "1s", "0s"..="24h",
        "how often documents and modules are looked at for changes; 0s: only at a SIGHUP";
    executors: u32 = "executors", "0", "0"..="1024", "threads that run functions; 0: one per core";
    spare_executors: u32 = "spare-executors", "8", "0"..="1024",
        "threads that go on with the others' events while calls take longer than 20 ms; started when needed";
    dispatch_max_in_flight: u32 = "dispatch.max-in-flight", "10000", "1"..="10000000",
        "deliveries that are ready, running or being written down";
    dispatch_max_in_flight_bytes: Bytes = "dispatch.max-in-flight-bytes", "256MiB", "1MiB"..="1TiB",
        "what the events in memory may take up";
    dispatch_max_held: u32 = "dispatch.max-held", "10000", "1"..="10000000",
        "deliveries in memory that wait for a retry or behind one; more are parked";
    dispatch_latency: Duration = "dispatch.latency", "10ms", "0s"..="1h",
        "how long an event should wait for its turn: no more waits or runs than is done in that time; 0s: as much as fits";
    hold_time: Duration = "hold.time", "10s", "0s"..="24h",
        "how long a failing delivery is kept in memory before it is parked, and its key with it";
    hold_deliveries: u32 = "hold.deliveries", "1000", "0"..="10000000",
        "how many may wait behind a failing delivery of their key before all of them are parked";
    parking_max_deliveries: u32 = "parking.max-deliveries", "1000000", "0"..="100000000",
        "parked deliveries; when there is no room for more, what fails waits in memory";
    breaker_failures: u32 = "breaker.failures", "50", "0"..="1000000",
        "different deliveries of a trigger that fail in a row before it pauses; 0: it never does";
    breaker_wait: Duration = "breaker.wait", "1s", "1ms"..="1h",
        "a trigger's first pause; each further one is twice as long, up to a minute";
    deliver_timeout: Duration = "deliver.timeout", "10m", "1ms"..="24h",
        "how long an attempt at an HTTP subscriber may take, where `delivery.timeout` does not say it";
    deliver_connect_timeout: Duration = "deliver.connect-timeout", "10s", "1ms"..="1h",
        "how long it may take to find an HTTP subscriber, to reach it and to agree on TLS";
    deliver_max_answer: Bytes = "deliver.max-answer", "1MiB", "1KiB"..="1GiB", "the largest answer of an HTTP subscriber";
    deliver_max_in_flight: u32 = "deliver.max-in-flight", "10000", "1"..="1000000",
        "deliveries that wait for the answers of HTTP subscribers, of all triggers together";
    deliver_max_in_flight_per_trigger: u32 = "deliver.max-in-flight-per-trigger", "1000", "1"..="1000000",
        "the same of one trigger; what is more waits, and is parked";
    deliver_idle_connections: u32 = "deliver.idle-connections", "64", "0"..="100000",
        "connections that are kept for each HTTP subscriber while nothing is sent to it";
    deliver_idle_time: Duration = "deliver.idle-time", "1m", "1ms"..="24h", "how long such a connection is kept";
    deliver_allow: Vec<Destination> = "deliver.allow", "0.0.0.0/0,::/0", ""..="",
        "where events may be sent: networks, hosts, `*.example.com`";
    deliver_deny: Vec<Network> = "deliver.deny",
        "169.254.0.0/16,fe80::/10,fd00:ec2::254,100.100.100.200,168.63.129.16", ""..="",
        "networks where none are sent, whatever the name: by default link-local addresses and where clouds tell secrets";
    services: Services = "services", "", ""..="",
        "what stands for Services that no Function serves: a URL, or a Function's name";
    kafka_session_timeout: Duration = "kafka.session-timeout", "45s", "1s"..="30m",
        "how long a group waits for a worker that is not heard of before others have its partitions";
    kafka_instance_id: Option<String> = "kafka.instance-id", "", ""..="",
        "makes the worker a static member of its groups: one that comes back within the session timeout finds its partitions";
    kafka_map_hosts: Vec<Detour> = "kafka.map-hosts", "", ""..="",
        "where names of brokers lead, in documents and in what brokers say of each other: `kafka.prod:9092=127.0.0.1:19092`";
    drain_timeout: Duration = "drain.timeout", "25s", "0s"..="24h",
        "how long a stop waits for what is in flight, and a partition that is to be given back for what has begun of it";
    queue_max_bytes: Bytes = "queue.max-bytes", "4GiB", "1MiB"..="1024TiB", "the queue's room on disk";
    journal_max_bytes: Bytes = "journal.max-bytes", "8GiB", "1MiB"..="1024TiB", "the journal's room on disk. With a BillingSink no events are taken in where it is full of what has not been shipped; without one its oldest volume is dropped";
    journal_keep: Bytes = "journal.keep", "64MiB", "0B"..="1024TiB",
        "of what has been shipped to every BillingSink, so much is kept for `weir cost` and `weir journal`";
    function_cache: PathBuf = "function.cache", "<data.dir>/aot", ""..="", "where compiled functions are kept";
    function_cache_max_bytes: Bytes = "function.cache-max-bytes", "1GiB", "1MiB"..="1024TiB",
        "room for compiled functions on disk; what was not used for longest is removed first";
    function_max_output: Bytes = "function.max-output", "1MiB", "1KiB"..="1GiB", "the largest answer of a function";
    function_timeout: Duration = "function.timeout", "30s", "1ms"..="24h",
        "how long one call of a function may take before it is stopped";
    function_memory: Bytes = "function.memory", "128MiB", "64KiB"..="4GiB",
        "what the memory of one instance of a function may grow to";
    function_log_bytes: Bytes = "function.log-bytes", "64KiB", "1KiB"..="16MiB",
        "what one call of a function may log; what is over is dropped";
    function_log_rate: u32 = "function.log-rate", "100", "1"..="1000000",
        "lines a second that a function may log on one executor, after the first of five seconds";
    function_idle: Duration = "function.idle", "5m", "1ms"..="24h",
        "how long an instance that had no event is kept, where more are there than its function wants at least";
    log_level: LogLevel = "log.level", "info", ""..="", "the least grave lines that are logged";
    log_format: LogFormat = "log.format", "auto", ""..="", "text for people, json for machines; auto: by the terminal";
    telemetry_otlp_endpoint: OtlpEndpoint = "telemetry.otlp.endpoint", "", ""..="",
        "where spans and metrics are sent to, by OTLP; nothing: nowhere, and nothing is traced";
    telemetry_otlp_protocol: OtlpProtocol = "telemetry.otlp.protocol", "grpc", ""..="",
        "how: http posts protobuf to <endpoint>/v1/traces and /v1/metrics";
    telemetry_otlp_headers: Option<SecretRef> = "telemetry.otlp.headers", "", ""..="",
        "headers to send along, as `name=value,name=value`";
    telemetry_otlp_interval: Duration = "telemetry.otlp.interval", "60s", "1s"..="24h", "how often metrics are sent";
    telemetry_sampling: Ratio = "telemetry.sampling", "0.01", "0"..="1",
        "of the events whose publisher does not trace them, so many are traced; the others as their `traceparent` says";
    secrets_dir: PathBuf = "secrets.dir", "secrets", ""..="", "where secrets are kept, as `<name>/<key>`";
    triggers: Vec<PathBuf> = "triggers", "triggers", ""..="", "files and directories of documents";
    select: Selector = "select", "", ""..="",
        "only the triggers whose labels match: `team=payments,tier in (gold, silver),!legacy`; none: all of them";
}
