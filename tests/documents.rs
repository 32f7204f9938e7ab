//! What docs/documents.md says of each field, held against what a file with it comes to, and against the published CRDs:
//! no field of theirs is unknown here, and what they reject is rejected at the field.
//!
//! The CRDs are not part of the project: they are read where `WEIR_CONFORMANCE` points.

#[path = "documents/page.rs"]
mod page;
#[path = "documents/printed.rs"]
mod printed;
#[path = "documents/probes.rs"]
mod probes;
#[path = "packaging/yaml.rs"]
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use page::{Class, Page};
use printed::{Printed, print};
use probes::{Kind, Probe, Shows, kinds, merge, others};
use serde_json::{Value, json};
use weir::config::{
    BillingSink, Config, DeadLetterTo, Initial, KafkaSecurity, KeyType, Loaded, Reads, Severity, Source,
    SourceSink, Trigger, UsageTo, load_text,
};
use weir::dispatch::{Backoff, Order, Policy};
use weir::event::Uid;

/// Where the modules are that the documents name.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for module in ["f.wasm", "g.wasm"] {
            std::fs::write(folder.path().join(module), b"").unwrap();
        }
        Folder(folder)
    }

    /// The document, and after it what it may name.
    fn load(&self, document: &Value) -> (Printed, Loaded) {
        let others: String = others(document).iter().map(|other| format!("---\n{other}\n")).collect();
        let printed = print(document);
        let name = self.0.path().join("d.yaml");
        let loaded = load_text(&name.to_string_lossy(), &format!("{}{others}", printed.text));
        (printed, loaded)
    }
}

fn patched(kind: &Kind, probe: &Probe) -> Value {
    let mut document = beside(kind, probe);
    merge(&mut document, probe.patch.clone());
    document
}

/// What the probe's document is without the field.
fn beside(kind: &Kind, probe: &Probe) -> Value {
    let mut document = kind.base.clone();
    merge(&mut document, probe.with.clone());
    document
}

/// The lines on which something may be said of a probe's field: its own, those below it, and that of a map which is refused
/// or without effect as a whole.
fn lines(probe: &Probe, printed: &Printed) -> BTreeSet<u32> {
    let path = match probe.path.split_once(' ') {
        Some((map, name)) => format!("metadata.{map}s.{name}"),
        None => probe.path.replace("filters.", "filters.0."),
    };
    let mut wanted = vec![path.clone()];
    if let Some((map, _)) = path.rsplit_once('.').filter(|(map, _)| map.contains('.')) {
        wanted.extend([map.to_owned(), map.trim_end_matches(".secretKeyRef").to_owned()]);
    }
    let below = format!("{path}.");
    let of = printed.lines.iter().filter(|(at, _)| wanted.contains(at) || at.starts_with(&below));
    of.map(|(_, line)| *line).collect()
}

/// All that a configuration says, but for where in the file it stands.
fn seen(config: &Config) -> String {
    let mut config = config.clone();
    config.triggers.iter_mut().for_each(|trigger| trigger.place.clear());
    // Where it stands is no matter, and the same for all.
    static PLACE: OnceLock<weir::config::Place> = OnceLock::new();
    for function in &mut config.functions {
        function.module_place = PLACE.get_or_init(|| function.module_place.clone()).clone();
    }
    // Kept for whoever scales the workers; nothing here reads it.
    format!("{config:?}").replace("consumers: 2", "consumers: 1")
}

#[test]
fn each_field_does_what_the_page_says() {
    let (folder, page) = (Folder::new(), Page::read());
    for kind in kinds() {
        let name = kind.name;
        let (_, base) = folder.load(&kind.base);
        let notes = base.diagnostics.count(Severity::Note);
        let base = base.config.unwrap_or_else(|| panic!("{name}: {}", base.diagnostics));
        for probe in &kind.probes {
            // Some can't do without the field; then it is another document altogether.
            let without = folder.load(&beside(&kind, probe)).1.config;
            let base = seen(without.as_ref().unwrap_or(&base));
            let (printed, loaded) = folder.load(&patched(&kind, probe));
            let lines = lines(probe, &printed);
            let said = loaded.diagnostics.sorted();
            let here = |severity| said.iter().any(|d| d.severity == severity && lines.contains(&d.line));
            let about = || {
                format!("{name} {} {:?}:\n{}\n{}", probe.path, probe.shows, printed.text, loaded.diagnostics)
            };
            let config = loaded.config.as_ref().map(seen);
            let class = match probe.shows {
                Shows::Change => {
                    assert!(config.as_ref().is_some_and(|config| *config != base), "{}", about());
                    Class::Honoured
                }
                Shows::Check => {
                    assert!(config.is_none() && here(Severity::Error), "{}", about());
                    Class::Honoured
                }
                Shows::Refusal => {
                    assert!(config.is_none() && here(Severity::Error), "{}", about());
                    Class::Refused
                }
                Shows::Nothing => {
                    assert_eq!(config.as_ref(), Some(&base), "{}", about());
                    assert!(here(Severity::Note) || here(Severity::Warning), "{}", about());
                    Class::NoEffect
                }
                Shows::Silence => {
                    assert_eq!(config.as_ref(), Some(&base), "{}", about());
                    assert_eq!((said.len(), notes), (notes, notes), "{}", about());
                    Class::NoEffect
                }
            };
            assert_eq!(page.class(name, &probe.path), Some(class), "docs/documents.md: {}", about());
        }
    }
}

#[test]
fn the_page_names_no_field_that_is_none() {
    let page = Page::read();
    for kind in kinds() {
        for row in page.named(kind.name).chain(page.named("every document")) {
            let below = format!("{row}.");
            let met = |probe: &Probe| probe.path == row || probe.path.starts_with(&below);
            assert!(kind.probes.iter().any(met), "{}: {row}", kind.name);
        }
    }
}

/// The error of an unknown annotation lists the known ones, whoever adds one.
#[test]
fn the_page_names_every_annotation_of_ours() {
    let (folder, page) = (Folder::new(), Page::read());
    let mut named = 0;
    for kind in kinds() {
        let mut document = kind.base.clone();
        merge(&mut document, json!({"metadata": {"annotations": {"weir.dev/qqqqqqqq": "x"}}}));
        let (_, loaded) = folder.load(&document);
        let said = loaded.diagnostics.sorted();
        let unknown = said.iter().find(|d| d.message.contains("weir.dev/qqqqqqqq")).unwrap();
        let help = unknown.suggestion.as_ref().unwrap();
        for known in help.split('\'').filter(|word| word.starts_with("weir.dev/")) {
            let path = format!("annotation {known}");
            assert_eq!(
                page.class(kind.name, &path),
                Some(Class::Honoured),
                "docs/documents.md: {} {path}",
                kind.name
            );
            assert!(kind.probes.iter().any(|probe| probe.path == path), "no probe for {} {path}", kind.name);
            named += 1;
        }
    }
    assert!(named >= 5, "{named}");
}

/// What the consumers to come will be handed.
#[test]
fn sources_and_sinks_are_read_into_what_they_say() {
    let folder = Folder::new();
    let config = |name: &str, patch: Value| {
        let kind = kinds().into_iter().find(|kind| kind.name == name).unwrap();
        let mut document = kind.base;
        merge(&mut document, patch);
        let (_, loaded) = folder.load(&document);
        loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics))
    };
    let least = json!({"spec": {"consumerGroup": null, "initialOffset": null, "ordering": null, "net": null,
        "ceOverrides": null, "delivery": null, "bootstrapServers": ["a:1, [::1]:2", "a:1"],
        "sink": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "other"}}}});
    let source = config("KafkaSource", least).sources.remove(0);
    assert_eq!(source.uid, Uid::of_document("default", "KafkaSource", "probe"));
    let broker = Uid::of_document("default", "Broker", "other");
    assert_eq!(source.sink, SourceSink::Broker { broker, unrouted: None });
    let Reads::Kafka(kafka) = source.reads else { panic!("{source:?}") };
    let servers: Vec<_> = kafka.bootstrap_servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["a:1", "[::1]:2"]);
    // The same on every worker, and another for another source.
    assert_eq!(kafka.consumer_group, format!("knative-kafka-source-{}", source.uid));
    assert_eq!((kafka.initial_offset, kafka.key_type), (Initial::Latest, KeyType::String));
    assert_eq!(kafka.security, KafkaSecurity::default());

    let label = json!({"metadata": {"labels": {"kafkasources.sources.knative.dev/key-type": "byte-array"}}});
    let sourced = config("KafkaSource", label);
    let source = sourced.sources[0].clone();
    let Reads::Kafka(kafka) = &source.reads else { panic!("{source:?}") };
    assert_eq!((kafka.initial_offset, kafka.key_type), (Initial::Earliest, KeyType::ByteArray));
    let sasl = kafka.security.sasl.as_ref().unwrap();
    assert_eq!((sasl.user.to_string(), sasl.password.to_string()), ("s/user".into(), "s/password".into()));
    let client = kafka.security.tls.as_ref().unwrap().client.as_ref().unwrap();
    assert_eq!(
        (client.certificate.to_string(), client.key.to_string()),
        ("s/user.crt".into(), "s/user.key".into())
    );
    let own = own(&sourced, &source);
    assert_eq!(
        (own.policy.order, own.policy.retry, own.policy.backoff),
        (Order::Ordered, 3, Backoff::Linear)
    );
    assert_eq!(own.dead_letter, DeadLetterTo::Broker(broker));
    assert_eq!(source.extensions, [("region".to_owned(), "eu".to_owned())]);

    let sourced = config("NatsSource", json!({"spec": {"delivery": null, "ackWait": "PT1M"}}));
    let source = sourced.sources[0].clone();
    let Reads::Nats(nats) = &source.reads else { panic!("{source:?}") };
    assert_eq!((&*nats.stream, &*nats.consumer, nats.subjects.len()), ("ORDERS", "weir", 0));
    assert_eq!((nats.ack_wait.as_secs(), nats.max_ack_pending), (60, 1000));
    assert_eq!(nats.initial_position, Initial::Earliest);
    let own = self::own(&sourced, &source);
    let unordered = Policy { order: Order::Unordered, ..Policy::default() };
    assert_eq!((&own.policy, own.dead_letter), (&unordered, DeadLetterTo::Store));

    let sink = json!({"spec": {"http": null, "sink": {"ref": {"kind": "KafkaSink", "name": "usage2"}}}});
    let billed = config("BillingSink", sink);
    let [BillingSink { to: UsageTo::Sink(index), batch: 100, .. }] = *billed.billing else {
        panic!("{billed:?}")
    };
    assert_eq!((&*billed.sinks[index].namespace, &*billed.sinks[index].name), ("default", "usage2"));
    assert!(billed.idle().is_empty());
}

/// The trigger of a source whose sink is no broker.
fn own(config: &Config, source: &Source) -> Trigger {
    let SourceSink::Subscriber { broker } = source.sink else { panic!("{source:?}") };
    config.of_sources.iter().find(|own| own.broker == broker).expect("it has its trigger").clone()
}

/// The schema of each of our kinds that the CRDs define, by kind.
fn schemas(root: &Path) -> BTreeMap<&'static str, Value> {
    let files = [
        ("Trigger", "eventing.knative.dev_triggers.yaml", "v1"),
        ("Broker", "eventing.knative.dev_brokers.yaml", "v1"),
        ("KafkaSource", "sources.knative.dev_kafkasources.yaml", "v1"),
        ("KafkaSink", "eventing.knative.dev_kafkasinks.yaml", "v1alpha1"),
    ];
    let schema = |(kind, file, version): (&'static str, &str, &str)| {
        let definition = yaml::document(&std::fs::read_to_string(root.join("crds").join(file)).unwrap());
        let versions = definition["spec"]["versions"].as_array().unwrap();
        let found = versions.iter().find(|v| v["name"] == version).unwrap();
        (kind, found["schema"]["openAPIV3Schema"].clone())
    };
    files.into_iter().map(schema).collect()
}

/// `None` where the suite is left out.
fn conformance() -> Option<PathBuf> {
    let root = std::env::var_os("WEIR_CONFORMANCE").map(PathBuf::from);
    if root.is_none() {
        println!("conformance data absent: suite left out");
    }
    root
}

/// Every field below a schema with what the schema says of it; a list's items are as if they stood in its place.
fn fields<'s>(schema: &'s Value, path: &str, found: &mut Vec<(String, &'s Value)>) {
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        found.push((path.clone(), below));
        fields(below, &path, found);
        fields(&below["items"], &path, found);
    }
}

fn is_leaf(schema: &Value) -> bool {
    schema["properties"].is_null() && schema["items"]["properties"].is_null()
}

#[test]
fn no_field_of_the_crds_is_unknown() {
    let Some(root) = conformance() else { return };
    let (page, kinds) = (Page::read(), kinds());
    let mut counted = BTreeMap::new();
    for (name, schema) in schemas(&root) {
        let kind = kinds.iter().find(|kind| kind.name == name).unwrap();
        let probed: BTreeSet<&str> = kind.probes.iter().map(|probe| probe.path.as_str()).collect();
        let mut all = Vec::new();
        fields(&schema, "", &mut all);
        for (path, schema) in all.iter().filter(|(_, schema)| is_leaf(schema)) {
            let class = page.class(name, path);
            assert!(class.is_some(), "docs/documents.md says nothing of {name} {path}");
            *counted.entry(format!("{class:?}")).or_insert(0) += 1;
            // What the cluster writes is probed as a whole.
            let cluster = path.starts_with("status") || path == "metadata";
            assert!(cluster || probed.contains(path.as_str()), "no probe for {name} {path}: {schema}");
        }
    }
    // All three are met, and in numbers: the walk walked.
    assert!(counted.len() == 3 && counted.values().all(|count| *count >= 10), "{counted:?}");
}

/// Sets what stands at a path; of a list's items the first. `None` takes it away. False: there is no such place.
fn set(document: &mut Value, path: &str, value: Option<Value>) -> bool {
    let mut at = document;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        if at.is_array() {
            at = &mut at[0];
        }
        let Some(map) = at.as_object_mut().filter(|map| map.contains_key(name)) else { return false };
        if names.peek().is_none() {
            match value {
                Some(value) => drop(map.insert(name.to_owned(), value)),
                None => drop(map.remove(name)),
            }
            return true;
        }
        at = map.get_mut(name).unwrap();
    }
    false
}

/// What the schema's type is not.
fn wrong(schema: &Value) -> Option<Value> {
    match schema["type"].as_str()? {
        "integer" => Some(json!("many")),
        "boolean" => Some(json!("maybe")),
        _ => Some(json!(7)),
    }
}

#[test]
fn what_a_crd_rejects_is_rejected_at_the_field() {
    let Some(root) = conformance() else { return };
    let (folder, kinds) = (Folder::new(), kinds());
    let (mut types, mut missing) = (0, 0);
    for (name, schema) in schemas(&root) {
        let kind = kinds.iter().find(|kind| kind.name == name).unwrap();
        // Every field stands in one of them. What is wrong already would hide the rest.
        let good = kind.probes.iter().filter(|probe| probe.shows != Shows::Check);
        let mut documents: Vec<Value> = good.map(|probe| patched(kind, probe)).collect();
        documents.push(kind.base.clone());
        let mut all = vec![(String::new(), &schema)];
        fields(&schema, "", &mut all);
        for (path, schema) in all {
            // What stands in a status is the cluster's.
            if path.starts_with("status.") {
                continue;
            }
            if let Some(value) = wrong(schema).filter(|_| !path.is_empty()) {
                let holding = documents.iter().filter_map(|document| {
                    let mut document = document.clone();
                    set(&mut document, &path, Some(value.clone())).then_some(document)
                });
                let holding: Vec<Value> = holding.take(3).collect();
                assert!(!holding.is_empty(), "{name} {path} stands in no document");
                holding.iter().for_each(|document| rejected(&folder, document, &path));
                types += 1;
            }
            for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
                for document in &documents {
                    let mut document = document.clone();
                    if set(&mut document, &path, None) {
                        let (_, loaded) = folder.load(&document);
                        assert!(loaded.config.is_none(), "{name} without {path}:\n{document:#}");
                        let said = loaded.diagnostics.to_string();
                        // A whole field may be refused before what is missing in it is looked at.
                        assert!(
                            said.contains(field) || said.contains("not supported"),
                            "{name} {path}: {said}"
                        );
                        missing += 1;
                    }
                }
            }
        }
    }
    assert!(types >= 80 && missing >= 30, "{types} {missing}");
}

#[track_caller]
fn rejected(folder: &Folder, document: &Value, path: &str) {
    let (printed, loaded) = folder.load(document);
    let plain = |path: &str| {
        let names: Vec<&str> = path.split('.').filter(|name| name.parse::<u32>().is_err()).collect();
        names.join(".")
    };
    let mut lines: Vec<u32> =
        printed.lines.iter().filter(|(at, _)| plain(at) == path).map(|(_, line)| *line).collect();
    // Where a field as a whole is refused, nothing in it is looked at.
    for refused in ["tokenProvider", "roleARN"] {
        let whole = path.find(refused).map(|at| &path[..at + refused.len()]);
        lines.extend(whole.and_then(|whole| printed.lines.get(whole)));
    }
    let said = loaded.diagnostics.sorted();
    let hit = said.iter().any(|d| d.severity == Severity::Error && lines.contains(&d.line));
    assert!(loaded.config.is_none() && hit, "{path} at {lines:?}:\n{}\n{}", printed.text, loaded.diagnostics);
}
