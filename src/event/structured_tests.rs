//! Tests of the JSON format: too many to stand below it.

use proptest::prelude::*;

use super::*;
use crate::event::arbitrary;

fn with(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{members}}}"#)
}

fn refused(json: &str) -> String {
    decode(json.as_bytes()).expect_err(json).to_string()
}

fn data(members: &str) -> Option<Data<'static>> {
    decode(with(members).as_bytes()).unwrap().data.map(Data::into_owned)
}

proptest! {
    #[test]
    fn events_read_back(event in arbitrary::event()) {
        let mut json = Vec::new();
        encode(&event, &mut json);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
        prop_assert_eq!(decode(&json).unwrap(), event);
    }

    #[test]
    fn batches_read_back(events in prop::collection::vec(arbitrary::event(), 0..4)) {
        let mut json = Vec::new();
        encode_batch(&events, &mut json);
        prop_assert_eq!(decode_batch(&json, 3).unwrap(), events);
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), members in "[,:\"a-z0-9{}\\[\\]\\\\ ]{0,40}") {
        prop_assert!(decode(&bytes).is_err());
        let _ = decode(with(&members).as_bytes());
        let _ = decode_batch(&bytes, 10);
    }
}

#[test]
fn what_has_no_escape_is_borrowed() {
    let json = with(r#","subject":"a\"b","ext":"é","data":{"a": 1}"#);
    let event = decode(json.as_bytes()).unwrap();
    assert!(matches!(event.id, Cow::Borrowed("1")));
    assert!(matches!(&event.subject, Some(Cow::Owned(text)) if text == "a\"b"));
    assert!(matches!(event.extension("ext"), Some(Value::String(Cow::Borrowed("é")))));
    assert!(matches!(event.data, Some(Data::Json(Cow::Borrowed(r#"{"a": 1}"#)))));
}

#[test]
fn how_data_stands_follows_from_the_type() {
    assert_eq!(data(""), None);
    assert_eq!(data(r#","data": [ 1,  2.50 ] "#), Some(Data::Json("[ 1,  2.50 ]".into())));
    assert_eq!(data(r#","data":"x""#), Some(Data::Json("\"x\"".into())));
    assert_eq!(
        data(r#","data":"x","datacontenttype":"Application/X+JSON;a=b""#),
        Some(Data::Json("\"x\"".into()))
    );
    assert_eq!(data(r#","data":"a\nb","datacontenttype":"text/plain""#), Some(Data::Text("a\nb".into())));
    assert_eq!(
        data(r#","data":{"a":1},"datacontenttype":"text/plain""#),
        Some(Data::Json("{\"a\":1}".into()))
    );
    assert_eq!(data(r#","data_base64":"\/w==""#), Some(Data::Binary(vec![255].into())));
    assert_eq!(data(r#","data_base64":"e30=","datacontenttype":"a/json""#), Some(Data::Binary(b"{}".into())));
    assert_eq!(data(r#","data":null"#), Some(Data::Json("null".into())));
    assert_eq!(data(r#","data_base64":null"#), None);
    assert_eq!(data(r#","data":null,"data_base64":"e30=""#), Some(Data::Binary(b"{}".into())));
}

#[test]
fn extension_values() {
    let event = with(r#","i":-2147483648,"j":2147483647,"b":false,"s":"","n":null"#);
    let event = decode(event.as_bytes()).unwrap();
    let values =
        [("i", Value::Integer(i32::MIN)), ("j", Value::Integer(i32::MAX)), ("b", Value::Boolean(false))];
    for (name, value) in values {
        assert_eq!(event.extension(name), Some(&value));
    }
    assert_eq!(event.extension("s"), Some(&Value::String("".into())));
    assert_eq!(event.extension("n"), None);
    for value in ["1.0", "1e3", "2147483648", "-2147483649", "1E0", "{}", "[]"] {
        assert!(refused(&with(&format!(",\"ext\":{value}"))).starts_with("ext: "), "{value}");
    }
}

#[test]
fn the_reason_is_told() {
    for (json, start) in [
        (with(r#","id":"2""#), "id: given more than once"),
        (with(r#","\u0069d":"2""#), "id: given more than once"),
        (with(r#","id":null"#), "id: given more than once"),
        (with(r#","ext":"1","ext":"1""#), "ext: given more than once"),
        (with(r#","data":1,"data":1"#), "data: given more than once"),
        (with(r#","data":1,"data_base64":"""#), "both data and data_base64"),
        (with(r#","data_base64":"not base64!!""#), "data_base64: not Base64"),
        (with(r#","data_base64":"_w==""#), "data_base64: not Base64"),
        (with(r#","data_base64":"/w""#), "data_base64: not Base64"),
        (with(r#","data_base64":"/x==""#), "data_base64: not Base64"),
        (with(r#","data_base64":{}"#), "data_base64: not a string"),
        (with(r#","data_base64":"\ud800""#), "data_base64: not Base64"),
        (with(r#","ext":"\ud800""#), "ext: a string with half of a surrogate pair"),
        (with(r#","subject":7"#), "subject: a number is not legal here"),
        (with(r#","time":true"#), "time: a boolean is not legal here"),
        (with(r#","ext":NaN"#), "not a CloudEvent in JSON: expected value"),
        (with(r#","ext":01"#), "not a CloudEvent in JSON: "),
        (with(r#","Bad":1,"#), "not a CloudEvent in JSON: "),
        (with("") + " x", "not a CloudEvent in JSON: trailing characters"),
        ("[]".into(), "not a CloudEvent in JSON: invalid type: sequence, expected one event"),
        ("\"x\"".into(), "not a CloudEvent in JSON: invalid type: string"),
        ("".into(), "not a CloudEvent in JSON: EOF"),
        ("{}".into(), "specversion: missing"),
        (r#"{"specversion":1.0}"#.into(), "specversion: 1.0 is not"),
        (r#"{"specversion":"0.3"}"#.into(), "specversion: '0.3' is not supported; only 1.0"),
        ("\u{feff}".to_owned() + &with(""), "not a CloudEvent in JSON: "),
    ] {
        let message = refused(&json);
        assert!(message.starts_with(start), "{json}: {message:?} does not start with {start:?}");
    }
    let mut latin = with(r#","subject":"~""#).into_bytes();
    latin.iter_mut().filter(|byte| **byte == b'~').for_each(|byte| *byte = 0xfc);
    assert!(decode(&latin).unwrap_err().to_string().contains("JSON is UTF-8"));
}

/// On a small stack: reading is not recursive.
#[test]
fn nesting_bombs_are_refused() {
    let bomb = |open: &str, close: &str| {
        with(&format!(",\"data\":{}0{}", open.repeat(20_000), close.repeat(20_000)))
    };
    let read = move || {
        for json in [bomb("[", "]"), bomb("{\"a\":", "}"), bomb("{\"a\":[", "]}")] {
            assert_eq!(decode(json.as_bytes()), Err(Invalid::TooDeep));
            assert!(decode_batch(format!("[{json}]").as_bytes(), 1).is_err());
        }
        for json in [with(",\"ext\":") + &"[".repeat(20_000), "[".repeat(20_000), "{\"a\":".repeat(20_000)] {
            assert!(decode(json.as_bytes()).is_err() && decode_batch(json.as_bytes(), 1).is_err());
        }
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(read).unwrap().join().unwrap();
    let nested = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    assert!(decode(with(&format!(",\"data\":{nested}")).as_bytes()).is_ok());
}

#[test]
fn a_batch_stands_or_falls_as_a_whole() {
    let (good, bad) = (with(""), with(r#","ext":{}"#));
    let batch = |members: &[&str]| {
        decode_batch(format!("[{}]", members.join(",")).as_bytes(), 3).map(|events| events.len())
    };
    assert_eq!(batch(&[]), Ok(0));
    assert_eq!(batch(&[&good, &good, &good]), Ok(3));
    assert_eq!(batch(&[good.as_str(); 4]), Err(Invalid::BatchTooLong { limit: 3 }));
    let message = batch(&[&good, &bad]).unwrap_err().to_string();
    assert_eq!(message, "event 1 of the batch: ext: an object is not legal here");
    assert!(decode_batch(good.as_bytes(), 3).unwrap_err().to_string().contains("expected a batch"));
}
