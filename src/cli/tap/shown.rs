//! A record, or a message, as it is shown: where it stands, the event that it is, the triggers that it meets.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::event::{Event, Invalid, structured};

pub(super) struct Shown<'s, 'r> {
    /// For people.
    pub(super) place: String,
    /// The same for programs, to which the event is added.
    pub(super) whole: Json,
    pub(super) event: &'s Result<Event<'r>, Invalid>,
    pub(super) routes: &'s [&'s str],
}

impl Shown<'_, '_> {
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}  ", self.place);
        let event = match self.event {
            Ok(event) => event,
            Err(invalid) => {
                let _ = writeln!(text, "no event: {invalid}");
                return text;
            }
        };
        // Writing to a String can't fail.
        let _ = write!(text, "{}  id={} source={}", event.ty, event.id, event.source);
        if let Some(key) = event.partition_key() {
            let _ = write!(text, " key={key}");
        }
        let _ = match self.routes {
            [] => writeln!(text, "  -> no trigger"),
            routes => writeln!(text, "  -> {}", routes.join(", ")),
        };
        text
    }

    pub(super) fn json(&self) -> Json {
        let mut shown = self.whole.clone();
        match self.event {
            Ok(event) => {
                let mut whole = Vec::new();
                structured::encode(event, &mut whole);
                shown["event"] = serde_json::from_slice(&whole).expect("the JSON format is JSON");
                shown["triggers"] = json!(self.routes);
            }
            Err(invalid) => shown["error"] = json!(invalid.to_string()),
        }
        shown
    }
}
