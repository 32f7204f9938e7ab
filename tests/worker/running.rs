//! A worker's process: started, found by what it logs, stopped in every way there is.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::client::{Connection, Response};
use super::home::{Home, lines};

/// Only what hangs meets this. `WEIR_PATIENCE` (seconds) is for what is meant to be long.
pub fn patience() -> Duration {
    Duration::from_secs(std::env::var("WEIR_PATIENCE").map_or(120, |text| text.parse().unwrap()))
}

/// Waits until `condition` holds, and panics with `what` if it never does.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let patience = patience();
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
    http: SocketAddr,
    admin: SocketAddr,
}

/// How a worker's process ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub log: String,
}

impl Ended {
    /// The first line of the log with this message.
    pub fn said(&self, message: &str) -> Option<Value> {
        said(&self.log, message)
    }
}

impl Running {
    /// Starts `weir run` and waits until it takes events. `options` come last: "--set", "drain.timeout=1s".
    #[track_caller]
    pub fn start(home: &Home, options: &[&str]) -> Running {
        Running::try_start(home, options)
            .unwrap_or_else(|ended| panic!("the worker ended with {:?}:\n{}", ended.code, ended.log))
    }

    /// Or how it ended before it took any.
    pub fn try_start(home: &Home, options: &[&str]) -> Result<Running, Ended> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = home.path().join(format!("log-{number}"));
        let nowhere: SocketAddr = ([127, 0, 0, 1], 0).into();
        let child = spawn(home, options, &log);
        let mut running = Running { child, log, http: nowhere, admin: nowhere };
        let ready = eventually("the worker starts", || {
            // The process first: what it logged before it ended is then there to be read.
            let over = running.child.try_wait().unwrap().is_some();
            let log = running.log();
            said(&log, "ready for events").or_else(|| ready_in_text(&log)).map(Some).or(over.then_some(None))
        });
        let Some(ready) = ready else { return Err(running.wait()) };
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        (running.http, running.admin) = (address("http"), address("admin"));
        Ok(running)
    }

    /// Starts one, and kills it after that time, ready or not.
    pub fn killed_after(home: &Home, options: &[&str], time: Duration) {
        let mut child = spawn(home, options, &home.path().join("log-killed"));
        std::thread::sleep(time);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn http(&self) -> SocketAddr {
        self.http
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn said(&self, message: &str) -> Option<Value> {
        said(&self.log(), message)
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.http).unwrap()
    }

    /// Publishes one event in binary mode to the default broker; it must be taken. `more`: headers ("ce-partitionkey").
    #[track_caller]
    pub fn publish(&self, ty: &str, id: &str, more: &[(&str, &str)], data: &str) {
        let response = post(&mut self.connect(), ty, id, more, data).unwrap();
        assert_eq!(response.status, 202, "{}", response.text());
    }

    /// As `kill -9` does.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Asks for a drain and waits for the end.
    pub fn terminate(self) -> Ended {
        self.signal();
        self.wait()
    }

    /// SIGTERM, and no waiting.
    pub fn signal(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// SIGHUP: it is to look at its files.
    pub fn hangup(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    }

    /// It does nothing any more, and its connections stand.
    pub fn freeze(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
    }

    pub fn wait(mut self) -> Ended {
        let status = eventually("the worker ends", || self.child.try_wait().unwrap());
        Ended { code: status.code(), log: self.log() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An event in binary mode over a connection, for whoever keeps one.
pub fn post(
    connection: &mut Connection,
    ty: &str,
    id: &str,
    more: &[(&str, &str)],
    data: &str,
) -> std::io::Result<Response> {
    let mut headers = vec![
        ("ce-specversion", "1.0"),
        ("ce-type", ty),
        ("ce-source", "/shop"),
        ("ce-id", id),
        ("content-type", "application/json"),
    ];
    headers.extend_from_slice(more);
    connection.post("/", &headers, data.as_bytes())
}

fn spawn(home: &Home, options: &[&str], log: &Path) -> Child {
    // Native code is kept from run to run and shared by all tests: nothing is compiled twice.
    let cache = format!("function.cache={}", Path::new(env!("CARGO_TARGET_TMPDIR")).join("native").display());
    let mut command: Command = home.command();
    command.arg("run").arg(home.documents()).arg("--data-dir").arg(home.data());
    command.args(["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--set", &cache]);
    command.args(["--set", "log.format=json"]).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log).unwrap());
    command.spawn().unwrap()
}

/// The same from a log that is not JSON.
fn ready_in_text(log: &str) -> Option<Value> {
    let (_, fields) = log.lines().find_map(|line| line.split_once(" ready for events "))?;
    let field = |name| fields.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    Some(serde_json::json!({"http": field("http")?, "admin": field("admin")?}))
}

fn said(log: &str, message: &str) -> Option<Value> {
    lines(log).into_iter().find(|line| line["message"] == message)
}
