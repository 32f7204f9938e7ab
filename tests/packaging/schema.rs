//! A document against the schema of its CustomResourceDefinition: a field that the schema does not know is a mistake,
//! where a cluster would drop it without a word.

use std::path::Path;

use serde_json::Value;

use super::yaml;

/// The schema of a document's kind and version, from a folder of definitions.
pub(crate) fn of(document: &Value, definitions: &Path) -> Option<Value> {
    let (group, version) = document["apiVersion"].as_str()?.split_once('/')?;
    for entry in std::fs::read_dir(definitions).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        // The others need not be read.
        if !text.contains(group) {
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
    check(value, schema, "", &mut found);
    found
}

fn check(value: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    let expected = schema["type"].as_str().unwrap_or("");
    let fits = match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        _ => true,
    };
    if !fits {
        found.push(format!("{at}: {value} is no {expected}"));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        found.push(format!("{at}: {value} is none of {allowed:?}"));
    }
    if let Some(items) = value.as_array() {
        for (number, item) in items.iter().enumerate() {
            check(item, &schema["items"], &format!("{at}[{number}]"), found);
        }
    }
    let Some(map) = value.as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(required) {
            found.push(format!("{at}: {required} is missing"));
        }
    }
    for (key, inner) in map {
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
            (Value::Null, additional) => check(inner, additional, &below, found),
            (property, _) => check(inner, property, &below, found),
        }
    }
}
