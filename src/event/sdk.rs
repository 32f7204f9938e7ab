//! The public type of the library: `cloudevents::Event`, to and from ours.
//!
//! From the SDK nothing is lost; what is no valid event is refused. To the SDK, what its types can't hold changes form:
//! a `time` is moved to UTC and cut at nanoseconds, a `dataschema` is normalised as browsers do, JSON is parsed (of equal
//! names the last stays, numbers beyond 64 bits are rounded), and the order of the extensions is not kept.

use std::borrow::Cow;

use cloudevents::event::{ExtensionValue, SpecVersion, TryIntoTime, TryIntoUrl};
use cloudevents::{AttributesReader, AttributesWriter, EventBuilder, EventBuilderV10};

use super::attributes::Draft;
use super::invalid::{Fault, shown};
use super::{Data, Event, Invalid, Value, media_type};

impl TryFrom<&cloudevents::Event> for Event<'static> {
    type Error = Invalid;

    fn try_from(event: &cloudevents::Event) -> Result<Event<'static>, Invalid> {
        if event.specversion() != SpecVersion::V10 {
            return Err(Invalid::attribute("specversion", Fault::Version(event.specversion().to_string())));
        }
        let mut draft = Draft::default();
        let mut set = |name: &'static str, value: Option<String>| match value {
            Some(value) => draft.set(name.into(), Value::String(value.into())),
            None => Ok(()),
        };
        set("specversion", Some("1.0".to_owned()))?;
        set("id", Some(event.id().to_owned()))?;
        set("source", Some(event.source().clone()))?;
        set("type", Some(event.ty().to_owned()))?;
        set("subject", event.subject().map(str::to_owned))?;
        set("time", event.time().map(|time| time.to_rfc3339().replace("+00:00", "Z")))?;
        set("dataschema", event.dataschema().map(|url| url.as_str().to_owned()))?;
        set("datacontenttype", event.datacontenttype().map(str::to_owned))?;
        // In a HashMap they have no order: give them one, or equal events would not be equal bytes.
        let mut extensions: Vec<_> = event.iter_extensions().collect();
        extensions.sort_unstable_by_key(|(name, _)| *name);
        for (name, value) in extensions {
            let value = match value {
                ExtensionValue::String(text) => Value::String(text.clone().into()),
                ExtensionValue::Boolean(flag) => Value::Boolean(*flag),
                ExtensionValue::Integer(number) => i32::try_from(*number)
                    .map(Value::Integer)
                    .map_err(|_| Invalid::attribute(name, Fault::Integer(number.to_string())))?,
            };
            draft.set(name.to_owned().into(), value)?;
        }
        let is_json = event.datacontenttype().is_none_or(media_type::is_json);
        let data = event.data().map(|data| from_sdk(data, is_json));
        draft.finish(data)
    }
}

/// A string under a JSON type, or JSON's string under another, means what it means in the SDK's own JSON format.
fn from_sdk(data: &cloudevents::Data, is_json: bool) -> Data<'static> {
    match data {
        cloudevents::Data::Binary(bytes) => Data::Binary(Cow::Owned(bytes.clone())),
        cloudevents::Data::String(text) if is_json => {
            Data::Json(serde_json::Value::from(text.as_str()).to_string().into())
        }
        cloudevents::Data::String(text) => Data::Text(Cow::Owned(text.clone())),
        cloudevents::Data::Json(serde_json::Value::String(text)) if !is_json => {
            Data::Text(Cow::Owned(text.clone()))
        }
        cloudevents::Data::Json(value) => Data::Json(value.to_string().into()),
    }
}

impl TryFrom<&Event<'_>> for cloudevents::Event {
    type Error = Invalid;

    fn try_from(event: &Event<'_>) -> Result<cloudevents::Event, Invalid> {
        let beyond = |name, reason: &dyn ToString| {
            Invalid::attribute(
                name,
                Fault::Unrepresentable(format!("beyond cloudevents::Event: {}", shown(&reason.to_string()))),
            )
        };
        let mut sdk = EventBuilderV10::new()
            .id(&*event.id)
            .source(&*event.source)
            .ty(&*event.ty)
            .build()
            .map_err(|error| beyond("source", &error))?;
        sdk.set_subject(event.subject.as_deref());
        sdk.set_datacontenttype(event.datacontenttype.as_deref());
        if let Some(time) = event.time.as_deref() {
            sdk.set_time(Some(time.into_time().map_err(|error| beyond("time", &error))?));
        }
        if let Some(schema) = event.dataschema.as_deref() {
            sdk.set_dataschema(Some(schema.into_url().map_err(|error| beyond("dataschema", &error))?));
        }
        for (name, value) in &event.extensions {
            match value {
                Value::String(text) => sdk.set_extension(name, &**text),
                Value::Integer(number) => sdk.set_extension(name, i64::from(*number)),
                Value::Boolean(flag) => sdk.set_extension(name, *flag),
            }
        }
        if let Some(data) = &event.data {
            sdk.set_data_unchecked(to_sdk(data));
        }
        Ok(sdk)
    }
}

/// JSON text that is no JSON value (half a surrogate pair) stays what it is: bytes.
fn to_sdk(data: &Data<'_>) -> cloudevents::Data {
    match data {
        Data::Json(text) => match serde_json::from_str(text) {
            Ok(value) => cloudevents::Data::Json(value),
            Err(_) => cloudevents::Data::Binary(text.as_bytes().to_vec()),
        },
        Data::Text(text) => cloudevents::Data::String(text.clone().into_owned()),
        Data::Binary(bytes) => cloudevents::Data::Binary(bytes.clone().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::arbitrary;
    use cloudevents::EventBuilderV03;
    use proptest::prelude::*;

    fn built() -> EventBuilderV10 {
        EventBuilderV10::new().id("1").source("/s").ty("t")
    }

    fn refused(event: cloudevents::Event) -> String {
        Event::try_from(&event).unwrap_err().to_string()
    }

    proptest! {
        /// All but what the module's text names: there and back, and once more through the SDK's own type.
        #[test]
        fn events_read_back(event in arbitrary::event()) {
            let sdk = cloudevents::Event::try_from(&event).unwrap();
            let read = Event::try_from(&sdk).unwrap();
            let expected = Event { time: read.time.clone(), dataschema: read.dataschema.clone(), ..event.clone() };
            prop_assert_eq!(&read, &expected);
            prop_assert_eq!((event.time.is_some(), event.dataschema.is_some()), (read.time.is_some(), read.dataschema.is_some()));
            prop_assert_eq!(cloudevents::Event::try_from(&read).unwrap(), sdk);
        }
    }

    #[test]
    fn an_event_of_the_sdk_is_kept_whole() {
        let event = built()
            .time("2018-04-05T17:31:00.000000001+01:00")
            .extension("n", 7)
            .extension("b", false)
            .data_with_schema(
                "application/json",
                "http://example.com/s#v1",
                serde_json::json!({"a": [1, 2.5]}),
            )
            .build()
            .unwrap();
        let ours = Event::try_from(&event).unwrap();
        assert_eq!(ours.time.as_deref(), Some("2018-04-05T16:31:00.000000001Z"));
        assert_eq!(ours.data, Some(Data::Json(r#"{"a":[1,2.5]}"#.into())));
        assert_eq!(cloudevents::Event::try_from(&ours).unwrap(), event);
    }

    #[test]
    fn data_means_what_it_means_in_json() {
        let data = |ty: &str, data: cloudevents::Data| {
            Event::try_from(&built().data(ty, data).build().unwrap()).unwrap().data
        };
        assert_eq!(data("a/json", "{}".into()), Some(Data::Json("\"{}\"".into())));
        assert_eq!(data("text/plain", "{}".into()), Some(Data::Text("{}".into())));
        assert_eq!(data("text/plain", serde_json::json!("x").into()), Some(Data::Text("x".into())));
        assert_eq!(data("text/plain", serde_json::json!(1).into()), Some(Data::Json("1".into())));
        assert_eq!(data("a/json", b"{}".to_vec().into()), Some(Data::Binary(b"{}".into())));
        assert_eq!(to_sdk(&Data::Json("\"\\ud800\"".into())), b"\"\\ud800\"".to_vec().into());
    }

    #[test]
    fn what_is_invalid_is_refused() {
        assert!(
            refused(built().extension("my_ext", "v").build().unwrap())
                .starts_with("my_ext: not an attribute name")
        );
        assert!(
            refused(built().extension("n", 1_i64 << 40).build().unwrap())
                .starts_with("n: 1099511627776 is not")
        );
        assert!(refused(built().id("").build().unwrap()).starts_with("id: empty"));
        assert!(refused(built().source("{x}").build().unwrap()).starts_with("source: '{'"));
        assert!(
            refused(built().extension("id", "2").build().unwrap()).starts_with("id: given more than once")
        );
        let old = EventBuilderV03::new().id("1").source("/s").ty("t").build().unwrap();
        assert!(refused(old).starts_with("specversion: '0.3' is not supported"));
    }
}
