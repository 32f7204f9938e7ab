//! The HTTP client against servers that do what they should not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use weir::client::{Answer, Body, Bounds, Client, Failure, Limits, Trust};
use weir::config::Reach;

/// More than any test takes: where it decides, something hangs.
const LONG: Duration = Duration::from_secs(60);
const BOUNDS: Bounds = Bounds { deadline: LONG, body: 1000, refusal: 10 };

/// Plays `play` on each connection, in a thread of its own. Says how many there were.
fn server(play: impl Fn(TcpStream) + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (count, play) = (Arc::new(AtomicUsize::new(0)), Arc::new(play));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let play = Arc::clone(&play);
            std::thread::spawn(move || play(stream.unwrap()));
        }
    });
    (address, count)
}

/// Reads a request's head. False: there is none.
fn request(stream: &mut TcpStream) -> bool {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return false;
        }
        head.push(byte[0]);
    }
    true
}

/// Answers each request of a connection so.
fn answering(answer: impl Into<Vec<u8>>) -> impl Fn(TcpStream) {
    let answer = answer.into();
    move |mut stream| {
        while request(&mut stream) {
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

fn client(reach: Reach) -> Client {
    let limits = Limits { connect: Duration::from_millis(200), ..Limits::default() };
    Client::new(limits, Arc::new(reach), &Trust::system())
}

async fn get(client: &Client, url: &str, bounds: Bounds) -> Result<Answer, Failure> {
    client.send(Request::get(url).body(Full::<Bytes>::default()).unwrap(), bounds).await
}

async fn ask(play: impl Fn(TcpStream) + Send + Sync + 'static, bounds: Bounds) -> Result<Answer, Failure> {
    let (address, _) = server(play);
    get(&client(Reach::everywhere()), &format!("http://{address}/"), bounds).await
}

#[tokio::test]
async fn an_answer_comes_whole_and_its_connection_is_used_again() {
    let (address, connections) = server(answering("HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 3\r\n\r\nabc"));
    let client = client(Reach::everywhere());
    for _ in 0..5 {
        let answer = get(&client, &format!("http://{address}/"), BOUNDS).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.headers["x"]), (200, &"y".parse().unwrap()));
        assert!(matches!(answer.body, Body::Whole(body) if body == "abc"));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (target, visits) = server(answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    let redirect = format!("HTTP/1.1 307 T\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n");
    let answer = ask(answering(redirect), BOUNDS).await.unwrap();
    assert_eq!((answer.status.as_u16(), visits.load(Ordering::SeqCst)), (307, 0));
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let exact = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", "x".repeat(1000));
    assert!(matches!(ask(answering(exact), BOUNDS).await.unwrap().body, Body::Whole(b) if b.len() == 1000));
    let endless = |status: &'static str| {
        move |mut stream: TcpStream| {
            request(&mut stream);
            // As much of it at once as is read.
            let chunks = "5\r\nhello\r\n".repeat(3);
            let _ = write!(stream, "HTTP/1.1 {status} X\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
            while stream.write_all(b"5\r\nhello\r\n").is_ok() {}
        }
    };
    let body = ask(endless("200"), BOUNDS).await.unwrap().body;
    assert!(matches!(body, Body::TooLong(b) if b.len() == 1000));
    let answer = ask(endless("500"), BOUNDS).await.unwrap();
    assert_eq!(answer.status.as_u16(), 500, "the status is known, whatever the body");
    assert!(matches!(answer.body, Body::TooLong(b) if b == "hellohello"));
}

#[tokio::test]
async fn what_breaks_off_says_so() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
    let once = move |mut stream: TcpStream| {
        request(&mut stream);
        stream.write_all(broken.as_bytes()).unwrap();
    };
    assert!(matches!(ask(once, BOUNDS).await.unwrap().body, Body::Broken(b, _) if b == "abc"));
    assert!(matches!(ask(drop, BOUNDS).await, Err(Failure::Broken(_))));
    assert!(matches!(ask(answering("SSH-2.0-OpenSSH\r\n\r\n"), BOUNDS).await, Err(Failure::Broken(_))));
    let flood = "x: y\r\n".repeat(200);
    let flood = format!("HTTP/1.1 200 OK\r\n{flood}\r\n");
    assert!(matches!(ask(answering(flood), BOUNDS).await, Err(Failure::Broken(_))));
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    assert!(matches!(ask(answering(huge), BOUNDS).await, Err(Failure::Broken(_))));
}

#[tokio::test]
async fn nobody_is_waited_for_beyond_the_deadline() {
    let bounds = Bounds { deadline: Duration::from_millis(100), ..BOUNDS };
    let silent = |mut stream: TcpStream| while request(&mut stream) {};
    assert_eq!(ask(silent, bounds).await.unwrap_err(), Failure::Deadline(bounds.deadline));
    // Its beginning has to come by then.
    let bounds = Bounds { deadline: Duration::from_secs(3), ..BOUNDS };
    let stuck = answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
    assert!(matches!(ask(stuck, bounds).await.unwrap().body, Body::Late(b) if b == "abc"));
    // It accepts, and says nothing about TLS.
    let (address, _) = server(silent);
    let failure =
        get(&client(Reach::everywhere()), &format!("https://{address}/"), BOUNDS).await.unwrap_err();
    assert_eq!(failure, Failure::Unreachable("none within 200ms".into()));
}

#[tokio::test]
async fn a_destination_is_denied_by_its_address_however_it_is_named() {
    let (address, visits) = server(answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    let port = address.port();
    let deny = ["127.0.0.0/8", "::1", "fe80::/10"].map(|text| text.parse().unwrap()).to_vec();
    let client =
        Client::new(Limits::default(), Arc::new(Reach { deny, ..Reach::everywhere() }), &Trust::system());
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "[fe80::1]"]
    {
        let failure = get(&client, &format!("http://{host}:{port}/"), BOUNDS).await.unwrap_err();
        assert!(matches!(failure, Failure::Denied(_)), "{host}: {failure}");
        assert!(failure.to_string().contains("the settings do not allow connections to"), "{failure}");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let open = self::client(Reach::everywhere());
    let failure = get(&open, &format!("http://{refused}/"), BOUNDS).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
}

#[tokio::test]
async fn a_server_is_believed_if_its_authority_is() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service =
                    hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                        let version = format!("{:?}", request.version());
                        Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::new(Bytes::from(
                            version,
                        ))))
                    });
                let io = hyper_util::rt::TokioIo::new(stream);
                let executor = hyper_util::rt::TokioExecutor::new();
                let _ = hyper_util::server::conn::auto::Builder::new(executor)
                    .serve_connection(io, service)
                    .await;
            });
        }
    });
    let with = |trust: &Trust| Client::new(Limits::default(), Arc::new(Reach::everywhere()), trust);
    let url = format!("https://localhost:{port}/");
    let trusting = Trust::system().and(&made.cert.pem()).unwrap();
    let answer = get(&with(&trusting), &url, BOUNDS).await.unwrap();
    assert!(matches!(answer.body, Body::Whole(body) if body == "HTTP/2.0"));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for wrong in [Trust::system(), Trust::system().and(&other.cert.pem()).unwrap()] {
        let failure = get(&with(&wrong), &url, BOUNDS).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Unreachable(reason) if reason.contains("certificate")),
            "{failure}"
        );
    }
}
