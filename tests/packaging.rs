//! What can be held of the image, the compose file and the manifests where no engine and no cluster runs: that they agree
//! with the worker, with each other and with Knative's schemas.

#[path = "packaging/schema.rs"]
mod schema;
#[path = "packaging/yaml.rs"]
mod yaml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use weir::config::{self, settings::TABLE};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The instructions of the Dockerfile, continued lines joined, comments left out.
fn instructions() -> Vec<(String, String)> {
    let text = text("Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let instruction = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap();
        (word.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    joined.lines().filter(|line| !line.trim().is_empty()).map(instruction).collect()
}

/// The arguments of an instruction of the last stage.
fn last_stage(word: &str) -> Vec<String> {
    let all = instructions();
    let from = all.iter().rposition(|(word, _)| word == "FROM").unwrap();
    all[from..].iter().filter(|(w, _)| w == word).map(|(_, rest)| rest.clone()).collect()
}

fn default(name: &str) -> &'static str {
    TABLE.iter().find(|row| row.name == name).unwrap().default
}

fn port(name: &str) -> i64 {
    default(name).rsplit(':').next().unwrap().parse().unwrap()
}

fn is_setting(variable: &str) -> bool {
    TABLE.iter().any(|row| row.variable() == variable)
}

fn drain_timeout() -> Duration {
    seconds(default("drain.timeout"))
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap())
}

#[test]
fn the_image_runs_the_worker_as_nobody_and_without_a_shell() {
    let [user] = last_stage("USER").try_into().unwrap();
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid.parse::<u32>().unwrap() > 1000 && uid == gid, "{user}");

    let exec = |text: &str| -> Vec<String> { serde_json::from_str(text).expect("exec form") };
    let [entry] = last_stage("ENTRYPOINT").try_into().unwrap();
    let [command] = last_stage("CMD").try_into().unwrap();
    let [check] = last_stage("HEALTHCHECK").try_into().unwrap();
    let binary = "/usr/local/bin/weir";
    assert_eq!((exec(&entry), exec(&command)), (vec![binary.to_owned()], vec!["run".to_owned()]));
    assert_eq!(exec(check.split_once("CMD ").unwrap().1), [binary, "status"]);
    assert!(last_stage("COPY").iter().any(|copy| copy.ends_with(&format!(" {binary}"))));

    // Where the worker's user may write, and what outlives the container.
    let [volume] = last_stage("VOLUME").try_into().unwrap();
    let [directory] = last_stage("WORKDIR").try_into().unwrap();
    assert_eq!(volume, format!("{directory}/{}", default("data.dir")));
    let owned = format!("install -d -o {uid} -g {gid} -m 0700 {volume}");
    assert!(last_stage("RUN").iter().any(|run| run.ends_with(&owned)), "{owned}");
}

#[test]
fn the_image_listens_where_it_says() {
    let environment = last_stage("ENV").join(" ");
    let pairs: Vec<_> = environment.split(' ').map(|pair| pair.split_once('=').unwrap()).collect();
    let (http, admin) = (port("http.address"), port("admin.address"));
    let expected = [
        ("WEIR_HTTP_ADDRESS", format!("0.0.0.0:{http}")),
        ("WEIR_ADMIN_ADDRESS", format!("0.0.0.0:{admin}")),
    ];
    assert_eq!(pairs, expected.each_ref().map(|(name, value)| (*name, value.as_str())));
    assert!(pairs.iter().all(|(name, _)| is_setting(name)));
    assert_eq!(last_stage("EXPOSE"), [format!("{http} {admin}")]);
}

#[test]
fn the_image_is_built_from_pinned_ones_and_the_right_rust() {
    let bases: Vec<String> =
        instructions().into_iter().filter(|(word, _)| word == "FROM").map(|(_, rest)| rest).collect();
    let [build, run] = bases.as_slice() else { panic!("two stages: {bases:?}") };
    assert_eq!(run, "debian:trixie-slim");
    let version = build.strip_prefix("rust:1.").and_then(|rest| rest.split_once("-slim-trixie AS build"));
    let minor: u32 = version.expect("Rust with a minor version, on the same Debian").0.parse().unwrap();
    let least: u32 = env!("CARGO_PKG_RUST_VERSION").split('.').nth(1).unwrap().parse().unwrap();
    assert!(minor >= least, "{build} is older than rust-version");
}

#[test]
fn compose_agrees_with_the_image_and_the_settings() {
    let compose = yaml::document(&text("docker-compose.yml"));
    let services = compose["services"].as_object().unwrap();
    assert_eq!(
        services.keys().collect::<BTreeSet<_>>(),
        ["kafka", "nats", "worker"].map(String::from).iter().collect()
    );
    for (name, service) in services {
        let (image, tag) = service["image"].as_str().unwrap().rsplit_once(':').expect("a tag");
        assert!(tag.starts_with(|c: char| c.is_ascii_digit()), "{image}:{tag} is not pinned");
        for published in service["ports"].as_array().unwrap() {
            assert!(published.as_str().unwrap().starts_with("127.0.0.1:"), "{name} listens for everyone");
        }
        for mount in service["volumes"].as_array().unwrap() {
            let volume = mount.as_str().unwrap().split(':').next().unwrap();
            assert!(compose["volumes"].as_object().unwrap().contains_key(volume), "{volume}");
        }
        let checked = name == "worker" || service["healthcheck"]["test"][0] == "CMD";
        assert!(checked, "{name} has no health check, or one that needs a shell");
    }
    let worker = &services["worker"];
    assert_eq!(worker["image"], format!("weir:{}", env!("CARGO_PKG_VERSION")));
    assert!(worker["environment"].as_object().unwrap().keys().all(|name| is_setting(name)));
    assert!(seconds(worker["stop_grace_period"].as_str().unwrap()) > drain_timeout());
    let ports = [port("http.address"), port("admin.address")];
    assert_eq!(worker["ports"], json!(ports.map(|port| format!("127.0.0.1:{port}:{port}"))));
    assert_eq!(worker["volumes"], json!([format!("weir-data:{}", last_stage("VOLUME")[0])]));
    for waited in worker["depends_on"].as_object().unwrap() {
        assert_eq!(
            (waited.1, services.contains_key(waited.0)),
            (&json!({"condition": "service_healthy", "required": false}), true)
        );
    }
}

const SINK: &str = "deploy/knative-eventing/sink";

fn worker() -> Vec<Value> {
    yaml::documents(&text(&format!("{SINK}/worker.yaml")))
}

fn of_kind(kind: &str) -> Value {
    let mut found: Vec<_> = worker().into_iter().filter(|document| document["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

#[test]
fn the_deployment_is_of_one_piece() {
    let set = of_kind("StatefulSet");
    let spec = &set["spec"];
    let labels = &spec["template"]["metadata"]["labels"];
    let (service, policy) = (of_kind("Service"), of_kind("NetworkPolicy"));
    for selector in [
        &spec["selector"]["matchLabels"],
        &service["spec"]["selector"],
        &policy["spec"]["podSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    assert_eq!(spec["serviceName"], service["metadata"]["name"]);

    let pod = &spec["template"]["spec"];
    let [container] = pod["containers"].as_array().unwrap().as_slice() else { panic!("one container") };
    let named = |name: &str| {
        let ports = container["ports"].as_array().unwrap();
        ports.iter().find(|port| port["name"] == name).map(|port| port["containerPort"].as_i64().unwrap())
    };
    assert_eq!((named("http"), named("admin")), (Some(port("http.address")), Some(port("admin.address"))));
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], "http");
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "admin"}));
    }
    for variable in container["env"].as_array().unwrap() {
        assert!(is_setting(variable["name"].as_str().unwrap()), "{variable}");
    }

    let volumes = pod["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]);
    let claims =
        spec["volumeClaimTemplates"].as_array().unwrap().iter().map(|claim| &claim["metadata"]["name"]);
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mounted: BTreeSet<_> = mounts.iter().map(|mount| mount["name"].as_str()).collect();
    assert_eq!(volumes.chain(claims).map(|name| name.as_str()).collect::<BTreeSet<_>>(), mounted);
    let directory = &last_stage("WORKDIR")[0];
    let paths: BTreeSet<_> =
        mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap().to_owned()).collect();
    let expected = [default("data.dir"), default("triggers")].map(|below| format!("{directory}/{below}"));
    assert_eq!(paths, expected.into_iter().collect());

    let kustomization = yaml::document(&text(&format!("{SINK}/kustomization.yaml")));
    let generated = &kustomization["configMapGenerator"][0];
    assert_eq!(generated["name"], pod["volumes"][0]["configMap"]["name"]);
    assert_eq!(generated["files"], json!(["triggers.yaml"]));
    assert_eq!(kustomization["images"][0]["name"], container["image"]);
    assert_eq!(kustomization["images"][0]["newTag"], env!("CARGO_PKG_VERSION"));
    assert_eq!(kustomization["namespace"], of_kind("Namespace")["metadata"]["name"]);
}

#[test]
fn the_pod_may_do_little_and_gets_time_to_drain() {
    let set = of_kind("StatefulSet");
    let pod = &set["spec"]["template"]["spec"];
    let [user] = last_stage("USER").try_into().unwrap();
    let user: i64 = user.split(':').next().unwrap().parse().unwrap();
    assert_eq!(pod["automountServiceAccountToken"], false);
    let expected = json!({
        "runAsNonRoot": true, "runAsUser": user, "runAsGroup": user, "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(pod["securityContext"], expected);
    let expected = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(pod["containers"][0]["securityContext"], expected);
    assert!(pod["containers"][0]["resources"]["limits"]["memory"].is_string());
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(Duration::from_secs(grace) >= drain_timeout() + Duration::from_secs(10), "{grace} s");
}

/// The ConfigMap's documents as the image has them: beside a folder of functions.
#[test]
fn the_deployed_triggers_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    for folder in ["triggers", "functions"] {
        std::fs::create_dir(directory.path().join(folder)).unwrap();
    }
    std::fs::write(directory.path().join("functions/payment.wasm"), "").unwrap();
    let file = directory.path().join("triggers/triggers.yaml");
    std::fs::write(&file, text(&format!("{SINK}/triggers.yaml"))).unwrap();
    let loaded = config::load(&[file]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let config = loaded.config.unwrap();
    assert_eq!((config.triggers.len(), config.functions.len()), (1, 1));
    // Nothing in the cluster's own files is weir's, and the other way round.
    let kinds: BTreeSet<String> = worker().iter().map(|d| d["kind"].as_str().unwrap().to_owned()).collect();
    assert!(!kinds.contains("Trigger") && !kinds.contains("ConfigMap"), "{kinds:?}");
}

/// What is Knative's: where it sends to exists, and its fields are those of the schemas.
#[test]
fn knative_s_documents_send_to_the_worker_and_fit_their_schemas() {
    let (service, set) = (of_kind("Service"), of_kind("Namespace"));
    let (name, namespace) = (service["metadata"]["name"].as_str(), set["metadata"]["name"].as_str());
    let host = format!("http://{}.{}.svc.cluster.local/", name.unwrap(), namespace.unwrap());
    let definitions = std::env::var_os("WEIR_CONFORMANCE").map(|root| PathBuf::from(root).join("crds"));
    if definitions.is_none() {
        println!("conformance data absent: the schemas are left out");
    }
    for (file, sink) in [("from-kafka.yaml", "sink"), ("from-broker.yaml", "subscriber")] {
        let document = yaml::document(&text(&format!("deploy/knative-eventing/{file}")));
        let uri = document["spec"][sink]["uri"].as_str().unwrap();
        assert_eq!(uri.strip_prefix(&host), Some("default/default"), "{file}");
        assert_eq!(document["metadata"]["namespace"].as_str(), namespace);
        let Some(definitions) = &definitions else { continue };
        let schema = schema::of(&document, definitions).unwrap_or_else(|| panic!("{file}: no such kind"));
        assert_eq!(schema::problems(&document, &schema), Vec::<String>::new(), "{file}");

        let mut wrong = document.clone();
        wrong["spec"]["retries"] = json!(3);
        wrong["spec"]["delivery"]["retry"] = json!("3");
        let found = schema::problems(&wrong, &schema).join("\n");
        let expected = ".spec.retries: no such field\n.spec.delivery.retry: \"3\" is no integer";
        let sorted: BTreeSet<&str> = found.lines().collect();
        assert_eq!(sorted, expected.lines().collect(), "{file}");
    }
}
