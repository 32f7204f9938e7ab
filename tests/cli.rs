//! The command line as it is met: every command's help, its results, its mistakes, and how it ends. The texts stand in
//! tests/cli/, to be read before they are committed.

#[path = "cli/check.rs"]
mod check;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/session.rs"]
mod session;
mod worker;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use rustix::process::{Pid, Signal, kill_process};
use session::Session;
use weir::config::settings::{TABLE, documentation};
use weir::config::{Origin, load_settings};
use worker::{Running, eventually, guests};

const ORDERS: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: orders}
spec:
  broker: default
  filter: {attributes: {type: order.created}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: payment}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: payment}
spec: {module: payment.wasm}
";

const BRITTLE: &str = "\
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: brittle, namespace: shop}
spec: {module: brittle.wasm}
";

const ORDER: &str = r#"{"specversion":"1.0","id":"o-1","source":"/shop","type":"order.created",
  "data":{"order_id":"1","amount":12000,"currency":"EUR"}}"#;

/// With the example's trigger and function.
fn shop(name: &'static str) -> Session {
    let session = Session::new(name);
    session.write("triggers/orders.yaml", ORDERS);
    std::fs::copy(guests::payment(), session.path("triggers/payment.wasm")).unwrap();
    session
}

/// A port that is taken for as long as this lives.
fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

// ---- help and usage --------------------------------------------------------------------------------------------

#[test]
fn help() {
    let mut session = Session::new("help");
    session.weir(&["--help"]);
    for command in [
        "run",
        "check",
        "explain",
        "build",
        "test",
        "publish",
        "tap",
        "setup",
        "lag",
        "invoke",
        "cost",
        "journal",
        "dlq",
        "schema",
        "completions",
        "version",
    ] {
        session.weir(&[command, "--help"]);
    }
    session.weir(&["new", "function", "--help"]);
    session.expect();
}

#[test]
fn usage() {
    let mut session = Session::new("usage");
    session.weir(&[]).weir(&["chek"]).weir(&["check", "--show-orign"]).weir(&["check", "--set", "executors"]);
    session.weir(&["version"]).weir(&["--version"]);
    session.expect();
}

#[test]
fn versions_of_what_is_inside() {
    let output = Session::new("").command().args(["version", "--verbose"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(names, ["weir", "wasmedge", "librdkafka", "guest-abi", "built-for"]);
    assert!(text.contains("wasmedge 0.14"), "{text}");
}

#[test]
fn completions_for_every_shell() {
    let session = Session::new("");
    for (shell, mark) in
        [("bash", "complete -F _weir"), ("zsh", "#compdef weir"), ("fish", "complete -c weir")]
    {
        let output = session.command().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains(mark), "{shell}: {script}");
        assert!(script.contains("dead-letters"), "{shell}: {script}");
    }
}

// ---- check and run ---------------------------------------------------------------------------------------------

#[test]
fn check() {
    let mut session = shop("check");
    session.weir(&["check"]).weir(&["check", "triggers/orders.yaml", "triggers"]);
    session.write("empty/readme.txt", "");
    session.weir(&["check", "empty"]).weir(&["check", "nowhere", "empty"]);
    session.write(
        "bad/a.yaml",
        ORDERS.replace("broker: default", "broker: defualt").replace("payment}}", "paymnt}}"),
    );
    session.write("bad/b.yaml", "kind: Trigger\n");
    session.write("bad.weir.yaml", "executers: 2\nhttp:\n  token: hunter2\n");
    session.weir(&["check", "bad", "--config", "bad.weir.yaml", "--set", "log.level=loud", "--set", "x=1"]);
    session.expect();
}

#[test]
fn build() {
    let mut session = Session::new("build").timed();
    session.write("triggers/shop.yaml", BRITTLE.replace("brittle,", "brittle-things,"));
    session.write("triggers/audit.yaml", BRITTLE.replace("brittle", "audit"));
    session.write("triggers/brittle.wasm", guests::brittle());
    session.write("triggers/audit.wasm", guests::audit());
    session.weir(&["build", "--cache", "aot"]).weir(&["build", "--cache", "aot"]);
    session.weir(&["build", "--cache", "aot", "--portable"]);
    session.write("triggers/brittle.wasm", b"\n(module)");
    session.write("triggers/audit.wasm", wat::parse_str("(module)").unwrap());
    session.weir(&["build", "--cache", "aot"]);
    session.write("open/readme.txt", "");
    std::fs::set_permissions(session.path("open"), PermissionsExt::from_mode(0o777)).unwrap();
    session.weir(&["build", "--cache", "open"]).weir(&["build", "nowhere"]);
    session.expect();
}

/// What is needed of Kafka, for whoever administers it: no broker is asked.
#[test]
fn setup() {
    let mut session = Session::new("setup");
    session.write(
        "triggers/broker.yaml",
        "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: default}\n",
    );
    session.weir(&["setup"]).weir(&["lag"]).weir(&["setup", "--print", "--check"]);
    session.write(
        "triggers/kafka.yaml",
        "apiVersion: sources.knative.dev/v1\nkind: KafkaSource\nmetadata: {name: orders}\nspec:\n  \
         bootstrapServers: [kafka-0:9092, kafka-1:9092]\n  topics: [orders, payments]\n  consumerGroup: shop\n  \
         sink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}\n---\n\
         apiVersion: eventing.knative.dev/v1alpha1\nkind: KafkaSink\nmetadata: {name: shipped, namespace: shop}\nspec: \
         {bootstrapServers: [kafka-0:9092], topic: shipped, numPartitions: 12, replicationFactor: 3}\n---\n\
         apiVersion: eventing.knative.dev/v1alpha1\nkind: KafkaSink\nmetadata: {name: dead}\nspec: \
         {bootstrapServers: [kafka-0:9092], topic: dead-letters}\n",
    );
    session.weir(&["setup", "--print"]);
    session.expect();
}

#[test]
fn check_without_anything() {
    let mut session = Session::new("check-nothing");
    session.weir(&["check"]);
    session.expect();
}

#[test]
fn check_shows_where_settings_come_from() {
    let mut session = shop("check-origin");
    session.write("secrets/http/token", "hunter2");
    session.write(
        "weir.yaml",
        "http:\n  token: {secret: http/token}\n  max-body: 2MiB\nserver: {host: 127.0.0.1, port: 8181}\nlog: {level: warn}\n",
    );
    let arguments = ["check", "--show-origin", "--data-dir", "elsewhere", "--set", "executors=2"];
    let mut command = session.command();
    command.env_remove("WEIR_FUNCTION_CACHE").env("WEIR_LOG_LEVEL", "debug").args(arguments);
    session.run(&arguments, command, b"");
    session.expect();
}

#[test]
fn a_secret_s_value_is_never_shown() {
    let session = shop("");
    session.write("weir.yaml", "http:\n  token: hunter2\n");
    let show = ["check", "--show-origin", "--set", "http.token=hunter2"];
    for arguments in [&show[..], &["run", "--set", "http.token=hunter2"]] {
        let output = session.command().env("WEIR_HTTP_TOKEN", "hunter2").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(said.matches("expected a reference to a secret").count(), 3, "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_broken_configuration_starts_nothing() {
    let mut session = shop("run-broken");
    session.write("triggers/more.yaml", ORDERS.replace("order.created", "[]"));
    session.write("weir.yaml", "queue: {max-bytes: 1}\n");
    session.weir(&["run"]).weir(&["run", "nowhere"]);
    session.expect();
    assert!(!session.path("data").exists());
}

#[test]
fn an_address_in_use() {
    let mut session = shop("run-in-use");
    let (_listener, address) = taken();
    session.hide(&address, "[ADDRESS]");
    session.weir(&["run", "--http", &address, "--admin", "127.0.0.1:0"]);
    session.expect();
}

#[test]
fn a_worker_without_triggers_says_so_and_runs() {
    let session = Session::new("");
    session.home.write("documents.yaml", b"# none yet\n");
    let running = Running::start(&session.home, &[]);
    assert!(running.log().contains("warning: there is no trigger"), "{}", running.log());
    running.publish("order.created", "o-1", &[], "{}");
    assert_eq!(running.terminate().code, Some(0));
}

/// Its log is a pipe that is closed: `weir run 2>&1 | head -3`.
#[test]
fn a_worker_outlives_whoever_reads_its_log() {
    let session = shop("");
    let mut command = session.command();
    command.args(["run", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--set", "log.format=json"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let ready =
        log.by_ref().map(|line| line.unwrap()).find(|line| line.contains("ready for events")).unwrap();
    drop(log);
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let target = format!("http://{}", ready["http"].as_str().unwrap());
    let published = session.command().args(["publish", "-t", "order.created", "--target", &target]).output();
    assert!(published.unwrap().status.success());
    // What it logs now, nobody reads.
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = eventually("the worker ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

// ---- publish and invoke ----------------------------------------------------------------------------------------

#[test]
fn publish_called_wrongly() {
    let mut session = Session::new("publish-wrong");
    session.weir(&["publish"]).weir(&["publish", "--type", ""]).weir(&["publish", "-t", "x", "--count", "0"]);
    session.weir(&["publish", "-t", "x", "--key", ""]).weir(&["publish", "-t", "x", "--source", "a b"]);
    session.weir(&["publish", "-t", "x", "--target", "here"]);
    session.weir(&["publish", "-t", "x", "--target", "ftp://127.0.0.1"]);
    session.weir(&["publish", "-t", "x", "--token-env", "NO_SUCH_VARIABLE"]);
    session.write("events.jsonl", format!("{}\n\n{{\"specversion\":\"1.0\",\n", ORDER.replace('\n', "")));
    session.write("event.json", ORDER.replace("\"1.0\"", "1.0"));
    session.weir(&["publish", "--file", "events.jsonl"]).weir(&["publish", "--file", "event.json"]);
    session.weir(&["publish", "--file", "nowhere.json"]).weir(&[
        "publish",
        "-t",
        "x",
        "--data",
        "@nowhere.json",
    ]);
    session.expect();
}

#[test]
fn publish_without_a_worker() {
    let mut session = Session::new("publish-alone");
    // Nobody listens on port 1.
    session.weir(&["publish", "-t", "x", "-d", "{\"a\": ", "--target", "http://127.0.0.1:1"]);
    session.expect();
}

#[test]
fn invoke() {
    let mut session = shop("invoke").timed();
    session.write("triggers/brittle.yaml", BRITTLE);
    session.write("triggers/brittle.wasm", guests::brittle());
    session.write("order.json", ORDER);
    session.weir(&["invoke", "payment", "--event", "order.json"]);
    let arguments = ["invoke", "shop/brittle", "--event", "-"];
    let mut command = session.command();
    command.args(arguments);
    session.run(&arguments, command, ORDER.as_bytes());
    session.write("bang.json", ORDER.replace("o-1", "o-1!"));
    session.weir(&["invoke", "shop/brittle", "--event", "bang.json"]);
    session.write("partial.json", ORDER.replace("\"amount\":12000,", ""));
    session.weir(&["invoke", "payment", "--event", "partial.json"]);
    session.write("bad.json", ORDER.replace("\"source\":\"/shop\",", ""));
    session
        .weir(&["invoke", "payment", "--event", "bad.json"])
        .weir(&["invoke", "payment", "--event", "no.json"]);
    session.weir(&["invoke", "pay", "--event", "order.json"]);
    session.expect();
}

#[test]
fn many_calls_are_measured() {
    let session = shop("invoke-many");
    session.write("triggers/brittle.yaml", BRITTLE);
    session.write("triggers/brittle.wasm", guests::brittle());
    session.write("order.json", ORDER);
    session.write("bang.json", ORDER.replace("o-1", "o-1!"));
    let said = |arguments: &[&str], code: i32| {
        let mut command = session.command();
        let output = command.args([&["invoke", "--repeat", "50"], arguments].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("50 calls, ") && said.contains("p99.9"), "{said}");
        assert_eq!(
            output.stdout.split(|byte| *byte == b'\n').count(),
            1 + usize::from(arguments[0] == "payment")
        );
        said
    };
    for (isolation, cold) in [("warm", 1), ("reset", 1), ("fresh", 50)] {
        let said = said(&["payment", "--event", "order.json", "--isolation", isolation], 0);
        assert!(said.contains(&format!("50 succeeded; {cold} cold\n")), "{said}");
    }
    let said = said(&["shop/brittle", "--event", "bang.json"], 1);
    assert!(said.contains("0 succeeded; 50 cold\n50 trapped (unreachable)\n"), "{said}");
}

// ---- with a worker ---------------------------------------------------------------------------------------------

#[test]
fn the_whole_way() {
    let mut session = shop("whole-way").timed();
    session.home.write("documents.yaml", ORDERS.as_bytes());
    std::fs::copy(guests::payment(), session.path("payment.wasm")).unwrap();
    session.weir(&["cost"]).weir(&["journal", "--dead-letters"]);
    let running = Running::start(&session.home, &["--executors", "1"]);
    let target = format!("http://{}", running.http());
    session.hide(running.http(), "[ADDRESS]");
    session.weir(&["cost"]).weir(&["journal"]).weir(&["journal", "--event", "o-9"]);
    let publish = ["publish", "--target", &target, "--type", "order.created", "--id"];
    let order = r#"{"order_id": "{n}", "amount": {n}2000, "currency": "EUR"}"#;
    // One at a time: the journal's order is theirs.
    session.weir(&[&publish[..], &["o", "--count", "2", "--data", order, "--connections", "1"]].concat());
    session.weir(&[&publish[..], &["o-3", "--data", r#"{"order_id": "3"}"#]].concat());
    session.weir(&["publish", "--target", &format!("{target}/no/broker"), "--type", "x"]);
    eventually("all are attempted, and one is a dead letter", || {
        (session.home.journal().len() == 3 && session.home.dead_letters().len() == 1).then_some(())
    });
    session.weir(&["journal"]).weir(&["journal", "--dead-letters"]).weir(&[
        "cost",
        "--by",
        "function,tenant",
    ]);
    assert_eq!(running.terminate().code, Some(0));
    session.weir(&["journal", "--event", "o-2"]);
    session.expect();
    // Stopped or running, the answer is the same.
    let costs =
        session.command().args(["cost", "--by", "trigger,tenant", "--format", "json"]).output().unwrap();
    let costs = String::from_utf8(costs.stdout).unwrap();
    let costs: Vec<serde_json::Value> = costs.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(costs.len(), 2);
    assert_eq!(costs[0]["table"]["rows"]["default/orders"]["attempts"], 3);
    assert_eq!(costs[1]["table"]["rows"]["default"]["failed"], 1);
}

#[test]
fn asking_does_not_make_a_store_of_any_directory() {
    let mut session = Session::new("ask-nothing");
    std::fs::create_dir(session.path("plain")).unwrap();
    session.weir(&["cost", "--data-dir", "plain"]).weir(&["journal", "--data-dir", "nowhere"]);
    session.expect();
    assert_eq!(std::fs::read_dir(session.path("plain")).unwrap().count(), 0);
    assert!(!session.path("nowhere").exists());
}

/// Ctrl-C while events are being published: what is under way is awaited, and it says how far it came.
#[test]
fn an_interrupted_publish_says_how_far_it_came() {
    let (listener, address) = taken();
    let session = Session::new("");
    let mut command = session.command();
    command.args(["publish", "-t", "x", "--count", "1000000", "--rate", "50", "--connections", "2"]);
    command.args(["--target", &format!("http://{address}")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let (first, taken_first) = mpsc::channel();
    let counter = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (counter, first) = (Arc::clone(&counter), first.clone());
            std::thread::spawn(move || accept(&stream.unwrap(), &counter, &first));
        }
    });
    taken_first.recv().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let status = eventually("it ends", || child.try_wait().unwrap());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    let taken = taken.load(Ordering::Relaxed);
    assert_eq!(said, format!("error: interrupted: {taken} of 1000000 events published\n"));
}

/// Answers 202 to every request of a connection.
fn accept(stream: &TcpStream, counter: &AtomicUsize, first: &mpsc::Sender<()>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        counter.fetch_add(1, Ordering::Relaxed);
        let _ = first.send(());
        let mut stream = stream;
        let _ = stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    }
}

// ---- streams ---------------------------------------------------------------------------------------------------

const SPEAKING: [&[&str]; 4] =
    [&["version"], &["completions", "bash"], &["check", "--show-origin"], &["check", "--help"]];

#[test]
fn a_reader_that_has_seen_enough_ends_a_command_quietly() {
    let session = shop("");
    for arguments in SPEAKING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            session.command().args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn results_that_can_t_be_written_are_an_error() {
    let session = shop("");
    for arguments in &SPEAKING[..3] {
        let full: File = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = session.command().args(*arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("error: standard output can't be written"), "{said}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn colours_are_for_terminals() {
    let session = shop("");
    let check = |variable: (&str, &str)| {
        let output = session.command().env(variable.0, variable.1).arg("check").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!check(("TERM", "xterm-256color")).contains('\u{1b}'));
    assert!(check(("CLICOLOR_FORCE", "1")).contains('\u{1b}'));
}

// ---- the settings' documentation -------------------------------------------------------------------------------

#[test]
fn the_settings_page_is_the_table() {
    let (path, made) = ("docs/settings.md", documentation());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    snapbox::assert_data_eq!(page, snapbox::Data::text(made).raw());
}

/// It loads without a word, has every setting, and changes none.
#[test]
fn the_example_of_settings_is_the_defaults() {
    let path = std::path::Path::new("docs/weir.example.yaml");
    let (settings, diagnostics) = load_settings(Some(path), &|_| None, &[]);
    assert_eq!(diagnostics.to_string(), "");
    let (defaults, _) = load_settings(None, &|_| None, &[]);
    for (said, default) in settings.shown().iter().zip(defaults.shown()) {
        assert_eq!((said.name, &said.value), (default.name, &default.value));
        // The example's secrets do not exist.
        let is_secret = ["http.token", "telemetry.otlp.headers"].contains(&said.name);
        assert!(matches!(said.origin, Origin::File(_)) || is_secret, "{} is left out", said.name);
    }
    let text = std::fs::read_to_string(path).unwrap();
    let last = |name: &str| name.rsplit('.').next().unwrap().to_owned();
    assert!(TABLE.iter().all(|row| text.contains(&format!("{}:", last(row.name)))));
}
