//! The console: a Unix socket in the data directory over which `weir cost`, `journal` and `dlq` ask a running worker,
//! since sled lets one process alone into its directory. A line of JSON each way, then as many lines as the answer has.

use std::fs::{File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

use super::dispatcher::{self, Status};
use super::errand::{Errand, Progress};
use super::in_force::{InForce, Standing};
use super::query::{Query, Store};
use super::scribe::Commission;
use super::tasks;
use crate::dispatch::Traffic;

/// The version of what is said over the socket.
pub const PROTOCOL: u32 = 2;
const SOCKET: &str = "weir.sock";
/// Dead letters that are to be taken in stand in one, and one of them always.
const LONGEST_QUESTION: u64 = 128 << 20;
/// Pieces of an answer that wait to be written.
const CHUNKS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(5);
/// A disk that fails is tried again; whoever waits for it should know sooner or later.
const PATIENCE_WITH_DISK: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    pub protocol: u32,
    pub ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    Status,
    Query(Query),
    /// The triggers that there are.
    Triggers,
    /// About dead letters: answered when it is durable.
    Errand(Errand),
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct StatusAnswer {
    pub arrived: u64,
    pub settled: u64,
    pub unrouted: u64,
    pub attempts: u64,
    pub delivered: u64,
    pub dead_lettered: u64,
    /// Failed, and their senders', who waited, to send again.
    #[serde(default)]
    pub returned: u64,
    pub events_in_flight: u64,
    /// Deliveries in memory that wait for a retry, or behind one.
    pub held: u64,
    /// Deliveries written aside until it is their time.
    pub parked: u64,
    /// The triggers with limits.
    #[serde(default)]
    pub limited: Vec<Limited>,
    /// The triggers with a budget, by name.
    #[serde(default)]
    pub budgets: Vec<BudgetAnswer>,
    /// What is in force.
    pub set: SetAnswer,
}

/// What a trigger with limits is doing.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Limited {
    pub trigger: String,
    /// As its annotations say it.
    pub max_concurrency: Option<u64>,
    pub rate_limit: Option<String>,
    pub running: u64,
    /// Ready in memory, for a slot or a token.
    pub waiting: u64,
    pub parked: u64,
}

/// How much of its budget a trigger has used today.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct BudgetAnswer {
    pub trigger: String,
    /// As its annotation says it: `5.00/day`.
    pub budget: String,
    /// In milliseconds or money, as the budget.
    pub used: String,
    pub percent: u64,
    /// What becomes of its deliveries when it is used up: `pause` or `dead-letter`.
    pub policy: String,
    pub is_spent: bool,
    /// When it begins anew.
    pub until_unix_ns: u64,
}

/// The documents and modules that are in force.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct SetAnswer {
    pub digest: String,
    pub since_unix_ns: u64,
    /// How often one took another's place.
    pub reloads: u64,
    pub triggers: u64,
    pub functions: u64,
    /// It was kept of an earlier life, because the files had a mistake at the start.
    pub is_last_good: bool,
    /// What the files say, where that is something else and has mistakes.
    pub refused: Option<RefusedAnswer>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct RefusedAnswer {
    pub digest: String,
    pub at_unix_ns: u64,
    pub problems: Vec<String>,
}

pub fn socket(data: &Path) -> PathBuf {
    data.join(SOCKET)
}

/// Must be called on a tokio runtime, by whoever holds the data directory's lock.
pub fn listen(data: &Path) -> std::io::Result<UnixListener> {
    let socket = socket(data);
    // Left over from a worker that was killed: the lock says that nobody listens on it.
    let _ = std::fs::remove_file(&socket);
    let listener = through(data, |path| UnixListener::bind(path))?;
    std::fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Binds or connects to the socket by a path that fits into a socket's address, which has room for about 100 bytes:
/// where the data directory's own path is longer, by that of the open directory.
fn through<T>(data: &Path, open: impl FnOnce(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    let socket = socket(data);
    if SocketAddr::from_pathname(&socket).is_ok() {
        return open(&socket);
    }
    let directory = File::open(data)?;
    open(&Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(SOCKET))
}

#[derive(Clone, Debug)]
pub struct Console {
    pub store: Arc<Store>,
    pub dispatcher: Sender<dispatcher::Request>,
    pub scribe: Sender<Commission>,
    pub in_force: Arc<InForce>,
}

impl Console {
    pub async fn serve(self, listener: UnixListener, mut stop: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let console = self.clone();
                    tasks::task(async move {
                        if let Err(error) = console.converse(stream).await {
                            tracing::debug!(%error, "a console conversation ended badly");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a console connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn converse(&self, stream: UnixStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut line = String::new();
        let mut reader = BufReader::new(reader.take(LONGEST_QUESTION));
        tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
        let mut answer = match serde_json::from_str::<Question>(&line) {
            Ok(Question { protocol: PROTOCOL, ask }) => self.answer(ask),
            Ok(Question { protocol, .. }) => Answer::refused(format!(
                "the worker speaks version {PROTOCOL} of the console's protocol, not {protocol}"
            )),
            Err(error) => Answer::refused(format!("the question can't be read: {error}")),
        };
        // The head says whether there is an answer: that is known once the first of it is there.
        let first = answer.next().await;
        let head = match &first {
            Some(Err(error)) => format!("{}\n", serde_json::json!({ "ok": false, "error": error })),
            _ => "{\"ok\":true}\n".to_owned(),
        };
        writer.write_all(head.as_bytes()).await?;
        let mut chunk = first;
        while let Some(Ok(text)) = chunk {
            writer.write_all(text.as_bytes()).await?;
            chunk = answer.next().await;
        }
        writer.shutdown().await
    }

    fn answer(&self, ask: Ask) -> Answer {
        let console = self.clone();
        match ask {
            Ask::Status => Answer::of(move |emit| {
                emit(console.status()?);
                Ok(())
            }),
            Ask::Triggers => Answer::of(move |emit| {
                emit(line(&console.in_force.standing().replays.triggers)?);
                Ok(())
            }),
            Ask::Errand(errand) => Answer::of(move |emit| {
                emit(line(&console.run(errand)?)?);
                Ok(())
            }),
            Ask::Query(query) => Answer::of(move |emit| console.store.answer(&query, emit)),
        }
    }

    fn status(&self) -> Result<String, String> {
        let (answer, answered) = bounded(1);
        let request = dispatcher::Request::Status { answer };
        self.dispatcher.try_send(request).map_err(|_| "the worker is busy or stopping".to_owned())?;
        let status = answered.recv_timeout(PATIENCE).map_err(|e| e.to_string())?;
        line(&StatusAnswer::of(status, &self.in_force.standing()))
    }

    fn run(&self, errand: Errand) -> Result<Progress, String> {
        let (answer, answered) = bounded(1);
        let busy = |_| "the worker is busy with its disk, or stopping: see its log".to_owned();
        self.scribe.send_timeout(Commission { errand, answer }, PATIENCE).map_err(|e| busy(e.to_string()))?;
        answered.recv_timeout(PATIENCE_WITH_DISK).map_err(|e| busy(e.to_string()))?
    }
}

fn line(answer: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(answer).map(|text| text + "\n").map_err(|e| e.to_string())
}

/// An answer as it is made: text, some at a time, and no more of it in memory than that.
struct Answer(mpsc::Receiver<Result<String, String>>);

impl Answer {
    /// Reading a journal takes as long as it takes: not on a thread that serves connections. `work` goes on for as long
    /// as somebody takes what it emits.
    fn of(
        work: impl FnOnce(&mut dyn FnMut(String) -> bool) -> Result<(), String> + Send + 'static,
    ) -> Answer {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = work(&mut |text| sender.blocking_send(Ok(text)).is_ok()) {
                // Whoever asked may have gone.
                let _ = sender.blocking_send(Err(error));
            }
        });
        Answer(chunks)
    }

    fn refused(error: String) -> Answer {
        let (sender, chunks) = mpsc::channel(1);
        sender.try_send(Err(error)).expect("there is room for one");
        Answer(chunks)
    }

    async fn next(&mut self) -> Option<Result<String, String>> {
        self.0.recv().await
    }
}

impl StatusAnswer {
    fn of(status: Status, standing: &Standing) -> StatusAnswer {
        StatusAnswer {
            arrived: status.counts.arrived,
            settled: status.counts.settled,
            unrouted: status.counts.unrouted,
            attempts: status.counts.attempts,
            delivered: status.counts.delivered,
            dead_lettered: status.counts.dead_lettered,
            returned: status.counts.returned,
            events_in_flight: status.events as u64,
            held: status.held as u64,
            parked: status.parked as u64,
            limited: status
                .traffic
                .into_iter()
                .map(|(trigger, traffic)| limited(trigger, &traffic))
                .collect(),
            budgets: status.budgets,
            set: SetAnswer {
                digest: standing.set.to_string(),
                since_unix_ns: standing.since,
                reloads: standing.reloads,
                triggers: standing.triggers as u64,
                functions: standing.functions as u64,
                is_last_good: standing.is_last_good,
                refused: standing.refused.as_ref().map(|refused| RefusedAnswer {
                    digest: refused.set.to_string(),
                    at_unix_ns: refused.at,
                    problems: refused.problems.clone(),
                }),
            },
        }
    }
}

fn limited(trigger: String, traffic: &Traffic) -> Limited {
    Limited {
        trigger,
        max_concurrency: traffic.flow.concurrency.map(|most| most as u64),
        rate_limit: traffic.flow.rate.map(|rate| rate.to_string()),
        running: traffic.running as u64,
        waiting: traffic.waiting as u64,
        parked: traffic.parked as u64,
    }
}

/// Asks the worker of a data directory. `None`: none runs there.
pub fn ask(data: &Path, ask: Ask) -> std::io::Result<Option<Result<String, String>>> {
    use std::io::{BufRead, Read, Write};
    let mut stream = match through(data, |path| std::os::unix::net::UnixStream::connect(path)) {
        Ok(stream) => stream,
        // A socket that nobody listens on is left over from a worker that was killed.
        Err(e)
            if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let question = serde_json::to_string(&Question { protocol: PROTOCOL, ask })?;
    stream.write_all(question.as_bytes())?;
    stream.write_all(b"\n")?;
    let mut reader = std::io::BufReader::new(stream);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "it ended before it had answered",
        ));
    }
    #[derive(Deserialize)]
    struct Head {
        ok: bool,
        error: Option<String>,
    }
    let head: Head = serde_json::from_str(&first)?;
    if !head.ok {
        return Ok(Some(Err(head.error.unwrap_or_default())));
    }
    let mut rest = String::new();
    reader.read_to_string(&mut rest)?;
    Ok(Some(Ok(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::cost::By;
    use crate::worker::query::CostAnswer;

    #[tokio::test]
    async fn a_data_directory_with_a_path_of_any_length_has_a_console() {
        let home = tempfile::tempdir().unwrap();
        for depth in [0, 1, 8] {
            let data = (0..depth).fold(home.path().join("data"), |path, _| path.join("d".repeat(100)));
            std::fs::create_dir_all(&data).unwrap();
            let asked = data.clone();
            let question = move || ask(&asked, Ask::Query(Query::Cost { by: By::Trigger, since: None }));
            assert!(question.clone()().unwrap().is_none(), "nobody listens yet");

            let (stop, stopped) = watch::channel(false);
            let store = Arc::new(Store::open(&data).unwrap());
            let (dispatcher, scribe) = (bounded(1).0, bounded(1).0);
            let in_force = InForce::new(Standing::nothing());
            let console = Console { store, dispatcher, scribe, in_force };
            let server = tasks::task(console.serve(listen(&data).unwrap(), stopped));
            let again = question.clone();
            let answer = tokio::task::spawn_blocking(again).await.unwrap().unwrap().unwrap().unwrap();
            assert_eq!(serde_json::from_str::<CostAnswer>(&answer).unwrap().entries, 0);
            assert!(socket(&data).exists());
            stop.send(true).unwrap();
            server.await.unwrap();
            assert!(question().unwrap().is_none(), "a socket left behind is nobody's");
        }
    }
}
