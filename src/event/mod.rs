//! CloudEvents 1.0 as the worker holds them: borrowed from the bytes they came in, owned where they must be.
//!
//! [`Event`] is the one noun. Every codec makes it or writes it: [`structured`] (JSON, one or a batch), [`binary`]
//! (HTTP, Kafka and NATS headers), [`record`] (our own compact form, on disk and between threads) and [`sdk`] (the
//! public `cloudevents::Event`).

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod attributes;
pub mod binary;
pub mod envelope;
pub mod identity;
pub mod invalid;
mod json;
pub(crate) mod media_type;
pub mod mode;
pub mod parked;
pub mod record;
pub mod sdk;
pub mod segment;
pub mod structured;
mod timestamp;
mod uri;
pub mod wire;

pub use envelope::{Envelope, Epoch, Position, Stream};
pub use identity::Uid;
pub use invalid::Invalid;

use std::borrow::Cow;

/// A valid CloudEvent 1.0. What decodes to an `Event` has passed every check of [`attributes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    pub id: Cow<'a, str>,
    pub source: Cow<'a, str>,
    pub ty: Cow<'a, str>,
    pub subject: Option<Cow<'a, str>>,
    /// RFC 3339, as it was written: a producer's precision and offset are not ours to change.
    pub time: Option<Cow<'a, str>>,
    pub dataschema: Option<Cow<'a, str>>,
    pub datacontenttype: Option<Cow<'a, str>>,
    /// In the order they came; names are unique.
    pub extensions: Vec<(Cow<'a, str>, Value<'a>)>,
    pub data: Option<Data<'a>>,
}

/// The value of an extension attribute. Other CloudEvents types (binary, URI, timestamp) travel as their string form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    String(Cow<'a, str>),
    Integer(i32),
    Boolean(bool),
}

/// The payload, with how it stands in the JSON format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Valid JSON text: stands in `data` as it is.
    Json(Cow<'a, str>),
    /// Text that is not JSON: stands in `data` as a JSON string.
    Text(Cow<'a, str>),
    /// Anything else: stands in `data_base64`.
    Binary(Cow<'a, [u8]>),
}

impl<'a> Event<'a> {
    /// The string form of a context attribute, core or extension: what filters compare.
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "id" => Some(Cow::Borrowed(&self.id)),
            "source" => Some(Cow::Borrowed(&self.source)),
            "type" => Some(Cow::Borrowed(&self.ty)),
            "specversion" => Some(Cow::Borrowed("1.0")),
            "subject" => self.subject.as_deref().map(Cow::Borrowed),
            "time" => self.time.as_deref().map(Cow::Borrowed),
            "dataschema" => self.dataschema.as_deref().map(Cow::Borrowed),
            "datacontenttype" => self.datacontenttype.as_deref().map(Cow::Borrowed),
            _ => self.extension(name).map(Value::text),
        }
    }

    /// All context attributes in their string form: the core ones that are there, then the extensions in their order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let core =
            ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype"];
        let core = core.into_iter().filter_map(|name| Some((name, self.attribute(name)?)));
        core.chain(self.extensions.iter().map(|(name, value)| (&**name, value.text())))
    }

    pub fn extension(&self, name: &str) -> Option<&Value<'a>> {
        self.extensions.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Sets an extension, replacing one of the same name.
    pub fn set_extension(&mut self, name: &'a str, value: Value<'a>) {
        match self.extensions.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.extensions.push((Cow::Borrowed(name), value)),
        }
    }

    /// The payload where it is JSON, by what it is and by what its type says.
    pub fn json(&self) -> Option<&str> {
        match &self.data {
            Some(Data::Json(text)) => {
                self.datacontenttype.as_deref().is_none_or(media_type::is_json).then_some(text)
            }
            _ => None,
        }
    }

    /// The `partitionkey` extension: what orders events with each other.
    pub fn partition_key(&self) -> Option<Cow<'_, str>> {
        self.extension("partitionkey").map(Value::text)
    }

    pub fn into_owned(self) -> Event<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        Event {
            id: own(self.id),
            source: own(self.source),
            ty: own(self.ty),
            subject: self.subject.map(own),
            time: self.time.map(own),
            dataschema: self.dataschema.map(own),
            datacontenttype: self.datacontenttype.map(own),
            extensions: self.extensions.into_iter().map(|(n, v)| (own(n), v.into_owned())).collect(),
            data: self.data.map(Data::into_owned),
        }
    }
}

impl Value<'_> {
    /// The canonical string form of the CloudEvents type system.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Value::String(text) => Cow::Borrowed(text),
            Value::Integer(number) => Cow::Owned(number.to_string()),
            Value::Boolean(true) => Cow::Borrowed("true"),
            Value::Boolean(false) => Cow::Borrowed("false"),
        }
    }

    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Value::Integer(number) => Value::Integer(number),
            Value::Boolean(flag) => Value::Boolean(flag),
        }
    }
}

impl Data<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Data::Json(text) | Data::Text(text) => text.as_bytes(),
            Data::Binary(bytes) => bytes,
        }
    }

    pub fn into_owned(self) -> Data<'static> {
        match self {
            Data::Json(text) => Data::Json(Cow::Owned(text.into_owned())),
            Data::Text(text) => Data::Text(Cow::Owned(text.into_owned())),
            Data::Binary(bytes) => Data::Binary(Cow::Owned(bytes.into_owned())),
        }
    }
}
