//! The event that everything is measured with, and what stands around it in the worker.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use weir::config::{self, Config, Settings};
use weir::event::{Envelope, Epoch, Event, Position, Uid, record, structured};
use weir::function::{Engine, Limits, Module};

pub(crate) const SOURCE: Uid = Uid(7);

/// An order.created of about 400 bytes; each number has its own id and key.
pub(crate) fn json(number: usize) -> String {
    format!(
        concat!(
            r#"{{"specversion":"1.0","id":"order-{n:08}","source":"/shop/checkout","type":"order.created","#,
            r#""time":"2026-11-20T12:34:56.789Z","datacontenttype":"application/json","#,
            r#""partitionkey":"customer-{n:06}","data":{{"order_id":"{n:08}","amount":1299.5,"currency":"EUR","#,
            r#""items":[{{"sku":"A-1009","quantity":2,"price":600.25}},{{"sku":"B-2001","quantity":1,"price":99}}],"#,
            r#""note":"leave it with the neighbour"}}}}"#
        ),
        n = number
    )
}

pub(crate) fn record(event: &Event<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    record::encode(event, &mut record);
    record
}

pub(crate) fn envelope(number: usize) -> Envelope {
    let json = json(number);
    let event = structured::decode(json.as_bytes()).expect("the sample is an event");
    let position = Position { source: SOURCE, partition: 0, offset: number as u64 };
    Envelope::new(position, Epoch(1), Bytes::from(record(&event))).expect("written just now")
}

/// What the example function answers to the sample.
pub(crate) fn answer() -> Vec<u8> {
    let mut output = Vec::new();
    weir_guest::respond(json(0).as_bytes(), crate::function::payment::handle, &mut output);
    output
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the bench writes.
pub(crate) fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
}

pub(crate) fn cache() -> PathBuf {
    scratch().join("native")
}

/// The documents of the demo.
pub(crate) fn documents() -> PathBuf {
    root().join("triggers")
}

pub(crate) fn config() -> Config {
    config::load(&[documents()])
        .config
        .expect("the demo's documents are right; functions/build makes its module")
}

/// As they are where nothing is set.
pub(crate) fn settings() -> Settings {
    config::load_settings(None, &|_| None, &[]).0
}

pub(crate) fn module() -> PathBuf {
    root().join("functions/payment.wasm")
}

pub(crate) fn load() -> (Arc<Engine>, Arc<Module>) {
    let engine = Engine::start(&cache()).expect("WasmEdge starts");
    let module = Module::load(&engine, "payment", &module(), Limits::default());
    (engine, module.expect("functions/build makes it"))
}
