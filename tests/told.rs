//! What a function is told besides its events: `config`, `script` and `environment` of its document, with the secrets that they
//! name. It finds them, they change while it runs, and nobody else gets to see a secret.

mod worker;

use std::process::Output;

use worker::{Home, Running, eventually};

/// Answers with what it finds in its configuration under a key, whatever the event.
fn config_of(key: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "weir" "config" (func $config (param i32 i32 i32 i32) (result i64)))
            (memory (export "memory") 17)
            (global (export "weir_abi") i32 (i32.const 1))
            (func (export "weir_buffer") (param i32) (result i32) (i32.const 131072))
            (func (export "weir_handle") (param i32) (result i64)
                (local $len i64)
                (local.set $len
                    (call $config (i32.const 16) (i32.const {}) (i32.const 1024) (i32.const 65536)))
                (if (i64.lt_s (local.get $len) (i64.const 0)) (then unreachable))
                (i64.or (i64.const 0x40000000000) (local.get $len)))
            (data (i32.const 16) "{key}"))"#,
        key.len()
    );
    wat::parse_str(text).unwrap()
}

/// A program that prints the value of the one variable in its environment, of a name with five letters.
fn environment() -> Vec<u8> {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (if (i32.ne (i32.load (i32.const 0)) (i32.const 1)) (then unreachable))
            (drop (call $get (i32.const 16) (i32.const 1024)))
            (i32.store (i32.const 8) (i32.const 1030))
            (i32.store (i32.const 12) (i32.sub (i32.load (i32.const 4)) (i32.const 7)))
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 32)))))"#;
    wat::parse_str(text).unwrap()
}

fn reply(ty: &str) -> String {
    format!(r#"{{"specversion":"1.0","type":"{ty}","data":"hunter2"}}"#)
}

/// A function `told` with this beside its module, for `order`; what it answers is met by `seen`, and leaves an entry there.
fn documents(spec: &str) -> String {
    let trigger = |name: &str, filter: &str, function: &str| {
        format!(
            "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
             filters: [{filter}]\n  \
             subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {function}}}}}\n---\n"
        )
    };
    let function = |name: &str, spec: &str| {
        format!(
            "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec:\n  module: {name}.wasm\n{spec}---\n"
        )
    };
    trigger("orders", "exact: {type: order}", "told")
        + &trigger("seen", "not: {exact: {type: order}}", "audit")
        + &function("audit", "")
        + &function("told", spec)
}

fn home(module: &[u8], spec: &str) -> Home {
    let home = Home::new(&documents(spec));
    home.write("audit.wasm", &worker::guests::audit());
    home.write("told.wasm", module);
    home.write("order.json", br#"{"specversion":"1.0","id":"1","source":"/shop","type":"order"}"#);
    home
}

fn keep_secret(home: &Home, value: &str) {
    std::fs::create_dir_all(home.path().join("secrets/shop")).unwrap();
    home.write("secrets/shop/token~", value.as_bytes());
    std::fs::rename(home.path().join("secrets/shop/token~"), home.path().join("secrets/shop/token")).unwrap();
}

fn invoke(home: &Home, variables: &[(&str, &str)]) -> Output {
    let arguments = ["invoke", "told", "--event", "order.json", "--in", "documents.yaml"];
    home.command().args(arguments).envs(variables.iter().copied()).output().unwrap()
}

#[track_caller]
fn answers(home: &Home, variables: &[(&str, &str)], ty: &str) {
    let Output { status, stdout, stderr } = invoke(home, variables);
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && out.contains(&format!(r#""type":"{ty}""#)), "{out}{err}");
}

const REFERENCE: &str = "{secretKeyRef: {name: shop, key: token}}";
const VARIABLE: &str = "WEIR_SECRET_SHOP_TOKEN";

#[test]
fn a_function_finds_its_configuration_and_the_secrets_in_it() {
    let home = home(&config_of("answer"), &format!("  config: {{other: x, answer: '{}'}}\n", reply("text")));
    answers(&home, &[], "text");
    home.write("documents.yaml", documents(&format!("  config: {{answer: {REFERENCE}}}\n")).as_bytes());
    answers(&home, &[(VARIABLE, &reply("of-variable"))], "of-variable");
    keep_secret(&home, &reply("of-file"));
    answers(&home, &[(VARIABLE, &reply("of-variable"))], "of-file");
}

#[test]
fn a_program_finds_its_environment_and_nothing_of_the_worker_s() {
    let home = home(&environment(), &format!("  environment: {{REPLY: '{}'}}\n", reply("text")));
    answers(&home, &[("NOT_FOR_IT", "x")], "text");
    home.write("documents.yaml", documents(&format!("  environment: {{REPLY: {REFERENCE}}}\n")).as_bytes());
    answers(&home, &[(VARIABLE, &reply("of-variable"))], "of-variable");
}

#[test]
fn a_script_is_found_in_the_configuration() {
    let home = home(&config_of("script"), "  script: told.js\n");
    home.write("told.js", reply("of-script").as_bytes());
    answers(&home, &[], "of-script");
    for (content, said) in [
        (Some(vec![b' '; (1 << 20) + 1]), "is larger than 1 MiB"),
        (Some(b"\xff".to_vec()), "is not UTF-8 text"),
        (None, "does not exist"),
    ] {
        match content {
            Some(content) => home.write("told.js", &content),
            None => std::fs::remove_file(home.path().join("told.js")).unwrap(),
        }
        let checked = home.weir(&["check", "documents.yaml"]);
        let shown = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert_eq!(checked.status.code(), Some(78), "{shown}");
        assert!(shown.contains(&format!("Function.spec.script: 'told.js' {said}")), "{shown}");
        assert!(shown.contains("documents.yaml:28:11"), "{shown}");
    }
}

#[test]
fn a_secret_that_is_not_there_is_named_with_its_field_and_never_shown() {
    let spec = format!("  config:\n    answer: {REFERENCE}\n  environment: {{REPLY: {REFERENCE}}}\n");
    let home = home(&config_of("answer"), &spec);
    // Where it is kept is a matter of the machine that runs it.
    assert_eq!(home.weir(&["check", "documents.yaml"]).status.code(), Some(0));
    let missing = "the secret 'shop/token' is neither in secrets/shop/token nor in WEIR_SECRET_SHOP_TOKEN \
                   (create it, or correct the reference)";
    let said = String::from_utf8(invoke(&home, &[]).stderr).unwrap();
    for field in ["documents.yaml:29:13: Function.spec.config.answer", "Function.spec.environment.REPLY"] {
        assert!(said.contains(&format!("{field}: {missing}")), "{said}");
    }
    let ended = Running::try_start(&home, &[]).unwrap_err();
    assert!(ended.code != Some(0) && ended.log.contains(missing), "{}", ended.log);
}

const OFTEN: [&str; 2] = ["--set", "reload.interval=10ms"];

/// Publishes until an answer of this type is seen.
#[track_caller]
fn comes_to_answer(home: &Home, worker: &Running, ty: &str) {
    let mut count = 0;
    eventually(&format!("it answers {ty}"), || {
        count += 1;
        let id = format!("{ty}-{count}");
        worker.publish("order", &id, &[], "1");
        eventually("what it answers is seen", || {
            let entries = home.journal();
            let is_done = entries.iter().any(|entry| entry.event_id == id);
            let seen = entries.iter().filter(|entry| entry.event_type != "order").count();
            let made = entries.iter().filter(|entry| entry.event_type == "order").count();
            (is_done && seen == made).then(|| entries.iter().any(|entry| entry.event_type == ty))
        })
        .then_some(())
    });
}

#[test]
fn what_a_function_is_told_changes_while_it_runs() {
    let spec = |ty: &str| format!("  config: {{answer: '{}'}}\n", reply(ty));
    let home = home(&config_of("answer"), &spec("one"));
    let put = |spec: &str| {
        home.write("documents.yaml~", documents(spec).as_bytes());
        std::fs::rename(home.path().join("documents.yaml~"), home.documents()).unwrap();
    };
    let worker = Running::start(&home, &OFTEN);
    comes_to_answer(&home, &worker, "one");
    put(&spec("two"));
    comes_to_answer(&home, &worker, "two");

    // A secret that is not there refuses the change; when it comes, the change is taken.
    put(&format!("  config: {{answer: {REFERENCE}}}\n"));
    let refused = eventually("it is refused", || home.status().set.refused);
    assert!(refused.problems[0].contains("the secret 'shop/token' is neither"), "{:?}", refused.problems);
    comes_to_answer(&home, &worker, "two");
    keep_secret(&home, &reply("three"));
    comes_to_answer(&home, &worker, "three");
    // And one that changes is taken, though no document says anything else.
    let before =
        eventually("three is in force", || Some(home.status().set).filter(|set| set.refused.is_none()));
    keep_secret(&home, &reply("four"));
    comes_to_answer(&home, &worker, "four");
    let after =
        eventually("four is in force", || Some(home.status().set).filter(|set| set.reloads > before.reloads));
    assert_eq!((after.digest, after.reloads), (before.digest, before.reloads + 1));
    // One that goes changes nothing in what runs.
    std::fs::remove_file(home.path().join("secrets/shop/token")).unwrap();
    eventually("it is refused", || home.status().set.refused);
    comes_to_answer(&home, &worker, "four");

    let ended = worker.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.log.contains("hunter2"), "{}", ended.log);
    let kept = std::fs::read_to_string(home.data().join("last-good/set.json")).unwrap();
    assert!(kept.contains("secretKeyRef") && !kept.contains("hunter2"), "{kept}");
}

#[test]
fn a_script_changes_while_its_function_runs_and_is_kept_with_the_set() {
    let home = home(&config_of("script"), "  script: told.js\n");
    let put = |ty: &str| {
        home.write("told.js~", reply(ty).as_bytes());
        std::fs::rename(home.path().join("told.js~"), home.path().join("told.js")).unwrap();
    };
    put("one");
    let worker = Running::start(&home, &OFTEN);
    comes_to_answer(&home, &worker, "one");
    put("two");
    comes_to_answer(&home, &worker, "two");
    std::fs::remove_file(home.path().join("told.js")).unwrap();
    eventually("it is refused", || home.status().set.refused);
    comes_to_answer(&home, &worker, "two");
    assert_eq!(worker.terminate().code, Some(0));

    assert_eq!(Running::try_start(&home, &[]).unwrap_err().code, Some(78));
    let worker = Running::start(&home, &["--last-good", "--set", "reload.interval=10ms"]);
    comes_to_answer(&home, &worker, "two");
    put("three");
    comes_to_answer(&home, &worker, "three");
    assert_eq!(worker.terminate().code, Some(0));
}
