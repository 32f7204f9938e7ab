//! Every mistake of every file is reported at once, with file, line, column and what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use weir::config::{Code, DeadLetterTo, LINTS, Severity, load, load_settings, load_text};
use weir::dispatch::{Backoff, Order};
use weir::event::Uid;
use weir::trigger::{DataFilter, Filter};

/// Written out by `UPDATE_EXPECTED=1`; read before it is committed.
const EXPECTED: &str = "tests/mistakes/expected.txt";

#[test]
fn all_mistakes_of_all_files_at_once() {
    let loaded = load(&[PathBuf::from("tests/mistakes"), PathBuf::from("tests/no-such-folder")]);
    assert!(loaded.config.is_none());
    let shown = loaded.diagnostics.to_string();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(EXPECTED, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(EXPECTED).unwrap();
    snapbox::assert_data_eq!(shown, snapbox::Data::text(expected).raw());
}

/// docs/diagnostics.md has a row for each code, and each that is not of settings is in use above.
#[test]
fn the_page_lists_every_code() {
    let page = std::fs::read_to_string("docs/diagnostics.md").unwrap();
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    let listed: BTreeMap<&str, &str> = rows.filter(|(code, _)| !code.contains(' ')).collect();
    let codes = Code::ALL.iter().map(|(code, means)| (code.text(), (*means).to_owned()));
    let lints = LINTS.iter().map(|lint| (lint.code.text(), lint.tells.to_owned()));
    let said: BTreeMap<&str, String> = codes.chain(lints).collect();
    assert_eq!(said.len(), Code::ALL.len() + LINTS.len(), "one name, one code");
    assert_eq!(listed, said.iter().map(|(code, means)| (*code, means.as_str())).collect());
    // The page says which of them have to be asked for.
    let (_, checklist) = page.split_once("## The production checklist").unwrap();
    for lint in LINTS {
        assert_eq!(checklist.contains(&format!("| `{}` |", lint.code)), lint.production, "{}", lint.code);
    }

    let loaded = load(&[PathBuf::from("tests/mistakes"), PathBuf::from("tests/no-such-folder")]);
    let seen: BTreeSet<&str> = loaded.diagnostics.sorted().iter().map(|d| d.code.text()).collect();
    for (code, _) in Code::ALL.iter().filter(|(code, _)| ![Code::SETTING, Code::NOTHING].contains(code)) {
        assert!(seen.contains(code.text()), "{code}");
    }
}

#[test]
fn every_error_says_where_and_what_to_do() {
    let loaded = load(&[PathBuf::from("tests/mistakes")]);
    let errors: Vec<_> =
        loaded.diagnostics.sorted().into_iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.len() >= 40, "{}", errors.len());
    for error in errors {
        assert!(error.line > 0 && error.column > 0, "{error}");
        let plain_type_error = error.message.contains("expected a ");
        assert!(error.suggestion.is_some() || plain_type_error, "no suggestion: {error}");
    }
}

/// What the mistakes above are mistakes in: the same documents, right.
#[test]
fn good_documents_make_a_config() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("triggers/deep/.hidden")).unwrap();
    std::fs::create_dir(folder.path().join("functions")).unwrap();
    std::fs::write(folder.path().join("functions/payment.wasm"), b"\0asm\x01\0\0\0").unwrap();
    for name in ["orders.yaml", "payment.yaml"] {
        std::fs::copy(Path::new("triggers").join(name), folder.path().join("triggers").join(name)).unwrap();
    }
    std::fs::write(folder.path().join("triggers/deep/.hidden/bad.yaml"), "a: [").unwrap();
    std::fs::write(
        folder.path().join("triggers/deep/more.yml"),
        r#"
apiVersion: v1
kind: List
items:
- apiVersion: eventing.knative.dev/v1
  kind: Broker
  metadata: {name: orders, namespace: shop, annotations: {weir.dev/backing: queue}}
  spec:
    delivery:
      backoffPolicy: linear
      backoffDelay: PT2S
      deadLetterSink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: default, namespace: default}}
- apiVersion: eventing.knative.dev/v1
  kind: Trigger
  metadata: 
    name: a
    namespace: shop
    annotations:
      kafka.eventing.knative.dev/delivery.order: unordered
      weir.dev/data-filter: /amount > 10000 and not /test
      rabbitmq.eventing.knative.dev/prefetchCount: "1"
  spec:
    brokerRef: {kind: Broker, name: orders}
    filters:
    - exact: {type: order.created}
    - exact: {source: shop}
    subscriber: {ref: {kind: Function, name: payment, namespace: default}}
    delivery: {retry: 3}
"#,
    )
    .unwrap();
    let loaded = load(&[folder.path().join("triggers")]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    assert_eq!(loaded.files.len(), 3);
    let config = loaded.config.unwrap();
    let names: Vec<_> = config.brokers.iter().map(|b| (b.namespace.as_str(), b.name.as_str())).collect();
    assert_eq!(names, [("default", "default"), ("shop", "orders")]);
    let [inner, article] = config.triggers.as_slice() else { panic!("{:?}", config.triggers) };
    assert_eq!(article.name, "process-payments");
    assert_eq!(article.uid, Uid::of_document("default", "Trigger", "process-payments"));
    assert_eq!(article.broker, config.brokers[0].uid);
    assert_eq!((&article.filter, &article.data), (&exact("type", "order.created"), &None));
    assert_eq!((article.policy.order, article.dead_letter), (Order::Key, DeadLetterTo::Store));
    assert_eq!(article.subscriber_name(&config), "default/payment");
    assert_eq!(config.functions[0].tenant, weir::config::Tenant::named("default"));
    assert!(config.functions[0].module.ends_with("triggers/../functions/payment.wasm"));
    assert_eq!(inner.broker, config.brokers[1].uid);
    assert_eq!(inner.data.as_ref().map(DataFilter::text), Some("/amount > 10000 and not /test"));
    assert_eq!(inner.dead_letter, DeadLetterTo::Broker(config.brokers[0].uid));
    let policy = &inner.policy;
    assert_eq!((policy.retry, policy.backoff, policy.delay.as_secs()), (3, Backoff::Linear, 2));
    assert_eq!(policy.order, Order::Unordered);
    assert_eq!(inner.filter, Filter::all([exact("type", "order.created"), exact("source", "shop")]));
}

fn exact(attribute: &str, value: &str) -> Filter {
    Filter::exact([(attribute.to_owned(), value.to_owned())])
}

#[test]
fn a_broker_s_own_dead_letter_sink_is_checked_and_a_loop_is_warned_of() {
    let broker = |sink: &str| {
        format!(
            "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {{name: orders}}\nspec:\n  delivery:\n    \
             deadLetterSink: {{ref: {{kind: Broker, name: {sink}}}}}\n"
        )
    };
    let loaded = load_text("b.yaml", &broker("ordres"));
    let shown = loaded.diagnostics.to_string();
    assert!(shown.starts_with("b.yaml:6:48: error: no Broker 'ordres' in namespace 'default'"), "{shown}");
    assert!(shown.ends_with("help: did you mean 'orders'?\n"), "{shown}");
    assert!(load_text("b.yaml", &broker("default")).config.is_some());
}

#[test]
fn a_line_that_names_a_secret_is_not_shown() {
    let text =
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: a}\nspec: {apiKey: hunter2}\n";
    let shown = load_text("f.yaml", text).diagnostics.to_string();
    assert!(
        shown.contains("f.yaml:4:8: error: unknown field 'apiKey'") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn a_subscriber_that_is_not_there_is_told_who_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.wasm"), b"").unwrap();
    let text = "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: payment}\nspec: {module: f.wasm}\n---\n\
                apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: a}\nspec:\n  broker: default\n  \
                subscriber: {ref: {kind: Function, name: shipping}}\n";
    std::fs::write(folder.path().join("t.yaml"), text).unwrap();
    let shown = load(&[folder.path().to_owned()]).diagnostics.to_string();
    assert!(
        shown.contains("t.yaml:11:44: error: no Function 'shipping' in namespace 'default'")
            && shown.contains("Functions here: 'payment'"),
        "{shown}"
    );
    // A Service is somewhere else then; where, is said.
    std::fs::write(folder.path().join("t.yaml"), text.replace("kind: Function, name", "kind: Service, name"))
        .unwrap();
    let loaded = load(&[folder.path().to_owned()]);
    let (config, shown) = (loaded.config.unwrap(), loaded.diagnostics.to_string());
    assert_eq!(config.triggers[0].subscriber_name(&config), "http://shipping.default.svc.cluster.local");
    let said = "t.yaml:11:43: note: no Function serves the Service 'shipping': it is called at \
                http://shipping.default.svc.cluster.local";
    assert!(shown.contains(said), "{shown}");
}

/// A file that can't be read to its end may hold what others name: the help then says so instead of guessing.
#[test]
fn what_was_not_read_is_not_called_absent() {
    let text = "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: a}\nspec:\n  broker: orders\n  \
                subscriber: {ref: {kind: Function, name: f}}\n---\na: [\n";
    let shown = load_text("t.yaml", text).diagnostics.to_string();
    assert_eq!(shown.matches("help: it may stand in what could not be read").count(), 2, "{shown}");
}

#[test]
fn files_that_are_no_text() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), b"a: 1\nb: \xff\n").unwrap();
    std::fs::write(folder.path().join("b.yaml"), vec![b' '; (1 << 20) + 1]).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("c.yaml")).unwrap();
    std::os::unix::fs::symlink(".", folder.path().join("round")).unwrap();
    std::fs::write(folder.path().join("d.txt"), "not ours").unwrap();
    let shown = load(&[folder.path().to_owned(), folder.path().to_owned()]).diagnostics.to_string();
    assert!(shown.contains("a.yaml: error: is not UTF-8 text, from line 2 on"), "{shown}");
    assert!(shown.contains("b.yaml: error: is larger than 1048576 bytes"), "{shown}");
    assert!(shown.contains("c.yaml: error: can't be opened"), "{shown}");
    assert_eq!(shown.matches("error:").count(), 3, "{shown}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        load_text("any.yaml", &String::from_utf8_lossy(&bytes)).diagnostics.to_string();
    }

    /// Texts made of what documents are made of get further than arbitrary bytes.
    #[test]
    fn no_likely_text_makes_it_panic(parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..60)) {
        let text = parts.concat();
        let loaded = load_text("any.yaml", &text);
        loaded.diagnostics.to_string();
        // Whatever is left out has its reason.
        proptest::prop_assert_eq!(loaded.config.is_none(), loaded.diagnostics.has_errors());
    }

    #[test]
    fn no_damage_to_a_good_document_makes_it_panic(at in 0usize..400, with in "[\\x00-\\x7fé\\n:\\-\\[{&*!|>]{0,3}") {
        let good = include_str!("../triggers/orders.yaml");
        let mut text: Vec<char> = good.chars().collect();
        let at = at.min(text.len() - 1);
        text.splice(at..=at, with.chars());
        load_text("any.yaml", &text.into_iter().collect::<String>()).diagnostics.to_string();
    }
}

const PARTS: &[&str] = &[
    "apiVersion: eventing.knative.dev/v1\n",
    "kind: Trigger\n",
    "kind: Broker\n",
    "apiVersion: weir.dev/v1alpha1\n",
    "kind: NatsSource\n",
    "kind: BillingSink\n",
    "metadata:\n",
    "  name: a\n",
    "spec:\n",
    "  broker: default\n",
    "  filter:\n",
    "    attributes:\n",
    "      type: x\n",
    "  filters:\n",
    "  - exact: {a: b}\n",
    "  subscriber:\n",
    "    ref:\n",
    "      kind: Function\n",
    "      name: f\n",
    "---\n",
    "- ",
    "? ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a ",
    "!!str ",
    "| \n",
    "> \n",
    "\"",
    "'",
    "\t",
    "\r",
    "\u{feff}",
    "# c\n",
    "<<",
    "null",
    "\n",
    "  ",
    "é",
    "\u{0}",
    "%YAML 1.2\n",
    "...\n",
    "kind: List\n",
    "items:\n",
];

fn settings_of(
    content: &str,
    env: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> (weir::config::Settings, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.yaml");
    std::fs::write(&file, content).unwrap();
    let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let flags: Vec<_> = flags.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let (settings, diagnostics) = load_settings(Some(&file), &env, &flags);
    let shown = diagnostics.to_string().replace(&*file.to_string_lossy(), "weir.yaml");
    (settings, shown.replace(&*folder.path().to_string_lossy(), "…"))
}

#[test]
fn mistakes_in_the_settings() {
    let content = std::fs::read_to_string("tests/mistakes/settings/weir.txt").unwrap();
    let env = [("WEIR_HTTP_MAX_BODY", "huge"), ("WEIR_EXECUTORS", "4096")];
    let flags = [("log.level", "wran"), ("http.adress", "x"), ("http.token", "hunter2")];
    let (_, shown) = settings_of(&content, &env, &flags);
    let path = "tests/mistakes/settings/expected.txt";
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, &shown).unwrap();
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    snapbox::assert_data_eq!(shown, snapbox::Data::text(std::fs::read_to_string(path).unwrap()).raw());
}

/// However a secret is misplaced, nothing shows it.
#[test]
fn a_secret_is_never_shown() {
    let misplaced = [
        "http:\n  token: hunter2\n",
        "http:\n  token: [hunter2]\n",
        "http:\n  token: {hunter2}\n",
        "http:\n  token: {secret: hunter2}\n",
        "http:\n  token: {hunter2: hunter2, secret: a/b}\n",
        "http:\n  token:\n    value: hunter2\n",
        "http:\n  token: |\n    hunter2\n    hunter2\n",
        "http:\n  token: \"hunter2\n    hunter2\n",
        "http: {token: hunter2, adress: 1}\n",
        "http:\n  tokn: hunter2\n",
        "http:\n  bearer: hunter2\n",
        "http:\n  bearer:\n    value: hunter2\n    value: hunter2\n",
        "http:\n  token: {secret: a/b}\n  token: hunter2\n",
        "http:\n  token: *hunter\n  x: hunter2\n",
        "x: &x hunter2\nhttp:\n  token: *x\n",
        "http.token: hunter2\n",
        "http:\n  token: !hunter2 hunter2\n",
        "http:\n  token: 1\n\thunter2\n",
        "http: hunter2\n",
        "http: [hunter2]\n",
        "http:\n  token: {hunter2: 1, hunter2: 2}\n",
        "http:\n  token: &hunter2 [*hunter2]\n",
        "http:\n  token: {? [hunter2] : 1}\n",
        "http:\n  token:\n  - secret: a/b\n  - hunter2\n",
    ];
    for content in misplaced {
        let (settings, shown) = settings_of(content, &[], &[]);
        assert!(shown.contains("error:"), "{content}: {shown}");
        assert!(!shown.contains("hunter2"), "{content}: {shown}");
        assert!(settings.shown().iter().all(|row| !row.value.contains("hunter2")), "{content}");
    }
}

/// Nor does it where a document has it in the place of a reference to it.
#[test]
fn a_secret_in_a_document_is_never_shown() {
    let misplaced = [
        "hunter2",
        "[hunter2]",
        "{hunter2}",
        "{hunter2: 1}",
        "{value: hunter2}",
        "{secretKeyRef: hunter2}",
        "{secretKeyRef: [hunter2]}",
        "{secretKeyRef: {hunter2}}",
        "{secretKeyRef: {name: a, key: b, value: hunter2}}",
        "{secretKeyRef: {name: 'hunter2 or so', key: b}}",
        "{secretKeyRef: {name: a, key: [hunter2]}}",
        "{secretKeyRef: {name: a, key: b}, value: hunter2}",
        "\n          value:\n            hunter2",
        "\n          secretKeyRef: |\n            hunter2",
        "\n          secretKeyRef:\n            name: a\n            key: hunter2 hunter2",
    ];
    let kafka = "apiVersion: sources.knative.dev/v1\nkind: KafkaSource\nmetadata: {name: a}\nspec:\n  \
                 bootstrapServers: ['kafka:9092']\n  topics: [a]\n  sink: {ref: {kind: Broker, name: default}}\n  net:\n    \
                 sasl:\n      enable: true\n      user: {secretKeyRef: {name: a, key: b}}\n      FIELD: ";
    let nats = "apiVersion: weir.dev/v1alpha1\nkind: NatsSink\nmetadata: {name: a}\nspec:\n  servers: ['nats:4222']\n  \
                subject: a\n  auth:\n      FIELD: ";
    for (head, field) in
        [(kafka, "password"), (kafka, "type"), (nats, "token"), (nats, "nkey"), (nats, "creds")]
    {
        for secret in misplaced {
            let text = format!("{}{secret}\n", head.replace("FIELD", field));
            let shown = load_text("d.yaml", &text).diagnostics.to_string();
            assert!(shown.contains("error:") && !shown.contains("hunter2"), "{text}\n{shown}");
        }
    }
    for servers in ["['nats://weir:hunter2@nats:4222']", "\n  - nats:4222\n  - nats://hunter2@nats"] {
        let text = nats.replace("['nats:4222']", servers) + "{secretKeyRef: {name: a, key: b}}\n";
        let shown = load_text("d.yaml", &text.replace("FIELD", "token")).diagnostics.to_string();
        assert!(shown.contains("error:") && !shown.contains("hunter2"), "{text}\n{shown}");
    }
}

#[test]
fn a_reference_deployment_s_words_are_taken_with_a_note() {
    let content = "server:\n  port: 8080\n  host: \"0.0.0.0\"\n  timeout: 30s\nfunction:\n  \
                   max_concurrent_requests: 500\n  request_timeout: 30s\nrate_limit:\n  requests_per_second: 100\n  \
                   burst_size: 200\n";
    let (settings, shown) = settings_of(content, &[], &[]);
    assert_eq!(settings.http_address, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(settings.http_max_concurrent_requests, 500);
    assert_eq!((settings.http_rate_limit_per_second, settings.http_rate_limit_burst), (100, 200));
    assert!(!shown.contains("error:") && shown.matches("note:").count() == 6, "{shown}");
    assert!(
        shown.contains("warning: http.address: whoever can reach 0.0.0.0:8080 can post events"),
        "{shown}"
    );
    let (_, shown) = settings_of(&content.replace("request_timeout: 30s", "request_timeout: 20s"), &[], &[]);
    assert!(shown.contains("http.request-timeout is said twice, differently"), "{shown}");
}

#[test]
fn the_first_layer_that_says_it_wins_and_is_remembered() {
    let content = "data:\n  dir: from-file\nlog:\n  level: debug\nexecutors: 3\ntriggers: [a, b]\n";
    let env = [("WEIR_DATA_DIR", "from-env"), ("WEIR_LOG_LEVEL", "trace")];
    let (settings, shown) = settings_of(content, &env, &[("log.level", "warn")]);
    assert_eq!(shown, "");
    let told = settings.shown().into_iter().map(|row| (row.name, format!("{} {:?}", row.value, row.origin)));
    let told: std::collections::HashMap<_, _> = told.collect();
    assert_eq!(told["log.level"], "warn Flag");
    assert_eq!(told["data.dir"], "from-env Env(\"WEIR_DATA_DIR\")");
    assert_eq!(told["executors"], "3 File(5)");
    assert_eq!(told["triggers"], "a,b File(6)");
    assert_eq!(told["http.max-body"], "1MiB Default");
    assert_eq!(told["function.cache"], "from-env/aot Default");
    assert_eq!(settings.triggers, [PathBuf::from("a"), PathBuf::from("b")]);
}

#[test]
fn a_token_is_found_before_anything_starts() {
    let content = "http:\n  address: 0.0.0.0:8080\n  token:\n    secret: http/token\n";
    let env = [("WEIR_SECRET_HTTP_TOKEN", "hunter2")];
    let (settings, shown) = settings_of(content, &env, &[]);
    assert_eq!(shown, "");
    assert_eq!(settings.http_token.unwrap().to_string(), "http/token");
    let (_, shown) = settings_of(content, &[], &[]);
    assert!(
        shown.starts_with("weir.yaml:4:5: error: http.token: the secret 'http/token' is neither in"),
        "{shown}"
    );
}

#[test]
fn every_setting_is_documented_and_within_its_own_bounds() {
    let table = weir::config::settings::documentation();
    for row in weir::config::settings::TABLE {
        assert!(table.contains(&format!("`{}`", row.name)) && !row.doc.is_empty(), "{}", row.name);
        if row.name != "function.cache" && !row.default.is_empty() {
            let (_, shown) = settings_of("", &[], &[(row.name, row.default)]);
            assert_eq!(shown, "", "{}", row.name);
        }
    }
}

/// A durable of NATS is shared by workers: an order of what it brings can't be kept, and is refused wherever it is asked for.
#[test]
fn an_order_that_a_shared_durable_can_not_keep_is_refused() {
    let load = |annotations: &str, ordering: &str, broker: &str| {
        let text = format!(
            "apiVersion: weir.dev/v1alpha1\nkind: NatsSource\nmetadata: {{name: orders}}\nspec:\n  servers: ['nats:4222']\n  \
             stream: ORDERS\n  consumer: weir\n  {ordering}\n  sink: {{{broker}}}\n---\napiVersion: eventing.knative.dev/v1\n\
             kind: Trigger\nmetadata: {{name: t, annotations: {{{annotations}}}}}\nspec:\n  broker: default\n  \
             subscriber: {{uri: 'http://orders/'}}\n"
        );
        weir::config::load_text("a.yaml", &text).diagnostics.to_string()
    };
    let (broker, uri) = ("ref: {kind: Broker, name: default}", "uri: 'http://orders/'");
    for fine in ["", "weir.dev/delivery.order: unordered"] {
        let said = load(fine, "", broker);
        assert!(!said.contains("error"), "{said}");
    }
    for order in ["weir.dev/delivery.order: key", "kafka.eventing.knative.dev/delivery.order: ordered"] {
        let said = load(order, "", broker);
        assert!(
            said.contains("the Trigger 't' asks for the order") && said.contains("set 'partitions'"),
            "{said}"
        );
        let said = load(order, "", uri);
        assert!(!said.contains("error"), "its broker has other events: {said}");
    }
    let said = load("", "ordering: key", uri);
    assert!(said.contains("NatsSource.spec.ordering: 'key' can't be kept"), "{said}");
}
