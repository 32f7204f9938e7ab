//! What is refused, with which status and which words.

use super::*;

#[test]
fn what_is_no_valid_event_is_told_why() {
    let (home, running) = worker(&[]);
    let valid = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    let without = |name: &str| valid.into_iter().filter(|(n, _)| *n != name).collect::<Vec<_>>();
    let with = |header: (&'static str, &'static str)| [&valid[..], &[header]].concat();
    for (headers, body, words) in [
        (without("ce-id"), "{}", "id: missing"),
        (without("ce-type"), "{}", "type: missing"),
        (with(("ce-time", "yesterday")), "{}", "time: not an RFC 3339 timestamp"),
        (with(("ce-id", "2")), "{}", "id: given more than once"),
        (with(("ce-my_ext", "x")), "{}", "my_ext: not an attribute name"),
        (with(("ce-datacontenttype", "a/b")), "{}", "send it as content-type"),
        (with(("content-type", "text")), "{}", "datacontenttype: not a media type"),
        (vec![("content-type", "application/json")], "{}", "no ce-specversion"),
        (vec![STRUCTURED], "", "EOF"),
        (vec![STRUCTURED], "{\"id\":", "EOF"),
        (vec![STRUCTURED], "\u{feff}{}", "expected value"),
        (
            vec![STRUCTURED],
            r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#,
            "specversion: '0.3'",
        ),
        (vec![STRUCTURED], r#"{"specversion":"1.0","id":"1","source":"","type":"t"}"#, "source: empty"),
        (vec![STRUCTURED, ("content-type", "application/json")], "{}", "more than one Content-Type"),
    ] {
        let response = post(&running, &headers, body);
        assert_eq!(response.status, 400, "{headers:?}: {}", response.text());
        assert!(detail(&response).contains(words), "{headers:?}: {} has no {words:?}", response.text());
    }
    assert_eq!(home.status().arrived, 0);
}

#[test]
fn what_is_in_another_format_is_415() {
    let (_home, running) = worker(&[]);
    for content_type in ["application/cloudevents+avro", "application/cloudevents-batch+xml"] {
        let response = post(&running, &[("content-type", content_type)], event("1"));
        assert_eq!(response.status, 415);
        assert!(detail(&response).contains("application/cloudevents+json"), "{}", response.text());
    }
    let response = post(&running, &[STRUCTURED, ("content-encoding", "gzip")], event("1"));
    assert_eq!((response.status, response.header("accept-encoding")), (415, Some("identity")));
    assert!(detail(&response).contains("Content-Encoding"));
    let response = post(&running, &[STRUCTURED, ("content-encoding", "Identity")], event("1"));
    assert_eq!(response.status, 202);
}

#[test]
fn other_paths_and_methods() {
    let (_home, running) = worker(&[]);
    let mut connection = running.connect();
    for path in ["/shop", "/shop/nothing", "/default/default/more", "/%2e%2e/orders", "*", "/healthz"] {
        let response = connection.post(path, &[STRUCTURED], event("1").as_bytes()).unwrap();
        assert_eq!(response.status, 404, "{path}");
        assert!(detail(&response).contains("/default/default, /shop/orders"), "{}", response.text());
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "SOMETHING"] {
        let response = connection.request(method, "/", &[], b"").unwrap();
        assert_eq!((response.status, response.header("allow")), (405, Some("POST")), "{method}");
    }
    let long = format!("/{}", "a".repeat(5_000));
    assert!(detail(&connection.get(&long).unwrap()).len() < 500);
}

#[test]
fn too_large_a_body_is_413_however_it_comes() {
    let (home, running) = worker(&["http.max-body=64KiB"]);
    let too_much = vec![b' '; (64 << 10) + 1];
    let response = post(&running, &[STRUCTURED], &too_much);
    assert_eq!((response.status, response.header("connection")), (413, Some("close")));
    assert!(detail(&response).contains("http.max-body, 65536 bytes"));

    // All of it is sent before anything is read: the answer still arrives.
    let response = eventually("it is answered", || {
        running.connect().post("/", &[STRUCTURED], &vec![b' '; 4 << 20]).ok()
    });
    assert_eq!(response.status, 413);

    // Nothing of it is sent: the length says enough.
    let mut connection = running.connect();
    connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n").unwrap();
    assert_eq!(connection.response().unwrap().status, 413);

    // No length is said.
    let mut connection = running.connect();
    connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    let chunk = [&b"4000\r\n"[..], &[b' '; 0x4000], b"\r\n"].concat();
    for _ in 0..5 {
        connection.send(&chunk).unwrap();
    }
    assert_eq!(connection.response().unwrap().status, 413);

    let mut fits = event("fits");
    fits.extend(std::iter::repeat_n(' ', (64 << 10) - fits.len()));
    assert_eq!(post(&running, &[STRUCTURED], fits).status, 202);
    ran(&home, "default/all", &["fits"]);
}

#[test]
fn without_the_token_nothing_is_learned() {
    const TOKEN: &str = "correct-horse-battery-staple";
    let home = home();
    home.secret("http/token", &format!("{TOKEN}\n"));
    let running = start(&home, &["http.token=secret:http/token", "log.level=trace"]);
    let right = format!("Bearer {TOKEN}");
    for (wrong, challenge) in [
        ("Bearer wrong", "Bearer error=\"invalid_token\", error_description=\"the token is not known\""),
        (
            &right[..right.len() - 1],
            "Bearer error=\"invalid_token\", error_description=\"the token is not known\"",
        ),
        ("Bearer ", "Bearer"),
        ("Basic Y29ycmVjdA==", "Bearer"),
        (TOKEN, "Bearer"),
    ] {
        let response = post(&running, &[STRUCTURED, ("authorization", wrong)], event("1"));
        assert_eq!((response.status, response.header("www-authenticate")), (401, Some(challenge)), "{wrong}");
        assert!(!response.text().contains(TOKEN));
    }
    let response = running.connect().post("/no/broker", &[STRUCTURED], b"").unwrap();
    assert_eq!(response.status, 401);
    assert!(!response.text().contains("orders"), "{}", response.text());

    let response = post(&running, &[STRUCTURED, ("authorization", &right)], event("right"));
    assert_eq!(response.status, 202, "{}", response.text());
    ran(&home, "default/all", &["right"]);
    // Probes have no token.
    assert_eq!(ready(&running).status, 200);
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.log.contains(TOKEN), "{}", ended.log);
}

#[test]
fn only_loopback_is_listened_on_unless_told_otherwise() {
    let home = home();
    let output = home.weir(&["check", "documents.yaml", "--show-origin"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for (name, address) in [("http.address", "127.0.0.1:8080"), ("admin.address", "127.0.0.1:9090")] {
        let line = text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains(address) && line.contains("default"), "{line}");
    }
    let output = home.weir(&["check", "documents.yaml", "--set", "http.address=0.0.0.0:8080"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("whoever can reach 0.0.0.0:8080 can post events"), "{said}");
}
