//! The worker of an overlay as its pod has it: arguments, environment, documents, Secrets and volumes from the rendered
//! manifest and the image's from the Dockerfile; the root read-only, and nobody's privileges.

use std::fs::{self, File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};
use serde_json::Value;

use super::rendered::Overlay;
use super::worker::home::lines;
use super::worker::{Connection, eventually, guests};
use super::{exec, last_stage, root};

const USER: u32 = 65532;

/// Does this machine let us mount what a pod has? Some containers do not; there the worker has folders in the place of volumes,
/// and all but the read-only root is looked at.
pub(crate) fn mounts() -> bool {
    static MOUNTS: OnceLock<bool> = OnceLock::new();
    *MOUNTS.get_or_init(|| {
        let scratch = tempfile::tempdir().unwrap();
        let probe = unshare().args(["--probe"]).arg(scratch.path()).output();
        let mounts =
            std::env::var_os("WEIR_PODS_PLAIN").is_none() && probe.is_ok_and(|probe| probe.status.success());
        if !mounts {
            println!(
                "nothing can be mounted here: the workers of the overlays run without a root of their own"
            );
        }
        mounts
    })
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !getuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--mount").arg(script());
    command
}

fn script() -> PathBuf {
    root().join("tests/packaging/pod.sh")
}

/// What is mounted, and stays from pod to pod where it would.
pub(crate) struct Volumes {
    directory: tempfile::TempDir,
}

/// Killed when dropped.
pub(crate) struct Worker {
    child: Child,
    log: PathBuf,
    begun: Instant,
    grace: Duration,
    _scratch: tempfile::TempDir,
}

impl Volumes {
    /// `elsewhere`: addresses in the documents, and where they lead here. `secrets`: as `name/key`.
    pub(crate) fn of(overlay: &Overlay, elsewhere: &[(&str, &str)], secrets: &[(&str, &str)]) -> Volumes {
        let directory = tempfile::tempdir().unwrap();
        let volumes = Volumes { directory };
        let made = |name: &str| {
            let path = volumes.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        // The image's: functions, and what `weir build` makes of them there.
        fs::copy(guests::payment(), made("ro/functions").join("payment.wasm")).unwrap();
        let mut documents = overlay.triggers();
        for (from, to) in elsewhere {
            assert!(documents.contains(from), "{}: {from}", overlay.name);
            documents = documents.replace(from, to);
        }
        fs::set_permissions(made("ro/aot"), Permissions::from_mode(0o755)).unwrap();
        // As the kubelet mounts them, behind links that change all at once.
        let triggers = made("ro/triggers");
        fs::write(made("ro/triggers/..2026_01_01").join("triggers.yaml"), documents).unwrap();
        symlink("..2026_01_01", triggers.join("..data")).unwrap();
        symlink("..data/triggers.yaml", triggers.join("triggers.yaml")).unwrap();
        volumes.mount_secrets(overlay, secrets);
        // An emptyDir or a claim.
        let data = made("rw/data");
        if getuid().is_root() {
            chown(&data, None, Some(USER)).unwrap();
        }
        fs::set_permissions(data, Permissions::from_mode(0o2777)).unwrap();
        // Whoever may look into what the test made.
        for open in [volumes.path().to_owned(), volumes.path().join("ro"), volumes.path().join("rw")] {
            fs::set_permissions(open, Permissions::from_mode(0o755)).unwrap();
        }
        volumes.build();
        volumes
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Each key that the manifest projects, at its path.
    fn mount_secrets(&self, overlay: &Overlay, secrets: &[(&str, &str)]) {
        let volumes = overlay.pod()["volumes"].as_array().unwrap();
        let Some(projected) = volumes.iter().find(|volume| volume["name"] == "secrets") else { return };
        for secret in projected["projected"]["sources"].as_array().unwrap().iter().map(|s| &s["secret"]) {
            for item in secret["items"].as_array().unwrap() {
                let key = format!("{}/{}", secret["name"].as_str().unwrap(), item["key"].as_str().unwrap());
                let (_, value) =
                    secrets.iter().find(|(name, _)| *name == key).unwrap_or_else(|| panic!("{key}"));
                let path = self.path().join("ro/secrets").join(item["path"].as_str().unwrap());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, value).unwrap();
            }
        }
    }

    /// As the Dockerfile does it.
    fn build(&self) {
        let mut build = Command::new(env!("CARGO_BIN_EXE_weir"));
        build.current_dir(self.path().join("ro")).args(["build", "--portable", "--cache", "aot", "triggers"]);
        said(&build.output().unwrap());
    }

    /// A process in the pod, with this of the overlay's containers.
    fn command(&self, scratch: &Path, container: &Value, overlay: &Overlay) -> Command {
        let mut command = if mounts() { unshare() } else { Command::new(script()) };
        if !mounts() {
            command.env("PLAIN", "1");
        }
        command.arg(scratch).arg(env!("CARGO_BIN_EXE_weir")).arg(USER.to_string()).arg(self.path()).arg("--");
        let of_image = last_stage("ENV").join(" ");
        command.args(of_image.split(' '));
        for variable in container["env"].as_array().into_iter().flatten() {
            let text = |key: &str| variable[key].as_str().unwrap();
            command.arg(format!("{}={}", text("name"), text("value")));
        }
        // Of what stands there twice the last counts. Ports may be taken here.
        command.args(["WEIR_HTTP_ADDRESS=127.0.0.1:0", "WEIR_ADMIN_ADDRESS=127.0.0.1:0", "--"]);
        let arguments = container["args"].as_array().map_or_else(
            || exec(&last_stage("CMD")[0]),
            |args| args.iter().map(|arg| arg.as_str().unwrap().to_owned()).collect(),
        );
        assert_eq!(exec(&last_stage("ENTRYPOINT")[0]), ["/usr/local/bin/weir"], "{}", overlay.name);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// How many succeeded attempts its claim tells of.
    pub(crate) fn succeeded(&self) -> usize {
        let mut journal = Command::new(env!("CARGO_BIN_EXE_weir"));
        let data = self.path().join("rw/data");
        journal.args(["journal", "--last", "1000000", "--format", "json", "--data-dir"]).arg(data);
        said(&journal.output().unwrap()).matches("\"outcome\":\"succeeded\"").count()
    }

    /// The init container, where there is one: all is well, and no warning.
    pub(crate) fn check(&self, overlay: &Overlay) {
        let Some(container) = overlay.pod()["initContainers"].get(0) else { return };
        let scratch = tempfile::tempdir().unwrap();
        let said = said(&self.command(scratch.path(), container, overlay).output().unwrap());
        assert!(said.starts_with("ok:") && !said.contains("warning"), "{}: {said}", overlay.name);
    }

    /// Until it takes events.
    pub(crate) fn start(&self, overlay: &Overlay) -> Worker {
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().with_extension("log");
        let mut command = self.command(scratch.path(), overlay.container(), overlay);
        let begun = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let pod = overlay.pod();
        let grace =
            if overlay.is_served() { &pod["timeoutSeconds"] } else { &pod["terminationGracePeriodSeconds"] };
        let grace = Duration::from_secs(grace.as_u64().unwrap());
        let mut worker = Worker { child, log, begun, grace, _scratch: scratch };
        eventually("the worker is ready", || {
            let ended = worker.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}: {ended:?}:\n{}", overlay.name, worker.log());
            worker.said("ready for events")
        });
        println!("{}: ready after {:?}", overlay.name, worker.begun.elapsed());
        worker
    }
}

impl Worker {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn said(&self, message: &str) -> Option<Value> {
        lines(&self.log()).into_iter().find(|line| line["message"] == message)
    }

    fn address(&self, of: &str) -> SocketAddr {
        self.said("ready for events").unwrap()[of].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn http(&self) -> Connection {
        Connection::open(self.address("http")).unwrap()
    }

    /// What the kubelet asks, and what Prometheus does.
    pub(crate) fn admin(&self, path: &str) -> String {
        let answer = Connection::open(self.address("admin")).unwrap().get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// The sum of a metric over those of its series that say all of this.
    pub(crate) fn metric(&self, name: &str, of: &[&str]) -> u64 {
        let text = self.admin("/metrics");
        let lines =
            text.lines().filter(|line| line.starts_with(name) && of.iter().all(|one| line.contains(one)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Who it is, and what it may: of a line of /proc/<pid>/status.
    pub(crate) fn status(&self, key: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap().split_whitespace().next().unwrap().to_owned()
    }

    /// Whether a file could be made there, as the worker's root has it.
    pub(crate) fn is_read_only(&self, directory: &str) -> bool {
        let inside = PathBuf::from(format!("/proc/{}/root{directory}/probe", self.child.id()));
        let made = File::create(&inside);
        made.is_err_and(|error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem)
    }

    /// SIGTERM, as the kubelet sends it: it ends well, and before the kubelet would kill it.
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        let asked = Instant::now();
        kill_process(pid, Signal::TERM).unwrap();
        let ended: ExitStatus = eventually("it ends", || self.child.try_wait().unwrap());
        let took = asked.elapsed();
        assert_eq!(ended.code(), Some(0), "{}", self.log());
        assert!(took < self.grace, "{took:?} of {:?}", self.grace);
        println!("stopped in {took:?} of {:?}", self.grace);
        assert!(self.said("stopped: all that was in flight has settled").is_some(), "{}", self.log());
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}
