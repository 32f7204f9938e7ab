//! A Kafka that wants to know who comes, over TLS.

use std::path::Path;
use std::process::Command;

use crate::brokers::{Own, free_port};

pub(crate) const PASSWORD: &str = "correct horse";

/// Its broker, where it logs people in, and who signed its certificate.
pub(crate) fn secured(name: &str) -> (Own, String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("broker.pem");
    std::fs::write(&key, made.signing_key.serialize_pem() + &made.cert.pem()).unwrap();
    let (plain, secure, controller) = (free_port(), free_port(), free_port());
    let more = format!(
        "listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://localhost:{secure},CONTROLLER://127.0.0.1:{controller}\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER\nssl.keystore.type=PEM\nssl.keystore.location={}\n\
         listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
         user_weir=\"{PASSWORD}\";\n\
         listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         listener.name.secure.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule \
         required unsecuredLoginStringClaim_sub=\"broker\";\n\
         listener.name.secure.oauthbearer.connections.max.reauth.ms=3600000\n",
        key.display()
    );
    let own = Own::start(name, &more);
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/brokers/jars/*");
    let user = format!("SCRAM-SHA-512=[password={PASSWORD}]");
    let add = || {
        Command::new("java")
            .arg("-cp")
            .arg(&jars)
            .args(["kafka.admin.ConfigCommand", "--bootstrap-server", &own.address, "--alter"])
            .args(["--entity-type", "users", "--entity-name", "weir", "--add-config", &user])
            .output()
            .unwrap()
    };
    // The tool gives up after a minute, which a busy machine can take from it; what it does can be done again.
    let added = Some(add()).filter(|added| added.status.success()).unwrap_or_else(add);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    (own, format!("localhost:{secure}"), made.cert.pem())
}
