//! The SDKs of CloudEvents, as their users have them, post to a worker and understand what it answers. scripts/setup puts
//! them into .tools/sdks, as tests/sdks pins them.

mod worker;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use worker::{Home, Running, eventually, guests};

const LANGUAGES: [&str; 2] = ["python", "javascript"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// What runs that language's scripts. `None`: it is not installed; who tests every change must have it.
fn command(language: &str) -> Option<Command> {
    let sdks = root().join(".tools/sdks");
    let (program, library, script) = match language {
        "python" => (sdks.join("python/bin/python"), sdks.join("python/bin/python"), "post.py"),
        _ => ("node".into(), sdks.join("node_modules/cloudevents"), "post.cjs"),
    };
    if !library.exists() {
        assert!(std::env::var_os("CI").is_none(), "the SDK for {language} is not there: run scripts/setup");
        println!("the SDK for {language} is not there: left out (scripts/setup gets it)");
        return None;
    }
    let mut command = Command::new(program);
    command.arg(root().join("tests/sdks").join(script)).env("NODE_PATH", sdks.join("node_modules"));
    Some(command)
}

/// Runs a language's script against the worker; the answers to its requests.
fn post(language: &str, running: &Running) -> Option<Vec<Value>> {
    let output = command(language)?.arg(format!("http://{}/", running.http())).output().unwrap();
    assert!(output.status.success(), "{language}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Of a function, and triggers that look at what is in the events.
fn home(module: &[u8]) -> Home {
    let trigger = |name: &str, annotations: &str, filter: &str| {
        format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}{annotations}}}\nspec:\n  \
             broker: default\n  filter: {{attributes: {{{filter}}}}}\n  \
             subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: f}}}}\n"
        )
    };
    let data = r#", annotations: {weir.dev/data-filter: '/amount = 7 and /text = "größe"'}"#;
    let home = Home::new(&format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: f}}\nspec: {{module: f.wasm}}\n{}{}",
        trigger("data", data, "type: order.created, subject: A 7, team: shop"),
        trigger("bytes", "", "type: order.created, datacontenttype: application/octet-stream, team: shop"),
    ));
    home.write("f.wasm", module);
    home
}

#[test]
fn events_of_every_sdk_in_every_mode_arrive_as_they_were_meant() {
    for language in LANGUAGES {
        let home = home(&guests::audit());
        let running = Running::start(&home, &[]);
        let Some(answers) = post(language, &running) else { continue };
        assert_eq!(answers.len(), 4);
        assert!(answers.iter().all(|answer| answer["status"] == 202), "{language}: {answers:?}");
        let ids = |ids: &[&str]| ids.iter().map(|id| format!("{language}-{id}")).collect::<Vec<_>>();
        let ran = |trigger: &str| home.succeeded(trigger).into_keys().collect::<Vec<_>>();
        let (data, bytes) = (ids(&["batch-1", "batch-2", "binary", "structured"]), ids(&["bytes"]));
        eventually("they run", || {
            (ran("default/data").len() + ran("default/bytes").len() >= 5).then_some(())
        });
        assert_eq!((ran("default/data"), ran("default/bytes")), (data, bytes), "{language}");
    }
}

#[test]
fn replies_are_events_to_every_sdk() {
    for language in LANGUAGES {
        let home = home(&guests::answering("order.done"));
        let running = Running::start(&home, &["--set", "http.mode=direct"]);
        let Some(answers) = post(language, &running) else { continue };
        for answer in answers {
            let (status, reply) = (&answer["status"], &answer["reply"]);
            if answer["mode"] == "batch" {
                // Two replies: to the broker.
                assert_eq!(*status, 202, "{language}: {answer}");
                continue;
            }
            assert_eq!(*status, 200, "{language}: {answer}");
            assert_eq!((&reply["type"], &reply["source"]), (&"order.done".into(), &"/functions/f".into()));
            assert!(reply["id"].as_str().is_some_and(|id| !id.is_empty()), "{language}: {answer}");
        }
    }
}
