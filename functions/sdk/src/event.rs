//! The event a handler is given, borrowed from the input buffer.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Error;

#[derive(Clone, Debug, Default)]
pub struct Event<'a> {
    pub id: Cow<'a, str>,
    pub source: Cow<'a, str>,
    pub ty: Cow<'a, str>,
    pub subject: Option<Cow<'a, str>>,
    pub time: Option<Cow<'a, str>>,
    pub dataschema: Option<Cow<'a, str>>,
    pub datacontenttype: Option<Cow<'a, str>>,
    /// Extension attributes: the name and the JSON text of the value.
    pub extensions: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// The payload as JSON text. [`Event::data`] parses it.
    pub raw_data: Option<&'a RawValue>,
    /// A payload that is not text, in base64.
    pub data_base64: Option<Cow<'a, str>>,
}

impl<'a> Event<'a> {
    /// Reads a CloudEvent in the structured JSON format.
    pub fn parse(input: &'a [u8]) -> Result<Event<'a>, Error> {
        serde_json::from_slice(input).map_err(|e| Error::permanent("invalid-event", e.to_string()))
    }

    /// The payload as a type of yours. An event without one reads as JSON null.
    pub fn data<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        let text = self.raw_data.map_or("null", RawValue::get);
        serde_json::from_str(text).map_err(|e| Error::permanent("invalid-data", format!("data: {e}")))
    }

    /// The text of an extension attribute: a string as it is, a number or flag as JSON writes it.
    pub fn extension(&self, name: &str) -> Option<Cow<'a, str>> {
        let (_, value) = self.extensions.iter().find(|(n, _)| n == name)?;
        let text: Result<Text<'a>, _> = serde_json::from_str(value.get());
        Some(text.map_or(Cow::Borrowed(value.get()), |Text(text)| text))
    }
}

/// A string that is borrowed unless it has escapes, also inside an `Option`, where serde would always copy a `Cow`.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Event<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event<'a>, D::Error> {
        deserializer.deserialize_map(Members).map(|event: Event<'de>| event)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Event<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Event<'de>, A::Error> {
        use serde::de::Error as _;
        let mut event = Event::default();
        while let Some(Text(name)) = members.next_key()? {
            let optional = match &*name {
                "id" => {
                    event.id = members.next_value::<Text<'de>>()?.0;
                    continue;
                }
                "source" => {
                    event.source = members.next_value::<Text<'de>>()?.0;
                    continue;
                }
                "type" => {
                    event.ty = members.next_value::<Text<'de>>()?.0;
                    continue;
                }
                "specversion" => {
                    members.next_value::<serde::de::IgnoredAny>()?;
                    continue;
                }
                "data" => {
                    event.raw_data = Some(members.next_value()?);
                    continue;
                }
                "subject" => &mut event.subject,
                "time" => &mut event.time,
                "dataschema" => &mut event.dataschema,
                "datacontenttype" => &mut event.datacontenttype,
                "data_base64" => &mut event.data_base64,
                _ => {
                    let value = members.next_value()?;
                    event.extensions.push((name, value));
                    continue;
                }
            };
            *optional = members.next_value::<Option<Text<'de>>>()?.map(|text| text.0);
        }
        for (name, value) in [("id", &event.id), ("source", &event.source), ("type", &event.ty)] {
            if value.is_empty() {
                return Err(A::Error::custom(format_args!("the event has no {name}")));
            }
        }
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_borrowed_unless_they_have_escapes() {
        let input = br#"{"specversion":"1.0","id":"a\"b","source":"/s","type":"t","subject":"x","time":null,
            "count":3,"region":"eu","data":{"amount":1.50}}"#;
        let event = Event::parse(input).unwrap();
        assert_eq!(event.id, "a\"b");
        assert!(matches!(event.subject, Some(Cow::Borrowed("x"))));
        assert_eq!(event.time, None);
        assert_eq!(event.extension("count").as_deref(), Some("3"));
        assert_eq!(event.extension("region").as_deref(), Some("eu"));
        assert_eq!(event.raw_data.map(RawValue::get), Some(r#"{"amount":1.50}"#));
    }

    #[test]
    fn a_missing_attribute_is_named() {
        let error = Event::parse(br#"{"specversion":"1.0","id":"1","source":"/s"}"#).unwrap_err();
        assert!(!error.retry && error.message.contains("no type"), "{error}");
    }

    #[test]
    fn data_of_another_shape_is_a_permanent_error() {
        let event = Event::parse(br#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#).unwrap();
        assert_eq!(event.data::<Option<u8>>(), Ok(None));
        let error = event.data::<u8>().unwrap_err();
        assert_eq!((error.retry, error.code.as_str()), (false, "invalid-data"));
    }
}
