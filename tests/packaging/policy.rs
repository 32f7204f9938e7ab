//! Gatekeeper's policy: its own tests, and every overlay under it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::overlays::definitions;
use super::rendered::Overlay;
use super::{checked, drain_timeout, root, schema, text, yaml};

fn file(name: &str) -> PathBuf {
    root().join("deploy/gatekeeper").join(name)
}

fn read(name: &str) -> Value {
    yaml::document(&text(&format!("deploy/gatekeeper/{name}")))
}

#[test]
fn the_policy_s_own_tests_pass() {
    let (template, tests) = (file("template.yaml"), file("weirbounds_test.rego"));
    let said = checked(&["rego", template.to_str().unwrap(), tests.to_str().unwrap()], "").unwrap();
    let passed = said.lines().filter(|line| line.contains(": PASS (")).count();
    let written = text("deploy/gatekeeper/weirbounds_test.rego").matches("\ntest_").count();
    assert_eq!((passed, written > 10), (written, true), "{said}");
}

/// What the policy has against each of these.
fn objections(objects: &[Value]) -> Vec<Vec<String>> {
    let parameters = &read("constraint.yaml")["spec"]["parameters"];
    let inputs: Vec<Value> = objects
        .iter()
        .map(|object| json!({"review": {"object": object}, "parameters": parameters}))
        .collect();
    let template = file("template.yaml");
    let said = checked(&["review", template.to_str().unwrap()], &json!(inputs).to_string()).unwrap();
    serde_json::from_str(&said).unwrap()
}

#[test]
fn every_overlay_is_taken_and_what_is_taken_out_of_it_is_missed() {
    let matched: BTreeSet<String> = read("constraint.yaml")["spec"]["match"]["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|kinds| kinds["kinds"].as_array().unwrap())
        .map(|kind| kind.as_str().unwrap().to_owned())
        .collect();
    let container = "/spec/template/spec/containers/0";
    let taken_out = [
        format!("{container}/resources/limits"),
        format!("{container}/securityContext/readOnlyRootFilesystem"),
        format!("{container}/securityContext/allowPrivilegeEscalation"),
        format!("{container}/securityContext/capabilities"),
        "/spec/template/spec/automountServiceAccountToken".to_owned(),
        "/spec/delivery/timeout".to_owned(),
        "/spec/delivery/deadLetterSink".to_owned(),
    ];
    let mut seen = BTreeSet::new();
    for overlay in Overlay::all() {
        let looked_at: Vec<Value> = overlay
            .documents
            .iter()
            .filter(|document| matched.contains(document["kind"].as_str().unwrap()))
            .cloned()
            .collect();
        for (object, objections) in looked_at.iter().zip(objections(&looked_at)) {
            assert_eq!(objections, Vec::<String>::new(), "{}: {}", overlay.name, object["kind"]);
        }
        let mut less = Vec::new();
        for object in &looked_at {
            for path in &taken_out {
                let mut object = object.clone();
                let (above, last) = path.rsplit_once('/').unwrap();
                let map = object.pointer_mut(above).and_then(Value::as_object_mut);
                if map.is_some_and(|map| map.remove(last).is_some()) {
                    seen.insert(path);
                    less.push(object);
                }
            }
            if object["kind"] == "ConfigMap" {
                for (from, to) in
                    [("  timeout: 5s", ""), ("  memory: 64MiB", ""), ("deadLetterSink:", "deadLetterSinks:")]
                {
                    let mut object = object.clone();
                    let documents = object["data"]["triggers.yaml"].as_str().unwrap();
                    assert!(documents.contains(from), "{}: {from}", overlay.name);
                    object["data"]["triggers.yaml"] = json!(documents.replacen(from, to, 1));
                    less.push(object);
                }
            }
        }
        for (object, objections) in less.iter().zip(objections(&less)) {
            assert_eq!(objections.len(), 1, "{}: {object}", overlay.name);
        }
    }
    assert_eq!(seen.len(), taken_out.len());
}

#[test]
fn the_template_fits_its_schema_and_the_constraint_fits_the_template() {
    let (template, constraint) = (read("template.yaml"), read("constraint.yaml"));
    let of = &template["spec"]["crd"]["spec"];
    assert_eq!(constraint["kind"], of["names"]["kind"]);
    let name = constraint["kind"].as_str().unwrap().to_lowercase();
    assert_eq!(template["metadata"]["name"], name);
    let parameters = &of["validation"]["openAPIV3Schema"];
    let found = schema::problems(&constraint["spec"]["parameters"], parameters);
    assert_eq!(found, Vec::<String>::new());
    let least = constraint["spec"]["parameters"]["leastGraceSeconds"].as_u64().unwrap();
    assert!(least >= drain_timeout().as_secs() + 10, "{least}");
    let Some(definitions) = definitions() else { return };
    let schema = schema::of(&template, &definitions).expect("Gatekeeper's template");
    assert_eq!(schema::problems(&template, &schema), Vec::<String>::new());
}
