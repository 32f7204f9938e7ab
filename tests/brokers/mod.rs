//! Real brokers, started by scripts/brokers where none runs yet; `make test` stops them.

#![allow(dead_code)] // Not every suite uses every broker.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

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

/// Stops Kafka cleanly and starts it again, with what it held. For suites that have it to themselves.
pub(crate) fn restart_kafka() {
    script("stop", "kafka");
    assert_eq!(up("kafka"), kafka(), "it listens where it did");
}

/// Kafka stands still for as long as this is there.
#[must_use]
pub(crate) fn freeze_kafka() -> impl Drop {
    struct Frozen;
    impl Drop for Frozen {
        fn drop(&mut self) {
            script("thaw", "kafka");
        }
    }
    kafka();
    script("freeze", "kafka");
    Frozen
}

/// The same of NATS.
pub(crate) fn restart_nats() {
    script("stop", "nats");
    assert_eq!(up("nats"), nats(), "it listens where it did");
}

/// A broker of one's own, which can be away while the other is not.
#[derive(Debug)]
pub(crate) struct Own {
    name: String,
    pub(crate) address: String,
}

impl Own {
    /// With a second listener, `LOCAL`, at `local`: the first one says of itself what `more` does, which is settings beside, or
    /// over, those that all have.
    pub(crate) fn listening(name: &str, local: u16, more: &str) -> Own {
        let controller = free_port();
        let more = format!(
            "listeners=PLAINTEXT://127.0.0.1:{},LOCAL://127.0.0.1:{local},CONTROLLER://127.0.0.1:{controller}\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller}\ninter.broker.listener.name=LOCAL\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,LOCAL:PLAINTEXT,CONTROLLER:PLAINTEXT\n{more}",
            free_port(),
        );
        Own::start(name, &more)
    }

    /// A Kafka. `more`: settings beside, or over, those that all have.
    pub(crate) fn start(name: &str, more: &str) -> Own {
        Own::with(format!("kafka-{name}"), &[("more.properties", more)])
    }

    /// A NATS server. `files`: beside its configuration, `more.conf`, which finds them there.
    pub(crate) fn nats(name: &str, files: &[(&str, &str)]) -> Own {
        Own::with(format!("nats-{name}"), files)
    }

    fn with(name: String, files: &[(&str, &str)]) -> Own {
        script("down", &name);
        let at = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/brokers").join(&name);
        std::fs::create_dir_all(&at).unwrap();
        for (file, text) in files {
            std::fs::write(at.join(file), text).unwrap();
            let first = text.split_once("listeners=PLAINTEXT://127.0.0.1:");
            if let Some(port) = first.and_then(|(_, rest)| rest.split(',').next()) {
                std::fs::write(at.join("port"), port).unwrap();
            }
        }
        let address = up(&name);
        Own { name, address }
    }

    /// What it holds stays.
    pub(crate) fn stop(&self) {
        script("stop", &self.name);
    }

    pub(crate) fn go_on(&self) {
        assert_eq!(up(&self.name), self.address, "it listens where it did");
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        script("down", &self.name);
    }
}

/// Of those that the system gives to nobody, as scripts/brokers takes them: what listens there begins seconds later.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let mut ports = (0..12_000).map(|n| 20_000 + (seed.wrapping_add(n * 7) % 12_000) as u16);
    ports
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok() && given.insert(*port))
        .expect("there is a free port")
}

fn script(command: &str, broker: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/brokers");
    let done = Command::new(script).args([command, broker]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn up(broker: &str) -> String {
    let said = script("up", broker);
    let line = said.lines().find_map(|line| line.strip_prefix(broker)).expect("it says where it listens");
    line.trim().to_owned()
}

/// A name that nothing else has, in this run or another.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{name}-{nanos:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
