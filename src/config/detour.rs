//! A name of a broker's that leads elsewhere: `kafka-0.kafka:9092=127.0.0.1:19092`.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detour {
    host: String,
    /// `None`: whichever.
    port: Option<u16>,
    to: String,
    /// `None`: the same.
    to_port: Option<u16>,
}

impl Detour {
    /// Where a host and port lead, if this is about them.
    pub fn of(&self, host: &str, port: u16) -> Option<(&str, u16)> {
        let is_it = self.host.eq_ignore_ascii_case(host) && self.port.is_none_or(|own| own == port);
        is_it.then(|| (self.to.as_str(), self.to_port.unwrap_or(port)))
    }
}

impl FromStr for Detour {
    type Err = String;

    fn from_str(text: &str) -> Result<Detour, String> {
        let (from, to) =
            text.split_once('=').ok_or_else(|| format!("'{text}' does not say where it leads"))?;
        let ((host, port), (to, to_port)) = (place(from)?, place(to)?);
        Ok(Detour { host, port, to, to_port })
    }
}

impl fmt::Display for Detour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |port: Option<u16>| port.map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{}{}={}{}", shown(&self.host), port(self.port), shown(&self.to), port(self.to_port))
    }
}

fn shown(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// A host with a port or without; an IPv6 address in brackets.
fn place(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(""))),
        None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let of_a_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let is_host = match text.starts_with('[') {
        true => host.parse::<std::net::Ipv6Addr>().is_ok(),
        false => !host.is_empty() && host.len() <= 253 && host.bytes().all(of_a_name),
    };
    if !is_host {
        return Err(format!("'{text}' is no host"));
    }
    match port.map(str::parse::<u16>) {
        None => Ok((host.to_owned(), None)),
        Some(Ok(port)) if port > 0 => Ok((host.to_owned(), Some(port))),
        Some(_) => Err(format!("'{text}' has no port from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leads_where_it_says() {
        let to = |text: &str, host: &str, port| {
            let detour: Detour = text.parse().unwrap();
            assert_eq!(detour.to_string(), text);
            detour.of(host, port).map(|(host, port)| (host.to_owned(), port))
        };
        let local = |port| Some(("127.0.0.1".to_owned(), port));
        assert_eq!(to("kafka:9092=127.0.0.1:19092", "Kafka", 9092), local(19092));
        assert_eq!(to("kafka:9092=127.0.0.1:19092", "kafka", 9093), None);
        assert_eq!(to("kafka=127.0.0.1", "kafka", 9093), local(9093));
        assert_eq!(to("kafka=127.0.0.1:1", "kafka-0", 9093), None);
        assert_eq!(to("kafka=[::1]:7", "kafka", 1), Some(("::1".to_owned(), 7)));
        for wrong in
            ["", "kafka", "=a", "a=", "a:0=b", "a:x=b", "a=b:70000", "a b=c", "[kafka]=b", "http://a=b"]
        {
            assert!(wrong.parse::<Detour>().is_err(), "{wrong}");
        }
    }
}
