//! A ScaledObject against the worker that it scales: KEDA has to look at what the worker reads, all of it, as the worker reads it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use weir::config::{Config, Initial, Reads};

use super::rendered::Overlay;

const SCALED: [&str; 2] = ["consumer-kafka", "consumer-nats"];

/// What KEDA makes of the text of a field: all of them are strings in YAML.
#[derive(Clone, Copy)]
enum Is {
    Text,
    /// A number, at least so much.
    Number(u64),
    Switch,
    OneOf(&'static [&'static str]),
}

/// The fields that KEDA's scalers know, and what they are.
const KAFKA: [(&str, Is); 16] = [
    ("activationLagThreshold", Is::Number(0)),
    ("allowIdleConsumers", Is::Switch),
    ("bootstrapServers", Is::Text),
    ("consumerGroup", Is::Text),
    ("ensureEvenDistributionOfPartitions", Is::Switch),
    ("excludePersistentLag", Is::Switch),
    ("lagThreshold", Is::Number(1)),
    ("limitToPartitionsWithLag", Is::Switch),
    ("offsetResetPolicy", Is::OneOf(&["earliest", "latest"])),
    ("partitionLimitation", Is::Text),
    ("sasl", Is::OneOf(&["none", "plaintext", "scram_sha256", "scram_sha512", "oauthbearer", "gssapi"])),
    ("saslTokenProvider", Is::Text),
    ("scaleToZeroOnInvalidOffset", Is::Switch),
    ("tls", Is::OneOf(&["enable", "disable"])),
    ("topic", Is::Text),
    ("version", Is::Text),
];
const NATS: [(&str, Is); 8] = [
    ("account", Is::Text),
    ("accountID", Is::Text),
    ("activationLagThreshold", Is::Number(0)),
    ("consumer", Is::Text),
    ("lagThreshold", Is::Number(1)),
    ("natsServerMonitoringEndpoint", Is::Text),
    ("stream", Is::Text),
    ("useHttps", Is::Switch),
];

type Fields = &'static [(&'static str, Is)];
type Parameters = &'static [&'static str];

/// A scaler's fields, and what it takes from a TriggerAuthentication.
fn known(scaler: &str) -> Option<(Fields, Parameters)> {
    match scaler {
        "kafka" => Some((&KAFKA, &["username", "password", "ca", "cert", "key", "sasl", "tls"])),
        "nats-jetstream" => Some((&NATS, &["account", "accountID", "natsServerMonitoringEndpoint"])),
        _ => None,
    }
}

fn fits(is: Is, text: &str) -> bool {
    match is {
        Is::Text => !text.is_empty(),
        Is::Number(least) => text.parse::<u64>().is_ok_and(|number| number >= least),
        Is::Switch => ["true", "false"].contains(&text),
        Is::OneOf(words) => words.contains(&text),
    }
}

/// A group's topic or a durable of a stream; and what there is to agree on of it: where it is, and from where it is read.
type Watched = BTreeMap<[String; 2], [String; 2]>;

/// What the worker reads, with where it parks.
fn read(config: &Config) -> Watched {
    let word = |initial| match initial {
        Initial::Earliest => "earliest".to_owned(),
        _ => "latest".to_owned(),
    };
    let mut all = Watched::new();
    for source in &config.sources {
        match &source.reads {
            Reads::Kafka(kafka) => {
                let servers: Vec<_> = kafka.bootstrap_servers.iter().map(ToString::to_string).collect();
                let parked = [(format!("{}.parked", kafka.consumer_group), "earliest".to_owned())];
                let topics = kafka.topics.iter().map(|topic| (topic.clone(), word(kafka.initial_offset)));
                for (topic, initial) in topics.chain(parked) {
                    all.insert([kafka.consumer_group.clone(), topic], [servers.join(","), initial]);
                }
            }
            Reads::Nats(nats) => {
                let hosts: Vec<_> = nats.connection.servers.iter().map(|one| one.host.clone()).collect();
                let parked = format!("{}-{}-parked", nats.stream, nats.consumer);
                let here = [nats.stream.clone(), nats.consumer.clone()];
                all.insert(here, [hosts.join(","), word(nats.initial_position)]);
                all.insert([parked.clone(), parked], [hosts.join(","), "earliest".to_owned()]);
            }
        }
    }
    all
}

/// What is wrong with the ScaledObject of these documents.
fn problems(documents: &[Value], workload: &Value, config: &Config) -> Vec<String> {
    let of_kind = |kind: &str| documents.iter().filter(|d| d["kind"] == kind).collect::<Vec<_>>();
    let [scaled] = of_kind("ScaledObject")[..] else { return vec!["no ScaledObject, or several".to_owned()] };
    let mut found = Vec::new();
    let mut expect = |holds: bool, what: String| found.extend((!holds).then_some(what));
    let target = &scaled["spec"]["scaleTargetRef"];
    expect(target["name"] == workload["metadata"]["name"], format!("it scales {target}"));
    let kind = target["kind"].as_str().unwrap_or("Deployment");
    expect(workload["kind"] == kind, format!("it scales a {kind}"));
    expect(workload["spec"]["replicas"].is_null(), "two say how many there are".to_owned());
    expect(scaled["spec"]["minReplicaCount"] == 0, "it does not scale to none".to_owned());
    let down = &scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"];
    let steady = down["stabilizationWindowSeconds"].as_u64().is_some_and(|window| window >= 60)
        && down["policies"][0].is_object();
    expect(steady, "it flaps".to_owned());
    let logins: BTreeMap<&str, &Value> = of_kind("TriggerAuthentication")
        .into_iter()
        .map(|d| (d["metadata"]["name"].as_str().unwrap(), &d["spec"]["secretTargetRef"]))
        .collect();
    let secrets: BTreeSet<&str> = mounted(workload);
    let mut watched = Watched::new();
    for trigger in scaled["spec"]["triggers"].as_array().unwrap() {
        let scaler = trigger["type"].as_str().unwrap();
        let Some((fields, parameters)) = known(scaler) else {
            expect(false, format!("{scaler} is no scaler that is known here"));
            continue;
        };
        let login = trigger["authenticationRef"]["name"].as_str().unwrap_or_default();
        expect(logins.contains_key(login), format!("there is no TriggerAuthentication '{login}'"));
        for reference in logins.get(login).and_then(|references| references.as_array()).into_iter().flatten()
        {
            let known = parameters.contains(&reference["parameter"].as_str().unwrap_or_default());
            let secret = secrets.contains(reference["name"].as_str().unwrap_or_default());
            expect(known && secret, format!("{login}: {reference}"));
        }
        let metadata = trigger["metadata"].as_object().unwrap();
        for (key, value) in metadata {
            let is = fields.iter().find(|(name, _)| name == key).map(|(_, is)| *is);
            let fits = is.zip(value.as_str()).is_some_and(|(is, text)| fits(is, text));
            expect(fits, format!("{scaler}: '{key}: {value}' is no field, or not of its type"));
        }
        let said = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        expect(!said("lagThreshold").is_empty(), "lagThreshold".to_owned());
        let (key, of) = match scaler {
            "kafka" => (["consumerGroup", "topic"], [said("bootstrapServers"), said("offsetResetPolicy")]),
            _ => {
                let host = said("natsServerMonitoringEndpoint");
                let host = host.rsplit_once(':').map_or(host.as_str(), |(host, _)| host).to_owned();
                // A durable says itself where it begins: at the worker, which makes it.
                (["stream", "consumer"], [host, "earliest".to_owned()])
            }
        };
        watched.insert(key.map(said), of);
    }
    let read = read(config);
    for (key, of) in &read {
        expect(
            watched.get(key) == Some(of),
            format!("of {key:?} the worker has {of:?}, KEDA {:?}", watched.get(key)),
        );
    }
    for key in watched.keys() {
        expect(read.contains_key(key), format!("KEDA looks at {key:?}, which the worker does not read"));
    }
    found
}

/// The Secrets that the worker has.
fn mounted(workload: &Value) -> BTreeSet<&str> {
    let volumes = workload["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    let sources = volumes.iter().flat_map(|v| v["projected"]["sources"].as_array().into_iter().flatten());
    sources.filter_map(|source| source["secret"]["name"].as_str()).collect()
}

#[test]
fn keda_looks_at_what_the_worker_reads() {
    for name in SCALED {
        let overlay = Overlay::of(name);
        let found = problems(&overlay.documents, overlay.workload(), &overlay.config());
        assert_eq!(found, Vec::<String>::new(), "{name}");
    }
}

/// Each place of the ScaledObject that has to agree with another is changed alone, and that is found.
#[test]
fn what_is_changed_alone_is_found() {
    for name in SCALED {
        let overlay = Overlay::of(name);
        let (config, workload) = (overlay.config(), overlay.workload());
        let at = overlay.documents.iter().position(|d| d["kind"] == "ScaledObject").unwrap();
        let found = |path: &str, value: Value| {
            let mut documents = overlay.documents.clone();
            *documents[at].pointer_mut(path).unwrap_or_else(|| panic!("{name}: {path}")) = value;
            assert_ne!(problems(&documents, workload, &config), Vec::<String>::new(), "{name}: {path}");
        };
        for (number, trigger) in
            overlay.documents[at]["spec"]["triggers"].as_array().unwrap().iter().enumerate()
        {
            let metadata = format!("/spec/triggers/{number}/metadata");
            for key in trigger["metadata"].as_object().unwrap().keys() {
                // Of how much lag is one worker's, and how to log in, nobody else says anything.
                if ["lagThreshold", "activationLagThreshold", "sasl", "tls"].contains(&key.as_str()) {
                    found(&format!("{metadata}/{key}"), json!(10));
                    found(&format!("{metadata}/{key}"), json!("much"));
                } else {
                    found(&format!("{metadata}/{key}"), json!("another"));
                }
            }
            let mut more = trigger["metadata"].clone();
            more["lagTreshold"] = json!("10");
            found(&metadata, more);
            found(&format!("/spec/triggers/{number}/authenticationRef/name"), json!("another"));
            found(&format!("/spec/triggers/{number}/type"), json!("rabbitmq"));
        }
        found("/spec/scaleTargetRef/name", json!("another"));
        found("/spec/minReplicaCount", json!(1));
        found("/spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown", json!({}));
        let triggers = overlay.documents[at]["spec"]["triggers"].as_array().unwrap();
        for left_out in 0..triggers.len() {
            let others = triggers.iter().enumerate().filter(|(number, _)| *number != left_out);
            found("/spec/triggers", others.map(|(_, trigger)| trigger.clone()).collect());
        }
    }
}

/// And on the worker's side.
#[test]
fn what_the_worker_reads_otherwise_is_found() {
    for (name, from, to) in [
        ("consumer-kafka", "consumerGroup: weir-orders", "consumerGroup: others"),
        ("consumer-kafka", "topics: [orders]", "topics: [others]"),
        ("consumer-kafka", "initialOffset: earliest", "initialOffset: latest"),
        ("consumer-kafka", "my-cluster-kafka-bootstrap", "another-cluster"),
        ("consumer-nats", "stream: ORDERS", "stream: OTHERS"),
        ("consumer-nats", "consumer: weir", "consumer: others"),
        ("consumer-nats", "initialPosition: earliest", "initialPosition: latest"),
        ("consumer-nats", "nats.nats:4222", "others.nats:4222"),
    ] {
        let overlay = Overlay::of(name);
        let mut other = overlay.clone();
        let map = other.documents.iter_mut().find(|d| d["kind"] == "ConfigMap").unwrap();
        let triggers = map["data"]["triggers.yaml"].as_str().unwrap().replacen(from, to, 1);
        map["data"]["triggers.yaml"] = json!(triggers);
        let found = problems(&overlay.documents, overlay.workload(), &other.config());
        assert_ne!(found, Vec::<String>::new(), "{from}");
    }
    // A login that the worker has under another name.
    let mut overlay = Overlay::of("consumer-nats");
    let config = overlay.config();
    let login = overlay.documents.iter_mut().find(|d| d["kind"] == "TriggerAuthentication").unwrap();
    login["spec"]["secretTargetRef"][0]["name"] = json!("another");
    assert_ne!(problems(&overlay.documents, overlay.workload(), &config), Vec::<String>::new());
}
