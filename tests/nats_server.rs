//! NATS servers of one's own: who may log in to them and how, what they do to a worker that does not read, and what a stream that is
//! full means for what is written and parked.

#[path = "brokers/mod.rs"]
mod brokers;
#[path = "nats_server/full.rs"]
mod full;
#[path = "nats_server/jwt.rs"]
mod jwt;
mod nats;
#[path = "subscribers/server.rs"]
mod server;
mod worker;

use async_nats::ConnectOptions;
use brokers::Own;
use nats::Stream;
use nkeys::KeyPair;
use rustix::process::{Pid, Signal, kill_process};
use worker::{Home, Running, eventually};

/// A worker with this login, and these secrets, consumes the stream and parks there.
#[track_caller]
fn is_let_in(stream: &Stream, login: &str, secrets: &[(&str, &str)]) {
    let home = home(stream, login, secrets);
    let before = stream.messages() as usize;
    stream.publish_all(before..before + 20);
    let running = Running::start(&home, &[]);
    stream.until_done();
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(home.succeeded("default/audit").len(), 20);
    let documents = home.documents();
    let tap = home.weir(&["tap", "orders", documents.to_str().unwrap(), "--last", "1"]);
    assert!(tap.status.success(), "{}", String::from_utf8_lossy(&tap.stderr));
}

/// The other way round: it says that it is not let in, without the secret, and loses nothing by it.
#[track_caller]
fn is_kept_out(stream: &Stream, login: &str, secrets: &[(&str, &str)]) {
    let home = home(stream, login, secrets);
    let running = Running::start(&home, &[]);
    let said = eventually("it says why", || {
        let log = running.log();
        log.lines().find(|line| line.contains("the NATS client says")).map(str::to_owned)
    });
    assert!(said.contains("default/orders"), "{said}");
    assert_eq!(running.terminate().code, Some(0));
    let documents = home.documents();
    let lag = home.weir(&["lag", "orders", "--in", documents.to_str().unwrap()]);
    let why = String::from_utf8_lossy(&lag.stderr).into_owned();
    assert!(!lag.status.success() && why.contains("can't be reached"), "{why}");
    for (_, secret) in secrets {
        assert!(!running_log(&home).contains(secret) && !why.contains(secret), "a secret is shown");
    }
}

fn running_log(home: &Home) -> String {
    let logs = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("log-"));
    logs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn home(stream: &Stream, login: &str, secrets: &[(&str, &str)]) -> Home {
    let home = Home::new(&stream.documents_with(login, nats::AUDIT));
    home.write("audit.wasm", &worker::guests::audit());
    secrets.iter().for_each(|(name, value)| home.secret(&format!("nats/{name}"), value));
    home
}

#[test]
fn a_token_lets_in() {
    let server = Own::nats("token", &[("more.conf", "authorization { token: \"t0ps3cret\" }\n")]);
    let stream = Stream::at(&server.address, ConnectOptions::with_token("t0ps3cret".to_owned()));
    let login = "auth: {token: {secretKeyRef: {name: nats, key: token}}}";
    is_kept_out(&stream, login, &[("token", "an0ther")]);
    is_let_in(&stream, login, &[("token", "t0ps3cret\n")]);
}

#[test]
fn a_user_with_a_password_or_a_key_is_let_in() {
    let key = KeyPair::new_user();
    let conf = format!(
        "authorization {{ users: [ {{user: weir, password: \"pa55word\"}}, {{nkey: {}}} ] }}\n",
        key.public_key()
    );
    let server = Own::nats("users", &[("more.conf", &conf)]);
    let login = ConnectOptions::with_user_and_password("weir".to_owned(), "pa55word".to_owned());
    let stream = Stream::at(&server.address, login);
    let password = "auth: {user: {secretKeyRef: {name: nats, key: user}}, password: {secretKeyRef: {name: nats, key: password}}}";
    is_kept_out(&stream, password, &[("user", "stranger"), ("password", "wr0ng")]);
    is_let_in(&stream, password, &[("user", "weir"), ("password", "pa55word")]);
    let nkey = "auth: {nkey: {secretKeyRef: {name: nats, key: seed}}}";
    is_kept_out(&stream, nkey, &[("seed", &KeyPair::new_user().seed().unwrap())]);
    is_let_in(&stream, nkey, &[("seed", &key.seed().unwrap())]);
}

/// As an operator's accounts and `nsc` have it.
#[test]
fn a_creds_file_lets_in() {
    let house = jwt::House::new();
    let server = Own::nats("creds", &[("more.conf", &house.conf())]);
    let options = ConnectOptions::with_credentials(&house.creds()).unwrap();
    let stream = Stream::at(&server.address, options);
    let login = "auth: {creds: {secretKeyRef: {name: nats, key: creds}}}";
    is_kept_out(&stream, login, &[("creds", &jwt::House::new().creds())]);
    is_let_in(&stream, login, &[("creds", &house.creds())]);
}

/// The server is who it says, and so is the worker.
#[test]
fn tls_is_spoken_with_whom_it_trusts_and_with_a_certificate_of_ones_own() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let at = |file: &str| format!("{}/.tools/brokers/nats-tls/{file}", env!("CARGO_MANIFEST_DIR"));
    // One that signs itself stands for its authority, on both sides.
    let conf = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n",
        at("cert.pem"),
        at("key.pem"),
        at("cert.pem")
    );
    let server = Own::nats("tls", &[("more.conf", &conf), ("cert.pem", &cert), ("key.pem", &key)]);
    let options = ConnectOptions::new()
        .require_tls(true)
        .add_root_certificates(at("cert.pem").into())
        .add_client_certificate(at("cert.pem").into(), at("key.pem").into());
    let stream = Stream::at(&server.address, options);
    let secret = |name: &str| format!("{{secretKeyRef: {{name: nats, key: {name}}}}}");
    let login = format!(
        "tls: {{enable: true, caCert: {}, cert: {}, key: {}}}",
        secret("ca"),
        secret("cert"),
        secret("key")
    );
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    is_kept_out(&stream, &login, &[("ca", &other.cert.pem()), ("cert", &cert), ("key", &key)]);
    is_let_in(&stream, &login, &[("ca", &cert), ("cert", &cert), ("key", &key)]);
}

/// A worker that does not read what it asked for is cut off: what it was sent comes again, and none of it is lost.
#[test]
fn a_worker_that_stands_still_is_cut_off_and_goes_on() {
    // More than may be under way at once.
    const EVENTS: usize = 600;
    let server = Own::nats("slow", &[("more.conf", "write_deadline: \"1s\"\n")]);
    let stream = Stream::at(&server.address, ConnectOptions::new());
    let home = home(&stream, "", &[]);
    let running = Running::start(&home, &[]);
    stream.publish("order.created", "first", "{}");
    stream.until_done();
    let worker = Pid::from_raw(running.id().try_into().unwrap()).unwrap();
    kill_process(worker, Signal::STOP).unwrap();
    let large = format!("\"{}\"", "x".repeat(64 << 10));
    (0..EVENTS).for_each(|n| stream.publish("order.created", &format!("e-{n}"), &large));
    let log = format!("{}/.tools/brokers/nats-slow/log", env!("CARGO_MANIFEST_DIR"));
    eventually("the server has had enough of it", || {
        std::fs::read_to_string(&log).unwrap().contains("Slow Consumer").then_some(())
    });
    kill_process(worker, Signal::CONT).unwrap();
    eventually("all are done", || (home.succeeded("default/audit").len() == EVENTS + 1).then_some(()));
    stream.until_done();
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(home.succeeded("default/audit").values().all(|times| *times == 1), "none of them twice");
}
