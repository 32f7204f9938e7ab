//! JSON Schemas for editors (draft 2020-12), made of what the readers themselves are held to: the shapes of documents,
//! and the table of settings.
//!
//! Of the draft they use what editors know: nothing but `$defs` is newer than draft 7. A field without a value is as
//! if it were not there, so it may be `null` where it may be left out.

mod page;
mod settings;
mod shape;
#[cfg(test)]
mod tests;

pub use page::page;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::shape::{KINDS, Kind};

/// A schema, and what it is of.
pub struct Schema {
    pub name: &'static str,
    pub doc: &'static str,
    make: fn(&'static str) -> Value,
}

/// All of them: that of every file of documents first.
pub fn all() -> impl Iterator<Item = Schema> {
    let documents = Schema {
        name: "documents",
        doc: "every kind of document, and those of others",
        make: |_| documents(),
    };
    let settings = Schema {
        name: "settings",
        doc: "the worker's own settings: weir.yaml",
        make: |_| settings::schema(),
    };
    let kinds =
        KINDS.iter().map(|kind| Schema { name: kind.name, doc: kind.doc, make: |name| of_kind(name) });
    [documents, settings].into_iter().chain(kinds)
}

impl Schema {
    /// The schema as a file.
    pub fn text(&self) -> String {
        let schema = (self.make)(self.name);
        // What stands in it has keys that are strings, and so can be written.
        format!("{}\n", serde_json::to_string_pretty(&schema).unwrap_or_default())
    }

    /// What its file is called.
    pub fn file(&self) -> String {
        format!("{}.json", self.name.to_lowercase())
    }
}

/// Of a schema of its own: which draft it is, and what it is about.
fn whole(title: String, schema: Value, definitions: Map<String, Value>) -> Value {
    let Value::Object(mut schema) = schema else { return schema };
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), title.into());
    if !definitions.is_empty() {
        schema.insert("$defs".into(), definitions.into());
    }
    schema.into()
}

fn of_kind(name: &str) -> Value {
    let mut definitions = Map::new();
    match KINDS.into_iter().find(|kind| kind.name == name) {
        Some(kind) => {
            let schema = shape::of_kind(kind, &mut definitions);
            whole(format!("A {name} of weir"), schema, definitions)
        }
        None => Value::Bool(true),
    }
}

/// apiVersions with which a kind that is called as one of ours is meant to be it.
const OURS: &str = r"^(([^/]*\.)?knative\.dev/.*|weir\.dev/.*|[^/]*)$";

/// Of any file of documents. The kinds of others are let pass, as the worker does.
fn documents() -> Value {
    let mut definitions = Map::new();
    for kind in KINDS {
        let schema = shape::of_kind(kind, &mut definitions);
        definitions.insert(kind.name.into(), schema);
    }
    let when = |kind: Value, version: Value, then: Value| {
        let properties = json!({"kind": kind, "apiVersion": version});
        let seen = json!({"type": "object", "properties": properties, "required": ["apiVersion", "kind"]});
        json!({"if": seen, "then": then})
    };
    let ours = |kind: &&Kind| {
        let schema = json!({"$ref": format!("#/$defs/{}", kind.name)});
        when(json!({"const": kind.name}), json!({"pattern": OURS}), schema)
    };
    let of_weir: Vec<&str> = KINDS
        .iter()
        .filter(|kind| kind.api_versions[0].starts_with("weir.dev/"))
        .map(|kind| kind.name)
        .collect();
    let mut cases: Vec<Value> = KINDS.iter().map(ours).collect();
    cases.push(when(
        json!(true),
        json!({"pattern": "^weir\\.dev/"}),
        json!({"properties": {"kind": {"enum": of_weir}}}),
    ));
    let items =
        json!({"properties": {"items": {"type": "array", "items": {"$ref": "#"}}}, "required": ["items"]});
    cases.push(when(json!({"const": "List"}), json!({"const": "v1"}), items));
    let versions: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.api_versions).copied().collect();
    let word =
        |said: &str, examples: Value| json!({"type": "string", "description": said, "examples": examples});
    let kinds = KINDS.map(|kind| kind.name);
    let schema = json!({
        "type": ["object", "null"],
        "properties": {
            "apiVersion": word("Whose kind it is, and of which version.", json!(versions)),
            "kind": word("What the document is.", json!(kinds)),
        },
        "required": ["apiVersion", "kind"],
        "allOf": cases,
    });
    whole("Documents of weir".into(), schema, definitions)
}
