//! The events that `weir publish` sends, by number: made one by one from the options, or read from a file. However
//! many are made, none is kept.

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::event::{Data, Event, Value, structured};

/// Stands for the event's number in the data.
pub const NUMBER: &str = "{n}";

pub enum Outbox {
    Made(Box<Template>),
    Read(Vec<Bytes>),
}

/// What made events have in common.
#[derive(Debug)]
pub struct Template {
    pub ty: String,
    pub source: String,
    pub subject: Option<String>,
    pub id: String,
    /// There are several: the number is part of the id.
    pub many: bool,
    pub key: Option<String>,
    pub data: Option<String>,
}

impl Outbox {
    /// The events of a file: one, a batch, or one a line. Each is checked before the first is sent; an error begins
    /// with the place.
    pub fn read(text: &[u8]) -> Result<Outbox, String> {
        let text = text.trim_ascii_end();
        let begin = text.trim_ascii_start();
        let first = begin.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let bodies = if begin.is_empty() {
            return Err(" holds no event".to_owned());
        } else if begin.starts_with(b"[") {
            let events = structured::decode_batch(text, usize::MAX).map_err(|e| format!(": {e}"))?;
            events.iter().map(body).collect()
        } else if first.len() == begin.len() || serde_json::from_slice::<IgnoredAny>(first).is_err() {
            vec![body(&structured::decode(text).map_err(|e| format!(": {e}"))?)]
        } else {
            lines(text)?
        };
        match bodies.is_empty() {
            true => Err(" holds no event".to_owned()),
            false => Ok(Outbox::Read(bodies)),
        }
    }

    /// How many events are different.
    pub fn per_round(&self) -> u64 {
        match self {
            Outbox::Made(_) => 1,
            Outbox::Read(bodies) => bodies.len() as u64,
        }
    }

    /// The event of a number, counted from 0, as it is posted.
    pub fn event(&self, number: u64) -> Bytes {
        match self {
            Outbox::Read(bodies) => bodies[(number % bodies.len() as u64) as usize].clone(),
            Outbox::Made(template) => template.event(number + 1),
        }
    }
}

fn lines(text: &[u8]) -> Result<Vec<Bytes>, String> {
    let lines = text.split(|&byte| byte == b'\n').enumerate();
    let lines = lines.map(|(index, line)| (index + 1, line.trim_ascii())).filter(|(_, l)| !l.is_empty());
    lines
        .map(|(number, line)| {
            let event = structured::decode(line);
            // The line is the file's, not the parser's.
            let wrong = |e: String| format!(":{number}: {}", e.replace(" at line 1 column ", " at column "));
            event.map(|event| body(&event)).map_err(|e| wrong(e.to_string()))
        })
        .collect()
}

fn body(event: &Event<'_>) -> Bytes {
    let mut body = Vec::with_capacity(512);
    structured::encode(event, &mut body);
    body.into()
}

impl Template {
    fn event(&self, number: u64) -> Bytes {
        let data = self.data.as_ref().map(|data| data.replace(NUMBER, &number.to_string()));
        let json = data.as_deref().is_some_and(is_json);
        let content_type = data.as_ref().map(|_| if json { "application/json" } else { "text/plain" });
        let mut event = Event {
            id: if self.many { format!("{}-{number}", self.id) } else { self.id.clone() }.into(),
            source: self.source.as_str().into(),
            ty: self.ty.as_str().into(),
            subject: self.subject.as_deref().map(Into::into),
            time: Some(format!("{:.3}", jiff::Timestamp::now()).into()),
            dataschema: None,
            datacontenttype: content_type.map(Into::into),
            extensions: Vec::new(),
            data: data.map(|d| if json { Data::Json(d.into()) } else { Data::Text(d.into()) }),
        };
        if let Some(key) = &self.key {
            event.set_extension("partitionkey", Value::String(key.as_str().into()));
        }
        body(&event)
    }

    /// The data was surely meant as JSON, but is sent as text.
    pub fn nearly_json(&self) -> bool {
        let data = self.data.as_ref().map(|data| data.replace(NUMBER, "1"));
        data.is_some_and(|data| data.trim_start().starts_with(['{', '[']) && !is_json(&data))
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Result<u64, String> {
        Outbox::read(text.as_bytes()).map(|outbox| outbox.per_round())
    }

    #[test]
    fn a_file_is_one_event_a_batch_or_an_event_a_line() {
        let event = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t"}"#;
        let pretty = event.replace(',', ",\n");
        let bad = r#"{"specversion":"1.0","id":"1","type":"t"}"#;
        assert_eq!(count(event), Ok(1));
        assert_eq!(count(&pretty), Ok(1));
        assert_eq!(count(&format!("[{event},{pretty}]")), Ok(2));
        assert_eq!(count(&format!("\n{event}\n\n{event}\n{event}\n")), Ok(3));
        for (text, begin) in [
            (String::new(), " holds no event"),
            ("[]".to_owned(), " holds no event"),
            (bad.to_owned(), ": source: "),
            (bad.replace(',', ",\n"), ": source: "),
            (format!("{event}\n\n{bad}\n"), ":3: source: "),
            (format!("{event}\n{{"), ":2: "),
            (format!("[{event},{bad}]"), ": "),
        ] {
            let error = count(&text).unwrap_err();
            assert!(error.starts_with(begin), "{text}: {error}");
        }
    }
}
