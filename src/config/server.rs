//! Where something listens: a host and a port.

use std::fmt;

use super::diagnostic::Report;
use super::node::Node;
use super::reader::{self, Wrong};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// A name or an IPv4 address; an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Server {
    /// `usual`: the port to suggest where there is none.
    pub(super) fn parse(text: &str, usual: u16) -> Result<Server, Wrong> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        if !is_host(host, text.starts_with('[')) {
            return Err((
                format!("'{text}' is no host and port"),
                format!("write it as kafka.example:{usual}"),
            ));
        }
        let Some(port) = port else {
            return Err((format!("'{text}' names no port"), format!("write \"{text}:{usual}\"")));
        };
        match port.parse() {
            Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Server { host: host.into(), port: number })
            }
            _ => Err((format!("'{port}' is no port"), "write a number from 1 to 65535".into())),
        }
    }
}

fn is_host(host: &str, bracketed: bool) -> bool {
    if bracketed {
        return host.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    !host.is_empty() && host.len() <= 253 && host.bytes().all(allowed) && !host.starts_with(['-', '.'])
}

/// Kafka's bootstrap servers. Several in one item may be separated by commas, as Kafka's clients take them.
pub(super) fn bootstrap(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Vec<Server>> {
    let one = |text: &str| match text.split_once("://") {
        Some((protocol, server)) => Err((
            format!("'{text}' begins with a protocol"),
            format!(
                "write \"{server}\": the fields for TLS and SASL say how it is spoken to, not '{protocol}'"
            ),
        )),
        None => Server::parse(text, 9092),
    };
    reader::distinct(node, path, report, |text| text.split(',').map(|part| one(part.trim())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_and_nothing_else() {
        for text in ["kafka:9092", "kafka-0.kafka.svc:1", "10.0.0.1:65535", "[::1]:9092"] {
            assert_eq!(Server::parse(text, 9092).unwrap().to_string(), text);
        }
        for text in
            ["", ":", ":9092", "kafka:", "kafka:0", "kafka:65536", "kafka:+1", "a b:1", "[::1", "::1:9092"]
        {
            assert!(Server::parse(text, 9092).is_err(), "{text}");
        }
        for text in ["kafka:9092/", "kafka:9092 ", "[kafka]:9092", "[::1]9092", "-kafka:1"] {
            assert!(Server::parse(text, 9092).is_err(), "{text}");
        }
        let (message, help) = Server::parse("kafka", 9092).unwrap_err();
        assert_eq!((&*message, &*help), ("'kafka' names no port", "write \"kafka:9092\""));
    }
}
