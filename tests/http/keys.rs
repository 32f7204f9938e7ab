//! An issuer's keys behind a URL: turned over, out of reach, and shown by who is not believed.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::tls::Authority;
use super::worker::home::lines;
use super::*;

/// What an issuer answers: its keys, or 503. Each request is a connection of its own.
struct Issuer {
    port: u16,
    keys: Arc<Mutex<Option<String>>>,
}

impl Issuer {
    fn start(authority: &Authority) -> Issuer {
        let pair = authority.signs("localhost");
        let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let keys = Arc::<Mutex<Option<String>>>::default();
        let says = Arc::clone(&keys);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(
                    StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream),
                    &says,
                );
            }
        });
        Issuer { port, keys }
    }

    fn says(&self, keys: &[(&str, &KeyPair)]) {
        let keys: Vec<_> = keys.iter().map(|(id, pair)| jwk(id, pair)).collect();
        *self.keys.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }

    fn is_down(&self) {
        *self.keys.lock().unwrap() = None;
    }

    fn settings(&self) -> [String; 3] {
        [
            "http.oidc.issuer=https://issuer.example.com".into(),
            "http.oidc.audience=weir".into(),
            format!("http.oidc.jwks=https://localhost:{}/keys", self.port),
        ]
    }
}

fn answer(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    says: &Mutex<Option<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    assert!(request.starts_with(b"GET /keys HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&request));
    let keys = says.lock().unwrap().clone();
    let (status, body) = keys.map_or(("503 Later", String::new()), |keys| ("200 OK", keys));
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn jwk(id: &str, pair: &KeyPair) -> serde_json::Value {
    use base64::Engine;
    let text = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let public = pair.public_key_raw();
    json!({"kty": "EC", "crv": "P-256", "kid": id, "x": text(&public[1..33]), "y": text(&public[33..])})
}

/// What comes of an event with a token of that key.
#[track_caller]
fn posted(running: &Running, key: &str, pair: &KeyPair, id: &str) -> Response {
    let header = Header { kid: Some(key.into()), ..Header::new(Algorithm::ES256) };
    let hour = std::time::SystemTime::now() + std::time::Duration::from_secs(3_600);
    let expiry = hour.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims =
        json!({"iss": "https://issuer.example.com", "aud": "weir", "sub": "alice", "exp": expiry, "jti": id});
    let token = encode(&header, &claims, &EncodingKey::from_ec_der(&pair.serialize_der())).unwrap();
    post(running, &[STRUCTURED, ("authorization", &format!("Bearer {token}"))], event(id))
}

const UNREAD: &str = "the issuer's keys could not be read: those that there are go on";

#[test]
fn keys_from_a_url_are_turned_over_and_go_on_while_it_is_out_of_reach() {
    let authority = Authority::new();
    let issuer = Issuer::start(&authority);
    let [first, second, third] = [(), (), ()].map(|()| KeyPair::generate().unwrap());
    let home = home();
    home.write("ca.crt", authority.certificate.as_bytes());
    issuer.says(&[("1", &first)]);
    let settings = issuer.settings();
    let settings = [&settings[0], &settings[1], &settings[2], "http.oidc.ca=ca.crt"];
    let running = start(&home, &settings);
    // Asked once at the start, and again where that took too long.
    eventually("its keys are there", || (posted(&running, "1", &first, "1").status == 202).then_some(()));
    assert_eq!(posted(&running, "1", &second, "no").status, 401, "another's signature");

    // Both for a while, then the new one alone.
    issuer.says(&[("1", &first), ("2", &second)]);
    eventually("the new key is fetched", || {
        (posted(&running, "2", &second, "2").status == 202).then_some(())
    });
    assert_eq!(posted(&running, "1", &first, "3").status, 202);
    issuer.is_down();
    eventually("it is asked for in vain", || {
        assert_eq!(posted(&running, "3", &third, "no").status, 401);
        running.said(UNREAD)
    });
    assert_eq!(posted(&running, "2", &second, "4").status, 202, "what there is goes on");
    issuer.says(&[("3", &third)]);
    eventually("it is fetched again", || (posted(&running, "3", &third, "5").status == 202).then_some(()));
    assert_eq!(posted(&running, "2", &second, "no").status, 401, "its key is gone");
    ran(&home, "default/all", &["1", "2", "3", "4", "5"]);
}

#[test]
fn without_keys_nobody_is_let_in_until_there_are_some() {
    let authority = Authority::new();
    let issuer = Issuer::start(&authority);
    let key = KeyPair::generate().unwrap();
    let home = home();
    home.write("ca.crt", authority.certificate.as_bytes());
    let settings = issuer.settings();
    let running = start(&home, &[&settings[0], &settings[1], &settings[2], "http.oidc.ca=ca.crt"]);
    let refused = posted(&running, "1", &key, "no");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(retry_after(&refused) > 0);
    // The first time may have taken too long instead.
    eventually("it says what the issuer answers", || {
        let said = lines(&running.log()).into_iter().filter(|line| line["message"] == UNREAD);
        said.into_iter().find(|line| line["reason"].as_str().is_some_and(|reason| reason.contains("503")))
    });
    issuer.says(&[("1", &key)]);
    eventually("they are there", || (posted(&running, "1", &key, "1").status == 202).then_some(()));
    ran(&home, "default/all", &["1"]);
    drop(running);

    // An authority that nobody knows: who answers there may be anyone.
    let running = start(&home, &[&*settings[0], &settings[1], &settings[2]]);
    assert_eq!(posted(&running, "1", &key, "no").status, 503);
    let reason = running.said(UNREAD).unwrap()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("http.oidc.jwks") && reason.contains("certificate"), "{reason}");
    let options =
        ["--set", "http.oidc.ca=no.crt", "--set", &settings[0], "--set", &settings[1], "--set", &settings[2]];
    drop(running);
    let ended = Running::try_start(&home, &options).unwrap_err();
    assert!(ended.code != Some(0) && ended.log.contains("http.oidc.ca: no.crt"), "{}", ended.log);
}
