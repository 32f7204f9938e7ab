//! Manifests that others published, and the reference article's: each that its CRD accepts is accepted, or refused for a
//! reason that stands here; each that it rejects is rejected at the field.
//!
//! The data is not part of the project: it is read where `WEIR_CONFORMANCE` points.

mod worker;
#[allow(dead_code)] // Each test binary uses what it needs of this.
#[path = "packaging/yaml.rs"]
mod yaml;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use weir::config::{self, Initial, Loaded, Reads, Severity, SourceSink};
use weir::trigger::Filter;
use worker::{Home, Running, eventually, guests};

/// `None` where the suite is left out.
fn conformance() -> Option<PathBuf> {
    let root = std::env::var_os("WEIR_CONFORMANCE").map(PathBuf::from);
    if root.is_none() {
        println!("conformance data absent: suite left out");
    }
    root
}

/// What this version refuses of what a CRD accepts: the manifest, the line, and how the message begins.
const REFUSED: [(&str, u32, &str); 3] = [
    (
        "047-trigger-docs-sequence-trigger.yaml",
        14,
        "Trigger.spec.subscriber.ref: a Sequence can't be a subscriber",
    ),
    // A template's placeholders, which the CRD does not look at and a cluster would refuse as names.
    (
        "540-trigger-vcenter-event-broker-appliance-veba-pcli-replace-fn-name-trigger.yaml",
        5,
        "Trigger.metadata.name",
    ),
    (
        "540-trigger-vcenter-event-broker-appliance-veba-pcli-replace-fn-name-trigger.yaml",
        17,
        "Trigger.spec.subscriber.ref.name",
    ),
];

/// What has no CRD or breaks it, and is of a kind of ours: the line of the field that is wrong.
const REJECTED: [(&str, u32, &str); 1] = [(
    "579-trigger-knative-tutorial-event-greeter-trigger.yaml",
    2,
    "a Trigger is not of apiVersion 'eventing.knative.dev/v1alpha1'",
)];

/// How what may be said of an accepted one begins: that something does nothing here.
const NOTES: [&str; 4] = [
    "'uri' has no effect: a Function serves the Service ",
    "a KafkaSource is read and checked; this version does not consume Kafka yet: its events stay in their topics",
    "KafkaSource.spec.consumers has no effect in this version: a worker is one consumer of the group",
    "Broker.spec.config has no effect in this version: it configures Knative's own brokers",
];

const OURS: [&str; 4] = ["Trigger", "Broker", "KafkaSource", "KafkaSink"];

#[test]
fn each_manifest_is_accepted_or_refused_for_a_stated_reason() {
    let Some(root) = conformance() else { return };
    let folder = root.join("manifests");
    let index = std::fs::read(folder.join("MANIFEST.json")).unwrap();
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("f.wasm"), b"").unwrap();
    let (mut accepted, mut refused, mut passed_over) = (0, 0, 0);
    for manifest in &index {
        let file = manifest["file"].as_str().unwrap();
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let mut errors = errors_expected(file);
        if !OURS.contains(&manifest["kind"].as_str().unwrap()) {
            assert!(errors.is_empty(), "{file}");
            foreign(file, &text);
            passed_over += 1;
            continue;
        }
        let by_crd = manifest["schema"] == "ok";
        assert_eq!(REJECTED.iter().any(|(name, ..)| *name == file), !by_crd, "{file}");
        // What it names stands in other files of its project.
        std::fs::write(home.path().join("manifest.yaml"), &text).unwrap();
        std::fs::write(home.path().join("others.yaml"), others(&text)).unwrap();
        let loaded = config::load(&[home.path().to_owned()]);
        for said in loaded.diagnostics.sorted() {
            match said.severity {
                Severity::Error => {
                    let known = errors.iter().position(|(line, message)| {
                        said.line == *line
                            && said.message.starts_with(message)
                            && said.file.ends_with("manifest.yaml")
                    });
                    let known = known.unwrap_or_else(|| panic!("{file}: {said}"));
                    errors.remove(known);
                    assert!(said.suggestion.is_some(), "{file}: {said}");
                }
                Severity::Warning => panic!("{file}: {said}"),
                Severity::Note => {
                    let known = NOTES.iter().any(|note| said.message.starts_with(note));
                    assert!(known, "{file}: {said}");
                }
            }
        }
        assert!(errors.is_empty(), "{file}: not said: {errors:?}");
        match loaded.config {
            Some(_) => accepted += 1,
            None => refused += 1,
        }
    }
    // What is there: none was skipped.
    assert_eq!((accepted + refused + passed_over, refused), (index.len(), 3));
    assert!(accepted >= 30, "{accepted}");
}

fn errors_expected(file: &str) -> Vec<(u32, &'static str)> {
    let all = REFUSED.iter().chain(&REJECTED);
    all.filter(|(name, ..)| *name == file).map(|(_, line, message)| (*line, *message)).collect()
}

/// Kinds that are not for weir: a note at the kind, and nothing else, whatever stands in them.
fn foreign(file: &str, text: &str) {
    let loaded = config::load_text(file, text);
    assert!(loaded.config.is_some(), "{}", loaded.diagnostics);
    let lines = text.lines().enumerate();
    let kinds: Vec<_> =
        lines.filter(|(_, line)| line.starts_with("kind:")).map(|(n, _)| n as u32 + 1).collect();
    let notes: Vec<_> =
        loaded.diagnostics.sorted().into_iter().map(|said| (said.severity, said.line)).collect();
    let expected: Vec<_> = kinds.into_iter().map(|line| (Severity::Note, line)).collect();
    assert_eq!(notes, expected, "{file}");
}

/// The Brokers that documents name, and a Function for each Service.
fn others(text: &str) -> String {
    let mut others = String::new();
    let mut add = |document: Value| others += &format!("---\n{document}\n");
    for document in yaml::documents(text) {
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or("default");
        let spec = &document["spec"];
        for reference in [&spec["subscriber"]["ref"], &spec["sink"]["ref"]] {
            if reference["kind"] == "Service" && !reference["name"].as_str().unwrap().contains('#') {
                let spec = json!({"module": "f.wasm", "serves": [reference["name"]]});
                let metadata = json!({"name": "f", "namespace": namespace});
                add(
                    json!({"apiVersion": "weir.dev/v1alpha1", "kind": "Function", "metadata": metadata, "spec": spec}),
                );
            }
        }
        let broker = spec["broker"].as_str().map(|name| (namespace, name));
        let reference = &spec["brokerRef"];
        let broker = broker.or_else(|| {
            Some((reference["namespace"].as_str().unwrap_or(namespace), reference["name"].as_str()?))
        });
        if let Some((namespace, name)) = broker {
            let metadata = json!({"name": name, "namespace": namespace});
            add(json!({"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": metadata}));
        }
    }
    others
}

const PAYMENT: &str = "\
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: payment}
spec: {module: payment.wasm, serves: [payment-service]}
";

/// The article's file as it stands, and the function that serves its Service beside it.
fn article(root: &Path) -> Home {
    let home = Home::new(&std::fs::read_to_string(root.join("reference/order-events.yaml")).unwrap());
    home.write("payment.yaml", PAYMENT.as_bytes());
    std::fs::copy(guests::payment(), home.path().join("payment.wasm")).unwrap();
    home
}

#[test]
fn the_reference_article_loads_as_it_stands() {
    let Some(root) = conformance() else { return };
    let home = article(&root);
    let Loaded { config, diagnostics, .. } =
        config::load(&[home.documents(), home.path().join("payment.yaml")]);
    let said: Vec<_> = diagnostics.sorted().into_iter().map(|said| (said.severity, said.line)).collect();
    assert_eq!(said, [], "{diagnostics}");
    let config = config.unwrap();
    let ([source], [trigger]) = (config.sources.as_slice(), config.triggers.as_slice()) else {
        panic!("{config:?}")
    };
    let Reads::Kafka(kafka) = &source.reads else { panic!("{source:?}") };
    assert_eq!(
        kafka.bootstrap_servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["kafka-cluster:9092"]
    );
    assert_eq!(
        (kafka.topics.as_slice(), &*kafka.consumer_group),
        (&["orders".to_owned()][..], "knative-group")
    );
    assert_eq!(kafka.initial_offset, Initial::Latest);
    assert!(
        matches!(source.sink, SourceSink::Broker { broker, .. } if broker == trigger.broker),
        "{source:?}"
    );
    assert_eq!(trigger.filter, Filter::exact([("type".to_owned(), "order.created".to_owned())]));
    assert_eq!(trigger.subscriber_name(&config), "default/payment");

    let output = home.weir(&["check", "documents.yaml", "payment.yaml"]);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "ok: 1 trigger, 1 function, 1 broker, 1 source in 2 files\n"
    );
    assert!(!shown.contains("note:"), "{shown}");
}

#[test]
fn the_reference_article_runs_on_events_that_are_posted() {
    let Some(root) = conformance() else { return };
    let home = article(&root);
    let others = home.path().join("payment.yaml");
    let running = Running::start(&home, &[others.to_str().unwrap()]);
    // Its brokers are not there: they are waited for, and everything else goes on.
    let consuming = running.said("consuming from Kafka").expect("it consumes");
    assert_eq!((&consuming["group"], &consuming["topics"]), (&"knative-group".into(), &"orders".into()));
    running.publish("order.created", "o-1", &[], r#"{"order_id": "1", "amount": 120, "currency": "EUR"}"#);
    let done = eventually("payment runs", || home.about("o-1").into_iter().next());
    assert_eq!(
        (&*done.trigger, &*done.function, &*done.outcome),
        ("default/process-payments", "default/payment", "succeeded")
    );
    assert_eq!(running.terminate().code, Some(0));
}
