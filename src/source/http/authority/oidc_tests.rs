//! Tokens that are good, expired, for others, forged, and no tokens at all.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};

use super::jwks::{Jwks, Place};
use super::oidc::Oidc;
use super::*;

/// A key of an issuer.
struct Signer {
    id: &'static str,
    algorithm: Algorithm,
    pair: KeyPair,
}

impl Signer {
    fn new(id: &'static str, algorithm: Algorithm) -> Signer {
        let kind = if algorithm == Algorithm::EdDSA { &PKCS_ED25519 } else { &PKCS_ECDSA_P256_SHA256 };
        Signer { id, algorithm, pair: KeyPair::generate_for(kind).unwrap() }
    }

    fn jwk(&self) -> Value {
        let public = self.pair.public_key_raw();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self.algorithm {
            Algorithm::EdDSA => json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": text(public)}),
            // An uncompressed point begins with 4.
            _ => json!({"kty": "EC", "crv": "P-256", "kid": self.id, "alg": "ES256", "use": "sig",
                        "x": text(&public[1..33]), "y": text(&public[33..])}),
        }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_with(Header { kid: Some(self.id.into()), ..Header::new(self.algorithm) }, claims)
    }

    fn sign_with(&self, header: Header, claims: &Value) -> String {
        let der = self.pair.serialize_der();
        let key = match header.alg {
            Algorithm::EdDSA => EncodingKey::from_ed_der(&der),
            Algorithm::ES256 => EncodingKey::from_ec_der(&der),
            // What a key that everybody knows would do as a shared secret.
            _ => EncodingKey::from_secret(self.pair.public_key_raw()),
        };
        encode(&header, claims, &key).unwrap()
    }
}

fn unix() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": "https://issuer", "aud": ["weir", "other"], "sub": "shop", "exp": unix() + 600})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn write(path: &Path, keys: &[Value]) {
    std::fs::write(path, json!({"keys": keys}).to_string()).unwrap();
}

async fn open(path: &Path, keys: &[Value]) -> Oidc {
    write(path, keys);
    let jwks = Jwks::open(Place::File(path.into())).await.unwrap();
    Oidc::new("https://issuer".into(), "weir".into(), jwks)
}

async fn verify(oidc: &Oidc, token: &str) -> Result<String, Denied> {
    let identity = oidc.verify(token, blake3::hash(token.as_bytes())).await?;
    Ok(format!("{} {}", identity.kind, identity.id))
}

#[tokio::test]
async fn a_good_token_says_who_it_is_and_others_why_they_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (ec, ed, other) = (
        Signer::new("ec", Algorithm::ES256),
        Signer::new("ed", Algorithm::EdDSA),
        Signer::new("ec", Algorithm::ES256),
    );
    let oidc = open(&folder.path().join("jwks.json"), &[ec.jwk(), ed.jwk()]).await;
    let account = with("sub", "system:serviceaccount:shop:default".into());
    let now = unix();
    let nameless = |signer: &Signer| signer.sign_with(Header::new(signer.algorithm), &claims());
    let named = |id: &str, alg| Header { kid: Some(id.into()), ..Header::new(alg) };
    let cases: Vec<(&str, String, Result<&str, Denied>)> = vec![
        ("good", ec.sign(&claims()), Ok("unknown shop")),
        ("EdDSA", ed.sign(&claims()), Ok("unknown shop")),
        ("a service account", ec.sign(&account), Ok("service_account system:serviceaccount:shop:default")),
        ("one audience as a text", ec.sign(&with("aud", "weir".into())), Ok("unknown shop")),
        ("no kid, one key of its kind", nameless(&ec), Ok("unknown shop")),
        ("a clock that is behind", ec.sign(&with("exp", (now - 10).into())), Ok("unknown shop")),
        ("expired", ec.sign(&with("exp", (now - 100).into())), Err(Denied::Expired)),
        ("not yet", ec.sign(&with("nbf", (now + 100).into())), Err(Denied::NotYet)),
        ("another issuer", ec.sign(&with("iss", "https://issuer/".into())), Err(Denied::Issuer)),
        ("another audience", ec.sign(&with("aud", "weir2".into())), Err(Denied::Audience)),
        ("no audience", ec.sign(&with("aud", Value::Null)), Err(Denied::Claims)),
        ("no expiry", ec.sign(&with("exp", Value::Null)), Err(Denied::Claims)),
        ("an expiry that is none", ec.sign(&with("exp", "never".into())), Err(Denied::Claims)),
        ("nobody", ec.sign(&with("sub", "".into())), Err(Denied::Nobody)),
        ("a line's end", ec.sign(&with("sub", "a\nb".into())), Err(Denied::Nobody)),
        ("long", ec.sign(&with("sub", "a".repeat(257).into())), Err(Denied::Nobody)),
        ("another's key of that id", other.sign(&claims()), Err(Denied::Signature)),
        ("an unknown key", ec.sign_with(named("no", Algorithm::ES256), &claims()), Err(Denied::UnknownKey)),
        ("another key's id", ed.sign_with(named("ec", Algorithm::EdDSA), &claims()), Err(Denied::Algorithm)),
        (
            "HMAC by the public key",
            ec.sign_with(named("ec", Algorithm::HS256), &claims()),
            Err(Denied::Algorithm),
        ),
        (
            "HMAC without a kid",
            ec.sign_with(Header::new(Algorithm::HS256), &claims()),
            Err(Denied::UnknownKey),
        ),
    ];
    for (what, token, expected) in cases {
        // Also of what is remembered.
        for _ in 0..2 {
            assert_eq!(verify(&oidc, &token).await.as_deref().map_err(|e| *e), expected, "{what}");
        }
    }
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let good = ec.sign(&claims());
    let (_, rest) = good.split_once('.').unwrap();
    for (header, expected) in [
        (json!({"alg": "none", "kid": "ec"}), Denied::Algorithm),
        (json!({"alg": "None", "kid": "ec"}), Denied::Algorithm),
        (json!({"alg": ["ES256"], "kid": "ec"}), Denied::Algorithm),
        (json!({"kid": "ec"}), Denied::Malformed),
        (json!({"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": false}), Denied::Malformed),
        (json!([]), Denied::Malformed),
    ] {
        for rest in [rest, "e30.", "..", ""] {
            let token = format!("{}.{rest}", part(header.clone()));
            assert_eq!(verify(&oidc, &token).await, Err(expected), "{token}");
        }
    }
    let unsigned = format!("{}.{}.", part(json!({"alg": "none"})), part(claims()));
    assert_eq!(verify(&oidc, &unsigned).await, Err(Denied::Algorithm));
}

#[tokio::test]
async fn keys_change_and_what_was_verified_with_the_old_ones_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (old, new) = (Signer::new("old", Algorithm::ES256), Signer::new("new", Algorithm::ES256));
    let oidc = open(&path, &[old.jwk()]).await;
    let token = old.sign(&claims());
    assert!(verify(&oidc, &token).await.is_ok());
    std::fs::write(&path, "{").unwrap();
    tokio::time::pause();
    let keeping = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(verify(&oidc, &token).await.is_ok(), "what is no set of keys changes nothing");
        write(&path, &[new.jwk()]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(verify(&oidc, &token).await, Err(Denied::UnknownKey));
        assert!(verify(&oidc, &new.sign(&claims())).await.is_ok());
    };
    tokio::select! {
        () = oidc.jwks.keep() => unreachable!("it keeps them for ever"),
        () = keeping => {}
    }
}

#[tokio::test]
async fn keys_that_are_not_for_this_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let ec = Signer::new("ec", Algorithm::ES256);
    let changed = |name: &str, value: &str| {
        let mut jwk = ec.jwk();
        jwk[name] = value.into();
        jwk
    };
    let secret = json!({"kty": "oct", "kid": "ec", "k": "c2VjcmV0", "alg": "HS256"});
    for wrong in [
        vec![secret, json!({"kty": "new", "kid": "x"}), json!(7)],
        vec![changed("use", "enc")],
        vec![changed("alg", "ES384")],
        vec![changed("alg", "HS256")],
        vec![],
    ] {
        write(&path, &wrong);
        let refused = Jwks::open(Place::File(path.clone())).await.unwrap_err();
        assert!(refused.contains("http.oidc.jwks"), "{refused}");
    }
    std::fs::write(&path, vec![b' '; 1 << 20]).unwrap();
    assert!(Jwks::open(Place::File(path)).await.is_err(), "too large");
}

/// RFC 7515, A.2: signed by that key, and long expired, of somebody who has no subject.
#[tokio::test]
async fn rs256_is_verified() {
    const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL\
        -yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS\
        -UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkM\
        Ls91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS\
        9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W\
        2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZ\
        RmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXL\
        IhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let folder = tempfile::tempdir().unwrap();
    let key = json!({"kty": "RSA", "n": N, "e": "AQAB"});
    let oidc = open(&folder.path().join("jwks.json"), &[key]).await;
    assert_eq!(verify(&oidc, TOKEN).await, Err(Denied::Claims));
    assert_eq!(verify(&oidc, &TOKEN.replace("4hiUPoj9", "4hiUPoj8")).await, Err(Denied::Signature));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No byte of a token may be another, and nothing makes the reader fall over.
    #[test]
    fn whatever_is_no_token_is_denied(at in any::<prop::sample::Index>(), byte in any::<u8>(), text in "\\PC{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let ec = Signer::new("ec", Algorithm::ES256);
            let oidc = open(&folder.path().join("jwks.json"), &[ec.jwk()]).await;
            let good = ec.sign(&claims());
            let mut bytes = good.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let forged = String::from_utf8_lossy(&bytes).into_owned();
            if forged != good {
                assert!(verify(&oidc, &forged).await.is_err(), "{forged}");
            }
            assert!(verify(&oidc, &text).await.is_err());
            let (header, rest) = good.split_once('.').unwrap();
            for token in [format!("{header}.{text}"), format!("{text}.{rest}"), format!("{good}.{text}")] {
                assert!(verify(&oidc, &token).await.is_err(), "{token}");
            }
            assert!(verify(&oidc, &good).await.is_ok());
        });
    }
}
