//! How a cluster of Kafka is spoken to: the client's configuration, made of a document and its secrets.

use rdkafka::ClientConfig;

use crate::client::bearer;
use crate::config::{KafkaSecurity, Secret, SecretRef, Server, Tls};

/// Finds a secret, or says where it was looked for.
pub type Resolve<'r> = &'r dyn Fn(&SecretRef) -> Result<Secret, String>;

/// What every client of the cluster needs; no broker is asked yet.
pub fn config(
    servers: &[Server],
    security: &KafkaSecurity,
    resolve: Resolve<'_>,
) -> Result<ClientConfig, String> {
    let servers: Vec<String> = servers.iter().map(Server::to_string).collect();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers.join(","));
    config.set("client.id", "weir");
    let protocol = match (&security.sasl, &security.tls) {
        (None, None) => "PLAINTEXT",
        (None, Some(_)) => "SSL",
        (Some(_), None) => "SASL_PLAINTEXT",
        (Some(_), Some(_)) => "SASL_SSL",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &security.tls {
        set_tls(&mut config, tls, resolve)?;
    }
    if let Some(sasl) = &security.sasl {
        let mechanism = sasl.mechanism.as_ref().map(resolve).transpose()?;
        let mechanism = mechanism.as_ref().map_or("PLAIN", |secret| secret.expose().trim());
        let password = resolve(&sasl.password)?;
        match mechanism {
            "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => config.set("sasl.password", password.expose()),
            // The token itself is another one tomorrow.
            "OAUTHBEARER" => config.set(bearer::PLACE, password.place()),
            _ => {
                // What stands there may be another secret in the wrong place.
                let known = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER";
                return Err(format!("the SASL type is none of {known}"));
            }
        };
        config.set("sasl.mechanism", mechanism);
        config.set("sasl.username", resolve(&sasl.user)?.expose());
    }
    Ok(config)
}

fn set_tls(config: &mut ClientConfig, tls: &Tls, resolve: Resolve<'_>) -> Result<(), String> {
    if let Some(ca) = &tls.ca {
        config.set("ssl.ca.pem", resolve(ca)?.expose());
    }
    if let Some(client) = &tls.client {
        config.set("ssl.certificate.pem", resolve(&client.certificate)?.expose());
        config.set("ssl.key.pem", resolve(&client.key)?.expose());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sasl;

    fn secret(name: &str) -> SecretRef {
        SecretRef::new("kafka", name).unwrap()
    }

    fn made(security: &KafkaSecurity, mechanism: &'static str) -> Result<ClientConfig, String> {
        let server = Server { host: "::1".to_owned(), port: 9092 };
        config(&[server], security, &|reference| match reference.to_string().as_str() {
            "kafka/type" => Ok(Secret::new(mechanism)),
            "kafka/none" => Err("the secret 'kafka/none' is not there".to_owned()),
            other => Ok(Secret::new(format!("<{other}>"))),
        })
    }

    #[test]
    fn the_protocol_is_what_is_enabled() {
        let sasl =
            Sasl { user: secret("user"), password: secret("password"), mechanism: Some(secret("type")) };
        let plain = made(&KafkaSecurity::default(), "").unwrap();
        assert_eq!(plain.get("security.protocol"), Some("PLAINTEXT"));
        assert_eq!(plain.get("bootstrap.servers"), Some("[::1]:9092"));
        let tls = Tls { ca: Some(secret("ca")), client: None };
        let both = KafkaSecurity { sasl: Some(sasl.clone()), tls: Some(tls.clone()) };
        let both = made(&both, "SCRAM-SHA-512\n").unwrap();
        for (name, value) in [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "<kafka/user>"),
            ("sasl.password", "<kafka/password>"),
            ("ssl.ca.pem", "<kafka/ca>"),
        ] {
            assert_eq!(both.get(name), Some(value));
        }
        let token = made(&KafkaSecurity { sasl: Some(sasl.clone()), tls: None }, "OAUTHBEARER").unwrap();
        assert!(token.get(bearer::PLACE).is_some() && token.get("sasl.password").is_none());
        let wrong = made(&KafkaSecurity { sasl: Some(sasl), tls: None }, "hunter2").unwrap_err();
        assert!(!wrong.contains("hunter2"), "{wrong}");
        let lost = KafkaSecurity { sasl: None, tls: Some(Tls { ca: Some(secret("none")), ..tls }) };
        assert!(made(&lost, "").unwrap_err().contains("kafka/none"));
    }
}
