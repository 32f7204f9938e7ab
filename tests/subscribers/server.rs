//! A subscriber that does what its path says, right or wrong, and remembers what it was sent. HTTP/1.1 by hand: what no
//! server does must be done, too.

// Each test binary uses what it needs of this.
#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn id(&self) -> &str {
        &self.headers["ce-id"]
    }
}

#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    open: watch::Sender<bool>,
    _runtime: Runtime,
}

#[derive(Debug, Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    /// How often each event came to a path.
    times: Mutex<HashMap<(String, String), usize>>,
    waiting: AtomicUsize,
    connections: AtomicUsize,
}

impl Server {
    pub fn start() -> Server {
        Server::with(None)
    }

    pub fn with(tls: Option<tokio_rustls::TlsAcceptor>) -> Server {
        // Thousands may wait at once.
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (open, opened) = watch::channel(false);
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, opened, tls) = (Arc::clone(&serving), opened.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, shared, opened).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, shared, opened).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Server { address, shared, open, _runtime: runtime }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn got(&self, path: &str) -> Vec<Got> {
        self.shared.got.lock().unwrap().iter().filter(|got| got.path == path).cloned().collect()
    }

    pub fn count(&self, path: &str) -> usize {
        self.shared.got.lock().unwrap().iter().filter(|got| got.path == path).count()
    }

    /// How often each event came to this path, by its id.
    pub fn times(&self, path: &str) -> BTreeMap<String, usize> {
        let times = self.shared.times.lock().unwrap();
        let own = times.iter().filter(|((at, _), _)| at == path);
        own.map(|((_, id), times)| (id.clone(), *times)).collect()
    }

    /// Requests that wait at `/gate`.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn open_gate(&self) {
        self.open.send(true).unwrap();
    }
}

const JSON_EVENT: &str =
    r#"{"specversion":"1.0","id":"json-reply","source":"/far","type":"answered","data":{"n":1}}"#;

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    shared: Arc<Shared>,
    mut opened: watch::Receiver<bool>,
) -> Option<()> {
    let mut room = Vec::new();
    loop {
        let got = read(&mut stream, &mut room).await?;
        let (path, id) = (got.path.clone(), got.headers.get("ce-id").cloned().unwrap_or_default());
        let earlier = {
            let mut times = shared.times.lock().unwrap();
            let times = times.entry((path.clone(), id.clone())).or_default();
            *times += 1;
            shared.got.lock().unwrap().push(got);
            *times - 1
        };
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            ["status", status @ ("204" | "304")] => answer(&mut stream, status, "", "").await?,
            ["status", status] => answer(&mut stream, status, "kne-reason: because\r\n", "not so").await?,
            ["after", status, seconds] if earlier == 0 => {
                answer(&mut stream, status, &format!("retry-after: {seconds}\r\n"), "later").await?;
            }
            ["once", status] if earlier == 0 => answer(&mut stream, status, "", "").await?,
            ["accepted"] => answer(&mut stream, "202", EVENT, "garbage").await?,
            ["reply"] => answer(&mut stream, "200", EVENT, r#"{"n":1}"#).await?,
            ["reply-json"] => {
                answer(&mut stream, "200", "content-type: application/cloudevents+json\r\n", JSON_EVENT)
                    .await?;
            }
            ["bad-reply"] => answer(&mut stream, "200", "ce-specversion: 1.0\r\nce-id: 1\r\n", "{}").await?,
            ["garbage"] => answer(&mut stream, "200", "content-type: text/plain\r\n", "thank you").await?,
            ["redirect"] => answer(&mut stream, "307", "location: /followed\r\n", "").await?,
            ["large"] => answer(&mut stream, "200", EVENT, &"x".repeat(3 << 20)).await?,
            ["noise"] => return write(&mut stream, b"SSH-2.0-OpenSSH_9\r\n\r\n").await,
            ["reset"] => return None,
            ["half"] => return write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await,
            ["huge-head"] => {
                let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
                return write(&mut stream, head.as_bytes()).await;
            }
            ["many-headers"] => {
                let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(500));
                return write(&mut stream, head.as_bytes()).await;
            }
            ["hang"] => std::future::pending().await,
            ["hang-body"] => {
                write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await?;
                std::future::pending().await
            }
            ["endless"] => {
                write(&mut stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
                while write(&mut stream, b"400\r\n").await.is_some() {
                    write(&mut stream, &[b'x'; 0x400]).await?;
                    write(&mut stream, b"\r\n").await?;
                }
                return None;
            }
            ["gate"] => {
                shared.waiting.fetch_add(1, Ordering::SeqCst);
                let _ = opened.wait_for(|open| *open).await;
                shared.waiting.fetch_sub(1, Ordering::SeqCst);
                answer(&mut stream, "200", "", "").await?;
            }
            // What is bad of it fails until the gate is open.
            ["ill"] if id.starts_with("bad") && !*opened.borrow() => {
                answer(&mut stream, "503", "", "").await?;
            }
            // All of it.
            ["down"] if !*opened.borrow() => return None,
            ["nap", most] => {
                nap(&id, 0, most).await;
                answer(&mut stream, "200", "", "").await?;
            }
            ["nap", least, most] => {
                nap(&id, least.parse().unwrap(), most).await;
                answer(&mut stream, "200", "", "").await?;
            }
            _ => answer(&mut stream, "200", "", "").await?,
        }
    }
}

/// As long as the event's id says, of so many milliseconds at least and at most.
async fn nap(id: &str, least: u64, most: &str) {
    let spread = id.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
    let most: u64 = most.parse().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(least + spread % (most + 1 - least))).await;
}

const EVENT: &str = "ce-specversion: 1.0\r\nce-id: reply\r\nce-source: /far\r\nce-type: answered\r\ncontent-type: application/json\r\n";

async fn answer<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: &str,
    headers: &str,
    body: &str,
) -> Option<()> {
    let head = format!("HTTP/1.1 {status} Said\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    write(stream, head.as_bytes()).await
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).await.ok()?;
    stream.flush().await.ok()
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, room: &mut Vec<u8>) -> Option<Got> {
    let end = loop {
        if let Some(at) = room.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        more(stream, room).await?;
    };
    let head = String::from_utf8(room[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let pair = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
    let headers: BTreeMap<_, _> = lines.filter_map(pair).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while room.len() < end + 4 + length {
        more(stream, room).await?;
    }
    let body = room[end + 4..end + 4 + length].to_vec();
    room.drain(..end + 4 + length);
    Some(Got { path, headers, body })
}

async fn more<S: AsyncRead + Unpin>(stream: &mut S, room: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 4096];
    let count = stream.read(&mut bytes).await.ok()?;
    room.extend_from_slice(&bytes[..count]);
    (count > 0).then_some(())
}

/// A certificate for `localhost`, and who shows it.
pub fn certified() -> (String, tokio_rustls::TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}
