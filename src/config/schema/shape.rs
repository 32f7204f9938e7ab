//! From the shape of a value to its schema.

use serde_json::{Map, Value, json};

use super::super::shape::{self, Field, Form, Kind, Role, Rule, Shape, Target};

/// A schema while it is made.
type Object = Map<String, Value>;

/// The schema of a kind; what it refers to is added to `definitions`.
pub(super) fn of_kind(kind: &'static Kind, definitions: &mut Object) -> Value {
    let mut schema = Writer { kind, definitions }.map(kind.root);
    let properties = &mut schema["properties"];
    properties["apiVersion"]["enum"] = kind.api_versions.into();
    properties["kind"]["const"] = kind.name.into();
    describe(&mut schema, kind.doc, kind.doc);
    schema
}

struct Writer<'d> {
    kind: &'static Kind,
    definitions: &'d mut Object,
}

impl Writer<'_> {
    fn map(&mut self, map: &'static shape::Map) -> Value {
        // What each reference may name is its own.
        if map.name.is_empty() || !map.targets().is_empty() {
            return self.fields(map);
        }
        if !self.definitions.contains_key(map.name) {
            // Known before it is made: it may stand inside itself.
            self.definitions.insert(map.name.into(), Value::Null);
            let mut fields = self.fields(map);
            or_null(&mut fields);
            self.definitions.insert(map.name.into(), fields);
        }
        json!({"$ref": format!("#/$defs/{}", map.name), "type": "object"})
    }

    fn fields(&mut self, map: &'static shape::Map) -> Value {
        let properties: Object = map
            .fields
            .iter()
            .map(|field| (field.name.to_owned(), self.field(field, field.required || is_choice(map))))
            .collect();
        let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
        if let Some(others) = map.others {
            let names: Vec<&str> = map.names().collect();
            schema["propertyNames"] = json!({"anyOf": [{"enum": names}, text(others.keys)]});
            schema["additionalProperties"] = self.shape(others.values);
            or_null(&mut schema["additionalProperties"]);
        }
        let mut required: Vec<&str> = map.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
        let mut all = Vec::new();
        for rule in map.rules {
            match rule {
                Rule::OneOf(_) if is_choice(map) => {
                    schema["minProperties"] = 1.into();
                    schema["maxProperties"] = 1.into();
                }
                Rule::OneOf(names) => {
                    let read = |name: &&str| map.field(name).is_some_and(|field| field.role == Role::Read);
                    match names.iter().copied().filter(read).collect::<Vec<_>>().as_slice() {
                        [one] => {
                            required.push(one);
                            not_null(&mut schema["properties"][*one]);
                        }
                        several => {
                            let one: Vec<_> = several.iter().map(|name| present(&[name])).collect();
                            all.push(json!({"if": {"type": "object"}, "then": {"oneOf": one}}));
                        }
                    }
                }
                Rule::AnyOf(names) => {
                    let any: Vec<_> = names.iter().map(|name| present(&[name])).collect();
                    all.push(json!({"if": {"type": "object"}, "then": {"anyOf": any}}));
                }
                Rule::Together(names) => {
                    let any: Vec<_> = names.iter().map(|name| present(&[name])).collect();
                    all.push(json!({"if": {"anyOf": any}, "then": present(names)}));
                }
                Rule::Enables(enable, names) => {
                    let enabled = json!({"properties": {*enable: {"const": true}}, "required": [enable]});
                    all.push(json!({"if": enabled, "then": present(names)}));
                }
                Rule::Needs(name, names) => {
                    all.push(json!({"if": present(&[name]), "then": present(names)}));
                }
                Rule::NotBoth(one, other) => {
                    let mut both = present(&[one, other]);
                    both["type"] = "object".into();
                    all.push(json!({"not": both}));
                }
                Rule::Alone(name) => {
                    let nothing_else =
                        json!({"properties": {*name: {}}, "additionalProperties": {"type": "null"}});
                    all.push(json!({"if": present(&[name]), "then": nothing_else}));
                }
                Rule::Names(targets) => all.extend(name_targets(targets, &mut schema["properties"])),
            }
        }
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if !all.is_empty() {
            schema["allOf"] = all.into();
        }
        schema
    }

    fn field(&mut self, field: &'static Field, needed: bool) -> Value {
        let doc = field.doc;
        let (mut schema, said) = match field.role {
            Role::Read => (self.shape(&field.shape), doc.to_owned()),
            Role::Idle(why) => (self.shape(&field.shape), format!("{doc} No effect in this version: {why}.")),
            Role::Refused(instead) => {
                let said = format!("Not supported by this version: {instead}.");
                (json!({"type": "null", "errorMessage": said, "doNotSuggest": true}), said)
            }
            Role::Cluster => {
                let mut schema = self.shape(&field.shape);
                schema["doNotSuggest"] = true.into();
                (schema, doc.to_owned())
            }
        };
        if !needed {
            or_null(&mut schema);
        }
        let mut more = said.clone();
        if !field.default.is_empty() {
            schema["default"] = match field.shape {
                Shape::Integer(..) => field.default.parse::<i64>().map_or(Value::Null, Value::from),
                _ => field.default.into(),
            };
            more += &format!("\n\nDefault: `{}`", field.default);
        }
        describe(&mut schema, &said, &more);
        schema
    }

    fn shape(&mut self, shape: &'static Shape) -> Value {
        match shape {
            Shape::Map(map) => self.map(map),
            Shape::Pairs(pairs) => {
                let mut schema = json!({"type": "object", "additionalProperties": self.shape(pairs.values)});
                if !pairs.keys.pattern.is_empty() {
                    schema["propertyNames"] = text(pairs.keys);
                }
                if pairs.least > 0 {
                    schema["minProperties"] = pairs.least.into();
                }
                schema
            }
            Shape::List { item, least } => {
                let mut schema = json!({"type": "array", "items": self.shape(item)});
                if *least > 0 {
                    schema["minItems"] = (*least).into();
                }
                schema
            }
            Shape::Labels => self.notes(self.kind.labels),
            Shape::Annotations => self.annotations(),
            Shape::Text(form) => text(form),
            Shape::Words(words) => json!({"type": "string", "enum": words}),
            Shape::Integer(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Shape::Boolean => json!({"type": "boolean"}),
            Shape::Either(shapes) => {
                json!({"anyOf": shapes.iter().map(|shape| self.shape(shape)).collect::<Vec<_>>()})
            }
            Shape::AnyMap => json!({"type": "object"}),
            Shape::Any => json!({}),
        }
    }

    /// Those of the kind; of the others, none that looks as if it were one.
    fn annotations(&mut self) -> Value {
        let kind = self.kind;
        let guarded: Vec<String> = kind.guarded.iter().map(|prefix| prefix.replace('.', "\\.")).collect();
        let of_others = json!({"not": {"pattern": format!("^({})", guarded.join("|"))}});
        let known: Vec<&str> = kind.annotations.iter().map(|field| field.name).collect();
        let mut schema = self.notes(kind.annotations);
        schema["propertyNames"] = match known.as_slice() {
            [] => of_others,
            known => json!({"anyOf": [{"enum": known}, of_others]}),
        };
        schema
    }

    /// Labels or annotations.
    fn notes(&mut self, known: &'static [Field]) -> Value {
        let properties: Object =
            known.iter().map(|field| (field.name.to_owned(), self.field(field, true))).collect();
        json!({"type": "object", "properties": properties, "additionalProperties": {"type": "string"}})
    }
}

/// Whether nothing stands in it but one of its fields.
fn is_choice(map: &shape::Map) -> bool {
    map.one_of().len() == map.fields.len()
}

/// That each of these fields stands there, with a value.
fn present(names: &[&str]) -> Value {
    let properties: Object =
        names.iter().map(|name| ((*name).to_owned(), json!({"not": {"type": "null"}}))).collect();
    json!({"required": names, "properties": properties})
}

/// What a reference may name: its kinds, and for several what each has as its apiVersion.
fn name_targets(targets: &[Target], properties: &mut Value) -> Vec<Value> {
    let kinds: Vec<&str> = targets.iter().map(|target| target.kind).collect();
    properties["kind"]["enum"] = kinds.into();
    let versions = |target: &Target| -> Vec<Value> {
        target.api_versions.iter().map(|version| Value::from(*version)).chain([Value::Null]).collect()
    };
    if let [one] = targets {
        properties["apiVersion"]["enum"] = versions(one).into();
        return Vec::new();
    }
    let each = targets.iter().map(|target| {
        json!({
            "if": {"properties": {"kind": {"const": target.kind}}},
            "then": {"properties": {"apiVersion": {"enum": versions(target)}}},
        })
    });
    each.collect()
}

fn text(form: &Form) -> Value {
    let mut schema = json!({"type": "string"});
    if !form.pattern.is_empty() {
        schema["pattern"] = form.pattern.into();
        schema["patternErrorMessage"] = format!("Write {}.", form.wanted).into();
    }
    if !form.except.is_empty() {
        schema["not"] = json!({"type": "string", "pattern": form.except});
    }
    if form.least > 0 {
        schema["minLength"] = form.least.into();
    }
    if let Some(most) = form.most {
        schema["maxLength"] = most.into();
    }
    if !form.examples.is_empty() {
        schema["examples"] = form.examples.into();
    }
    schema
}

fn not_null(schema: &mut Value) {
    if let Value::Array(several) = &schema["type"] {
        schema["type"] = several[0].clone();
    }
}

/// A field without a value is as if it were not there.
pub(super) fn or_null(schema: &mut Value) {
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        return alternatives.push(json!({"type": "null"}));
    }
    match &mut schema["type"] {
        Value::String(only) if only != "null" => schema["type"] = json!([only, "null"]),
        Value::Array(several) => several.push("null".into()),
        Value::Null => drop(schema.as_object_mut().map(|schema| schema.remove("type"))),
        _ => {}
    }
    if let Value::Array(words) = &mut schema["enum"] {
        words.push(Value::Null);
    } else if let Some(schema) = schema.as_object_mut() {
        schema.remove("enum");
    }
}

/// What it is, for an editor that shows it as it stands, and for one that knows Markdown.
pub(super) fn describe(schema: &mut Value, said: &str, more: &str) {
    let plain = said.replace('`', "");
    if plain != more {
        schema["markdownDescription"] = more.into();
    }
    schema["description"] = plain.into();
}
