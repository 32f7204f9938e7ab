//! A KafkaSource as its sink sees it: records become requests with its headers, one after the other; what is to be retried
//! is, with backoff or as long as Retry-After says; what fails for good is a dead letter with Knative's extensions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;

use super::worker::{Connection, Response};

pub(crate) struct KafkaSource {
    pub(crate) address: SocketAddr,
    pub(crate) retry: u32,
    pub(crate) offset: u64,
    pub(crate) replies: Vec<BTreeMap<String, String>>,
    pub(crate) dead_letters: Vec<BTreeMap<String, String>>,
    /// Every status that was answered, in order.
    pub(crate) statuses: Vec<u16>,
}

impl KafkaSource {
    pub(crate) fn new(address: SocketAddr, retry: u32) -> KafkaSource {
        KafkaSource { address, retry, offset: 0, replies: vec![], dead_letters: vec![], statuses: vec![] }
    }

    /// A record that is a CloudEvent in binary mode: its headers pass through.
    pub(crate) fn deliver_event(&mut self, ty: &str, id: &str, value: &str) {
        let attributes = [("specversion", "1.0"), ("type", ty), ("id", id), ("source", "/shop")];
        self.deliver(attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), value);
    }

    /// Any other record is wrapped.
    pub(crate) fn deliver_record(&mut self, key: &str, value: &str) {
        let source = "/apis/v1/namespaces/default/kafkasources/orders#topic";
        let (id, subject) =
            (format!("partition:0/offset:{}", self.offset), format!("partition:0#{}", self.offset));
        let attributes = [
            ("specversion", "1.0"),
            ("type", "dev.knative.kafka.event"),
            ("source", source),
            ("id", &id),
            ("subject", &subject),
            ("time", "2026-11-21T12:00:00.123Z"),
            ("partitionkey", key),
            ("key", key),
            ("kafkaheadertenant", "acme"),
        ];
        self.deliver(attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), value);
    }

    fn deliver(&mut self, attributes: BTreeMap<String, String>, value: &str) {
        self.offset += 1;
        let mut last = None;
        for attempt in 0..=self.retry {
            let answer = self.attempt(&attributes, value);
            let Ok(response) = answer else { continue };
            self.statuses.push(response.status);
            match response.status {
                200..=299 => {
                    if response.status == 200 && response.header("ce-specversion").is_some() {
                        self.replies.push(event_of(&response));
                    }
                    return;
                }
                404 | 408 | 409 | 429 | 500.. => {}
                _ => return self.bury(attributes, Some(response)),
            }
            // `backoffDelay` is short here; Retry-After counts for these two alone.
            let asked = response.header("retry-after").filter(|_| matches!(response.status, 429 | 503));
            let wait = asked.map_or(Duration::from_millis(10 << attempt.min(5)), |seconds| {
                Duration::from_secs(seconds.parse().expect("whole seconds"))
            });
            std::thread::sleep(wait);
            last = Some(response);
        }
        self.bury(attributes, last);
    }

    fn attempt(&self, attributes: &BTreeMap<String, String>, value: &str) -> std::io::Result<Response> {
        let headers: Vec<(String, &str)> = attributes
            .iter()
            .map(|(name, value)| (format!("ce-{name}"), value.as_str()))
            .chain([
                ("content-type".to_owned(), "application/json"),
                ("prefer".to_owned(), "reply"),
                ("kn-namespace".to_owned(), "default"),
                ("user-agent".to_owned(), "Vert.x-WebClient/4.5"),
            ])
            .collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        Connection::open(self.address)?.post("/", &headers, value.as_bytes())
    }

    fn bury(&mut self, mut event: BTreeMap<String, String>, response: Option<Response>) {
        event.insert("knativeerrordest".to_owned(), format!("http://{}/", self.address));
        if let Some(response) = response {
            event.insert("knativeerrorcode".to_owned(), response.status.to_string());
            let body = &response.body[..response.body.len().min(1024)];
            let data = base64::engine::general_purpose::STANDARD.encode(body);
            event.insert("knativeerrordata".to_owned(), data);
            for (name, value) in &response.headers {
                if let Some(name) = name.strip_prefix("kne-") {
                    event.insert(name.to_owned(), value.clone());
                }
            }
        }
        self.dead_letters.push(event);
    }
}

fn event_of(response: &Response) -> BTreeMap<String, String> {
    let attribute =
        |(name, value): &(String, String)| Some((name.strip_prefix("ce-")?.to_owned(), value.clone()));
    response.headers.iter().filter_map(attribute).collect()
}
