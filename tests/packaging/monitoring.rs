//! Alerts and the dashboard ask for numbers that the worker has: each name and label against its own table.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use weir::telemetry::metrics::TABLE;
use weir::telemetry::metrics::table::Kind;

use super::overlays::definitions;
use super::rendered::Overlay;
use super::{checked, port, rendered, root, schema, text, yaml};

/// Labels that come with a pod, not from the worker.
const OF_PODS: [&str; 3] = ["namespace", "pod", "instance"];

fn documents() -> Vec<Value> {
    rendered::render(&root().join("deploy/monitoring"))
}

fn rules() -> Vec<Value> {
    let documents = documents();
    let rules = documents.iter().find(|document| document["kind"] == "PrometheusRule").unwrap();
    rules["spec"]["groups"][0]["rules"].as_array().unwrap().clone()
}

fn dashboard() -> Value {
    serde_json::from_str(&text("deploy/monitoring/dashboard.json")).unwrap()
}

/// Each expression of the dashboard.
fn shown() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Each expression that there is.
fn expressions() -> Vec<String> {
    let of_rules = rules().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    of_rules.into_iter().chain(shown()).collect()
}

/// The labels of a series by its name, as /metrics has it.
fn labels(name: &str) -> Option<BTreeSet<&'static str>> {
    TABLE.iter().find_map(|row| {
        let series = match row.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", row.name)).to_vec(),
            _ => vec![row.sample()],
        };
        let of_bucket = name.ends_with("_bucket").then_some("le");
        series.iter().any(|one| one == name).then(|| row.labels.iter().copied().chain(of_bucket).collect())
    })
}

/// What the expressions ask for and the worker does not have.
fn problems(expressions: &[String], sources: &str) -> Vec<String> {
    let said = checked(&["promql"], &json!(expressions).to_string()).expect("PromQL");
    let asked: Vec<Vec<Value>> = serde_json::from_str(&said).unwrap();
    let mut found = Vec::new();
    for (expression, selectors) in expressions.iter().zip(asked) {
        assert!(!selectors.is_empty(), "{expression} asks for nothing");
        for selector in selectors {
            let texts = |key: &str| -> Vec<String> { serde_json::from_value(selector[key].clone()).unwrap() };
            let metric = selector["metric"].as_str().unwrap();
            let Some(known) = labels(metric) else {
                found.push(format!("there is no {metric}: {expression}"));
                continue;
            };
            for label in texts("labels") {
                if !known.contains(label.as_str()) && !OF_PODS.contains(&label.as_str()) {
                    found.push(format!("{metric} has no {label}: {expression}"));
                }
            }
            // From closed lists, which the sources say.
            for value in texts("values") {
                if !sources.contains(&format!("\"{value}\"")) {
                    found.push(format!("nothing of {metric} is {value}: {expression}"));
                }
            }
        }
    }
    found
}

/// Where the values of labels come from.
fn sources() -> String {
    let mut all = String::new();
    for directory in ["src/telemetry/metrics", "src/dispatch"] {
        for entry in std::fs::read_dir(root().join(directory)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                all += &std::fs::read_to_string(entry.path()).unwrap();
            }
        }
    }
    all
}

#[test]
fn alerts_and_dashboard_ask_for_what_the_worker_has() {
    let expressions = expressions();
    assert!(expressions.len() > 40, "{}", expressions.len());
    assert_eq!(problems(&expressions, &sources()), Vec::<String>::new());
}

#[test]
fn a_wrong_name_label_or_value_is_found() {
    let sources = sources();
    for (expression, expected) in [
        ("sum(weir_attempts)", "there is no weir_attempts"),
        ("weir_call_duration_seconds", "there is no weir_call_duration_seconds"),
        ("sum by (function) (weir_attempts_total)", "weir_attempts_total has no function"),
        ("weir_lag_events{topic=\"orders\"}", "weir_lag_events has no topic"),
        (
            "weir_ended_deliveries_total{end=\"nowhere-at-all\"}",
            "nothing of weir_ended_deliveries_total is nowhere-at-all",
        ),
        ("weir_ready * on (queue) group_left weir_ready", "weir_ready has no queue"),
    ] {
        let found = problems(&[expression.to_owned()], &sources);
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expression}: {found:?}");
    }
    let said = checked(&["promql"], &json!(["sum(weir_ready"]).to_string()).unwrap_err();
    assert!(said.contains("unclosed left parenthesis"), "{said}");
}

/// Of each that was asked for there is an alert, and each alert says what to do.
#[test]
fn what_is_worth_an_alarm_has_one() {
    let rules = rules();
    let of = |metric: &str| rules.iter().any(|rule| rule["expr"].as_str().unwrap().contains(metric));
    for metric in [
        "weir_lag_events",
        "weir_oldest_event_age_seconds",
        "weir_ended_deliveries_total",
        "weir_waiting_entries",
        "weir_budget_used_percent",
    ] {
        assert!(of(metric), "{metric}");
    }
    // The table itself says of these that there should be none.
    for row in TABLE.iter().filter(|row| row.help.contains("raise an alarm")) {
        assert!(of(&row.sample()), "{}", row.name);
    }
    let names: BTreeSet<&str> = rules.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!(names.len(), rules.len(), "each has a name of its own");
    for rule in &rules {
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{rule}");
        assert!(rule["annotations"]["summary"].is_string() && rule["annotations"]["description"].is_string());
    }
}

#[test]
fn prometheus_finds_the_workers_of_every_overlay() {
    let documents = documents();
    for overlay in Overlay::all() {
        let labels = &overlay.workload()["spec"]["template"]["metadata"]["labels"];
        let operator = if overlay.is_served() { "Exists" } else { "DoesNotExist" };
        let monitor = documents.iter().find(|document| {
            document["kind"] == "PodMonitor"
                && document["spec"]["selector"]["matchExpressions"][0]["operator"] == operator
        });
        let monitor = monitor.unwrap_or_else(|| panic!("{}: nobody looks", overlay.name));
        assert_eq!(monitor["spec"]["selector"]["matchLabels"], *labels);
        assert_eq!(monitor["metadata"]["namespace"], overlay.workload()["metadata"]["namespace"]);
        let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
        let mut ports = overlay.container()["ports"].as_array().unwrap().iter();
        assert!(ports.any(|port| port["name"] == endpoint["port"]), "{}", overlay.name);
        let admin = overlay.variable("WEIR_ADMIN_ADDRESS").map(|address| address.rsplit(':').next().unwrap());
        match admin {
            Some(port) => assert_eq!(endpoint["relabelings"][0]["replacement"], format!("$1:{port}")),
            None => assert_eq!((endpoint["port"].as_str(), port("admin.address")), (Some("admin"), 9090)),
        }
    }
}

#[test]
fn the_operator_s_documents_fit_their_schemas_and_the_dashboard_is_one() {
    let documents = documents();
    if let Some(definitions) = definitions() {
        for document in documents.iter().filter(|document| document["kind"] != "ConfigMap") {
            let schema = schema::of(document, &definitions).expect("its kind is there");
            assert_eq!(schema::problems(document, &schema), Vec::<String>::new());
        }
    }
    let map = documents.iter().find(|document| document["kind"] == "ConfigMap").unwrap();
    let held: Value = serde_json::from_str(map["data"]["dashboard.json"].as_str().unwrap()).unwrap();
    assert_eq!(held, dashboard());
    let ids: Vec<i64> =
        held["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(shown().iter().all(|expression| expression.contains("namespace=~\"$namespace\"")));
}

/// Loki and the collector of the compose file: what is received is processed and sent on.
#[test]
fn the_collector_s_pipelines_are_of_parts_that_there_are() {
    let config = yaml::document(&text("deploy/monitoring/collector.yaml"));
    let pipelines = config["service"]["pipelines"].as_object().unwrap();
    assert_eq!(pipelines.keys().collect::<Vec<_>>(), ["logs", "metrics", "traces"]);
    let mut used = BTreeSet::new();
    for pipeline in pipelines.values() {
        for kind in ["receivers", "processors", "exporters"] {
            for part in pipeline[kind].as_array().unwrap() {
                let part = part.as_str().unwrap();
                assert!(config[kind].as_object().unwrap().contains_key(part), "{kind}: {part}");
                used.insert((kind, part.to_owned()));
            }
        }
    }
    for kind in ["receivers", "processors", "exporters"] {
        for part in config[kind].as_object().unwrap().keys() {
            assert!(used.contains(&(kind, part.clone())), "{kind}: {part} is used by nothing");
        }
    }
    let compose = yaml::document(&text("docker-compose.yml"));
    for (name, file) in [("collector", "collector.yaml"), ("loki", "loki.yaml")] {
        let service = &compose["services"][name];
        assert_eq!(service["profiles"], json!(["telemetry"]));
        let config = service["configs"][0]["source"].as_str().unwrap();
        let path = compose["configs"][config]["file"].as_str().unwrap();
        assert_eq!(Path::new(path), Path::new("deploy/monitoring").join(file));
        yaml::document(&text(path));
    }
    assert_eq!(config["exporters"]["otlphttp/loki"]["endpoint"], "http://loki:3100/otlp");
}
