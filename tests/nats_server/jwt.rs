//! An operator with an account and a user in it, as `nsc` would make them: JSON Web Tokens signed with NATS's keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

pub(crate) struct House {
    operator: KeyPair,
    system: KeyPair,
    account: KeyPair,
    user: KeyPair,
}

impl House {
    pub(crate) fn new() -> House {
        House {
            operator: KeyPair::new_operator(),
            system: KeyPair::new_account(),
            account: KeyPair::new_account(),
            user: KeyPair::new_user(),
        }
    }

    /// What a server is told of them.
    pub(crate) fn conf(&self) -> String {
        let limits = |of_disk: Value| {
            let mut limits = json!({
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
                "leaf": -1,
            });
            limits.as_object_mut().unwrap().extend(of_disk.as_object().unwrap().clone());
            json!({"type": "account", "version": 2, "limits": limits})
        };
        let plenty = json!({"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1});
        let operator = token(&self.operator, &self.operator, &json!({"type": "operator", "version": 2}));
        let system = token(&self.operator, &self.system, &limits(json!({})));
        let account = token(&self.operator, &self.account, &limits(plenty));
        format!(
            "operator: {operator}\nsystem_account: {system_key}\nresolver: MEMORY\nresolver_preload {{\n  {system_key}: \
             {system}\n  {}: {account}\n}}\n",
            self.account.public_key(),
            system_key = self.system.public_key(),
        )
    }

    /// The user's file.
    pub(crate) fn creds(&self) -> String {
        let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}});
        let user = token(&self.account, &self.user, &claims);
        let seed = self.user.seed().unwrap();
        format!(
            "-----BEGIN NATS USER JWT-----\n{user}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{seed}\n\
             ------END USER NKEY SEED------\n"
        )
    }
}

fn token(by: &KeyPair, of: &KeyPair, claims: &Value) -> String {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let (issuer, subject) = (by.public_key(), of.public_key());
    let body = json!({"jti": subject, "iat": 1_700_000_000, "iss": issuer, "sub": subject, "name": "weir", "nats": claims});
    let signed = format!("{}.{}", encoded(&head), encoded(&body));
    let signature = by.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
