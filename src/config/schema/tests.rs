//! A schema and the reader that it is for say the same of the same document.

use std::collections::BTreeSet;
use std::sync::Arc;

use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::super::delivery::Delivery;
use super::super::diagnostic::{Diagnostics, Report, Severity};
use super::super::document::{self, Draft};
use super::super::lint::ALLOW;
use super::super::shape::samples::{self, Sample};
use super::super::shape::{KINDS, Role, Shape};
use super::super::test::{self, Names, Unread};
use super::super::text::{Place, Span, Text};
use super::super::{SaidBy, load_text, yaml};

/// A schema, ready to be asked.
struct Judge(Schemas, SchemaIndex);

impl Judge {
    fn of(schema: Value) -> Judge {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema).expect("a resource");
        let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Judge(schemas, index)
    }

    fn named(name: &str) -> Judge {
        let found = super::all().find(|schema| schema.name == name).expect(name);
        Judge::of(serde_json::from_str(&found.text()).expect("JSON"))
    }

    fn accepts(&self, value: &Value) -> bool {
        self.0.validate(value, self.1).is_ok()
    }

    fn objections(&self, value: &Value) -> String {
        self.0.validate(value, self.1).err().map(|error| format!("{error:#}")).unwrap_or_default()
    }
}

/// A folder with the module and the script that the shapes have as examples.
struct Reader(tempfile::TempDir);

impl Reader {
    fn new() -> Reader {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("functions")).expect("a folder");
        std::fs::create_dir(folder.path().join("triggers")).expect("a folder");
        std::fs::write(folder.path().join("functions/payment.wasm"), "").expect("a file");
        std::fs::create_dir(folder.path().join("functions/payment-js")).expect("a folder");
        std::fs::write(folder.path().join("functions/payment-js/payment.js"), "").expect("a file");
        let event = r#"{"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created"}"#;
        std::fs::write(folder.path().join("triggers/order.json"), event).expect("a file");
        Reader(folder)
    }

    /// What the reader of documents finds wrong, before other documents are looked at.
    fn errors(&self, value: &Value) -> Vec<String> {
        let content = value.to_string();
        let name = self.0.path().join("triggers/any.yaml");
        let (text, mut diagnostics) =
            (Arc::new(Text::new(&name.to_string_lossy(), &content)), Diagnostics::default());
        let report = &mut Report::new(&text, &mut diagnostics);
        let mut documents = Vec::new();
        for root in yaml::parse(report, &content).documents {
            document::read(&root, &mut documents, report);
        }
        let tests = documents.into_iter().filter_map(|document| match document.draft {
            Draft::Test(root) => Some(Unread { root, place: document.place }),
            _ => None,
        });
        let all = || [("default", "a"), ("default", "default")].into_iter().collect();
        let names = Names { triggers: all(), brokers: all(), whole: true, namespace: "default" };
        test::read_all(tests.collect(), &names, &mut diagnostics);
        let sorted = diagnostics.sorted().into_iter();
        sorted.filter(|d| d.severity == Severity::Error).map(|d| d.message.clone()).collect()
    }

    /// What comes of it beside what it may name, but for who says what where.
    fn config(&self, value: &Value) -> String {
        let others = [
            json!({"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": "a"}}),
            json!({"apiVersion": "weir.dev/v1alpha1", "kind": "Function", "metadata": {"name": "a"},
                "spec": {"module": "../functions/payment.wasm"}}),
            json!({"apiVersion": "eventing.knative.dev/v1alpha1", "kind": "KafkaSink", "metadata": {"name": "a"},
                "spec": {"bootstrapServers": ["a:1"], "topic": "a"}}),
            json!({"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": {"name": "a"},
                "spec": {"broker": "a", "subscriber": {"ref": {"kind": "Function", "name": "a"}}}}),
        ];
        let beside = others.iter().filter(|other| other["kind"] != value["kind"]);
        let texts: Vec<String> = [value].into_iter().chain(beside).map(Value::to_string).collect();
        let name = self.0.path().join("triggers/any.yaml");
        let loaded = load_text(&name.to_string_lossy(), &texts.join("\n---\n"));
        let mut config = loaded.config.unwrap_or_else(|| panic!("{value}: {}", loaded.diagnostics));
        for trigger in &mut config.triggers {
            trigger.place.clear();
            trigger.origins = Delivery::default().origins(&Delivery::default(), SaidBy::Default);
        }
        for function in &mut config.functions {
            function.module_place = Place { text: Text::new("", "").into(), span: Span::default() };
        }
        let cases = loaded.tests.iter().flat_map(|test| &test.cases);
        let cases: Vec<_> = cases.map(|case| (case.broker, &case.given)).collect();
        format!("{config:?} {cases:?}")
    }
}

/// What no schema can know: files, the language of expressions, how long a year is, what overlaps, what a broker keeps, what was meant.
fn unknowable(error: &str) -> bool {
    let parts = [
        "does not exist",
        "can't be read: ",
        ": no Trigger '",
        ": no Broker '",
        "is there twice",
        ": source: ",
        ": time: ",
        ": dataschema: ",
        ": datacontenttype: ",
        "is no file",
        ".cesql: ",
        ".sql: ",
        "weir.dev/data-filter: ",
        "weir.dev/map: ",
        "weir.dev/initial-offset: ",
        "' can't be kept: ",
        "longer than 100 years",
        " overlap, which NATS does not take",
        "none may end with '>'",
        "unknown kind",
        "unknown annotation 'w",
        "Function.spec.instances: min is ",
        ".CACerts: certificate ",
        ".uri is absolute, and a 'ref' stands beside it",
        ".uri is a path, and there is no 'ref' to have it",
        "is no URL that can be called",
        "is no day and no time after 1970",
        "it does not begin after the one before it",
    ];
    // A pattern says how an amount is written, not how much it is.
    let amounts = ["timeout", "memory", "maxOutput", "instances.idle", "log.bytes"];
    let amounts = amounts.map(|field| format!("Function.spec.{field}: "));
    let is_amount =
        amounts.iter().any(|field| error.starts_with(field.as_str())) && error.ends_with(" is out of range");
    is_amount || parts.iter().any(|part| error.contains(part))
}

fn at<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Value {
    path.iter().fold(value, |value, key| match value {
        Value::Array(items) => &mut items[0],
        value => &mut value[*key],
    })
}

/// Every field of every shape: it is asked for and read where it stands, and nothing else is.
#[test]
fn every_field_is_read_and_a_misspelling_of_it_refused() {
    let reader = Reader::new();
    let mut fields = 0;
    for kind in KINDS {
        let (own, all) = (Judge::named(kind.name), Judge::named("documents"));
        for Sample { path, field, map: of, document } in samples::each(kind) {
            let errors = reader.errors(&document);
            let place = format!("{}.{}: {document}", kind.name, path.join("."));
            let refused = matches!(field.role, Role::Refused(_));
            assert_eq!(errors.is_empty(), !refused, "{place}: {errors:?}");
            assert_eq!(own.accepts(&document), !refused, "{place}: {}", own.objections(&document));
            assert_eq!(all.accepts(&document), !refused, "{place}: {}", all.objections(&document));

            let (last, above) = path.split_last().expect("a name");
            let mut misspelt = document.clone();
            let map = at(&mut misspelt, above).as_object_mut().expect("a map");
            let value = map.remove(*last).expect("the field");
            map.insert(format!("{last}x"), value);
            if of.is_some_and(|of| of.others.is_some()) {
                // It may be the name of an extension.
                let read = reader.errors(&misspelt).is_empty();
                assert_eq!(own.accepts(&misspelt), read, "{misspelt}: {}", own.objections(&misspelt));
                continue;
            }
            // A label or an annotation of another is let pass.
            let others = matches!(*above, [_, "labels" | "annotations"])
                && !kind.guarded.iter().any(|prefix| last.starts_with(prefix));
            assert_eq!(reader.errors(&misspelt).is_empty(), others, "{misspelt}");
            assert_eq!(own.accepts(&misspelt), others, "{misspelt}: {}", own.objections(&misspelt));

            let odd = match (field.role, field.shape) {
                (Role::Refused(_) | Role::Cluster, _) | (_, Shape::Any) => continue,
                // A name that is no lint's silences nothing, and is a warning.
                _ if field.name == ALLOW => continue,
                // That it is a string is asked of all of them.
                (Role::Read, _) if matches!(*above, [_, "labels" | "annotations"]) => json!("§"),
                (_, Shape::List { .. }) => json!({"a": "b"}),
                _ => json!([["odd"]]),
            };
            let mut wrong = document.clone();
            *at(&mut wrong, &path) = odd;
            assert!(!reader.errors(&wrong).is_empty(), "{wrong} is read without a word");
            let knowable = reader.errors(&wrong).iter().any(|error| !unknowable(error));
            assert!(!knowable || !own.accepts(&wrong), "{wrong} fits the schema");
            fields += 1;
        }
    }
    assert!(fields > 80, "{fields}");
}

/// What a rule forbids, or a required field's absence, is refused by both.
#[test]
fn the_rules_are_those_of_the_readers() {
    let reader = Reader::new();
    let mut broken = 0;
    for kind in KINDS {
        let judge = Judge::named(kind.name);
        for Sample { path, field, map, document } in samples::each(kind) {
            let Some(map) = map else { continue };
            let (_, above) = path.split_last().expect("a name");
            let fields = at(&mut document.clone(), above).clone();
            for wrong in samples::against_the_rules(map, field, &fields) {
                let mut document = document.clone();
                *at(&mut document, above) = wrong;
                // Of another kind it is nobody's business.
                let other = !document["kind"].is_string() || !document["apiVersion"].is_string();
                assert!(other || !reader.errors(&document).is_empty(), "{document} is read without a word");
                assert!(!judge.accepts(&document), "{document} fits the schema");
                broken += 1;
            }
        }
    }
    assert!(broken > 150, "{broken}");
}

/// With its default written out a field is as if it were not there.
#[test]
fn the_defaults_are_those_of_the_worker() {
    let reader = Reader::new();
    let mut defaults = 0;
    for kind in KINDS {
        for Sample { path, field, mut document, .. } in samples::each(kind) {
            if field.default.is_empty() {
                continue;
            }
            // Of a broker its triggers say it.
            if document["spec"]["sink"]["ref"]["kind"] == "Broker" {
                document["spec"]["sink"]["ref"]["kind"] = "Function".into();
            }
            *at(&mut document, &path) = match field.shape {
                Shape::Integer(..) => field.default.parse::<i64>().expect("a number").into(),
                _ => field.default.into(),
            };
            let (last, above) = path.split_last().expect("a name");
            let mut without = document.clone();
            at(&mut without, above).as_object_mut().expect("a map").remove(*last);
            assert_eq!(reader.config(&document), reader.config(&without), "{}.{}", kind.name, path.join("."));
            defaults += 1;
        }
    }
    assert!(defaults > 15, "{defaults}");
}

/// What is done to a document that was right.
#[derive(Clone, Debug)]
enum Damage {
    Replace(Value),
    Rename(String),
    Remove,
    Add(String, Value),
}

fn damage() -> impl Strategy<Value = Damage> {
    let odd = || {
        let odd = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(3),
            json!(4_000_000_000_i64),
            json!(1.5),
            json!(""),
            json!("a"),
            json!("A b"),
            json!("-a"),
            json!("PT1S"),
            json!("P1M"),
            json!("10s"),
            json!("ordered"),
            json!("Broker"),
            json!("v1"),
            json!([]),
            json!([null]),
            json!(["a"]),
            json!([{}]),
            json!({}),
            json!({"a": "b"}),
            json!({"type": ""}),
            json!({"Type": "a"}),
            json!({"exact": {"type": "a"}}),
            json!({"ref": {"kind": "Broker", "name": "a"}}),
            json!({"kind": "Service", "name": "a"}),
        ];
        select(odd.to_vec())
    };
    let name = || {
        select(vec![
            "x", "type", "spec", "name", "uri", "ref", "exact", "not", "broker", "filters", "status",
            "memory",
        ])
    };
    prop_oneof![
        4 => odd().prop_map(Damage::Replace),
        1 => "[a-z]".prop_map(Damage::Rename),
        2 => Just(Damage::Remove),
        1 => (name(), odd()).prop_map(|(name, value)| Damage::Add(name.into(), value)),
    ]
}

/// Paths to everything in a value, as JSON pointers.
fn pointers(value: &Value, above: &str, found: &mut Vec<String>) {
    found.push(above.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| pointers(value, &format!("{above}/{}", escaped(key)), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| pointers(item, &format!("{above}/{n}"), found));
        }
        _ => {}
    }
}

fn inflict(document: &mut Value, at: &str, damage: Damage) {
    let Some((above, last)) = at.rsplit_once('/') else { return };
    let last = last.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(above), damage) {
        (Some(Value::Object(map)), Damage::Remove) => drop(map.remove(&last)),
        (Some(Value::Object(map)), Damage::Rename(more)) => {
            let value = map.remove(&last).unwrap_or_default();
            map.insert(format!("{last}{more}"), value);
        }
        (_, Damage::Replace(value)) => *document.pointer_mut(at).expect("it is there") = value,
        (_, Damage::Add(name, value)) => {
            if let Some(Value::Object(map)) = document.pointer_mut(at) {
                map.insert(name, value);
            }
        }
        _ => {}
    }
}

/// One of several says by standing there that it is the one; a schema has it stand there with a value.
fn has_an_empty_alternative(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            let empty = |key: &&str| map.get(*key).is_some_and(Value::is_null);
            ["broker", "brokerRef", "ref", "uri"].iter().any(empty)
                || map.values().any(has_an_empty_alternative)
        }
        Value::Array(items) => items.iter().any(has_an_empty_alternative),
        _ => false,
    }
}

fn any_document() -> impl Strategy<Value = (&'static str, Value)> {
    (0..KINDS.len()).prop_flat_map(|n| (Just(KINDS[n].name), samples::documents(KINDS[n])))
}

thread_local! {
    static READER: Reader = Reader::new();
    static JUDGES: Vec<(&'static str, Judge)> =
        super::all().map(|schema| (schema.name, Judge::named(schema.name))).collect();
}

fn judge<T>(name: &str, ask: impl FnOnce(&Judge) -> T) -> T {
    JUDGES.with(|judges| ask(&judges.iter().find(|(known, _)| *known == name).expect(name).1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_the_shapes_allow_is_accepted_by_all((kind, document) in any_document()) {
        let errors = READER.with(|reader| reader.errors(&document));
        let knowable = errors.iter().filter(|error| !unknowable(error));
        prop_assert_eq!(knowable.count(), 0, "{}: {:?}", document, errors);
        for name in [kind, "documents"] {
            let objections = judge(name, |judge| judge.objections(&document));
            prop_assert!(objections.is_empty(), "{name}: {document}: {objections}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_damaged_document_is_judged_alike(
        (_, document) in any_document(),
        damages in proptest::collection::vec((any::<Index>(), damage()), 1..3),
    ) {
        let mut damaged = document;
        for (index, damage) in damages {
            let mut all = Vec::new();
            pointers(&damaged, "", &mut all);
            inflict(&mut damaged, &all[index.index(all.len())].clone(), damage);
        }
        let errors = READER.with(|reader| reader.errors(&damaged));
        let knowable = errors.iter().filter(|error| !unknowable(error));
        let objections = judge("documents", |judge| judge.objections(&damaged));
        if objections.is_empty() {
            prop_assert_eq!(knowable.count(), 0, "{}: {:?}", damaged, errors);
        } else if !has_an_empty_alternative(&damaged) {
            prop_assert!(!errors.is_empty(), "{damaged}: {objections}");
        }
    }
}

#[test]
fn files_have_names_of_their_own() {
    let files: BTreeSet<String> = super::all().map(|schema| schema.file()).collect();
    assert_eq!(files.len(), super::all().count());
}
