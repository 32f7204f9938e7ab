//! Where the worker may connect to: networks and hosts. What is denied is denied by the address that a name stands for,
//! whatever the name is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `10.96.0.0/12`, `fe80::/10`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// One thing that may be connected to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    Network(Network),
    /// By its name.
    Host(String),
    /// Every host whose name ends so: `.svc.cluster.local`.
    Below(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    pub allow: Vec<Destination>,
    pub deny: Vec<Network>,
}

impl Reach {
    /// Everywhere: for what the operator names.
    pub fn everywhere() -> Reach {
        let all = ["0.0.0.0/0", "::/0"].map(|all| Destination::Network(all.parse().expect("a network")));
        Reach { allow: all.to_vec(), deny: Vec::new() }
    }

    /// May this address, which that host's name stands for, be connected to?
    pub fn permits(&self, host: &str, address: IpAddr) -> bool {
        let address = plain(address);
        let denied = self.deny.iter().any(|network| network.contains(address));
        !denied && self.allow.iter().any(|allowed| allowed.covers(host, address))
    }
}

impl Destination {
    fn covers(&self, host: &str, address: IpAddr) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Destination::Network(network) => network.contains(address),
            Destination::Host(name) => host.eq_ignore_ascii_case(name),
            Destination::Below(end) => {
                let at = host.len().checked_sub(end.len()).filter(|&at| at > 0);
                at.and_then(|at| host.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
            }
        }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

/// An IPv4 address that is written as IPv6 (mapped, compatible, or for a translator) is that IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    let low = Ipv4Addr::from((u128::from(six) & u128::from(u32::MAX)) as u32);
    match six.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] if !matches!(six, Ipv6Addr::LOCALHOST | Ipv6Addr::UNSPECIFIED) => {
            IpAddr::V4(low)
        }
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => IpAddr::V4(low),
        _ => address,
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("'{text}' is no network: write it as 10.0.0.0/8, fe80::/10 or 192.0.2.7");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        if prefix > most { Err(wrong()) } else { Ok(Network { address, prefix }) }
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        let is_label = |label: &str| {
            let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            !label.is_empty() && !label.starts_with('-') && inner
        };
        // The last part of a name is never a number: who writes one means an address.
        let is_name = |name: &str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            name.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
        };
        match text.strip_prefix('*') {
            Some(end) if end.strip_prefix('.').is_some_and(is_name) => Ok(Destination::Below(end.to_owned())),
            None if is_name(text) => Ok(Destination::Host(text.to_owned())),
            _ => text.parse().map(Destination::Network).map_err(|_| {
                format!("'{text}' is no destination: write a network (10.0.0.0/8), a host, or *.example.com")
            }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.prefix) {
            (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => self.address.fmt(f),
            (address, prefix) => write!(f, "{address}/{prefix}"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Network(network) => network.fmt(f),
            Destination::Host(name) => f.write_str(name),
            Destination::Below(end) => write!(f, "*{end}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(allow: &[&str], deny: &[&str]) -> Reach {
        Reach {
            allow: allow.iter().map(|text| text.parse().unwrap()).collect(),
            deny: deny.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_denied_network_is_denied_however_its_address_is_written() {
        let reach = reach(&["0.0.0.0/0", "::/0", "metadata"], &["169.254.0.0/16", "fe80::/10"]);
        let permits = |address: &str| reach.permits("metadata", address.parse().unwrap());
        for denied in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "fe80::1",
            "febf::1",
        ] {
            assert!(!permits(denied), "{denied}");
        }
        for allowed in
            ["127.0.0.1", "::1", "10.1.2.3", "169.253.255.255", "169.255.0.0", "fec0::1", "2001:db8::1"]
        {
            assert!(permits(allowed), "{allowed}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_not_reached() {
        let reach = reach(&["10.96.0.0/12", "api.example.com", "*.svc.cluster.local"], &["10.96.0.1"]);
        let permits = |host: &str, address: &str| reach.permits(host, address.parse().unwrap());
        assert!(permits("anything", "10.111.255.255") && !permits("anything", "10.112.0.0"));
        assert!(permits("api.example.com", "192.0.2.1") && permits("API.Example.com.", "192.0.2.1"));
        assert!(!permits("other.example.com", "192.0.2.1") && !permits("xapi.example.com", "192.0.2.1"));
        assert!(permits("a.b.svc.cluster.local", "192.0.2.1") && !permits("svc.cluster.local", "192.0.2.1"));
        assert!(!permits("xsvc.cluster.local", "192.0.2.1") && !permits(".svc.cluster.local", "192.0.2.1"));
        assert!(!permits("a.svc.cluster.local", "10.96.0.1"), "a name does not make a denied address good");
        assert!(!permits("öapi.example.com", "192.0.2.1"));
        assert!(Reach::everywhere().permits("x", "169.254.169.254".parse().unwrap()));
    }

    #[test]
    fn destinations_as_they_are_written() {
        for text in ["10.0.0.0/8", "fe80::/10", "0.0.0.0/0", "::/0", "a", "a.b-c.d", "*.example.com"] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.7/32".parse::<Destination>().unwrap().to_string(), "192.0.2.7");
        for text in [
            "",
            "*",
            "*.",
            "*a",
            "a.*",
            "a..b",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "1.2.3",
            "a/8",
            "a b",
            "-1",
            "a.-b",
            "*.7",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
