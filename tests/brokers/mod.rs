//! Real brokers, started by scripts/brokers where none runs yet; `make test` stops them.

#![allow(dead_code)] // Not every suite uses every broker.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// "127.0.0.1:40001", of a Kafka that answers.
pub(crate) fn kafka() -> String {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| up("kafka")).clone()
}

/// The same of a NATS server with JetStream.
pub(crate) fn nats() -> String {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| up("nats")).clone()
}

fn up(broker: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/brokers");
    let started = Command::new(script).args(["up", broker]).output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let said = String::from_utf8(started.stdout).unwrap();
    let line = said.lines().find_map(|line| line.strip_prefix(broker)).expect("it says where it listens");
    line.trim().to_owned()
}

/// A name that nothing else has, in this run or another.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{name}-{nanos:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
