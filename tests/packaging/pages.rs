//! Pages about clusters: what they point at is there, and the examples beside the overlays fit them.

use std::path::PathBuf;

use serde_json::Value;

use super::rendered::{Overlay, render};
use super::{root, schema, text};

const PAGES: [&str; 10] = [
    "SECURITY.md",
    "UPGRADE.md",
    "deploy/gatekeeper/README.md",
    "deploy/knative-eventing/README.md",
    "deploy/monitoring/README.md",
    "docs/kubernetes.md",
    "docs/kubernetes-from-knative.md",
    "docs/kubernetes-gateway.md",
    "docs/kubernetes-k3s.md",
    "docs/scaling.md",
];

/// What a page links to, without what is elsewhere.
fn links(page: &str) -> Vec<String> {
    let text = text(page);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

#[test]
fn what_the_pages_link_to_is_there() {
    for page in PAGES {
        for link in links(page) {
            let (file, part) = link.split_once('#').unwrap_or((&link, ""));
            let beside = root().join(page);
            let path = if file.is_empty() { beside } else { beside.parent().unwrap().join(file) };
            assert!(path.exists(), "{page}: {link}");
            if !part.is_empty() {
                let target = std::fs::read_to_string(&path).unwrap();
                let mut heads = target.lines().filter_map(|line| line.strip_prefix("## "));
                assert!(heads.any(|head| head.to_lowercase().replace(' ', "-") == part), "{page}: {link}");
            }
        }
    }
}

/// Each file and script that a command of theirs names.
#[test]
fn what_the_pages_commands_name_is_there() {
    for page in PAGES {
        let text = text(page);
        for word in text.split(|c: char| c.is_whitespace() || "`()[],".contains(c)) {
            let ours = ["deploy/", "scripts/", "docs/", "src/"].iter().any(|folder| word.starts_with(folder));
            if ours && !word.contains("OVERLAY") && !word.contains('#') {
                let path = root().join(word.trim_end_matches(['.', ':', ';']));
                assert!(path.exists(), "{page}: {word}");
            }
        }
    }
}

/// The blocks of a page in that language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let (text, fence) = (text(page), format!("```{language}\n"));
    let parts = text.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// What the page on Knative's broker tells people to write is read without a warning, beside the Trigger that is taken over.
#[test]
fn what_stands_on_the_way_from_knative_is_accepted() {
    let [documents] = blocks("docs/kubernetes-from-knative.md", "yaml").try_into().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.yaml");
    let trigger = "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: process-payments, namespace: shop}\n\
                   spec: {broker: orders, subscriber: {uri: 'https://payment.example/'}}\n";
    std::fs::write(&file, documents + trigger).unwrap();
    let loaded = weir::config::load(&[file]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    assert_eq!(loaded.config.unwrap().sources.len(), 1);
}

/// The pod that publishes on K3s is let in by the namespace's own restrictions, and is the worker's image.
#[test]
fn the_publisher_of_the_k3s_page_is_restricted() {
    let script = blocks("docs/kubernetes-k3s.md", "sh").concat();
    let overrides = script.split("--overrides='").nth(1).unwrap().split('\'').next().unwrap();
    let pod: Value = serde_json::from_str(overrides).unwrap();
    let (pod, sink) = (&pod["spec"], Overlay::of("sink"));
    let container = &pod["containers"][0];
    assert_eq!(container["image"], sink.container()["image"]);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    let data = container["args"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(serde_json::from_str::<Value>(data).unwrap().is_object());
    let target = format!("http://{}/", sink.of_kind("Service")["metadata"]["name"].as_str().unwrap());
    assert!(container["args"].as_array().unwrap().iter().any(|arg| *arg == target));
}

fn kind<'d>(documents: &'d [Value], kind: &str) -> &'d Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn the_gateway_leads_to_the_worker_and_is_let_in() {
    let (gateway, sink) = (Overlay::gateway(), Overlay::of("sink"));
    let (documents, service) = (&gateway.documents, gateway.of_kind("Service"));
    assert_eq!(service, sink.of_kind("Service"));
    let route = &kind(documents, "IngressRoute")["spec"]["routes"][0];
    assert_eq!(route["services"][0]["name"], service["metadata"]["name"]);
    assert_eq!(route["services"][0]["port"], service["spec"]["ports"][0]["name"]);
    let is_ours = |document: &&Value| document["metadata"]["name"] == "weir-gateway";
    let policy = &documents.iter().find(is_ours).unwrap()["spec"];
    assert_eq!(policy["podSelector"], sink.of_kind("NetworkPolicy")["spec"]["podSelector"]);
    assert_eq!(policy["ingress"][0]["ports"][0]["port"], service["spec"]["ports"][0]["targetPort"]);
    let made: Vec<&Value> =
        documents.iter().filter(|d| d["kind"] == "Middleware").map(|d| &d["metadata"]["name"]).collect();
    let used: Vec<&Value> = route["middlewares"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(made, used);
    for document in documents.iter().filter(|document| document["kind"] != "Namespace") {
        assert_eq!(document["metadata"]["namespace"], service["metadata"]["namespace"]);
    }
    // Nobody posts who does not say who it is; Knative's source could not.
    assert_eq!(gateway.variable("WEIR_HTTP_TOKENS"), Some("secret:http/publisher"));
    assert_eq!(gateway.knative().count(), 0);
}

/// What is Traefik's has the fields that its own definitions have, and no other.
#[test]
fn the_gateway_fits_traefik_s_schemas() {
    let definitions = schema::of_traefik();
    let gateway = Overlay::gateway();
    let of_traefik = |d: &&Value| d["apiVersion"].as_str().unwrap().starts_with("traefik.io/");
    let documents: Vec<&Value> = gateway.documents.iter().filter(of_traefik).collect();
    assert!(documents.len() > 3, "{documents:?}");
    for document in documents {
        let schema = schema::of(document, &definitions).expect("its kind is there");
        assert_eq!(schema::problems(document, &schema), Vec::<String>::new());
        let mut wrong = document.clone();
        wrong["spec"]["retries"] = 3.into();
        assert_eq!(schema::problems(&wrong, &schema), [".spec.retries: no such field"]);
    }
}

#[test]
fn the_runtime_class_runs_a_command_under_the_same_restrictions() {
    let documents = render(&root().join("deploy/runtimeclass"));
    let (class, pod) = (kind(&documents, "RuntimeClass"), kind(&documents, "Pod"));
    assert_eq!(pod["spec"]["runtimeClassName"], class["metadata"]["name"]);
    let worker = Overlay::of("sink");
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["securityContext"], worker.container()["securityContext"]);
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    assert!(container["resources"]["limits"]["memory"].is_string());
    assert_eq!(pod["metadata"]["namespace"], worker.of_kind("Namespace")["metadata"]["name"]);
    let dockerfile = text("deploy/runtimeclass/Dockerfile");
    let module = dockerfile.lines().find_map(|line| line.strip_prefix("COPY ")).unwrap();
    let module: PathBuf = module.split(' ').next().unwrap().into();
    assert!(root().join("functions").join(module.file_stem().unwrap()).is_dir(), "{}", module.display());
}
