//! How servers of Kafka and NATS are reached, and as whom.

use super::super::later;
use super::{Field, Map, Rule, Shape, form, secret};

static KAFKA_SERVER: Shape = Shape::Text(&form::KAFKA_SERVERS);
static NATS_SERVER: Shape = Shape::Text(&form::NATS_SERVERS);

pub(super) const KAFKA_SERVERS: Field = Field::new(
    "bootstrapServers",
    Shape::List { item: &KAFKA_SERVER, least: 1 },
    "`host:port`, at least one; several in one item may be separated by commas.",
)
.required();

const ENABLE: Field =
    Field::new("enable", Shape::Boolean, "Without `true`, what stands beside it has no effect: a warning.");

/// `net` of a KafkaSource.
pub(super) static KAFKA_SECURITY: Map = Map::of(&[
    Field::new("sasl", Shape::Map(&SASL), "As whom the worker logs in."),
    Field::new("tls", Shape::Map(&TLS), "How the connection is encrypted."),
]);

static SASL: Map = Map::of(&[
    ENABLE,
    secret::field("user", "Who logs in."),
    secret::field("password", "Their password."),
    secret::field("type", "Holds PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER, whose token is the password; without it: PLAIN."),
    Field::refused("tokenProvider", later::MSK_TOKEN.help),
    Field::refused("roleARN", later::MSK_TOKEN.help),
])
.with(&[Rule::Enables("enable", &["user", "password"])]);

static TLS: Map = Map::of(&[
    ENABLE,
    secret::field("caCert", "Whom to trust, as PEM; without it: whom the system trusts."),
    secret::field("cert", "What the worker shows of itself, as PEM."),
    secret::field("key", "The key of `cert`, as PEM."),
])
.with(&[Rule::Together(&["cert", "key"])]);

pub(super) const NATS_SERVERS: Field = Field::new(
    "servers",
    Shape::List { item: &NATS_SERVER, least: 1 },
    "`nats://host:port`, `tls://host:port` or `host:port`; with one `tls://` among them all are spoken to over TLS. A login \
     in one is refused, and never shown.",
)
.required();
pub(super) const NATS_LOGIN: Field =
    Field::new("auth", Shape::Map(&NATS_AUTH), "As whom the worker logs in.");
pub(super) const NATS_TLS: Field = Field::new("tls", Shape::Map(&TLS), "How the connection is encrypted.");

static NATS_AUTH: Map = Map::of(&[
    secret::field("token", "A token."),
    secret::field("user", "Who logs in with `password`."),
    secret::field("password", "The password of `user`."),
    secret::field("nkey", "The seed of an nkey."),
    secret::field("creds", "A `.creds` file: a JWT and its seed."),
])
.with(&[Rule::OneOf(&["token", "user", "nkey", "creds"]), Rule::Together(&["user", "password"])]);
