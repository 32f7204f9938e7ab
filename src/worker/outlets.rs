//! The topics and subjects that documents have written to, with the secrets that it takes: by their KafkaSink or NatsSink, and
//! by the brokers that have their events there.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::ClientConfig;

use super::set::Problems;
use super::told::Secrets;
use crate::client::nats::Login;
use crate::config::{
    Certificate, Config, ContentMode, KafkaSecurity, KafkaSink, NatsSink, Sasl, Secret, SecretRef, Sink, Tls,
    Writes,
};
use crate::event::Uid;
use crate::sink::parcel::{Cluster, NewTopic, Outlet};
use crate::source::kafka::client::{self, Resolve};

#[derive(Clone, Debug, Default)]
pub struct Outlets(BTreeMap<Uid, Arc<Outlet>>);

/// The keys of a Secret that says how to log in: Knative's.
const PROTOCOL: &str = "protocol";
const MECHANISM: &str = "sasl.mechanism";
const USER: &str = "user";
const PASSWORD: &str = "password";
const AUTHORITIES: &str = "ca.crt";
const CERTIFICATE: &str = "user.crt";
const KEY: &str = "user.key";
const KEYS: [&str; 7] = [PROTOCOL, MECHANISM, USER, PASSWORD, AUTHORITIES, CERTIFICATE, KEY];

impl Outlets {
    /// All problems at once.
    pub fn of(config: &Config, secrets: &Secrets) -> Result<Outlets, Problems> {
        let (mut all, mut problems, mut clusters) = (BTreeMap::new(), Problems::new(), Vec::new());
        for (sink, kafka) in kafka_sinks(config) {
            match cluster(kafka, secrets) {
                Ok(cluster) => {
                    let outlet = outlet(sink, kafka, shared(&mut clusters, cluster));
                    all.insert(sink.uid, Arc::new(outlet));
                }
                Err(why) => problems.push(format!("KafkaSink {}/{}: {why}", sink.namespace, sink.name)),
            }
        }
        for (sink, nats) in nats_sinks(config) {
            match Login::of(&nats.connection, &|reference| secrets.value(reference)) {
                Ok(login) => {
                    let cluster = shared(&mut clusters, Cluster::of_nats(login.properties()));
                    all.insert(sink.uid, Arc::new(subject(sink, nats, cluster)));
                }
                Err(why) => problems.push(format!("NatsSink {}/{}: {why}", sink.namespace, sink.name)),
            }
        }
        for broker in &config.brokers {
            let outlet = broker.backing.and_then(|sink| all.get(&sink)).cloned();
            all.extend(outlet.map(|outlet| (broker.uid, outlet)));
        }
        if problems.is_empty() { Ok(Outlets(all)) } else { Err(problems) }
    }

    /// The same, in the place of these: what says the same stays what it is, so that nothing is opened anew for it.
    pub fn after(mut self, before: &Outlets) -> Outlets {
        for outlet in self.0.values_mut() {
            let same = before.0.values().find(|other| *other == outlet);
            match same {
                Some(same) => *outlet = Arc::clone(same),
                None => {
                    let cluster = before.0.values().find(|other| other.cluster == outlet.cluster);
                    if let Some(other) = cluster {
                        let cluster = Arc::clone(&other.cluster);
                        *outlet = Arc::new(Outlet { cluster, ..(**outlet).clone() });
                    }
                }
            }
        }
        self
    }

    /// Of a KafkaSink, or of a broker that it backs.
    pub fn get(&self, uid: Uid) -> Option<&Arc<Outlet>> {
        self.0.get(&uid)
    }
}

/// The secrets that they may need: which they do, another of them says.
pub(super) fn references(config: &Config) -> impl Iterator<Item = SecretRef> {
    let names = kafka_sinks(config).filter_map(|(_, kafka)| kafka.auth.as_deref());
    let of_kafka = names.flat_map(|name| KEYS.iter().filter_map(|key| SecretRef::new(name, key)));
    of_kafka.chain(nats_sinks(config).flat_map(|(_, nats)| nats.connection.secrets().cloned()))
}

fn kafka_sinks(config: &Config) -> impl Iterator<Item = (&Sink, &KafkaSink)> {
    config.sinks.iter().filter_map(|sink| match &sink.writes {
        Writes::Kafka(kafka) => Some((sink, kafka)),
        Writes::Nats(_) => None,
    })
}

fn nats_sinks(config: &Config) -> impl Iterator<Item = (&Sink, &NatsSink)> {
    config.sinks.iter().filter_map(|sink| match &sink.writes {
        Writes::Nats(nats) => Some((sink, &**nats)),
        Writes::Kafka(_) => None,
    })
}

fn subject(sink: &Sink, nats: &NatsSink, cluster: Arc<Cluster>) -> Outlet {
    Outlet {
        name: format!("NatsSink {}/{}", sink.namespace, sink.name),
        cluster,
        topic: nats.subject.clone(),
        is_structured: nats.content_mode == ContentMode::Structured,
        create: None,
        stream: nats.stream.clone(),
        partitions: nats.partitions,
    }
}

fn outlet(sink: &Sink, kafka: &KafkaSink, cluster: Arc<Cluster>) -> Outlet {
    let create =
        kafka.create.map(|new| NewTopic { partitions: new.partitions, replication: new.replication });
    Outlet {
        name: format!("KafkaSink {}/{}", sink.namespace, sink.name),
        cluster,
        topic: kafka.topic.clone(),
        is_structured: kafka.content_mode == ContentMode::Structured,
        create,
        stream: None,
        partitions: None,
    }
}

/// Sinks of one cluster have one producer.
fn shared(clusters: &mut Vec<Arc<Cluster>>, cluster: Cluster) -> Arc<Cluster> {
    if let Some(same) = clusters.iter().find(|other| ***other == cluster) {
        return Arc::clone(same);
    }
    clusters.push(Arc::new(cluster));
    Arc::clone(&clusters[clusters.len() - 1])
}

/// How the brokers of a sink are spoken to.
pub fn client_config(kafka: &KafkaSink, resolve: Resolve<'_>) -> Result<ClientConfig, String> {
    let security = kafka.auth.as_deref().map(|name| security(name, resolve)).transpose()?.unwrap_or_default();
    client::config(&kafka.bootstrap_servers, &security, resolve)
}

fn cluster(kafka: &KafkaSink, secrets: &Secrets) -> Result<Cluster, String> {
    let config = client_config(kafka, &|reference| secrets.value(reference))?;
    Ok(cluster_of(&config))
}

pub(super) fn cluster_of(config: &ClientConfig) -> Cluster {
    // The map has the names of all, but not the values of those that are secrets.
    let names = config.config_map().into_keys();
    Cluster::new(names.filter_map(|name| Some((name.to_owned(), config.get(name)?.to_owned()))))
}

/// What a Secret says: its protocol tells what else has to be there.
fn security(name: &str, resolve: Resolve<'_>) -> Result<KafkaSecurity, String> {
    let reference =
        |key: &str| SecretRef::new(name, key).ok_or_else(|| format!("'{name}' is no name of a secret"));
    let there = |key: &str| reference(key).map(|reference| Some(reference).filter(|r| resolve(r).is_ok()));
    let protocol: Secret = resolve(&reference(PROTOCOL)?)?;
    let (sasl, tls) = match protocol.expose().trim() {
        "PLAINTEXT" => (false, false),
        "SSL" => (false, true),
        "SASL_PLAINTEXT" => (true, false),
        "SASL_SSL" => (true, true),
        // What stands there may be another secret in the wrong place.
        _ => {
            return Err(format!(
                "the secret '{name}/{PROTOCOL}' is none of PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL"
            ));
        }
    };
    let login = || {
        let (user, password) = (reference(USER)?, reference(PASSWORD)?);
        Ok::<_, String>(Sasl { user, password, mechanism: there(MECHANISM)? })
    };
    let encryption = || {
        let client = match there(CERTIFICATE)? {
            Some(certificate) => Some(Certificate { certificate, key: reference(KEY)? }),
            None => None,
        };
        Ok::<_, String>(Tls { ca: there(AUTHORITIES)?, client })
    };
    Ok(KafkaSecurity { sasl: sasl.then(login).transpose()?, tls: tls.then(encryption).transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const SINKS: &str = "
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {name: plain}
spec: {topic: a, bootstrapServers: ['kafka:9092']}
---
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {name: open}
spec: {topic: b, bootstrapServers: ['kafka:9092'], contentMode: structured, numPartitions: 3, replicationFactor: 2}
---
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {name: secured}
spec: {topic: c, bootstrapServers: ['kafka:9093'], auth: {secret: {ref: {name: login}}}}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: orders, annotations: {weir.dev/backing: KafkaSink/open}}
";

    fn made(secrets: &[(&str, &str)]) -> Result<(Config, Outlets), Problems> {
        let loaded = config::load_text("sinks.yaml", SINKS);
        let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics));
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("login")).unwrap();
        for (key, value) in secrets {
            std::fs::write(home.path().join("login").join(key), value).unwrap();
        }
        let outlets = Outlets::of(&config, &Secrets::read(&config, home.path()))?;
        Ok((config, outlets))
    }

    fn of<'o>(outlets: &'o Outlets, kind: &str, name: &str) -> &'o Arc<Outlet> {
        outlets.get(Uid::of_document("default", kind, name)).unwrap()
    }

    fn property(outlet: &Outlet, name: &str) -> Option<String> {
        outlet.cluster.properties().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    #[test]
    fn a_sink_and_the_broker_that_it_backs_are_one_outlet() {
        let login = [("protocol", "SASL_SSL\n"), ("user", "me"), ("password", "hunter2")];
        let (_, outlets) = made(&login).unwrap();
        let open = of(&outlets, "KafkaSink", "open");
        assert!(Arc::ptr_eq(open, of(&outlets, "Broker", "orders")));
        assert!(
            Arc::ptr_eq(&open.cluster, &of(&outlets, "KafkaSink", "plain").cluster),
            "one producer for both"
        );
        let new = NewTopic { partitions: 3, replication: 2 };
        assert_eq!((open.topic.as_str(), open.is_structured, open.create), ("b", true, Some(new)));
        let secured = of(&outlets, "KafkaSink", "secured");
        assert_eq!(property(secured, "security.protocol").as_deref(), Some("SASL_SSL"));
        assert_eq!(property(secured, "sasl.mechanism").as_deref(), Some("PLAIN"));
        assert_eq!(property(secured, "sasl.password").as_deref(), Some("hunter2"));
        assert!(outlets.get(Uid::of_document("default", "Broker", "default")).is_none());
    }

    #[test]
    fn what_is_missing_of_a_secret_is_said_by_its_key() {
        let said = |secrets: &[(&str, &str)]| made(secrets).unwrap_err().join(" ");
        assert!(
            said(&[]).contains("KafkaSink default/secured: the secret 'login/protocol'"),
            "{}",
            said(&[])
        );
        let wrong = said(&[("protocol", "hunter2")]);
        assert!(wrong.contains("none of PLAINTEXT") && !wrong.contains("hunter2"), "{wrong}");
        assert!(said(&[("protocol", "SASL_SSL"), ("user", "me")]).contains("'login/password'"));
        assert!(said(&[("protocol", "SSL"), ("user.crt", "x")]).contains("'login/user.key'"));
        assert!(made(&[("protocol", "SSL")]).is_ok(), "with the system's authorities");
    }

    #[test]
    fn what_stays_the_same_is_not_opened_anew() {
        let login = [("protocol", "PLAINTEXT")];
        let ((_, before), (_, again)) = (made(&login).unwrap(), made(&login).unwrap());
        let after = again.after(&before);
        for (kind, name) in [("KafkaSink", "plain"), ("KafkaSink", "secured"), ("Broker", "orders")] {
            assert!(Arc::ptr_eq(of(&before, kind, name), of(&after, kind, name)));
        }
        let (_, other) = made(&[("protocol", "SSL")]).unwrap();
        let after = other.after(&before);
        assert!(!Arc::ptr_eq(of(&before, "KafkaSink", "secured"), of(&after, "KafkaSink", "secured")));
        assert!(Arc::ptr_eq(of(&before, "KafkaSink", "open"), of(&after, "KafkaSink", "open")));
    }
}
