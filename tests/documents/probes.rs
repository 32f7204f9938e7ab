//! For each field of each kind a document that sets it, and what must come of that.

use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Honoured: the configuration is another.
    Change,
    /// Honoured: the value is a wrong one and is refused where it stands.
    Check,
    Refusal,
    /// A note or a warning at the field, and the same configuration.
    Nothing,
    /// As [`Shows::Nothing`], and nothing is said.
    Silence,
}

pub(crate) struct Probe {
    /// `spec.delivery.retry`, `annotation weir.dev/unrouted`.
    pub(crate) path: String,
    pub(crate) shows: Shows,
    /// Merged into the kind's base: what the field needs beside it.
    pub(crate) with: Value,
    /// And then this: the field itself.
    pub(crate) patch: Value,
}

pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) base: Value,
    pub(crate) probes: Vec<Probe>,
}

use Shows::{Change, Check, Nothing, Refusal, Silence};

impl Kind {
    fn new(name: &'static str, version: &str, spec: Value) -> Kind {
        let base = json!({"apiVersion": version, "kind": name, "metadata": {"name": "probe"}, "spec": spec});
        let mut kind = Kind { name, base, probes: Vec::new() };
        kind.of_metadata("apiVersion", Check, json!({"apiVersion": "weir.dev/v9"}));
        kind.of_metadata("kind", Check, json!({"kind": format!("{name}x")}));
        kind.of_metadata("metadata.name", Change, json!({"metadata": {"name": "renamed"}}));
        kind.of_metadata("metadata.namespace", Change, json!({"metadata": {"namespace": "shop"}}));
        let cluster = [
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "ownerReferences",
            "finalizers",
            "generateName",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ];
        for field in cluster {
            // Beside itself: where the name stands is kept, too.
            let (with, patch) = (json!({"metadata": {field: "5f9c"}}), json!({"metadata": {field: "5f9d"}}));
            kind.probes.push(Probe { path: format!("metadata.{field}"), shows: Silence, with, patch });
        }
        kind.of_metadata(
            "metadata.annotations",
            Check,
            json!({"metadata": {"annotations": {"weir.dev/x": "y"}}}),
        );
        let allow = json!({"metadata": {"annotations": {"weir.dev/allow": 5}}});
        kind.of_metadata("annotation weir.dev/allow", Check, allow);
        kind.of_metadata("metadata.labels", Check, json!({"metadata": {"labels": {"app": 7}}}));
        kind.of_metadata("status", Silence, json!({"status": {"conditions": [{"type": "Ready"}]}}));
        kind
    }

    fn of_metadata(&mut self, path: &str, shows: Shows, patch: Value) {
        self.probes.push(Probe { path: path.into(), shows, with: json!({}), patch });
    }

    fn annotation(&mut self, name: &str, shows: Shows, value: &str) {
        let patch = json!({"metadata": {"annotations": {name: value}}});
        self.of_metadata(&format!("annotation {name}"), shows, patch);
    }

    /// A field below spec, set to this.
    fn field(&mut self, path: &str, shows: Shows, value: Value) {
        self.beside(path, shows, value, json!({}));
    }

    /// And what else must change for it.
    fn beside(&mut self, path: &str, shows: Shows, value: Value, with: Value) {
        let (path, patch) = (format!("spec.{path}"), json!({"spec": nested(path, value)}));
        self.probes.push(Probe { path, shows, with: json!({"spec": with}), patch });
    }

    /// What `filters` holds is a list.
    fn filter(&mut self, dialect: &str, value: Value) {
        let patch = json!({"spec": {"filters": [{dialect: value}]}});
        self.of_metadata(&format!("spec.filters.{dialect}"), Change, patch);
    }

    /// A key of a secret, which stands in the base or in what is beside it.
    fn secret(&mut self, path: &str, with: Value) {
        self.beside(&format!("{path}.secretKeyRef.name"), Change, json!("other"), with.clone());
        self.beside(&format!("{path}.secretKeyRef.key"), Change, json!("other"), with.clone());
        self.beside(&format!("{path}.secretKeyRef.optional"), Nothing, json!(true), with);
    }

    /// A reference that the base has, and the uri in its place.
    fn destination(&mut self, path: &str, other: &str, wrong_kind: &str) {
        self.field(&format!("{path}.ref.name"), Change, json!(other));
        self.field(&format!("{path}.ref.namespace"), Change, json!("shop"));
        self.field(&format!("{path}.ref.kind"), Check, json!(wrong_kind));
        self.field(&format!("{path}.ref.apiVersion"), Check, json!("example.com/v1"));
        self.field(&format!("{path}.ref.group"), Refusal, json!("example.com"));
        self.field(&format!("{path}.ref.address"), Refusal, json!("x"));
        let with = nested(path, json!({"ref": null, "uri": "http://example.com/other"}));
        self.beside(&format!("{path}.uri"), Change, json!("http://example.com"), with.clone());
        self.beside(&format!("{path}.CACerts"), Change, json!(certificate()), with);
        self.field(&format!("{path}.audience"), Nothing, json!("x"));
    }

    fn delivery(&mut self) {
        self.field("delivery.retry", Change, json!(5));
        self.field("delivery.backoffPolicy", Change, json!("exponential"));
        self.field("delivery.backoffDelay", Change, json!("PT2S"));
        self.field("delivery.timeout", Change, json!("PT9S"));
        self.field("delivery.retryAfterMax", Change, json!("PT9S"));
        self.field("delivery.format", Change, json!("json"));
        self.destination("delivery.deadLetterSink", "third", "Channel");
    }

    fn source(&mut self, ordering: Shows, order: &str) {
        self.destination("sink", "svc2", "Channel");
        self.delivery();
        self.field("ordering", ordering, json!(order));
        self.field("ceOverrides.extensions", Change, json!({"region": "us"}));
        let broker = json!({"ref": {"apiVersion": EVENTING, "kind": "Broker", "name": "default"}});
        let with = json!({"spec": {"sink": broker, "ordering": null, "delivery": null}});
        let patch = json!({"metadata": {"annotations": {"weir.dev/unrouted": "pause"}}});
        self.probes.push(Probe { path: "annotation weir.dev/unrouted".into(), shows: Change, with, patch });
    }

    fn tls(&mut self, path: &str) {
        self.field(&format!("{path}.enable"), Change, json!(false));
        self.secret(&format!("{path}.caCert"), json!({}));
        self.secret(&format!("{path}.cert"), json!({}));
        self.secret(&format!("{path}.key"), json!({}));
    }

    fn nats(&mut self) {
        self.field("servers", Change, json!(["tls://nats-1:4222"]));
        self.tls("tls");
        self.secret("auth.token", json!({}));
        self.secret("auth.nkey", json!({"auth": {"token": null, "nkey": secret("nkey")}}));
        self.secret("auth.creds", json!({"auth": {"token": null, "creds": secret("creds")}}));
        let login = json!({"auth": {"token": null, "user": secret("user"), "password": secret("password")}});
        self.secret("auth.user", login.clone());
        self.secret("auth.password", login);
    }
}

fn nested(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, name| Value::Object(Map::from_iter([(name.to_owned(), inner)])))
}

/// RFC 7396: a null takes a field away.
pub(crate) fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let map = into.as_object_mut().unwrap();
    for (name, value) in patch {
        match value {
            Value::Null => drop(map.remove(&name)),
            value => merge(map.entry(name).or_insert(Value::Null), value),
        }
    }
}

fn secret(key: &str) -> Value {
    json!({"secretKeyRef": {"name": "s", "key": key}})
}

fn tls() -> Value {
    json!({"enable": true, "caCert": secret("ca.crt"), "cert": secret("user.crt"), "key": secret("user.key")})
}

fn service() -> Value {
    json!({"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "svc", "namespace": "default"}})
}

fn delivery() -> Value {
    let broker = json!({"apiVersion": EVENTING, "kind": "Broker", "name": "other", "namespace": "default"});
    json!({"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT1S", "deadLetterSink": {"ref": broker}})
}

fn certificate() -> String {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()
}

const EVENTING: &str = "eventing.knative.dev/v1";
const WEIR: &str = "weir.dev/v1alpha1";

/// What the probes name: each in both namespaces. What a Broker says is seen at a Trigger of it.
pub(crate) fn others(document: &Value) -> Vec<Value> {
    let mut others = Vec::new();
    if document["kind"] == "Broker" {
        let mut broker = json!({"kind": "Broker"});
        for field in ["name", "namespace"] {
            broker[field] = document["metadata"][field].clone();
        }
        let spec = json!({"brokerRef": broker, "subscriber": service()});
        let metadata = json!({"name": "probe"});
        others.push(json!({"apiVersion": EVENTING, "kind": "Trigger", "metadata": metadata, "spec": spec}));
    }
    for namespace in ["default", "shop"] {
        let document = |version: &str, kind: &str, name: &str, spec: Value| {
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace},
                "spec": spec})
        };
        for name in ["default", "other", "third"] {
            others.push(document(EVENTING, "Broker", name, json!({})));
        }
        for name in ["svc", "svc2"] {
            others.push(document(WEIR, "Function", name, json!({"module": "f.wasm", "serves": [name]})));
        }
        for name in ["usage", "usage2"] {
            let spec = json!({"bootstrapServers": ["kafka:9092"], "topic": name});
            others.push(document("eventing.knative.dev/v1alpha1", "KafkaSink", name, spec));
        }
    }
    others
}

pub(crate) fn kinds() -> Vec<Kind> {
    vec![
        trigger(),
        broker(),
        function(),
        kafka_source(),
        kafka_sink(),
        nats_source(),
        nats_sink(),
        billing_sink(),
    ]
}

fn trigger() -> Kind {
    let spec = json!({
        "broker": "default",
        "filter": {"attributes": {"type": "a"}},
        "subscriber": service(),
        "delivery": delivery(),
    });
    let mut kind = Kind::new("Trigger", EVENTING, spec);
    kind.field("broker", Change, json!("other"));
    let by_reference = |name: &str| {
        let reference =
            json!({"apiVersion": EVENTING, "kind": "Broker", "name": name, "namespace": "default"});
        json!({"broker": null, "brokerRef": reference})
    };
    kind.beside("brokerRef.name", Change, json!("third"), by_reference("other"));
    kind.beside("brokerRef.namespace", Change, json!("shop"), by_reference("other"));
    kind.beside("brokerRef.kind", Check, json!("Channel"), by_reference("other"));
    kind.beside("brokerRef.apiVersion", Check, json!("v1"), by_reference("other"));
    kind.field("filter.attributes", Change, json!({"type": "b"}));
    kind.filter("exact", json!({"type": "b"}));
    kind.filter("prefix", json!({"type": "b"}));
    kind.filter("suffix", json!({"type": "b"}));
    kind.filter("cesql", json!("type = 'b'"));
    kind.filter("not", json!({"exact": {"type": "b"}}));
    kind.filter("all", json!([{"exact": {"type": "b"}}]));
    kind.filter("any", json!([{"exact": {"type": "b"}}]));
    kind.destination("subscriber", "svc2", "Sequence");
    kind.delivery();
    kind.annotation("weir.dev/delivery.order", Change, "ordered");
    kind.annotation("weir.dev/data-filter", Change, "/amount > 5");
    kind.of_metadata("metadata.labels", Change, json!({"metadata": {"labels": {"team": "payments"}}}));
    kind.annotation("weir.dev/max-concurrency-per-worker", Change, "4");
    kind.annotation("weir.dev/rate-limit-per-worker", Change, "100/s");
    kind.annotation("weir.dev/budget-per-worker", Change, "5.00/day");
    let budget = json!({"metadata": {"annotations": {"weir.dev/budget-per-worker": "5.00/day"}}});
    kind.annotation("weir.dev/budget-policy", Change, "dead-letter");
    kind.probes.last_mut().expect("it was added").with = budget;
    kind.annotation("weir.dev/tenant", Change, "$authid, acme");
    kind.annotation("weir.dev/cost-on-replies", Change, "true");
    kind.annotation("kafka.eventing.knative.dev/delivery.order", Change, "ordered");
    kind.filter("sql", json!("type = 'b'"));
    kind
}

fn broker() -> Kind {
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "namespace": "default"});
    let mut kind = Kind::new("Broker", EVENTING, json!({"delivery": delivery()}));
    kind.delivery();
    for (field, value) in config.as_object().unwrap() {
        kind.beside(&format!("config.{field}"), Nothing, value.clone(), json!({"config": config}));
    }
    kind.annotation("weir.dev/backing", Change, "KafkaSink/usage");
    kind.annotation("eventing.knative.dev/broker.class", Silence, "Kafka");
    kind.annotation("kafka.eventing.knative.dev/external.topic", Nothing, "orders");
    kind
}

fn function() -> Kind {
    let mut kind = Kind::new("Function", WEIR, json!({"module": "f.wasm"}));
    kind.field("module", Change, json!("g.wasm"));
    kind.field("serves", Check, json!(["No_Label"]));
    kind.field("tenant", Change, json!("acme"));
    kind.field("timeout", Change, json!("5s"));
    kind.field("fuel", Change, json!(5_000_000));
    kind.field("memory", Change, json!("16MiB"));
    kind.field("maxOutput", Change, json!("64KiB"));
    kind.field("script", Change, json!("g.wasm"));
    for told in ["config", "environment"] {
        kind.field(told, Change, json!({"a": "b"}));
    }
    kind.field("isolation", Change, json!("reset"));
    kind.field("concurrency", Change, json!(3));
    let instances = json!({"min": 1, "max": 4, "idle": "1h"});
    for (field, value) in [("min", json!(2)), ("max", json!(3)), ("idle", json!("5s"))] {
        kind.beside(&format!("instances.{field}"), Change, value, json!({"instances": instances}));
    }
    let log = json!({"bytes": "8KiB", "rate": 20});
    kind.beside("log.bytes", Change, json!("4KiB"), json!({"log": log}));
    kind.beside("log.rate", Change, json!(5), json!({"log": log}));
    let price =
        json!({"call": "1", "millisecond": "2", "gibMillisecond": "3", "millionFuel": "4", "minimum": "5"});
    for part in ["call", "millisecond", "gibMillisecond", "millionFuel", "minimum"] {
        kind.beside(&format!("price.{part}"), Change, json!("0.0000002"), json!({"price": price}));
    }
    kind.field("tariffs", Change, json!({"acme": price}));
    let mut then = price.clone();
    then["from"] = json!("2027-01-01");
    let dated = |then: &Value| json!({"spec": {"price": {"call": "1", "then": [then]}}});
    kind.beside("price.then", Change, json!([then]), json!({"price": {"call": "1"}}));
    for (part, value) in [
        ("from", "2027-01-01T09:00:00Z"),
        ("call", "7"),
        ("millisecond", "7"),
        ("gibMillisecond", "7"),
        ("millionFuel", "7"),
        ("minimum", "7"),
    ] {
        let mut other = then.clone();
        other[part] = json!(value);
        let (with, patch) = (dated(&then), dated(&other));
        kind.probes.push(Probe { path: format!("spec.price.then[].{part}"), shows: Change, with, patch });
    }
    kind
}

fn kafka_source() -> Kind {
    let sasl = json!({"enable": true, "user": secret("user"), "password": secret("password"), "type": secret("type")});
    let spec = json!({
        "bootstrapServers": ["kafka:9092"],
        "topics": ["orders"],
        "consumerGroup": "g",
        "consumers": 1,
        "initialOffset": "earliest",
        "ordering": "ordered",
        "net": {"sasl": sasl, "tls": tls()},
        "ceOverrides": {"extensions": {"region": "eu"}},
        "sink": service(),
        "delivery": delivery(),
    });
    let mut kind = Kind::new("KafkaSource", "sources.knative.dev/v1", spec);
    kind.field("bootstrapServers", Change, json!(["kafka:9093"]));
    kind.field("topics", Change, json!(["payments"]));
    kind.field("consumerGroup", Change, json!("h"));
    kind.field("consumers", Nothing, json!(2));
    kind.field("initialOffset", Change, json!("latest"));
    kind.annotation("weir.dev/initial-offset", Change, "2026-01-02T03:04:05Z");
    kind.annotation("weir.dev/map", Change, "type=header:kind, id=/order/id");
    kind.source(Change, "unordered");
    kind.field("net.sasl.enable", Change, json!(false));
    for path in ["net.sasl.user", "net.sasl.password", "net.sasl.type"] {
        kind.secret(path, json!({}));
    }
    for path in ["net.sasl.tokenProvider", "net.sasl.roleARN"] {
        for field in ["name", "key", "optional"] {
            let with = nested(path, json!({"secretKeyRef": {"name": "s", "key": "k"}}));
            let value = if field == "optional" { json!(true) } else { json!("x") };
            kind.beside(&format!("{path}.secretKeyRef.{field}"), Refusal, value, with);
        }
    }
    kind.tls("net.tls");
    let label = json!({"metadata": {"labels": {"kafkasources.sources.knative.dev/key-type": "int"}}});
    kind.of_metadata("label kafkasources.sources.knative.dev/key-type", Change, label);
    kind
}

fn kafka_sink() -> Kind {
    let spec = json!({
        "bootstrapServers": ["kafka:9092"],
        "topic": "orders",
        "contentMode": "binary",
        "numPartitions": 3,
        "replicationFactor": 2,
        "auth": {"secret": {"ref": {"name": "s"}}},
    });
    let mut kind = Kind::new("KafkaSink", "eventing.knative.dev/v1alpha1", spec);
    kind.field("bootstrapServers", Change, json!(["kafka:9093"]));
    kind.field("topic", Change, json!("payments"));
    kind.field("contentMode", Change, json!("structured"));
    kind.field("numPartitions", Change, json!(4));
    kind.field("replicationFactor", Change, json!(3));
    kind.field("auth.secret.ref.name", Change, json!("other"));
    kind
}

fn nats_source() -> Kind {
    let spec = json!({
        "servers": ["nats://nats:4222"],
        "auth": {"token": secret("token")},
        "tls": tls(),
        "stream": "ORDERS",
        "consumer": "weir",
        "ceOverrides": {"extensions": {"region": "eu"}},
        "sink": service(),
        "delivery": delivery(),
    });
    let mut kind = Kind::new("NatsSource", WEIR, spec);
    kind.nats();
    kind.field("stream", Change, json!("PAYMENTS"));
    kind.field("consumer", Change, json!("other"));
    kind.field("subjects", Change, json!(["orders.>"]));
    kind.beside("partitions", Change, json!(7), json!({"subjects": ["orders.*"]}));
    kind.field("ackWait", Change, json!("PT5S"));
    kind.field("maxAckPending", Change, json!(7));
    kind.field("initialPosition", Change, json!("latest"));
    kind.annotation("weir.dev/initial-offset", Change, "2026-01-02T03:04:05Z");
    kind.annotation("weir.dev/map", Change, "type=header:kind, id=/order/id");
    kind.source(Check, "key");
    kind
}

fn nats_sink() -> Kind {
    let spec = json!({
        "servers": ["nats:4222"],
        "auth": {"token": secret("token")},
        "tls": tls(),
        "subject": "orders",
    });
    let mut kind = Kind::new("NatsSink", WEIR, spec);
    kind.nats();
    kind.field("subject", Change, json!("payments"));
    kind.field("stream", Change, json!("ORDERS"));
    kind.field("partitions", Change, json!(7));
    kind.field("contentMode", Change, json!("structured"));
    kind
}

fn billing_sink() -> Kind {
    let http = json!({"url": "https://openmeter.example/api/v1/events", "token": secret("token")});
    let mut kind = Kind::new("BillingSink", WEIR, json!({"http": http}));
    kind.field("http.url", Change, json!("https://other.example"));
    kind.secret("http.token", json!({}));
    let kafka = json!({"kind": "KafkaSink", "name": "usage", "namespace": "default"});
    let to_sink = json!({"http": null, "sink": {"ref": kafka}});
    kind.beside("sink.ref.name", Change, json!("usage2"), to_sink.clone());
    kind.beside("sink.ref.namespace", Change, json!("shop"), to_sink.clone());
    kind.beside("sink.ref.kind", Check, json!("Broker"), to_sink.clone());
    kind.beside("sink.ref.apiVersion", Check, json!("v1"), to_sink.clone());
    kind.beside("sink.CACerts", Nothing, json!("PEM"), to_sink.clone());
    kind.beside("sink.audience", Nothing, json!("x"), to_sink);
    let to_uri = json!({"http": null, "sink": {"uri": null}});
    kind.beside("sink.uri", Refusal, json!("http://example.com"), to_uri);
    kind.beside("file.path", Change, json!("usage.jsonl"), json!({"http": null}));
    kind.field("batch", Change, json!(7));
    kind.field("interval", Change, json!("PT1S"));
    kind.field("subjects", Change, json!({"acme": "cus_1"}));
    kind.field("rollup", Change, json!("PT1H"));
    kind
}
