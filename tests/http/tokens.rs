//! Who posts: static tokens, an issuer's, certificates; and as whom their events go on.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::*;

/// A function that sees the events of each of these, by a trigger of its own.
fn home_for(senders: &[(&str, &str, &str)]) -> Home {
    let mut documents = "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: audit}\n\
                         spec: {module: audit.wasm}\n"
        .to_owned();
    for (trigger, kind, id) in senders {
        documents += &format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {trigger}}}\nspec:\n  \
             broker: default\n  filter: {{attributes: {{authtype: {kind}, authid: \"{id}\"}}}}\n  \
             subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: audit}}}}\n"
        );
    }
    let home = Home::new(&documents);
    home.write("audit.wasm", &guests::audit());
    home
}

/// What a publisher says of itself that it is not.
const FORGED: [(&str, &str); 8] = [
    ("ce-specversion", "1.0"),
    ("ce-source", "/shop"),
    ("ce-type", "order.created"),
    ("ce-authtype", "system"),
    ("ce-authid", "root"),
    ("ce-authclaims", "everything"),
    ("content-type", "application/json"),
    ("ce-id", "forged"),
];

#[test]
fn each_token_has_a_name_and_its_events_bear_it() {
    let home = home_for(&[
        ("shop", "api_key", "shop"),
        ("billing", "api_key", "billing"),
        ("one", "api_key", "token"),
    ]);
    for (name, token) in [("http/shop", "s1"), ("http/billing", "b2"), ("http/token", "t3")] {
        home.secret(name, token);
    }
    let running =
        start(&home, &["http.token=secret:http/token", "http.tokens=secret:http/shop,secret:http/billing"]);
    for (token, id) in [("s1", "of-shop"), ("b2", "of-billing"), ("t3", "of-one")] {
        let authorization = format!("Bearer {token}");
        let response = post(&running, &[STRUCTURED, ("authorization", &authorization)], event(id));
        assert_eq!(response.status, 202, "{}", response.text());
    }
    let batch = format!("[{},{}]", event("b-1"), event("b-2"));
    assert_eq!(post(&running, &[BATCH, ("authorization", "bearer b2")], batch).status, 202);
    let forged = [&FORGED[..], &[("authorization", "Bearer s1")]].concat();
    assert_eq!(post(&running, &forged, "{}").status, 202);
    for wrong in ["Bearer s1b2", "Bearer", "s1"] {
        assert_eq!(
            post(&running, &[STRUCTURED, ("authorization", wrong)], event("no")).status,
            401,
            "{wrong}"
        );
    }
    let twice = [STRUCTURED, ("authorization", "Bearer s1"), ("authorization", "Bearer b2")];
    assert_eq!(post(&running, &twice, event("no")).status, 401);
    ran(&home, "default/shop", &["of-shop", "forged"]);
    ran(&home, "default/billing", &["of-billing", "b-1", "b-2"]);
    ran(&home, "default/one", &["of-one"]);
}

/// As an operator turns them over: another is written, and the worker goes on.
#[test]
fn a_token_that_changes_is_taken_and_the_one_before_is_not() {
    let home = home_for(&[("shop", "api_key", "shop")]);
    home.secret("http/shop", "first");
    let running = start(&home, &["http.tokens=secret:http/shop"]);
    let status = |token: &str, id: &str| {
        let authorization = format!("Bearer {token}");
        post(&running, &[STRUCTURED, ("authorization", &authorization)], event(id)).status
    };
    assert_eq!((status("first", "1"), status("another", "no")), (202, 401));
    std::fs::remove_file(home.path().join("secrets/http/shop")).unwrap();
    let line =
        eventually("it is missed", || running.said("a token can't be read: those that there are go on"));
    assert!(line["reason"].as_str().unwrap().contains("http/shop"), "{line}");
    assert_eq!(status("first", "2"), 202);
    home.secret("http/shop", "another");
    eventually("it is read", || (status("another", "3") == 202).then_some(()));
    assert_eq!(status("first", "no"), 401);
    ran(&home, "default/shop", &["1", "2", "3"]);
    assert!(!running.terminate().log.contains("another"));
}

/// Without authentication nobody has looked, and nothing is changed.
#[test]
fn where_nobody_is_asked_what_an_event_says_of_itself_stays() {
    let home = home_for(&[("root", "system", "root")]);
    let running = start(&home, &[]);
    assert_eq!(post(&running, &FORGED, "{}").status, 202);
    ran(&home, "default/root", &["forged"]);
}

fn jwks(id: &str, pair: &KeyPair) -> Vec<u8> {
    use base64::Engine;
    let text = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let public = pair.public_key_raw();
    let (x, y) = (text(&public[1..33]), text(&public[33..]));
    json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": id, "x": x, "y": y}]}).to_string().into_bytes()
}

fn token(id: &str, pair: &KeyPair, claims: &Value) -> String {
    let header = Header { kid: Some(id.into()), ..Header::new(Algorithm::ES256) };
    format!("Bearer {}", encode(&header, claims, &EncodingKey::from_ec_der(&pair.serialize_der())).unwrap())
}

#[test]
fn an_issuers_tokens_are_taken_and_its_keys_may_change() {
    let home = home_for(&[
        ("user", "unknown", "alice"),
        ("source", "service_account", "system:serviceaccount:shop:kafka"),
    ]);
    let (first, second) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    home.write("jwks.json", &jwks("1", &first));
    let running = start(
        &home,
        &[
            "http.oidc.issuer=https://issuer.example.com",
            "http.oidc.audience=weir",
            "http.oidc.jwks=jwks.json",
        ],
    );
    let expiry =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3_600;
    let claims = |sub: &str, aud: &str| json!({"iss": "https://issuer.example.com", "aud": aud, "sub": sub, "exp": expiry});
    let post_as = |authorization: &str, id: &str| {
        post(&running, &[STRUCTURED, ("authorization", authorization)], event(id))
    };
    let source = claims("system:serviceaccount:shop:kafka", "weir");
    assert_eq!(post_as(&token("1", &first, &claims("alice", "weir")), "1").status, 202);
    assert_eq!(post_as(&token("1", &first, &source), "2").status, 202);
    let refused = post_as(&token("1", &first, &claims("alice", "others")), "no");
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("invalid_token") && challenge.contains("another audience"), "{challenge}");
    assert!(!refused.text().contains("weir\""), "{}", refused.text());
    assert_eq!(post_as(&token("1", &second, &source), "no").status, 401);
    assert_eq!(post_as(&token("1", &first, &claims("", "weir")), "no").status, 403);

    home.write("jwks.json", &jwks("2", &second));
    eventually("the new keys are read", || {
        (post_as(&token("2", &second, &source), "3").status == 202).then_some(())
    });
    assert_eq!(post_as(&token("1", &first, &source), "no").status, 401, "its key is gone");
    ran(&home, "default/user", &["1"]);
    ran(&home, "default/source", &["2", "3"]);
}

#[test]
fn a_start_without_all_that_verifying_takes_is_refused() {
    let home = home_for(&[]);
    home.write("jwks.json", b"{}");
    home.secret("a/token", "1");
    home.secret("b/token", "2");
    for (settings, said) in [
        (&["http.oidc.issuer=i"][..], "there is no http.oidc.audience"),
        (&["http.oidc.issuer=i", "http.oidc.audience=a", "http.oidc.jwks=jwks.json"], "no JSON Web Key Set"),
        (&["http.oidc.issuer=i", "http.oidc.audience=a", "http.oidc.jwks=http://keys"], "anybody on the way"),
        (&["http.tokens=secret:a/token,secret:b/token"], "two are of 'token'"),
        (&["http.tokens=secret:c/token"], "c/token"),
        (&["http.tokens=hunter2"], "expected a reference to a secret"),
    ] {
        let options: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let ended = Running::try_start(&home, &options).unwrap_err();
        assert!(ended.code != Some(0) && ended.log.contains(said), "{}", ended.log);
        assert!(!ended.log.contains("hunter2"), "{}", ended.log);
    }
}
