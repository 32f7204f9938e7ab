//! The sink in direct mode: whoever posts an event waits until it has run, gets the reply or the reason, and keeps the
//! event until then.

mod worker;

#[path = "direct/answers.rs"]
mod answers;
#[path = "direct/ends.rs"]
mod ends;
#[path = "direct/kafka_source.rs"]
mod kafka_source;
#[path = "direct/knative.rs"]
mod knative;

use worker::{Home, Response, Running, eventually, guests};

/// A function for each way to end, and a trigger for each type of event.
fn home() -> Home {
    let functions = ["reply", "nothing", "busy", "never", "brittle", "endless"];
    let triggers = [
        ("reply", "reply"),
        ("nothing", "nothing"),
        ("busy", "busy"),
        ("never", "never"),
        ("trap", "brittle"),
        ("endless", "endless"),
        ("both", "reply"),
        ("both", "nothing"),
        ("two", "reply"),
        ("two", "busy-not"),
        ("mixed", "never"),
        ("mixed", "busy"),
        ("mixed", "reply"),
        ("chosen", "brittle"),
    ];
    let mut documents = String::new();
    for name in functions {
        documents += &format!(
            "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n"
        );
    }
    documents += "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: busy-not}\nspec: {module: reply.wasm}\n";
    for (ty, function) in triggers {
        documents += &format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {ty}-{function}}}\nspec:\n  \
             broker: default\n  filter: {{attributes: {{type: {ty}}}}}\n  \
             subscriber: {{ref: {{kind: Function, name: {function}}}}}\n"
        );
    }
    // Where several replies go.
    documents += "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: replies}\nspec:\n  \
                  broker: default\n  filter: {attributes: {type: replied}}\n  \
                  subscriber: {ref: {kind: Function, name: nothing}}\n";
    let home = Home::new(&documents);
    home.write("reply.wasm", &guests::answering("replied"));
    home.write("nothing.wasm", &guests::audit());
    home.write("brittle.wasm", &guests::brittle());
    home.write("endless.wasm", &guests::endless());
    home.write("busy.wasm", &saying(r#"{"error":{"retry":true,"code":"busy","message":"later"}}"#));
    home.write("never.wasm", &saying(r#"{"error":{"retry":false,"code":"bad","message":"no such thing"}}"#));
    home
}

fn saying(answer: &str) -> Vec<u8> {
    let handle = format!("(i64.const {})", (16_u64 << 32) | answer.len() as u64);
    guests::guest(&handle, &format!(r#"(data (i32.const 16) "{}")"#, answer.replace('"', "\\\"")))
}

#[track_caller]
fn start(home: &Home, settings: &[&str]) -> Running {
    let options: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    Running::start(home, &[&["--set", "http.mode=direct"], &options[..]].concat())
}

#[track_caller]
fn post(running: &Running, ty: &str, id: &str) -> Response {
    worker::running::post(&mut running.connect(), ty, id, &[], "{}").unwrap()
}

#[track_caller]
fn detail(response: &Response) -> String {
    let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(problem["status"], response.status, "{problem}");
    problem["detail"].as_str().unwrap().to_owned()
}
