//! What can be held of the image, the compose file and the manifests where no engine and no cluster runs: that they agree
//! with the worker, with each other and with Knative's schemas.

#[path = "brokers/mod.rs"]
mod brokers;
#[path = "nats_server/jwt.rs"]
mod jwt;
mod kafka;
#[path = "packaging/monitoring.rs"]
mod monitoring;
#[path = "packaging/overlays.rs"]
mod overlays;
#[path = "packaging/pages.rs"]
mod pages;
#[path = "packaging/pod.rs"]
mod pod;
#[path = "packaging/policy.rs"]
mod policy;
#[path = "billing/receiver.rs"]
mod receiver;
#[path = "packaging/release.rs"]
mod release;
#[path = "packaging/rendered.rs"]
mod rendered;
#[path = "packaging/running.rs"]
mod running;
#[path = "packaging/scaling.rs"]
mod scaling;
#[path = "packaging/schema.rs"]
mod schema;
#[path = "kafka/secured.rs"]
mod secured;
#[path = "packaging/sinks.rs"]
mod sinks;
mod worker;
#[path = "packaging/yaml.rs"]
mod yaml;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use weir::config::settings::TABLE;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// What scripts/checks answers to this on its standard input; or what it says is wrong.
fn checked(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(root().join("scripts/checks"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It reads all of it before it writes anything.
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
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

/// What an instruction runs, without a shell.
fn exec(text: &str) -> Vec<String> {
    serde_json::from_str(text).expect("exec form")
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
        ("WEIR_FUNCTION_CACHE", format!("{}/aot", last_stage("WORKDIR")[0])),
    ];
    assert_eq!(pairs, expected.each_ref().map(|(name, value)| (*name, value.as_str())));
    assert!(pairs.iter().all(|(name, _)| is_setting(name)));
    assert_eq!(last_stage("EXPOSE"), [format!("{http} {admin}")]);
}

/// So that no pod compiles: the worker's user may read what was compiled, and not write it.
#[test]
fn the_image_has_its_functions_compiled_for_more_than_the_machine_that_built_it() {
    let built = instructions().into_iter().find(|(word, rest)| word == "RUN" && rest.contains("weir build"));
    let (_, run) = built.expect("it builds its functions");
    assert!(run.contains("target/release/weir build --portable --cache /out/aot triggers"), "{run}");
    let cache = format!("{}/aot", last_stage("WORKDIR")[0]);
    let copied = last_stage("COPY").into_iter().find(|copy| copy.contains("/out/aot"));
    assert_eq!(copied, Some(format!("--from=build /out/aot {cache}")), "by root");
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
        ["collector", "kafka", "loki", "nats", "worker"].map(String::from).iter().collect()
    );
    for (name, service) in services {
        let (image, tag) = service["image"].as_str().unwrap().rsplit_once(':').expect("a tag");
        assert!(tag.starts_with(|c: char| c.is_ascii_digit()), "{image}:{tag} is not pinned");
        for published in service["ports"].as_array().into_iter().flatten() {
            assert!(published.as_str().unwrap().starts_with("127.0.0.1:"), "{name} listens for everyone");
        }
        for mount in service["volumes"].as_array().into_iter().flatten() {
            let volume = mount.as_str().unwrap().split(':').next().unwrap();
            // The collector reads what containers log where Docker keeps it.
            let of_docker =
                name == "collector" && mount == "/var/lib/docker/containers:/var/lib/docker/containers:ro";
            assert!(of_docker || compose["volumes"].as_object().unwrap().contains_key(volume), "{volume}");
        }
        // For these nobody waits, and nothing in their images could look.
        let telemetry = service["profiles"] == json!(["telemetry"]);
        let checked = name == "worker" || telemetry || service["healthcheck"]["test"][0] == "CMD";
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
