//! TLS: certificates that change while connections are open, clients' own, and those who never shake hands.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;

/// A certificate and its key, in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Signs itself, and others.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: String,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    pub(super) fn signs(&self, name: &str) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

/// As Kubernetes mounts a Secret: files behind a link behind a link, of which one is replaced.
fn mount(folder: &Path, version: u32, pair: &Pair) {
    let data = folder.join(format!("..{version}"));
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("tls.crt"), &pair.certificate).unwrap();
    std::fs::write(data.join("tls.key"), &pair.key).unwrap();
    let next = folder.join("..next");
    symlink(format!("..{version}"), &next).unwrap();
    std::fs::rename(next, folder.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        let _ = symlink(format!("..data/{name}"), folder.join(name));
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection after its handshake.
fn shake(
    running: &Running,
    authority: &Authority,
    client: Option<&Pair>,
    protocols: &[&str],
) -> std::io::Result<Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap())
                .unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut tls =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut tcp = TcpStream::connect(running.http())?;
    tcp.set_read_timeout(Some(std::time::Duration::from_secs(60)))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(tls, tcp))
}

/// The status of an event that is posted over it.
fn send(stream: &mut Stream, id: &str) -> std::io::Result<String> {
    let body = event(id);
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/cloudevents+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&answer[9..12]).into_owned())
}

fn served(stream: &Stream) -> CertificateDer<'static> {
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

const SETTINGS: [&str; 2] = ["http.tls.certificate=tls/tls.crt", "http.tls.key=tls/tls.key"];

#[test]
fn a_certificate_changes_and_no_connection_is_dropped() {
    let home = home();
    let folder = home.path().join("tls");
    let authority = Authority::new();
    let (first, second) = (authority.signs("localhost"), authority.signs("localhost"));
    mount(&folder, 1, &first);
    // What is idle meanwhile may be for long.
    let running = start(&home, &[SETTINGS[0], SETTINGS[1], "http.header-timeout=10m"]);
    let mut open = shake(&running, &authority, None, &[]).unwrap();
    assert_eq!(send(&mut open, "1").unwrap(), "202");
    let before = served(&open);

    // A certificate with another's key: what there was goes on, and the log says so.
    mount(&folder, 2, &Pair { certificate: second.certificate.clone(), key: first.key.clone() });
    let said = "the listener's certificate has changed and is no good: the one before goes on";
    let line = eventually("it is said", || running.said(said));
    assert!(line["reason"].as_str().unwrap().contains("http.tls.key"), "{line}");
    assert_eq!(served(&shake(&running, &authority, None, &[]).unwrap()), before);

    mount(&folder, 3, &second);
    let mut after = eventually("it is read anew", || {
        let stream = shake(&running, &authority, None, &[]).unwrap();
        (served(&stream) != before).then_some(stream)
    });
    assert_eq!(send(&mut after, "2").unwrap(), "202");
    assert_eq!(send(&mut open, "3").unwrap(), "202", "it is still open");
    ran(&home, "default/all", &["1", "2", "3"]);
}

#[test]
fn both_versions_are_agreed_on_and_weir_publishes() {
    let home = home();
    let authority = Authority::new();
    mount(&home.path().join("tls"), 1, &authority.signs("localhost"));
    home.write("ca.crt", authority.certificate.as_bytes());
    let running = start(&home, &SETTINGS);
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let stream = shake(&running, &authority, None, offered).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), agreed.map(str::as_bytes));
    }
    let target = format!("https://localhost:{}", running.http().port());
    let publish = |more: &[&str]| {
        home.weir(&[&["publish", "--type", "order.created", "--id", "p", "--target", &target], more].concat())
    };
    let published = publish(&["--ca-file", "ca.crt"]);
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    // An authority that nobody knows.
    assert!(!publish(&[]).status.success());
    ran(&home, "default/all", &["p"]);
    // Who speaks without TLS is not answered.
    let mut plain = TcpStream::connect(running.http()).unwrap();
    plain.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn clients_without_a_certificate_of_ours_are_not_let_in() {
    let home = home();
    let (ours, others) = (Authority::new(), Authority::new());
    mount(&home.path().join("tls"), 1, &ours.signs("localhost"));
    home.write("clients.crt", ours.certificate.as_bytes());
    let running = start(&home, &[&SETTINGS[..], &["http.tls.client-ca=clients.crt"]].concat());
    let try_with = |client: Option<&Pair>| {
        let mut stream = shake(&running, &ours, client, &[])?;
        // With TLS 1.3 the client learns of it with the first answer.
        send(&mut stream, "with-a-certificate")
    };
    assert!(try_with(None).is_err());
    assert!(try_with(Some(&others.signs("shop.example.com"))).is_err());
    assert_eq!(try_with(Some(&ours.signs("shop.example.com"))).unwrap(), "202");
    ran(&home, "default/all", &["with-a-certificate"]);
}

#[test]
fn who_does_not_shake_hands_is_cut_off() {
    let home = home();
    mount(&home.path().join("tls"), 1, &Authority::new().signs("localhost"));
    let running = start(&home, &[&SETTINGS[..], &["http.header-timeout=300ms"]].concat());
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut silent = TcpStream::connect(running.http()).unwrap();
        silent.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        silent.write_all(bytes).unwrap();
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "{bytes:?}");
    }
}

#[test]
fn a_start_without_a_good_pair_is_refused() {
    let home = home();
    for (settings, said) in [
        (&["http.tls.certificate=no.crt", "http.tls.key=no.key"][..], "http.tls.certificate: no.crt"),
        (&["http.tls.certificate=no.crt"], "there is no http.tls.key"),
        (&["http.tls.client-ca=no.crt"], "there is no http.tls.certificate"),
    ] {
        let options: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let ended = Running::try_start(&home, &options).unwrap_err();
        assert!(ended.code != Some(0) && ended.log.contains(said), "{}", ended.log);
    }
}
