//! The schema of weir.yaml, from the table of settings.

use serde_json::{Map, Value, json};

use super::super::settings::{Row, TABLE, foreign};
use super::shape::{describe, or_null};

pub(super) fn schema() -> Value {
    let mut root = group();
    for row in TABLE {
        insert(&mut root, row.name, of_row(row));
    }
    for (theirs, ours) in foreign::words() {
        let mut schema = match TABLE.iter().find(|row| row.name == ours) {
            Some(row) if foreign::is_whole(theirs) => of_row(row),
            _ => json!({"type": ["string", "integer", "null"]}),
        };
        let said = format!("Another system's word: it is taken as `{ours}`.");
        describe(&mut schema, &said, &said);
        schema["doNotSuggest"] = true.into();
        insert(&mut root, theirs, schema);
    }
    let said = "The worker's own settings.";
    describe(&mut root, said, said);
    super::whole("weir.yaml".into(), root, Map::new())
}

/// A map of settings. A dotted name is one of those further below; the worker looks at it closer.
fn group() -> Value {
    json!({
        "type": ["object", "null"],
        "properties": {},
        "patternProperties": {"\\.": {}},
        "additionalProperties": false,
    })
}

fn insert(root: &mut Value, name: &str, schema: Value) {
    let (above, last) = name.rsplit_once('.').unwrap_or(("", name));
    let mut at = root;
    for word in above.split('.').filter(|word| !word.is_empty()) {
        at = &mut at["properties"][word];
        if at.is_null() {
            *at = group();
        }
    }
    at["properties"][last] = schema;
}

fn of_row(row: &Row) -> Value {
    let mut schema = row.schema();
    or_null(&mut schema);
    let mut said = format!("{}.", row.doc);
    said[..1].make_ascii_uppercase();
    let mut more = said.clone();
    if !row.default.is_empty() {
        schema["default"] = row.default.parse::<i64>().map_or(row.default.into(), Value::from);
        more += &format!("\n\nDefault: `{}`", row.default);
    }
    more += &format!("\n\nVariable: `{}`", row.variable());
    describe(&mut schema, &said, &more);
    schema
}
