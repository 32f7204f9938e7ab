//! Whom the worker calls over HTTP: a URL, or a Service of the cluster, and whom to trust there.

use std::sync::Arc;

use super::diagnostic::Report;
use super::node::Node;
use super::reader;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Absolute, without a login.
    pub url: String,
    /// Whom to trust beside the system's authorities, as PEM.
    pub ca_certs: Option<Arc<str>>,
    /// Which Service documents say it is; the setting `services` may say where that is.
    pub service: Option<Service>,
}

/// A Service that documents name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    pub namespace: String,
    pub name: String,
    /// Below its address; empty, or begins with '/'.
    pub path: String,
}

impl Endpoint {
    /// What people and dead letters are told: what stands behind a '?' may be nobody's business.
    pub fn name(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

impl Service {
    /// Where a cluster has it.
    pub(super) fn of_cluster(&self) -> String {
        self.at(&format!("http://{}.{}.svc.cluster.local", self.name, self.namespace))
    }

    /// Where it is, if its address is that.
    pub(super) fn at(&self, address: &str) -> String {
        match self.path.as_str() {
            "" => address.to_owned(),
            path => format!("{}{path}", address.split('?').next().unwrap_or_default().trim_end_matches('/')),
        }
    }
}

/// What stands in the field `uri` of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Uri {
    Absolute(String),
    /// Begins with '/'.
    Path(String),
}

/// `None`: reported.
pub(super) fn uri(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Uri> {
    let text = reader::string(node, path, report)?;
    if authority(text).is_some_and(|authority| authority.contains('@')) {
        report
            .error(node.span, format!("{path}: a login does not belong into a URL"))
            .help("whoever reads the file would have it");
        report.conceal(node.span);
        return None;
    }
    let is_path = text.starts_with('/');
    let whole = if is_path { format!("http://host{text}") } else { text.to_owned() };
    if !is_url(&whole) {
        report
            .error(node.span, format!("{path}: '{text}' is no URL that can be called"))
            .help("write it as http://orders.shop.svc.cluster.local/events; beside a 'ref', as /events");
        return None;
    }
    Some(if is_path { Uri::Path(text.to_owned()) } else { Uri::Absolute(text.to_owned()) })
}

/// Absolute, of HTTP, and without a login.
pub(super) fn is_url(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    let Some(authority) = authority(text).filter(|host| !host.is_empty() && !host.contains('@')) else {
        return false;
    };
    let has_port = authority.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    let is_whole = |uri: hyper::Uri| uri.host().is_some() && has_port == uri.port_u16().is_some();
    !text.contains(odd) && text.parse().is_ok_and(is_whole)
}

fn authority(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    rest.split(['/', '?']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_s_path_stands_below_its_address() {
        let service =
            |path: &str| Service { namespace: "shop".into(), name: "orders".into(), path: path.into() };
        assert_eq!(service("").of_cluster(), "http://orders.shop.svc.cluster.local");
        assert_eq!(service("/a?b=c").of_cluster(), "http://orders.shop.svc.cluster.local/a?b=c");
        assert_eq!(service("/a").at("http://localhost:3000/base/"), "http://localhost:3000/base/a");
        assert_eq!(service("").at("http://localhost:3000/?x=y"), "http://localhost:3000/?x=y");
        let endpoint = Endpoint { url: service("/a?b=c").of_cluster(), ca_certs: None, service: None };
        assert_eq!(endpoint.name(), "http://orders.shop.svc.cluster.local/a");
    }

    #[test]
    fn urls() {
        for good in ["http://a", "https://a:8443/b?c=d&e", "http://[::1]:80", "http://10.0.0.1/"] {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "/a",
            "ftp://a",
            "http://",
            "http:///a",
            "http://a b",
            "http://a#b",
            "http://u:p@a",
            "http://a:x",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
