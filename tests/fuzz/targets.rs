//! What is done with an input, whoever made it: this test's dice, or cargo-fuzz (fuzz/ takes this file as it is). A target
//! panics where something is wrong, and says whether the input was taken.

use std::borrow::Cow;

use weir::config;
use weir::event::segment::Segment;
use weir::event::{Data, Event, Uid, Value, binary, record, structured};
use weir::trigger::cesql::Expression;
use weir::trigger::{Criteria, DataFilter, Filter, Memo, Routes};

/// As the HTTP source has it.
const MAX_BATCH: usize = 1_000;
/// Of filters that are asked: a file may have thousands.
const ASKED: usize = 50;

/// YAML documents of every kind, to what `weir check` prints.
pub fn documents(input: &[u8]) -> bool {
    let loaded = config::load_text("triggers/documents.yaml", &String::from_utf8_lossy(input));
    let printed = loaded.diagnostics.to_string();
    assert_eq!(loaded.config.is_none(), loaded.diagnostics.has_errors(), "{printed}");
    let Some(config) = loaded.config else { return false };
    for trigger in config.triggers.iter().take(ASKED) {
        let _ = (trigger.filter.unreachable(), trigger.filter.needs("x"));
        ask(&trigger.criteria());
    }
    true
}

/// What stands under a Trigger's `filters`.
pub fn filters(input: &[u8]) -> bool {
    let mut text = "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: t}\nspec:\n  broker: default\n  \
                    subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: f}}\n  filters:\n"
        .to_owned();
    for line in String::from_utf8_lossy(input).split('\n') {
        text += &format!("    {line}\n");
    }
    text += "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: f}\nspec: {module: ../Cargo.toml}\n";
    documents(text.as_bytes())
}

/// An expression in CloudEvents SQL.
pub fn cesql(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let expression = match Expression::parse(&text) {
        Ok(expression) => expression,
        Err(error) => return refused(&error),
    };
    let _ = (expression.check(), expression.wanted());
    for event in events() {
        let _ = expression.evaluate(&event);
    }
    // What is printed is the same expression: it prints the same, and means the same.
    let printed = expression.to_string();
    let again = Expression::parse(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
    assert_eq!(again.to_string(), printed);
    for event in events() {
        assert_eq!(again.matches(&event), expression.matches(&event), "{printed}");
    }
    let filter = Filter::cesql(expression);
    let _ = filter.unreachable();
    ask(&Criteria::from(filter));
    true
}

/// A data filter, and behind the first line's end the data that it is asked about.
pub fn data_filters(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let (filter, data) = text.split_once('\n').unwrap_or((&text, "{}"));
    let filter = match DataFilter::parse(filter) {
        Ok(filter) => filter,
        Err(error) => return refused(&error),
    };
    let criteria = Criteria { data: Some(filter), ..Criteria::default() };
    ask_about(&criteria, &Event { data: Some(Data::Json(data.into())), ..event() });
    ask(&criteria);
    true
}

/// An event as JSON.
pub fn structured_event(input: &[u8]) -> bool {
    structured::decode(input).map_or_else(|invalid| refused(&invalid), |event| goes_round(&event))
}

/// A batch of events as JSON.
pub fn batch(input: &[u8]) -> bool {
    let events = match structured::decode_batch(input, MAX_BATCH) {
        Ok(events) => events,
        Err(invalid) => return refused(&invalid),
    };
    assert!(events.len() <= MAX_BATCH && events.iter().all(goes_round));
    let mut json = Vec::new();
    structured::encode_batch(&events, &mut json);
    assert_eq!(structured::decode_batch(&json, MAX_BATCH).as_deref(), Ok(&events[..]));
    true
}

/// A message of HTTP, Kafka and NATS: a header on each line, an empty line, the payload.
pub fn binary_event(input: &[u8]) -> bool {
    let (mut headers, mut rest) = (Vec::new(), input);
    loop {
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[][..], |end| &rest[end + 1..]);
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line[colon..].strip_prefix(b":").unwrap_or_default().trim_ascii();
        headers.push((String::from_utf8_lossy(&line[..colon]), value));
    }
    let all = || headers.iter().map(|(name, value)| (&**name, *value));
    let read = [
        binary::decode_http(all(), rest),
        binary::decode_nats(all(), rest),
        binary::decode_kafka(all().map(|(name, value)| (name, Some(value))), Some(rest)),
        binary::decode_kafka(all().map(|(name, value)| (name, (!value.is_empty()).then_some(value))), None),
    ];
    let each = read.map(|read| read.map_or_else(|invalid| refused(&invalid), |event| goes_round(&event)));
    each.contains(&true)
}

/// What stands on the disk.
pub fn stored(input: &[u8]) -> bool {
    let segment = Segment::decode(input);
    let Ok(event) = record::decode(input) else { return segment.is_ok() };
    let mut again = Vec::new();
    record::encode(&event, &mut again);
    assert_eq!(record::decode(&again).as_ref(), Ok(&event));
    true
}

/// Its reason can be told.
fn refused(reason: &dyn std::fmt::Display) -> bool {
    assert!(!reason.to_string().is_empty());
    false
}

/// What can be read can be written, in every form, and read again.
fn goes_round(event: &Event<'_>) -> bool {
    let (mut json, mut stored) = (Vec::new(), Vec::new());
    structured::encode(event, &mut json);
    assert_eq!(structured::decode(&json), Ok(trimmed(event)));
    record::encode(event, &mut stored);
    assert_eq!(record::decode(&stored).as_ref(), Ok(event));
    let http = binary::encode_http(event);
    let headers = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let http = binary::decode_http(headers, http.body.as_deref().unwrap_or_default());
    let nats = binary::encode_nats(event);
    let headers = nats.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let nats = binary::decode_nats(headers, nats.body.as_deref().unwrap_or_default());
    for again in [http, nats] {
        let again = again.unwrap_or_else(|invalid| panic!("{event:?}: {invalid}"));
        assert_eq!((&again.id, &again.source, &again.ty), (&event.id, &event.source, &event.ty));
    }
    true
}

/// What stands around a payload of JSON does not belong to the value that it is within an event as JSON.
fn trimmed<'a>(event: &'a Event<'_>) -> Event<'a> {
    let data = event.data.clone().map(|data| match data {
        Data::Json(text) => Data::Json(text.trim_matches([' ', '\t', '\r', '\n']).to_owned().into()),
        other => other,
    });
    Event { data, ..event.clone() }
}

fn ask(criteria: &Criteria) {
    events().iter().for_each(|event| ask_about(criteria, event));
}

/// The index says what asking says, and so does the explanation.
fn ask_about(criteria: &Criteria, event: &Event<'_>) {
    let met = criteria.are_met(event);
    assert_eq!(criteria.explain(event).matches(), met);
    let routes = Routes::new([(Uid(1), criteria.clone())]);
    let (mut memo, mut matched) = (Memo::default(), Vec::new());
    routes.matching(Uid(1), event, &mut memo, &mut matched);
    assert_eq!(matched.len(), usize::from(met));
}

fn event() -> Event<'static> {
    Event {
        id: "1".into(),
        source: "/shop".into(),
        ty: "order.created".into(),
        subject: None,
        time: None,
        dataschema: None,
        datacontenttype: None,
        extensions: Vec::new(),
        data: None,
    }
}

/// What is asked about: one that has little, and one that has everything.
fn events() -> [Event<'static>; 2] {
    let text = |text: &'static str| Some(Cow::Borrowed(text));
    let extensions = vec![
        ("x".into(), Value::Integer(5)),
        ("flag".into(), Value::Boolean(true)),
        ("region".into(), Value::String("eu-%_1".into())),
    ];
    let data = r#"{"amount": 12000.50, "vip": true, "customer": {"country": "DE"}, "items": [1, null], "amount2": -0}"#;
    let full = Event {
        subject: text("orders/7"),
        time: text("2024-02-29T23:59:60Z"),
        dataschema: text("https://example.com/schema"),
        datacontenttype: text("application/json"),
        extensions,
        data: Some(Data::Json(data.into())),
        ..event()
    };
    [event(), full]
}
