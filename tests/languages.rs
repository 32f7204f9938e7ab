//! The example function does the same work in every language that functions/build knows.

#[path = "function/guests.rs"]
mod guests;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use weir::event::Uid;
use weir::function::{Answer, FunctionIndex, Limits, Module, Pool, answer};

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
        let engine = guests::engine();
        let module = Module::load(&engine, name, &built(name)?, Limits::default()).unwrap();
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
                    let data = String::from_utf8_lossy(reply.data.as_ref().unwrap().bytes());
                    format!("{} {} {} {data}", reply.ty, reply.id, reply.source)
                });
                shown.collect::<Vec<_>>().join("; ")
            }
        }
    }

    fn does_the_work(mut self) {
        let decided = |amount: &str, ty: &str, decision: &str| {
            format!(
                r#"{ty} o-1/payment /functions/{} {{"order_id":"A7","amount":{amount},"currency":"EUR","decision":"{decision}"}}"#,
                self.name
            )
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
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
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
