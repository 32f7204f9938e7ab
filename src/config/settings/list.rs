//! Settings that are lists: separated by commas in a variable or flag, lists or maps in the file.

use serde_json::{Value as Json, json};

use super::super::detour::Detour;
use super::super::reach::{Destination, Network};
use super::super::services::Services;
use super::value::{Value, Wrong};

impl Value for Vec<Network> {
    const KIND: &'static str = "list of networks";
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Vec<Network>, Wrong> {
        items(text, "write networks and addresses: 169.254.0.0/16,192.0.2.7; nothing denies none")
    }

    fn show(&self) -> String {
        shown(self)
    }

    fn schema(_least: &str, _most: &str) -> Json {
        list(NETWORK)
    }
}

impl Value for Vec<Destination> {
    const KIND: &'static str = "list of networks and hosts";
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Vec<Destination>, Wrong> {
        items(text, "write networks and hosts: 10.96.0.0/12,api.example.com,*.svc.cluster.local")
    }

    fn show(&self) -> String {
        shown(self)
    }

    fn schema(_least: &str, _most: &str) -> Json {
        let mut schema = list(&format!("({NETWORK}|{HOST})"));
        // A host may be called `true`.
        schema["type"] = json!(["array", "string", "boolean"]);
        schema
    }
}

impl Value for Vec<Detour> {
    const KIND: &'static str = "list of hosts and where they lead";
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Vec<Detour>, Wrong> {
        items(
            text,
            "write a name, with a port or without, and where it leads: kafka.prod:9092=127.0.0.1:19092",
        )
    }

    fn show(&self) -> String {
        shown(self)
    }

    fn schema(_least: &str, _most: &str) -> Json {
        list("[^,= ]+=[^,= ]+")
    }
}

impl Value for Services {
    const KIND: &'static str = "map of Services to URLs or Functions";

    fn parse(text: &str) -> Result<Services, Wrong> {
        text.parse().map_err(|message| Wrong {
            message,
            help: Some("write payment-service: http://localhost:3000, or the name of a Function".into()),
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn schema(_least: &str, _most: &str) -> Json {
        let place = json!({"type": "string", "pattern": "^[^,]+$"});
        json!({"type": ["object", "string"], "additionalProperties": place, "pattern": "^$|="})
    }
}

fn items<T: std::str::FromStr<Err = String>>(text: &str, help: &str) -> Result<Vec<T>, Wrong> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let wrong = |message| Wrong { message, help: Some(help.to_owned()) };
    items.map(|item| item.parse().map_err(wrong)).collect()
}

fn shown<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// As patterns have them: not how large a number is.
const NETWORK: &str =
    "(([0-9]{1,3}\\.){3}[0-9]{1,3}(/[0-9]{1,2})?|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?)";
/// Its last part is no number.
const HOST: &str = "(\\*\\.)?([A-Za-z0-9_][A-Za-z0-9_-]*\\.)*([A-Za-z_]|[0-9]+[A-Za-z_-])[A-Za-z0-9_-]*";

fn list(item: &str) -> Json {
    let items = json!({"type": "string", "pattern": format!("^{item}$")});
    json!({"type": ["array", "string"], "items": items, "pattern": format!("^({item}(, *{item})*)?$")})
}
