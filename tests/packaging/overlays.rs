//! What every overlay has to be, and what each is for.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use weir::config::{Reads, SecretRef, UsageTo, Writes};

use super::rendered::Overlay;
use super::{default, drain_timeout, is_setting, last_stage, port, schema, seconds, yaml};

/// Where the schemas of custom resources are; `None`: nobody has them here.
pub(crate) fn definitions() -> Option<PathBuf> {
    let found = std::env::var_os("WEIR_CONFORMANCE").map(|root| PathBuf::from(root).join("crds"));
    if found.is_none() {
        println!("conformance data absent: the schemas are left out");
    }
    found
}

#[test]
fn each_is_of_one_piece() {
    for overlay in Overlay::all() {
        let workload = overlay.workload();
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        let mut selectors = vec![
            &overlay.of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            &overlay.of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        ];
        if !overlay.is_served() {
            selectors.push(&workload["spec"]["selector"]["matchLabels"]);
            selectors.push(&overlay.pod()["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]);
        }
        assert!(selectors.iter().all(|selector| *selector == labels), "{}", overlay.name);
        let namespace = &overlay.of_kind("Namespace")["metadata"]["name"];
        for document in &overlay.documents {
            assert!(
                document["kind"] == "Namespace" || document["metadata"]["namespace"] == *namespace,
                "{document}"
            );
        }
        assert_eq!(
            overlay.pod()["serviceAccountName"],
            overlay.of_kind("ServiceAccount")["metadata"]["name"]
        );
        for variable in overlay.container()["env"].as_array().unwrap() {
            assert!(is_setting(variable["name"].as_str().unwrap()), "{variable}");
        }
        let image = format!("weir:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(overlay.container()["image"], image);
        // Serving has no place for it as it is delivered: there the worker's own start refuses what it would.
        let Some(check) = overlay.pod()["initContainers"].get(0) else {
            assert!(overlay.is_served(), "{}", overlay.name);
            continue;
        };
        assert_eq!((&check["image"], &check["args"]), (&json!(image), &json!(["check", "triggers"])));
    }
}

/// Ports of Serving's own proxy, which is in the same pod.
const PROXY: [i64; 7] = [8008, 8012, 8013, 8022, 8112, 9090, 9091];

#[test]
fn who_speaks_to_the_worker_finds_it_where_it_listens() {
    for overlay in Overlay::all() {
        let listens = |name: &str, variable: &str| match overlay.variable(variable) {
            Some(address) => address.rsplit(':').next().unwrap().parse().unwrap(),
            None => port(name),
        };
        let http = listens("http.address", "WEIR_HTTP_ADDRESS");
        let admin = listens("admin.address", "WEIR_ADMIN_ADDRESS");
        let ports: Vec<(&str, i64)> = overlay.container()["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| (port["name"].as_str().unwrap(), port["containerPort"].as_i64().unwrap()))
            .collect();
        let (expected, probed) = match overlay.is_served() {
            true => (vec![("http1", http)], json!(admin)),
            false => (vec![("http", http), ("admin", admin)], json!("admin")),
        };
        assert_eq!(ports, expected, "{}", overlay.name);
        for rule in overlay.of_kind("NetworkPolicy")["spec"]["ingress"].as_array().unwrap() {
            let known = |port: &Value| match port.as_i64() {
                Some(port) => overlay.is_served() && (port == admin || PROXY.contains(&port)),
                None => ports.iter().any(|(name, _)| port == name),
            };
            assert!(rule["ports"].as_array().unwrap().iter().all(|rule| known(&rule["port"])), "{rule}");
        }
        assert!(!overlay.is_served() || [http, admin].iter().all(|port| !PROXY.contains(port)));
        for (probe, path) in
            [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
        {
            assert_eq!(overlay.container()[probe]["httpGet"], json!({"path": path, "port": probed}));
        }
    }
}

/// Each mount has its volume, at a place where the worker looks.
#[test]
fn what_is_mounted_is_there_and_where_the_worker_looks_for_it() {
    for overlay in Overlay::all() {
        let names = |list: &Value, at: &[&str]| -> BTreeSet<String> {
            let of = |item: &Value| at.iter().fold(item, |item, key| &item[key]).as_str().unwrap().to_owned();
            list.as_array().into_iter().flatten().map(of).collect()
        };
        let mut volumes = names(&overlay.pod()["volumes"], &["name"]);
        volumes.extend(names(&overlay.workload()["spec"]["volumeClaimTemplates"], &["metadata", "name"]));
        let mounts = &overlay.container()["volumeMounts"];
        assert_eq!(names(mounts, &["name"]), volumes, "{}", overlay.name);
        let directory = &last_stage("WORKDIR")[0];
        let known: BTreeSet<String> = ["data.dir", "triggers", "secrets.dir"]
            .map(|name| format!("{directory}/{}", default(name)))
            .into();
        assert!(names(mounts, &["mountPath"]).is_subset(&known), "{mounts}");
        let map = overlay.of_kind("ConfigMap")["metadata"]["name"].clone();
        let volumes = overlay.pod()["volumes"].as_array().unwrap();
        assert!(
            volumes.iter().any(|volume| volume["name"] == "triggers" && volume["configMap"]["name"] == map)
        );
    }
}

#[test]
fn the_pod_may_do_little_and_gets_time_to_drain() {
    let [user] = last_stage("USER").try_into().unwrap();
    let user: i64 = user.split(':').next().unwrap().parse().unwrap();
    for overlay in Overlay::all() {
        let pod = overlay.pod();
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(overlay.of_kind("ServiceAccount")["automountServiceAccountToken"], false);
        let mut of_pod = json!({
            "runAsNonRoot": true, "runAsUser": user, "runAsGroup": user, "seccompProfile": {"type": "RuntimeDefault"},
        });
        let mut of_container = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        });
        if overlay.is_served() {
            // All of it on the container: of a pod Serving takes none.
            of_container.as_object_mut().unwrap().append(of_pod.as_object_mut().unwrap());
            of_pod = Value::Null;
        } else {
            of_pod["fsGroup"] = json!(user);
            of_pod["fsGroupChangePolicy"] = json!("OnRootMismatch");
        }
        assert_eq!(pod["securityContext"], of_pod);
        for container in pod["initContainers"].as_array().into_iter().flatten().chain([overlay.container()]) {
            assert_eq!(container["securityContext"], of_container);
            assert!(container["resources"]["limits"]["memory"].is_string());
            assert!(container["resources"]["requests"]["cpu"].is_string());
        }
        let labels = &overlay.of_kind("Namespace")["metadata"]["labels"];
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
        // Serving's proxy keeps the worker from hearing of its end for half a minute.
        let (grace, before) = match overlay.is_served() {
            true => (&pod["timeoutSeconds"], Duration::from_secs(30)),
            false => (&pod["terminationGracePeriodSeconds"], Duration::ZERO),
        };
        let grace = Duration::from_secs(grace.as_u64().unwrap());
        let drain = overlay.variable("WEIR_DRAIN_TIMEOUT").map_or_else(drain_timeout, seconds);
        assert!(grace >= before + drain + Duration::from_secs(10), "{}: {grace:?}", overlay.name);
    }
}

/// What is applied to the cluster is not the worker's, and what is the worker's is not applied.
#[test]
fn the_documents_of_each_are_accepted_without_a_warning_and_held_by_weir_alone() {
    for overlay in Overlay::all() {
        let config = overlay.config();
        assert_eq!((config.triggers.len(), config.functions.len()), (1, 1), "{}", overlay.name);
        let named = |document: &Value| {
            [&document["kind"], &document["metadata"]["name"]].map(|v| v.as_str().unwrap().to_owned())
        };
        let held: BTreeSet<[String; 2]> = yaml::documents(&overlay.triggers()).iter().map(named).collect();
        assert!(held.len() >= 2, "{held:?}");
        for document in &overlay.documents {
            assert!(!held.contains(&named(document)), "{}: {document} is held twice", overlay.name);
            assert!(!document["apiVersion"].as_str().unwrap().starts_with("weir.dev/"), "{document}");
        }
        // What Knative reads the worker does not.
        let reads = |topic: &str| {
            config.sources.iter().any(|source| match &source.reads {
                Reads::Kafka(kafka) => kafka.topics.iter().any(|one| one == topic),
                Reads::Nats(_) => false,
            })
        };
        for source in overlay.knative().filter(|document| document["kind"] == "KafkaSource") {
            let mut topics = source["spec"]["topics"].as_array().unwrap().iter();
            assert!(topics.all(|topic| !reads(topic.as_str().unwrap())), "{}", overlay.name);
        }
        let map = overlay.of_kind("ConfigMap");
        assert_eq!(map["metadata"]["labels"]["weir.dev/documents"], "true", "policies find it by that");
    }
}

/// Every Secret that the documents name is a file where the worker looks for it.
#[test]
fn the_secrets_that_are_named_are_mounted() {
    let keys = ["protocol", "sasl.mechanism", "user", "password", "ca.crt"];
    for overlay in Overlay::all() {
        let config = overlay.config();
        let mut named: BTreeSet<String> = BTreeSet::new();
        let mut name = |secret: &SecretRef| {
            named.insert(secret.to_string());
        };
        for source in &config.sources {
            let kafka = match &source.reads {
                Reads::Kafka(kafka) => kafka,
                Reads::Nats(nats) => {
                    nats.connection.secrets().for_each(&mut name);
                    continue;
                }
            };
            let sasl = kafka.security.sasl.as_ref();
            sasl.into_iter()
                .flat_map(|s| [Some(&s.user), Some(&s.password), s.mechanism.as_ref()])
                .flatten()
                .for_each(&mut name);
            kafka.security.tls.iter().filter_map(|tls| tls.ca.as_ref()).for_each(&mut name);
        }
        for sink in &config.sinks {
            let kafka = match &sink.writes {
                Writes::Kafka(kafka) => kafka,
                Writes::Nats(nats) => {
                    nats.connection.secrets().for_each(&mut name);
                    continue;
                }
            };
            let of = |secret: &String| keys.map(|key| SecretRef::new(secret, key).unwrap());
            kafka.auth.iter().flat_map(of).for_each(|secret| name(&secret));
        }
        for sink in &config.billing {
            let UsageTo::Http { token, .. } = &sink.to else { continue };
            token.iter().for_each(&mut name);
        }
        let volumes = overlay.pod()["volumes"].as_array().unwrap();
        let projected = volumes.iter().find(|volume| volume["name"] == "secrets");
        let sources = projected.and_then(|volume| volume["projected"]["sources"].as_array());
        let mut mounted = BTreeSet::new();
        for secret in sources.into_iter().flatten().map(|source| &source["secret"]) {
            for item in secret["items"].as_array().unwrap() {
                let (name, key) = (secret["name"].as_str().unwrap(), item["key"].as_str().unwrap());
                assert_eq!(item["path"], format!("{name}/{key}"));
                mounted.insert(format!("{name}/{key}"));
            }
        }
        assert_eq!(mounted, named, "{}", overlay.name);
    }
}

/// Without a claim nothing settles before billing has it; with one the worker's own disk keeps it.
#[test]
fn who_has_no_disk_says_so() {
    for overlay in Overlay::all() {
        let fleeting = overlay.variable("WEIR_DATA_DURABLE") == Some("false");
        let claims = overlay.workload()["spec"]["volumeClaimTemplates"].as_array().is_some();
        assert_eq!((fleeting, claims), (!claims, !fleeting), "{}", overlay.name);
        let config = overlay.config();
        assert!(claims || !config.billing.is_empty() && config.brokers.iter().all(|b| b.backing.is_some()));
    }
}

/// Custom resources, ours in the ConfigMap aside: each has its kind's fields.
#[test]
fn custom_resources_fit_their_schemas() {
    let Some(definitions) = definitions() else { return };
    let core = ["v1", "apps/v1", "networking.k8s.io/v1", "policy/v1"];
    for overlay in Overlay::all() {
        for document in
            overlay.documents.iter().filter(|d| !core.contains(&d["apiVersion"].as_str().unwrap()))
        {
            let kind = document["kind"].as_str().unwrap();
            let schema = schema::of(document, &definitions).unwrap_or_else(|| panic!("{kind}: no such kind"));
            assert_eq!(schema::problems(document, &schema), Vec::<String>::new(), "{}: {kind}", overlay.name);
            let mut wrong = document.clone();
            wrong["spec"]["retries"] = json!(3);
            assert_eq!(schema::problems(&wrong, &schema), [".spec.retries: no such field"], "{kind}");
        }
    }
}
