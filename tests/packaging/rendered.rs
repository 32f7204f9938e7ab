//! An overlay as kubectl would apply it: scripts/render has rendered it, and found no field that a core type does not have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use weir::config::{self, Config};

use super::yaml;

#[derive(Clone)]
pub(crate) struct Overlay {
    pub(crate) name: &'static str,
    pub(crate) documents: Vec<Value>,
}

/// What is rendered once serves all tests.
static RENDERED: Mutex<Vec<Overlay>> = Mutex::new(Vec::new());

/// Groups of custom resources that are Knative's.
const KNATIVE: [&str; 3] = ["eventing.knative.dev/", "sources.knative.dev/", "serving.knative.dev/"];

/// Each folder with a kustomization that is not only there for others.
pub(crate) const ALL: [&str; 6] =
    ["broker", "consumer-kafka", "consumer-nats", "sink", "sink-direct", "sink-service"];

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/knative-eventing")
}

/// The documents of a kustomization.
pub(crate) fn render(directory: &Path) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/render");
    let done = Command::new(script).arg(directory).output().unwrap();
    assert!(done.status.success(), "{}: {}", directory.display(), String::from_utf8_lossy(&done.stderr));
    yaml::documents(&String::from_utf8(done.stdout).unwrap())
}

impl Overlay {
    /// What puts the overlay `sink` behind a gateway.
    pub(crate) fn gateway() -> Overlay {
        Overlay { name: "gateway", documents: render(&folder().join("../gateway")) }
    }

    pub(crate) fn of(name: &'static str) -> Overlay {
        let mut rendered = RENDERED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(overlay) = rendered.iter().find(|overlay| overlay.name == name) {
            return overlay.clone();
        }
        rendered.push(Overlay { name, documents: render(&folder().join(name)) });
        rendered[rendered.len() - 1].clone()
    }

    pub(crate) fn all() -> impl Iterator<Item = Overlay> {
        ALL.into_iter().map(Overlay::of)
    }

    pub(crate) fn of_kind(&self, kind: &str) -> &Value {
        let found: Vec<_> = self.documents.iter().filter(|document| document["kind"] == kind).collect();
        assert_eq!(found.len(), 1, "{}: {kind}", self.name);
        found[0]
    }

    /// What runs the worker.
    pub(crate) fn workload(&self) -> &Value {
        let is_one = |document: &&Value| {
            document["kind"] == "Deployment" || document["kind"] == "StatefulSet" || is_knative(document)
        };
        let is_one = |document: &&Value| is_one(document) && document["spec"]["template"].is_object();
        self.documents.iter().find(is_one).unwrap_or_else(|| panic!("{}: nothing runs the worker", self.name))
    }

    /// Knative Serving runs it, which leaves less to say of a pod.
    pub(crate) fn is_served(&self) -> bool {
        is_knative(self.workload())
    }

    /// What is Knative's of it, but for the worker itself.
    pub(crate) fn knative(&self) -> impl Iterator<Item = &Value> {
        self.documents.iter().filter(|d| is_knative(d) && d["spec"]["template"].is_null())
    }

    pub(crate) fn pod(&self) -> &Value {
        &self.workload()["spec"]["template"]["spec"]
    }

    pub(crate) fn container(&self) -> &Value {
        let [container] = self.pod()["containers"].as_array().unwrap().as_slice() else {
            panic!("one container")
        };
        container
    }

    /// What the worker's environment says of a variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let environment = self.container()["env"].as_array().unwrap();
        environment.iter().find(|v| v["name"] == name).map(|v| v["value"].as_str().unwrap())
    }

    /// The documents of its ConfigMap, as the image has them: beside a folder of functions.
    pub(crate) fn triggers(&self) -> String {
        self.of_kind("ConfigMap")["data"]["triggers.yaml"].as_str().unwrap().to_owned()
    }

    /// They are without a mistake, and without a warning.
    pub(crate) fn config(&self) -> Config {
        let directory = tempfile::tempdir().unwrap();
        for folder in ["triggers", "functions"] {
            std::fs::create_dir(directory.path().join(folder)).unwrap();
        }
        std::fs::write(directory.path().join("functions/payment.wasm"), "").unwrap();
        let file = directory.path().join("triggers/triggers.yaml");
        std::fs::write(&file, self.triggers()).unwrap();
        let loaded = config::load(&[file]);
        assert_eq!(loaded.diagnostics.to_string(), "", "{}", self.name);
        loaded.config.unwrap()
    }
}

fn is_knative(document: &Value) -> bool {
    KNATIVE.iter().any(|group| document["apiVersion"].as_str().unwrap().starts_with(group))
}

#[test]
fn every_overlay_is_looked_at() {
    let here: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("triggers.yaml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(here, ALL.into_iter().map(str::to_owned).collect());
}

/// Whoever renders says so, and names the place.
#[test]
fn an_unknown_field_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("kustomization.yaml"), "resources: [a.yaml]\n").unwrap();
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{name: http, prot: 80}]}\n";
    std::fs::write(directory.path().join("a.yaml"), service).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/render");
    let done = Command::new(script).arg(directory.path()).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(
        !done.status.success() && said.contains("Service a") && said.contains("spec.ports[0].prot"),
        "{said}"
    );
}
