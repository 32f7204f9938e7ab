//! The worker as a process of its own, and what the system says of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use weir::worker::console::{Ask, StatusAnswer, ask};

use super::sample;

/// No step of the bench takes that long.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Worker {
    child: Child,
    data: std::path::PathBuf,
    pub(crate) http: SocketAddr,
    /// From its start to its readiness.
    pub(crate) started: Duration,
}

impl Worker {
    pub(crate) fn start(data: &Path, documents: &Path) -> Worker {
        Worker::start_with(data, documents, &[])
    }

    /// With these settings: "http.mode=direct".
    pub(crate) fn start_with(data: &Path, documents: &Path, settings: &[&str]) -> Worker {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
            .arg("run")
            .arg(documents)
            .arg("--data-dir")
            .arg(data)
            .args(["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--set", "log.format=text", "--set", "log.level=info"])
            .arg("--set")
            .arg(format!("function.cache={}", sample::cache().display()))
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let mut said = Vec::new();
        let http = loop {
            let Some(Ok(line)) = log.next() else { panic!("the worker ended: {said:#?}") };
            if let Some((_, rest)) = line.split_once(" http=") {
                let address = rest.split(' ').next().unwrap_or_default();
                break address.parse().unwrap_or_else(|_| panic!("no address in {line:?}"));
            }
            said.push(line);
        };
        let started = begun.elapsed();
        // What it says is read to the end, or it would wait for that; only trouble is passed on.
        let drain = move || {
            let trouble = |line: &String| line.contains(" WARN ") || line.contains("ERROR ");
            log.map_while(Result::ok).filter(trouble).for_each(|line| eprintln!("{line}"));
        };
        drop(weir::worker::tasks::thread("log", drain));
        Worker { child, data: data.to_owned(), http, started }
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the worker runs")
    }

    /// User and system time since its start, in ns.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        // The name, in parentheses, may hold anything; utime and stime are fields 14 and 15.
        let after = stat.rsplit_once(") ").expect("a name in parentheses").1;
        let ticks: f64 = after.split(' ').skip(11).take(2).map(|n| n.parse::<f64>().expect("ticks")).sum();
        // SAFETY: it takes a number and returns one.
        ticks * 1e9 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
    }

    /// CPU time by the name of the thread, in ns.
    pub(crate) fn threads(&self) -> Vec<(String, f64)> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the worker runs");
        let read = |path: &Path| {
            // A thread may end meanwhile.
            let name = fs::read_to_string(path.join("comm")).ok()?;
            let times = fs::read_to_string(path.join("schedstat")).ok()?;
            Some((name.trim().to_owned(), times.split(' ').next()?.parse().ok()?))
        };
        tasks.flatten().filter_map(|task| read(&task.path())).collect()
    }

    /// Bytes handed to the disk since its start.
    pub(crate) fn written(&self) -> f64 {
        let io = self.proc("io");
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).expect("Linux says it");
        line.parse().expect("a number")
    }

    /// Resident memory in MB.
    pub(crate) fn resident(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1_024.0 / 1e6
    }

    /// Waits until so many events have settled, replies included; says how many have.
    pub(crate) fn await_settled(&self, events: u64) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Busy is an answer too: it is asked again.
            let settled = match ask(&self.data, Ask::Status) {
                Ok(Some(Ok(line))) => serde_json::from_str::<StatusAnswer>(&line).expect("a status").settled,
                _ => 0,
            };
            if settled >= events {
                return settled;
            }
            assert!(Instant::now() < deadline, "{settled} of {events} events settled in {PATIENCE:?}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(mut self) {
        // SAFETY: the child has not been waited for, so the id is still its own.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "the worker ended with {status}");
    }
}

impl Drop for Worker {
    /// After a panic: nothing is left running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
