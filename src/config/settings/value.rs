//! The types of settings: each is read from the same text, whether a flag, a variable or the file holds it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::super::quantity;
use super::super::secret::SecretRef;
use super::super::select::{NoSelector, Selector};
use super::super::spelling::{did_you_mean, listed};

/// Why a text is no such value, and what to write instead.
#[derive(Debug)]
pub(in crate::config) struct Wrong {
    pub(in crate::config) message: String,
    pub(in crate::config) help: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), help: Some(help.into()) }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

pub(in crate::config) trait Value: Sized + PartialOrd {
    const KIND: &'static str;
    const SECRET: bool = false;
    /// Whether the file may have it as a list, each item as it stands between commas elsewhere.
    const LIST: bool = false;
    fn parse(text: &str) -> Result<Self, Wrong>;
    fn show(&self) -> String;
    /// What editors know of it: the file has it as a scalar of some type, of which the text counts.
    fn schema(least: &str, most: &str) -> Json;
}

/// Reads a value and holds it to its bounds; an empty bound is none.
pub(super) fn within<T: Value>(text: &str, least: &str, most: &str) -> Result<T, Wrong> {
    let value = T::parse(text)?;
    let beyond = |bound: &str, wrong: std::cmp::Ordering| {
        !bound.is_empty() && T::parse(bound).is_ok_and(|bound| value.partial_cmp(&bound) == Some(wrong))
    };
    if beyond(least, std::cmp::Ordering::Less) || beyond(most, std::cmp::Ordering::Greater) {
        return Err(Wrong::new(
            format!("{text} is out of range"),
            format!("write a value from {least} to {most}"),
        ));
    }
    Ok(value)
}

impl Value for bool {
    const KIND: &'static str = "`true` or `false`";

    fn parse(text: &str) -> Result<bool, Wrong> {
        text.parse()
            .map_err(|_| Wrong::new(format!("'{text}' is neither true nor false"), "write true or false"))
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn schema(_least: &str, _most: &str) -> Json {
        json!({"enum": [true, false, "true", "false"]})
    }
}

impl Value for u32 {
    const KIND: &'static str = "number";

    fn parse(text: &str) -> Result<u32, Wrong> {
        let most = u32::MAX;
        text.parse().map_err(|_| {
            Wrong::new(
                format!("expected a whole number, found '{text}'"),
                format!("write a number from 0 to {most}"),
            )
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn schema(least: &str, most: &str) -> Json {
        let bound = |text: &str, none: u32| text.parse().unwrap_or(none);
        json!({
            "type": ["integer", "string"],
            "minimum": bound(least, 0),
            "maximum": bound(most, u32::MAX),
            "pattern": "^[0-9]+$",
        })
    }
}

impl Value for Bytes {
    const KIND: &'static str = "size";

    fn parse(text: &str) -> Result<Bytes, Wrong> {
        let wrong =
            |reason| Wrong::new(format!("'{text}' is no size: {reason}"), "write it as 64KiB or 4GiB");
        quantity::size(text).map(Bytes).map_err(wrong)
    }

    fn show(&self) -> String {
        quantity::as_size(self.0)
    }

    fn schema(least: &str, most: &str) -> Json {
        let bound = |text: &str, none: u64| quantity::size(text).unwrap_or(none);
        json!({
            "type": ["string", "integer"],
            "pattern": quantity::SIZE_PATTERN,
            "minimum": bound(least, 0),
            "maximum": bound(most, u64::MAX),
            "patternErrorMessage": "Write it as 64KiB or 4GiB.",
        })
    }
}

impl Value for Duration {
    const KIND: &'static str = "duration";

    fn parse(text: &str) -> Result<Duration, Wrong> {
        let wrong = |reason| {
            Wrong::new(format!("'{text}' is no duration: {reason}"), "write it as 200ms, 30s or 1h30m")
        };
        quantity::duration(text).map_err(wrong)
    }

    fn show(&self) -> String {
        quantity::as_humane(*self)
    }

    fn schema(least: &str, _most: &str) -> Json {
        let mut schema = json!({
            "type": "string",
            "pattern": quantity::LENGTH_PATTERN,
            "patternErrorMessage": "Write it as 200ms, 30s or 1h30m.",
        });
        // The one duration that is a number, too.
        if quantity::duration(least).is_ok_and(|least| least.is_zero()) {
            schema["type"] = json!(["string", "integer"]);
            schema["minimum"] = 0.into();
            schema["maximum"] = 0.into();
        }
        schema
    }
}

impl Value for SocketAddr {
    const KIND: &'static str = "address";

    fn parse(text: &str) -> Result<SocketAddr, Wrong> {
        text.parse().map_err(|_| {
            let port = text.strip_prefix("localhost").unwrap_or(text).trim_start_matches(':');
            let wrong = format!("'{text}' is no IP address and port");
            let help = match (port.parse::<u16>(), text.parse::<std::net::IpAddr>()) {
                (Ok(port), _) => format!("write 127.0.0.1:{port}, or 0.0.0.0:{port} for every interface"),
                (_, Ok(ip)) => format!("add the port: {}", std::net::SocketAddr::new(ip, 8080)),
                _ => "write it as 127.0.0.1:8080".into(),
            };
            Wrong::new(wrong, help)
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn schema(_least: &str, _most: &str) -> Json {
        json!({
            "type": "string",
            "pattern": r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9a-fA-F:.]+(%[0-9]+)?\]):[0-9]{1,5}$",
            "patternErrorMessage": "Write it as 127.0.0.1:8080, or 0.0.0.0:8080 for every interface.",
        })
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "path";

    fn parse(text: &str) -> Result<PathBuf, Wrong> {
        match text {
            "" => Err(Wrong::new("the path is empty", "write a path, or leave the setting out")),
            _ if text.contains('\0') => Err(Wrong::new("a path can't contain a NUL", "remove it")),
            _ => Ok(text.into()),
        }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }

    fn schema(_least: &str, _most: &str) -> Json {
        json!({"type": ["string", "number", "boolean"], "minLength": 1})
    }
}

/// Nothing: none.
impl Value for Option<PathBuf> {
    const KIND: &'static str = "path";

    fn parse(text: &str) -> Result<Option<PathBuf>, Wrong> {
        if text.is_empty() { Ok(None) } else { PathBuf::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".into(), PathBuf::show)
    }

    fn schema(_least: &str, _most: &str) -> Json {
        json!({"type": ["string", "number", "boolean"]})
    }
}

/// Separated by commas; the file has them as a list.
impl Value for Vec<PathBuf> {
    const KIND: &'static str = "list of paths";
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Vec<PathBuf>, Wrong> {
        text.split(',').map(|path| PathBuf::parse(path.trim())).collect()
    }

    fn show(&self) -> String {
        self.iter().map(PathBuf::show).collect::<Vec<_>>().join(",")
    }

    fn schema(_least: &str, _most: &str) -> Json {
        let path = json!({"type": "string", "pattern": r"^[^,]*[^,\s][^,]*$"});
        json!({"type": ["array", "string", "number", "boolean"], "items": path, "minItems": 1, "minLength": 1})
    }
}

/// Names, separated by commas; the file has them as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Names(pub Vec<String>);

impl Value for Names {
    const KIND: &'static str = "list of names";
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Names, Wrong> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        match names.iter().find(|name| !is_name(name)) {
            _ if text.trim().is_empty() => Ok(Names::default()),
            Some(name) => Err(Wrong::new(
                format!("'{name}' is no name"),
                "write names without spaces, separated by commas",
            )),
            None => Ok(Names(names)),
        }
    }

    fn show(&self) -> String {
        self.0.join(",")
    }

    fn schema(_least: &str, _most: &str) -> Json {
        const NAME: &str = r"\s*[!-+\--~]+\s*";
        let name = json!({"type": "string", "pattern": format!("^{NAME}$")});
        let names = format!(r"^({NAME}(,{NAME})*|\s*)$");
        json!({"type": ["array", "string", "number", "boolean"], "items": name, "pattern": names})
    }
}

/// Kubernetes' syntax; nothing selects all.
impl Value for Selector {
    const KIND: &'static str = "label selector";

    fn parse(text: &str) -> Result<Selector, Wrong> {
        Selector::parse(text).map_err(|NoSelector { message, help }| Wrong::new(message, help))
    }

    fn show(&self) -> String {
        if self.selects_all() { "all".into() } else { self.to_string() }
    }

    fn schema(_least: &str, _most: &str) -> Json {
        json!({"type": ["string", "number", "boolean"]})
    }
}

/// `secret:name/key`; nothing: none.
impl Value for Option<SecretRef> {
    const KIND: &'static str = "secret";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Option<SecretRef>, Wrong> {
        if text.is_empty() {
            return Ok(None);
        }
        let reference = text.strip_prefix("secret:").and_then(|text| SecretRef::parse(text.trim()));
        reference.map(Some).ok_or_else(secret_wanted)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".into(), |reference| format!("secret:{reference}"))
    }

    fn schema(_least: &str, _most: &str) -> Json {
        let reference = json!({"type": "string", "pattern": format!("^{}$", SecretRef::PATTERN)});
        json!({
            "type": ["object", "string"],
            "properties": {"secret": reference},
            "required": ["secret"],
            "additionalProperties": false,
            "pattern": format!("^(secret:{})?$", SecretRef::PATTERN),
            "patternErrorMessage": "A secret never stands in a file: write {secret: name/key}.",
        })
    }
}

/// Several of them, separated by commas; the file has them as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretRefs(pub Vec<SecretRef>);

impl Value for SecretRefs {
    const KIND: &'static str = "list of secrets";
    const SECRET: bool = true;
    const LIST: bool = true;

    fn parse(text: &str) -> Result<SecretRefs, Wrong> {
        if text.trim().is_empty() {
            return Ok(SecretRefs::default());
        }
        let one = |text: &str| Option::<SecretRef>::parse(text.trim())?.ok_or_else(secret_wanted);
        text.split(',').map(one).collect::<Result<_, _>>().map(SecretRefs)
    }

    fn show(&self) -> String {
        self.0.iter().map(|reference| format!("secret:{reference}")).collect::<Vec<_>>().join(",")
    }

    fn schema(least: &str, most: &str) -> Json {
        let one = Option::<SecretRef>::schema(least, most);
        let mut item = one.clone();
        item["pattern"] = format!("^secret:{}$", SecretRef::PATTERN).into();
        let mut list = one;
        list["type"] = json!(["array", "object", "string"]);
        list["items"] = item;
        list["pattern"] = format!(r"^(\s*|\s*secret:{0}(,\s*secret:{0})*)$", SecretRef::PATTERN).into();
        list
    }
}

/// A text; nothing: none.
impl Value for Option<String> {
    const KIND: &'static str = "text";

    fn parse(text: &str) -> Result<Option<String>, Wrong> {
        if text.chars().any(char::is_control) {
            return Err(Wrong::new("a control character stands in it", "remove it"));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_else(|| "none".into())
    }

    fn schema(_least: &str, _most: &str) -> Json {
        json!({"type": ["string", "number", "boolean"]})
    }
}

/// Never says what stood there: it may be the secret.
pub(super) fn secret_wanted() -> Wrong {
    Wrong::new(
        "expected a reference to a secret",
        "write 'secret: name/key' and keep the value in <secrets.dir>/name/key or in WEIR_SECRET_NAME_KEY",
    )
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($variant:ident = $word:literal),*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($variant,)*
        }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }

        impl Value for $name {
            const KIND: &'static str = concat!($("`", $word, "` ",)*);

            fn parse(text: &str) -> Result<$name, Wrong> {
                match text {
                    $($word => Ok($name::$variant),)*
                    _ => {
                        let known = || [$($word),*];
                        let near = did_you_mean(text, known());
                        let help = near.unwrap_or_else(|| format!("it is one of {}", listed(known())));
                        Err(Wrong::new(format!("'{text}' is not known"), help))
                    }
                }
            }

            fn show(&self) -> String {
                self.as_str().to_owned()
            }

            fn schema(_least: &str, _most: &str) -> Json {
                json!({"type": "string", "enum": [$($word),*]})
            }
        }
    };
}

words! {
    /// From the gravest to the least grave.
    LogLevel: Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace"
}

words! {
    LogFormat: Auto = "auto", Text = "text", Json = "json"
}

words! {
    /// When whoever posts an event is answered.
    HttpMode: Stored = "stored", Direct = "direct"
}

words! {
    OtlpProtocol: Grpc = "grpc", Http = "http"
}
