//! A document against the schema of its CustomResourceDefinition, as a cluster does it: types, lists of values, limits, patterns.
//! And a field that the schema does not know is a mistake, where a cluster would drop it without a word.

use std::path::{Path, PathBuf};
use std::process::Command;

use boon::{Compiler, Draft, Schemas, ValidationError};
use serde_json::{Value, json};

use super::{root, yaml};

/// Where the definitions of Traefik are: out of its Go module, as scripts/definitions gets it.
pub(crate) fn of_traefik() -> PathBuf {
    let done = Command::new(root().join("scripts/definitions")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    PathBuf::from(String::from_utf8(done.stdout).unwrap().trim())
}

/// The schema of a document's kind and version, from a folder of definitions.
pub(crate) fn of(document: &Value, definitions: &Path) -> Option<Value> {
    let (group, version) = document["apiVersion"].as_str()?.split_once('/')?;
    for entry in std::fs::read_dir(definitions).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        // The others need not be read, and examples beside them are none.
        if !text.contains(group) || !text.contains("kind: CustomResourceDefinition") {
            continue;
        }
        for definition in yaml::documents(&text) {
            let spec = &definition["spec"];
            if spec["group"] != group || spec["names"]["kind"] != document["kind"] {
                continue;
            }
            let versions = spec["versions"].as_array().unwrap();
            let found = versions.iter().find(|v| v["name"] == version && v["served"] == true);
            return found.map(|v| v["schema"]["openAPIV3Schema"].clone());
        }
    }
    None
}

/// Everything in `value` that `schema` does not allow.
pub(crate) fn problems(value: &Value, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    unknown(value, schema, "", &mut found);
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V7);
    compiler.add_resource("definition.json", schema.clone()).unwrap();
    let index = compiler.compile("definition.json", &mut schemas).unwrap_or_else(|e| panic!("{e:#}"));
    if let Err(error) = schemas.validate(value, index) {
        leaves(&error, &mut found);
    }
    found
}

fn leaves(error: &ValidationError<'_, '_>, found: &mut Vec<String>) {
    if error.causes.is_empty() {
        found.push(format!("{}: {}", error.instance_location, error.kind));
    }
    error.causes.iter().for_each(|cause| leaves(cause, found));
}

/// The fields that it does not know.
fn unknown(value: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        unknown(item, &schema["items"], &format!("{at}[{number}]"), found);
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let below = format!("{at}.{key}");
        // What every document has, and the API server itself looks after.
        if at.is_empty() && ["apiVersion", "kind", "metadata"].contains(&key.as_str()) {
            continue;
        }
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            // Free where no field is named; where some are, an unknown one is kept by the cluster, but a mistake of ours.
            (Value::Null, Value::Null)
                if schema["x-kubernetes-preserve-unknown-fields"] == true
                    && schema["properties"].is_null() => {}
            (Value::Null, Value::Null) => found.push(format!("{below}: no such field")),
            (Value::Null, additional) => unknown(inner, additional, &below, found),
            (property, _) => unknown(inner, property, &below, found),
        }
    }
}

#[test]
fn what_a_schema_does_not_allow_is_found() {
    let schema = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "share": {"type": "integer", "minimum": 1},
        "reset": {"enum": ["earliest", "latest"]},
        "port": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
    }});
    let good = json!({"name": "a", "share": 1, "reset": "latest", "port": "http", "labels": {"b": "c"}, "items": [{"a": 1}]});
    assert_eq!(problems(&good, &schema), Vec::<String>::new());
    for (path, value, expected) in [
        ("/name", json!("A"), "/name: "),
        ("/name", json!(1), "/name: "),
        ("/share", json!(0), "/share: "),
        ("/reset", json!("lastest"), "/reset: "),
        ("/port", json!(true), "/port: "),
        ("/labels/b", json!(1), "/labels/b: "),
        ("/items/0", json!({"b": 1}), ".items[0].b: no such field"),
        ("", json!({}), ": missing properties 'name'"),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(path).unwrap() = value;
        let found = problems(&wrong, &schema);
        assert!(!found.is_empty() && found.iter().all(|one| one.starts_with(expected)), "{path}: {found:?}");
    }
}
