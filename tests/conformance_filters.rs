//! Trigger filters against the tests of the implementations that Knative has, with the verdicts that the specifications
//! give.
//!
//! The data is not part of the project: it is read where `WEIR_CONFORMANCE` points.

use std::path::Path;

use serde_json::{Value as Json, json};
use weir::config::load_text;
use weir::event::{Event, Value};
use weir::trigger::Filter;

/// `None` where the suite is left out.
fn cases() -> Option<Json> {
    let Some(root) = std::env::var_os("WEIR_CONFORMANCE") else {
        println!("conformance data absent: suite left out");
        return None;
    };
    let path = Path::new(&root).join("knative_filters.json");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// As a Trigger says it in a file; what is wrong with it is told as a file's mistakes are.
fn read(folder: &Path, case: &Json) -> Result<Filter, String> {
    let mut spec = json!({"broker": "default", "subscriber": {"ref": {"kind": "Function", "name": "f"}}});
    for field in ["filter", "filters"] {
        if let Some(value) = case.get(field) {
            spec[field] = value.clone();
        }
    }
    let trigger = json!({"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": {"name": "t"}, "spec": spec});
    let function =
        "{apiVersion: weir.dev/v1alpha1, kind: Function, metadata: {name: f}, spec: {module: f.wasm}}";
    let name = folder.join("t.yaml");
    let loaded = load_text(&name.to_string_lossy(), &format!("{trigger}\n---\n{function}\n"));
    match loaded.config {
        Some(config) => Ok(config.triggers[0].filter.clone()),
        None => Err(loaded.diagnostics.to_string()),
    }
}

/// Some of these events are no valid ones: they are made here and not decoded.
fn event(json: &Json) -> Event<'static> {
    let text = |name: &str| json.get(name).map(|value| value.as_str().unwrap().to_owned().into());
    let core =
        ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype", "data"];
    let extensions = json.as_object().unwrap().iter().filter(|(name, _)| !core.contains(&name.as_str()));
    let value = |value: &Json| match value {
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => Value::Integer(i32::try_from(number.as_i64().unwrap()).unwrap()),
        other => Value::String(other.as_str().unwrap().to_owned().into()),
    };
    Event {
        id: text("id").unwrap_or_default(),
        source: text("source").unwrap_or_default(),
        ty: text("type").unwrap_or_default(),
        subject: text("subject"),
        time: text("time"),
        dataschema: text("dataschema"),
        datacontenttype: text("datacontenttype"),
        extensions: extensions.map(|(name, own)| (name.clone().into(), value(own))).collect(),
        data: None,
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.wasm"), b"\0asm\x01\0\0\0").unwrap();
    folder
}

#[test]
fn every_verdict_is_that_of_the_specification() {
    let Some(cases) = cases() else { return };
    let folder = folder();
    let (mut gated, mut failures) = (0, Vec::new());
    for case in cases["evaluate"].as_array().unwrap() {
        let found = match read(folder.path(), case) {
            Ok(filter) if filter.matches(&event(&case["event"])) => "pass".to_owned(),
            Ok(_) => "fail".to_owned(),
            Err(shown) => format!("invalid: {shown}"),
        };
        let spec = case["spec"].as_str().unwrap();
        if spec == "unspecified" {
            println!("{}: not specified, is {found}", case["id"]);
            continue;
        }
        gated += 1;
        // The tests reach below Knative's own validation, which refuses such a name, as ours does: nothing passes.
        let refused = spec == "fail" && found.contains("is no attribute name");
        if refused {
            println!("{}: refused when the file loads: its filter names no attribute", case["id"]);
        }
        if !found.starts_with(spec) && !refused {
            failures.push(format!("{}: wants {spec}, is {found}", case["id"]));
        }
    }
    println!("{gated} gated");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(gated > 0);
}

#[test]
fn what_is_invalid_is_refused_and_nothing_else() {
    let Some(cases) = cases() else { return };
    let folder = folder();
    let cases = cases["validation"].as_array().unwrap();
    let wrong = cases.iter().filter_map(|case| {
        let found = read(folder.path(), case);
        (found.is_ok() != case["valid"].as_bool().unwrap()).then(|| format!("{}: {found:?}", case["id"]))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!cases.is_empty());
}
