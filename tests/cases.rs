//! `weir test`: what it says, and that what it plays is what a worker does.

#[path = "cases/agreement.rs"]
mod agreement;
#[path = "cases/plays.rs"]
mod plays;
#[allow(dead_code)]
#[path = "cli/session.rs"]
mod session;
mod worker;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use session::Session;
use weir::config::{load, load_text, load_with_tests};
use worker::guests;

/// A Trigger of the broker `default` for events of this type, with more of its spec in flow style.
fn trigger(name: &str, ty: &str, function: &str, more: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {{type: {ty}}}}}\n  subscriber: {{ref: {{kind: Function, name: {function}}}}}\n{more}---\n"
    )
}

/// A Function whose module stands beside the document.
fn function(name: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
    )
}

/// A Test with these cases.
fn test(name: &str, cases: &str) -> String {
    let mut text =
        format!("apiVersion: weir.dev/v1alpha1\nkind: Test\nmetadata: {{name: {name}}}\nspec:\n  cases:\n");
    for line in cases.lines() {
        writeln!(text, "  {line}").unwrap();
    }
    text + "---\n"
}

// ---- what is said ----------------------------------------------------------------------------------------------

/// The example's own test, and others of which each fails in a way of its own.
#[test]
fn a_session() {
    let mut session = Session::new("test").timed();
    for name in ["orders.yaml", "orders_test.yaml"] {
        std::fs::create_dir_all(session.path("triggers")).unwrap();
        std::fs::copy(Path::new("triggers").join(name), session.path("triggers").join(name)).unwrap();
    }
    session.write(
        "triggers/payment.yaml",
        function("payment").replace(".wasm}", ".wasm, serves: [payment-service]}"),
    );
    std::fs::copy(guests::payment(), session.path("triggers/payment.wasm")).unwrap();
    session.weir(&["test"]).weir(&["test", "--filter", "flagged"]).weir(&["test", "--list"]);
    session.weir(&["test", "--filter", "no such case"]).weir(&["test", "triggers/orders.yaml"]);
    session.weir(&["check"]);
    session.write(
        "triggers/brittle.yaml",
        trigger("fragile", "parcel.sent", "brittle", "") + &function("brittle"),
    );
    session.write("triggers/brittle.wasm", guests::brittle());
    session.write("triggers/failing_test.yaml", include_str!("cases/failing.yaml"));
    session.write(
        "triggers/order.json",
        r#"{"specversion":"1.0","id":"f-1","source":"/shop","type":"parcel.sent"}"#,
    );
    session.weir(&["test", "triggers/failing_test.yaml"]);
    session.weir(&["test", "--fail-fast", "--filter", "a"]);
    session.write(
        "triggers/wrong_test.yaml",
        "apiVersion: weir.dev/v1alpha1\nkind: Test\nmetadata: {name: wrong}\n",
    );
    session.weir(&["test"]).weir(&["check"]);
    session.expect();
}

/// As they stand in the repository.
#[test]
fn the_example_s_own_tests_pass() {
    guests::payment();
    let mut command = Session::new("").command();
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("test").output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.contains(", 0 failed"), "{said}");
}

/// XML that parses, with the counts that it says.
#[test]
fn junit_is_what_its_readers_read() {
    let session = Session::new("");
    let documents = [
        trigger("orders", "order.created", "payment", ""),
        function("payment"),
        test(
            "first",
            "- name: a <fine> & \"quoted\" one\n  given: {type: order.created, data: {order_id: \"1\", amount: 1, currency: E}}\n  \
             expect: {attempts: 1}\n- name: one that fails\n  given: {type: order.created, data: \"]]>\\u0007\"}\n  expect: {}\n",
        ),
        test("second", "- name: one that is left out\n  given: {type: x}\n  expect: {}\n"),
    ];
    session.write("triggers/all.yaml", documents.concat());
    std::fs::copy(guests::payment(), session.path("triggers/payment.wasm")).unwrap();
    let mut command = session.command();
    let output = command.args(["test", "--format", "junit", "--filter", "first/"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let xml = String::from_utf8(output.stdout).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let root = document.root_element();
    let named = |name: &'static str| root.descendants().filter(move |node| node.has_tag_name(name));
    let count =
        |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
    let counts =
        |node: &roxmltree::Node<'_, '_>| ["tests", "failures", "errors", "skipped"].map(|n| count(node, n));
    assert_eq!((root.tag_name().name(), counts(&root)), ("testsuites", [3, 1, 0, 1]));
    let suites: Vec<_> =
        named("testsuite").map(|suite| (suite.attribute("name").unwrap(), counts(&suite))).collect();
    assert_eq!(suites, [("first", [2, 1, 0, 0]), ("second", [1, 0, 0, 1])]);
    let cases: Vec<_> = named("testcase").map(|case| case.attribute("name").unwrap()).collect();
    assert_eq!(cases, ["a <fine> & \"quoted\" one", "one that fails", "one that is left out"]);
    for case in named("testcase") {
        assert!(
            case.attribute("time").unwrap().parse::<f64>().is_ok() && case.attribute("classname").is_some()
        );
        assert_eq!(case.attribute("file"), Some("triggers/all.yaml"));
    }
    let failure = named("failure").next().unwrap();
    assert!(failure.attribute("message").unwrap().contains("a dead letter"), "{xml}");
    assert!(failure.text().unwrap().contains("+ reason: guest"), "{xml}");
    assert_eq!(named("skipped").count(), 1);
}

#[test]
fn json_is_an_object_a_case_and_one_for_all() {
    let session = Session::new("");
    let cases = "- name: a\n  given: [{type: t}, {type: u}]\n  expect: {routes: [], replies: []}\n\
                 - name: b\n  given: {type: u}\n  expect: {}\n";
    session.write(
        "triggers/all.yaml",
        trigger("audit", "t", "audit", "") + &function("audit") + &test("one", cases),
    );
    session.write("triggers/audit.wasm", guests::audit());
    let output = session.command().args(["test", "--format", "json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [failed, passed, all] = &lines[..] else { panic!("{text}") };
    assert_eq!((&failed["result"], &passed["result"]), (&"failed".into(), &"passed".into()));
    assert_eq!(failed["differences"][0]["actual"], serde_json::json!(["default/audit"]));
    assert_eq!(
        (&failed["differences"][0]["line"], &failed["differences"][0]["column"]),
        (&21.into(), &22.into())
    );
    assert_eq!(failed["attempts"][0]["trigger"], "default/audit");
    assert_eq!(failed["unrouted"], serde_json::json!([{"id": "2", "type": "u"}]));
    assert_eq!(*all, serde_json::json!({"passed": 1, "failed": 1, "skipped": 0}));
    assert_eq!(output.status.code(), Some(1));
}

// ---- what is wrong in a document -------------------------------------------------------------------------------

#[test]
fn every_mistake_has_its_place_and_what_to_do() {
    let loaded = load_with_tests(&[PathBuf::from("tests/cases/mistakes")], &|_| true);
    assert!(loaded.config.is_none());
    let (path, shown) = ("tests/cases/mistakes/expected.txt", loaded.diagnostics.to_string());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    snapbox::assert_data_eq!(shown, snapbox::Data::text(expected).raw());
    for mistake in loaded.diagnostics.sorted() {
        assert!(mistake.line > 0 && mistake.column > 0, "{mistake}");
        assert!(mistake.suggestion.is_some() || mistake.message.contains("expected a "), "{mistake}");
    }
}

/// To a worker a test is nothing, however wrong it is; a test that is not wanted is not read either.
#[test]
fn a_worker_passes_tests_over() {
    let paths = [PathBuf::from("tests/cases/mistakes/tests.yaml")];
    for loaded in [load(&paths), load_with_tests(&paths, &|_| false)] {
        assert_eq!(loaded.diagnostics.to_string(), "");
        assert!(loaded.config.is_some() && loaded.tests.is_empty());
    }
}

#[test]
fn a_good_test_reads_without_a_word() {
    let text = include_str!("../triggers/orders.yaml").to_owned()
        + "---\n"
        + include_str!("../triggers/orders_test.yaml");
    let loaded = load_text("triggers/all.yaml", &(text + "---\n" + include_str!("../triggers/payment.yaml")));
    let said = loaded.diagnostics.to_string();
    // The module may not have been built.
    assert!(said.lines().all(|line| !line.contains("error:") || line.contains("payment.wasm")), "{said}");
    let [test] = &loaded.tests[..] else { panic!("{said}") };
    assert_eq!((test.name.as_str(), test.cases.len()), ("orders", 4));
    let json = |event: &weir::event::Event<'_>| {
        let mut json = Vec::new();
        weir::event::structured::encode(event, &mut json);
        String::from_utf8(json).unwrap()
    };
    let events: Vec<_> = test.cases[1..4].iter().flat_map(|case| &case.given).map(json).collect();
    assert_eq!(
        events,
        [
            r#"{"specversion":"1.0","id":"1","source":"/test","type":"order.created","data":{"order_id":"A7","amount":10000.01,"currency":"EUR"}}"#,
            r#"{"specversion":"1.0","id":"1","source":"/test","type":"order.created","data":{"order_id":"A7","currency":"EUR"}}"#,
            r#"{"specversion":"1.0","id":"1","source":"/test","type":"order.cancelled","data":{"order_id":"A7"}}"#,
            r#"{"specversion":"1.0","id":"2","source":"/test","type":"Order.Created","data":{"order_id":"A7"}}"#,
        ]
    );
}

proptest::proptest! {
    /// Texts made of what tests are made of.
    #[test]
    fn no_likely_test_makes_it_panic(parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..40)) {
        let text = test("t", &parts.concat());
        let loaded = load_text("any.yaml", &text);
        loaded.diagnostics.to_string();
        // Whatever is left out has its reason.
        let read = loaded.tests.iter().map(|test| test.cases.len()).sum::<usize>();
        proptest::prop_assert!(read > 0 || loaded.diagnostics.has_errors(), "{}", text);
    }
}

const PARTS: &[&str] = &[
    "- name: a\n",
    "- name: b\n",
    "  broker: default\n",
    "  given: {type: t}\n",
    "  given:\n",
    "  - type: t\n",
    "    id: 7\n",
    "    data: {a: [1, .nan, ~]}\n",
    "    data_base64: AAE=\n",
    "    file: no.json\n",
    "    xkey: true\n",
    "  expect: {}\n",
    "  expect:\n",
    "    routes: []\n",
    "    routes: [x]\n",
    "    replies:\n",
    "    - exactly: {type: t}\n",
    "    - type: t\n",
    "      data: text\n",
    "    deadLetters: [{outcome: trapped, event: {id: x}}]\n",
    "    attempts: 3\n",
    "    attempts: {x: 1}\n",
    "  ",
    "- ",
    ": ",
    "[",
    "}",
    "&a ",
    "*a ",
];
