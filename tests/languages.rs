//! The example function does the same work in every language that functions/build knows.

#[path = "function/guests.rs"]
mod guests;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use serde_json::Value;
use weir::event::Uid;
use weir::function::{Answer, FunctionIndex, Limits, Module, Pool, Surroundings, answer};

/// The example as functions/build made it of one language. `None`: this machine lacks what it is built with, as
/// functions/build has said; one that tests every change must not.
fn built(name: &str) -> Option<PathBuf> {
    static BUILT: Once = Once::new();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
    BUILT.call_once(|| {
        let built = Command::new(functions.join("build")).output().unwrap();
        assert!(built.status.success(), "functions/build: {}", String::from_utf8_lossy(&built.stderr));
    });
    let path = functions.join(format!("{name}.wasm"));
    let there = path.exists();
    assert!(there || env::var_os("CI").is_none(), "{name}.wasm was not built: run scripts/setup");
    there.then_some(path)
}

struct Example {
    name: &'static str,
    pool: Pool,
}

impl Example {
    fn load(name: &'static str) -> Option<Example> {
        Example::load_in(name, name, Surroundings::of(name))
    }

    fn load_in(name: &'static str, module: &str, surroundings: Surroundings) -> Option<Example> {
        let engine = guests::engine();
        let module =
            Module::load_in(&engine, name, &built(module)?, Limits::default(), surroundings).unwrap();
        Some(Example { name, pool: Pool::new(&engine, [module]) })
    }

    /// The answer in short, as the same line for all languages: messages are their own.
    fn answer(&mut self, input: &[u8]) -> String {
        let output = self.pool.call(FunctionIndex(0), input).result.unwrap_or_else(|f| panic!("{f}"));
        match answer::read(output, self.name, Uid(1)).unwrap() {
            Answer::Done => "done".to_owned(),
            Answer::Failed { retry, code, message } => {
                assert!(!message.is_empty());
                format!("{code}, retry {retry}")
            }
            Answer::Replies(replies) => {
                let shown = replies.iter().map(|reply| {
                    // Members of an object have no order.
                    let data: Value = serde_json::from_slice(reply.data.as_ref().unwrap().bytes()).unwrap();
                    format!("{} {} {} {data}", reply.ty, reply.id, reply.source)
                });
                shown.collect::<Vec<_>>().join("; ")
            }
        }
    }

    fn does_the_work(mut self) {
        let decided = |amount: &str, ty: &str, decision: &str| {
            let data =
                format!(r#"{{"order_id":"A7","amount":{amount},"currency":"EUR","decision":"{decision}"}}"#);
            let data: Value = serde_json::from_str(&data).unwrap();
            format!("{ty} o-1/payment /functions/{} {data}", self.name)
        };
        let cases = [
            ("10000.01", decided("10000.01", "order.flagged", "flagged")),
            ("10000", decided("10000", "payment.processed", "processed")),
            ("-5", decided("-5", "payment.processed", "processed")),
            ("\"much\"", "invalid-amount, retry false".to_owned()),
        ];
        for (amount, answer) in cases {
            assert_eq!(self.answer(&guests::order("A7", amount)), answer, "{} of {amount}", self.name);
        }
        for (ty, data, answer) in [
            ("order.created", r#"{"amount":1,"currency":"EUR"}"#, "invalid-data, retry false"),
            ("order.created", "null", "invalid-data, retry false"),
            ("order.cancelled", "{}", "done"),
        ] {
            let event =
                format!(r#"{{"specversion":"1.0","id":"o-2","source":"/s","type":"{ty}","data":{data}}}"#);
            assert_eq!(self.answer(event.as_bytes()), answer, "{} of {event}", self.name);
        }
        // Inputs grow and shrink, and escapes stay what they are.
        for len in [10, 100_000, 50, 300_000] {
            let order_id = format!("\\\"{}ü", "i".repeat(len));
            let answer = self.answer(&guests::order(&order_id, "1"));
            let beginning = format!(r#"payment.processed o-1/payment /functions/{} "#, self.name);
            let data = answer.strip_prefix(&beginning).unwrap_or_else(|| panic!("{len}: {answer:.200}"));
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["order_id"].as_str().unwrap().len(), len + 3, "{}", self.name);
        }
    }
}

#[test]
fn in_rust() {
    Example::load("payment").expect("Rust is always there").does_the_work();
}

#[test]
fn in_c() {
    if let Some(example) = Example::load("payment-c") {
        example.does_the_work();
    }
}

#[test]
fn in_go() {
    if let Some(example) = Example::load("payment-go") {
        example.does_the_work();
    }
}

#[test]
fn as_a_program() {
    if let Some(example) = Example::load("payment-command") {
        example.does_the_work();
    }
}

// ---- JavaScript ------------------------------------------------------------------------------------------------------

/// A thousand times what any call here takes that comes to an end.
const FUEL: u64 = 100_000_000_000;

/// The engine with a script.
fn script(text: &str) -> Option<Result<Pool, String>> {
    let config =
        BTreeMap::from([("script".to_owned(), text.to_owned()), ("limit".to_owned(), "5".to_owned())]);
    let surroundings = Surroundings { config, ..Surroundings::of("f") };
    let (engine, path) = (guests::engine(), built("javascript")?);
    let limits = Limits { fuel: Some(FUEL), timeout: Duration::from_secs(600), ..Limits::default() };
    let loaded = Module::load_in(&engine, "f", &path, limits, surroundings);
    Some(loaded.map(|module| Pool::new(&engine, [module])).map_err(|error| error.to_string()))
}

#[test]
fn in_javascript() {
    let text = std::fs::read_to_string("functions/payment-js/payment.js").unwrap();
    let config = BTreeMap::from([("script".to_owned(), text)]);
    let surroundings = Surroundings { config, ..Surroundings::of("payment-js") };
    if let Some(example) = Example::load_in("payment-js", "javascript", surroundings) {
        example.does_the_work();
    }
}

#[test]
fn a_script_that_is_none_is_refused_at_load_with_the_reason_and_its_place() {
    for (text, said) in [
        ("export default (event) => {\n  return {;\n}", "script:2:"),
        ("let x = 1;", "its default export is no function"),
        ("const handle = () => {};\nexport default hande;", "hande"),
        (
            "throw new TypeError('not today');\nexport default () => {};",
            "TypeError: not today at <anonymous> (script:1:",
        ),
        ("import 'node:fs'; export default () => {};", "node:fs"),
        ("for (;;) {}", "timed"),
    ] {
        let Some(loaded) = script(text) else { return };
        let error = loaded.err().unwrap_or_else(|| panic!("it was loaded: {text}"));
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn what_a_script_throws_is_its_failure_and_what_it_says_is_logged() {
    let text = "
        let calls = 0;
        export default async function handle({ id, data }) {
          console.warn('limit', weir.config('limit'), weir.config('nothing'), { calls: ++calls });
          await null;
          switch (data) {
            case 'throw': throw new RangeError('too far');
            case 'text': throw 'as it is';
            case 'final': throw Object.assign(new Error('never'), { retry: false, code: 'closed' });
            case 'deep': return (function deeper() { return deeper() + 1; })();
            case 'never': return new Promise(() => {});
            case 'odd': return { id: 1 };
            case 'endless': for (;;) {}
            case 'large': return 'x'.repeat(1e9);
            case 'time': return { type: 't', data: new Date().getFullYear() > 2000 && Math.random() < 1 };
            default: return [{ type: 'a', data: [1] }, { type: 'b' }];
          }
        }";
    let Some(loaded) = script(text) else { return };
    let mut pool = loaded.unwrap();
    let mut call = |data: &str| {
        let event = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"{data}"}}"#);
        let called = pool.call(FunctionIndex(0), event.as_bytes());
        let lines: Vec<_> = called.log.lines.iter().map(|line| line.text.clone()).collect();
        let result = called.result.map(|output| String::from_utf8_lossy(output).into_owned());
        (result.unwrap_or_else(|failure| format!("{failure}")), lines)
    };
    let (said, lines) = call("list");
    assert_eq!(
        said,
        r#"[{"specversion":"1.0","datacontenttype":"application/json","type":"a","data":[1]},{"specversion":"1.0","type":"b"}]"#
    );
    assert_eq!(lines, [r#"limit 5 undefined {"calls":1}"#]);
    for (data, parts) in [
        ("throw", &[r#""retry":true,"code":"RangeError","message":"too far (handle (script:7:"#][..]),
        ("text", &[r#"{"error":{"retry":true,"code":"thrown","message":"as it is"}}"#]),
        ("final", &[r#"{"error":{"retry":false,"code":"closed","message":"never"}}"#]),
        ("deep", &["calls nested too deeply"]),
        ("never", &[r#""code":"never-settled""#]),
        ("odd", &[r#""code":"bad-reply""#]),
        ("large", &["memory"]),
        ("time", &[r#""data":true"#]),
        ("endless", &["units of fuel"]),
        ("list", &[r#""type":"b""#]),
    ] {
        let (said, _) = call(data);
        assert!(parts.iter().all(|part| said.contains(part)), "{data}: {said}");
    }
    // A call that was stopped has taken its instance with it.
    assert_eq!(call("list").1, [r#"limit 5 undefined {"calls":2}"#]);
}
