//! Documents made of the shapes, for tests: the least of each, one for every field that there is, and any.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;
use proptest::string::string_regex;
use regex::Regex;
use serde_json::{Map as Object, Value, json};

use super::{Field, Form, Kind, Map, Pairs, Role, Rule, Shape};

/// A document with as little as possible beside one field.
pub(crate) struct Sample {
    /// From the document to the field: keys, and 0 for the first of a list.
    pub path: Vec<&'static str>,
    pub field: &'static Field,
    /// The map that the field is of; a label or an annotation is of none.
    pub map: Option<&'static Map>,
    pub document: Value,
}

/// For every field of a kind, at every place where it may stand.
pub(crate) fn each(kind: &'static Kind) -> Vec<Sample> {
    let mut samples = each_of_map(kind.root, &mut Vec::new());
    let labels = kind.labels.iter().map(|field| ("labels", field));
    let annotations = kind.annotations.iter().map(|field| ("annotations", field));
    for (map, field) in labels.chain(annotations) {
        let mut document = least_of_map(kind.root);
        document["metadata"][map] = json!({field.name: least(&field.shape)});
        samples.push(Sample { path: vec!["metadata", map, field.name], field, map: None, document });
    }
    samples.iter_mut().for_each(|sample| name_kind(kind, &mut sample.document));
    samples
}

fn name_kind(kind: &Kind, document: &mut Value) {
    document["apiVersion"] = kind.api_versions[0].into();
    document["kind"] = kind.name.into();
}

fn each_of_map(map: &'static Map, above: &mut Vec<&'static str>) -> Vec<Sample> {
    let mut samples = Vec::new();
    if !map.name.is_empty() && above.contains(&map.name) {
        return samples;
    }
    above.push(map.name);
    for field in map.fields {
        let with = |value: Value| {
            let mut document = least_of_map(map);
            let others = map.one_of();
            if others.iter().any(|name| *name == field.name || together(map, name).contains(&field.name))
                && let Some(document) = document.as_object_mut()
            {
                document.retain(|name, _| {
                    !others.iter().any(|other| together(map, other).contains(&name.as_str()))
                });
            }
            if let Some(document) = document.as_object_mut().filter(|_| is_alone(map, field.name)) {
                document.clear();
            }
            for beside in together(map, field.name) {
                document[beside] = map.field(beside).map(|field| least(&field.shape)).unwrap_or_default();
            }
            document[field.name] = value;
            document
        };
        let document = with(least_of_field(map, field));
        samples.push(Sample { path: vec![field.name], field, map: Some(map), document });
        let (inner, listed) = match field.shape {
            Shape::Map(inner) => (inner, false),
            Shape::Either([Shape::Map(inner), ..]) => (*inner, false),
            Shape::List { item: Shape::Map(inner), .. } => (*inner, true),
            _ => continue,
        };
        for Sample { mut path, document, field: deep, map } in each_of_map(inner, above) {
            if listed {
                path.insert(0, "0");
            }
            path.insert(0, field.name);
            let value = if listed { json!([document]) } else { document };
            samples.push(Sample { path, field: deep, map, document: with(value) });
        }
    }
    above.pop();
    samples
}

fn least_of_map(map: &'static Map) -> Value {
    let wanted = |field: &&Field| field.required || map.one_of().first() == Some(&field.name);
    let fields = map.fields.iter().filter(wanted);
    let fields = fields.map(|field| (field.name.to_owned(), least_of_field(map, field)));
    Value::Object(fields.collect())
}

fn least_of_field(map: &'static Map, field: &'static Field) -> Value {
    match (map.targets(), field.name) {
        ([first, ..], "kind") => first.kind.into(),
        ([first, ..], "apiVersion") => first.api_versions[0].into(),
        // Not of a form alone: one that can be believed.
        (_, "CACerts") if field.role == Role::Read => certificate().into(),
        _ => least(&field.shape),
    }
}

fn certificate() -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    made.cert.pem()
}

fn is_alone(map: &Map, name: &str) -> bool {
    map.rules.iter().any(|rule| matches!(rule, Rule::Alone(alone) if *alone == name))
}

/// The field, and those without which it does not stand.
fn together(map: &'static Map, name: &'static str) -> Vec<&'static str> {
    let rules = map.rules.iter().flat_map(|rule| match rule {
        Rule::Together(names) if names.contains(&name) => *names,
        Rule::Enables(other, names) | Rule::Needs(other, names) if *other == name => *names,
        _ => &[],
    });
    rules.copied().chain([name]).collect()
}

/// The map of a sample with what its rules forbid: something too much, or not enough.
pub(crate) fn against_the_rules(map: &'static Map, field: &'static Field, fields: &Value) -> Vec<Value> {
    let without = |name: &str| {
        let mut fields = fields.clone();
        fields.as_object_mut().expect("a map").remove(name);
        fields
    };
    let with = |name: &str, value: Value| {
        let mut fields = fields.clone();
        fields[name] = value;
        fields
    };
    let mut wrong = Vec::new();
    if field.required {
        wrong.extend([without(field.name), with(field.name, Value::Null)]);
    }
    for rule in map.rules {
        match rule {
            Rule::OneOf(names) if names.contains(&field.name) && field.role == Role::Read => {
                wrong.push(without(field.name));
                let others =
                    names.iter().filter(|name| **name != field.name).filter_map(|name| map.field(name));
                wrong.extend(others.map(|other| with(other.name, least(&other.shape))));
            }
            Rule::AnyOf(names) if names.contains(&field.name) => {
                let mut fields = fields.clone();
                let map = fields.as_object_mut().expect("a map");
                names.iter().for_each(|name| drop(map.remove(*name)));
                wrong.push(fields);
            }
            Rule::Together(names) if names.contains(&field.name) => {
                wrong.extend(names.iter().flat_map(|name| [without(name), with(name, Value::Null)]));
            }
            Rule::Enables(other, names) | Rule::Needs(other, names) if *other == field.name => {
                wrong.extend(names.iter().flat_map(|name| [without(name), with(name, Value::Null)]));
            }
            Rule::NotBoth(one, other) if *one == field.name => {
                let other = map.field(other).expect("it stands among the fields");
                wrong.push(with(other.name, least(&other.shape)));
            }
            Rule::Alone(name) if *name == field.name => wrong.push(with("subject", "a".into())),
            Rule::Names(_) if field.name == "kind" => wrong.push(with("kind", "Channel".into())),
            Rule::Names(_) if field.name == "apiVersion" => wrong.push(with("apiVersion", "v9".into())),
            _ => {}
        }
    }
    wrong
}

/// The least of a shape; where nothing would do, too, something all the same.
fn least(shape: &'static Shape) -> Value {
    match shape {
        Shape::Map(map) => least_of_map(map),
        Shape::Pairs(pairs) => {
            json!({pairs.keys.examples.first().unwrap_or(&"a").to_string(): least(pairs.values)})
        }
        Shape::List { item, .. } => json!([least(item)]),
        Shape::Labels | Shape::Annotations | Shape::AnyMap => json!({}),
        Shape::Boolean => true.into(),
        Shape::Text(form) => (*form.examples.first().unwrap_or(&"a")).into(),
        Shape::Words(words) => words[0].into(),
        Shape::Integer(least, _) => (*least).into(),
        Shape::Either(shapes) => least(&shapes[0]),
        Shape::Any => json!("anything"),
    }
}

/// Any document of a kind that the shapes allow.
pub(crate) fn documents(kind: &'static Kind) -> BoxedStrategy<Value> {
    (value_of_map(kind.root, 0), notes(kind.labels), notes(kind.annotations))
        .prop_map(move |(mut document, labels, annotations)| {
            name_kind(kind, &mut document);
            document["metadata"]["labels"] = labels;
            document["metadata"]["annotations"] = annotations;
            document
        })
        .boxed()
}

/// Labels or annotations: some of the known ones, and some of others.
fn notes(known: &'static [Field]) -> impl Strategy<Value = Value> {
    let known: Vec<_> = known
        .iter()
        .map(|field| value(&field.shape, 0).prop_map(|value| (field.name.to_owned(), value)))
        .collect();
    let foreign = ("example\\.com/[a-z]{1,5}", "[ -~]{0,9}").prop_map(|(key, text)| (key, Value::from(text)));
    (known, vec(foreign, 0..2), any::<u8>()).prop_map(|(known, foreign, which)| {
        let known = known.into_iter().enumerate().filter(|(n, _)| which & 1 << (n % 8) != 0);
        Object::from_iter(known.map(|(_, pair)| pair).chain(foreign)).into()
    })
}

/// How deep a map may stand in itself.
const DEEP: usize = 12;

fn value(shape: &'static Shape, depth: usize) -> BoxedStrategy<Value> {
    match shape {
        Shape::Map(map) => value_of_map(map, depth + 1),
        Shape::Pairs(of) => pairs(of, depth),
        Shape::List { item, least } => {
            vec(value(item, depth + 1), *least..least + 2).prop_map(Value::from).boxed()
        }
        Shape::Labels | Shape::Annotations => Just(json!({})).boxed(),
        Shape::Either(shapes) => {
            let values: Vec<_> = shapes.iter().map(|shape| value(shape, depth)).collect();
            Union::new(values).boxed()
        }
        Shape::AnyMap => select(vec![json!({}), json!({"a": [true]})]).boxed(),
        Shape::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Text(form) => text(form).prop_map(Value::from).boxed(),
        Shape::Words(words) => select(*words).prop_map(Value::from).boxed(),
        Shape::Integer(least, most) => (*least..=*most).prop_map(Value::from).boxed(),
        Shape::Any => select(vec![json!("a"), json!(1), json!([]), json!({"a": [true]})]).boxed(),
    }
}

fn pairs(pairs: &'static Pairs, depth: usize) -> BoxedStrategy<Value> {
    btree_map(text(pairs.keys), value(pairs.values, depth + 1), pairs.least..3)
        .prop_map(|pairs| json!(pairs))
        .boxed()
}

fn value_of_map(map: &'static Map, depth: usize) -> BoxedStrategy<Value> {
    if depth > DEEP {
        return Just(least_of_map(map)).boxed();
    }
    let read = |name: &&str| map.field(name).is_some_and(|field| field.role == Role::Read);
    let mut alternatives: Vec<&str> = map.one_of().iter().copied().filter(read).collect();
    if alternatives.is_empty() {
        alternatives.push("");
    }
    select(alternatives)
        .prop_flat_map(move |chosen| {
            let off: Vec<_> = map.one_of().iter().filter(|name| **name != chosen).collect();
            let off = |name| off.iter().any(|other| together(map, other).contains(&name));
            let fields: Vec<_> = map
                .fields
                .iter()
                .filter(|field| !matches!(field.role, Role::Refused(_)) && !off(field.name))
                .map(|field| {
                    let bound =
                        |rule: &Rule| matches!(rule, Rule::Together(names) if names.contains(&field.name));
                    let enabled =
                        |rule: &Rule| matches!(rule, Rule::Enables(_, names) if names.contains(&field.name));
                    let needed = field.required
                        || field.name == chosen
                        || map.rules.iter().any(|r| bound(r) || enabled(r));
                    let value = value(&field.shape, depth + 1).prop_map(Some);
                    let value = match needed {
                        true => value.boxed(),
                        false => {
                            prop_oneof![6 => Just(None), 1 => Just(Some(Value::Null)), 4 => value].boxed()
                        }
                    };
                    value.prop_map(|value| Some((field.name.to_owned(), value?)))
                })
                .collect();
            let target = 0..map.targets().len().max(1);
            let others = map.others.map(|others| pairs(others, depth + 1));
            (fields, others.unwrap_or(Just(json!({})).boxed()), target, any::<bool>())
        })
        .prop_map(move |(fields, others, target, says_version)| {
            let mut value: Object<String, Value> = others.as_object().cloned().unwrap_or_default();
            value.retain(|name, _| map.field(name).is_none());
            value.extend(fields.into_iter().flatten());
            for rule in map.rules {
                match rule {
                    Rule::NotBoth(one, other) if value.get(*one).is_some_and(|value| !value.is_null()) => {
                        value.remove(*other);
                    }
                    Rule::Needs(name, others)
                        if others.iter().any(|other| value.get(*other).is_none_or(Value::is_null)) =>
                    {
                        value.remove(*name);
                    }
                    Rule::Alone(name) if value.get(*name).is_some_and(|value| !value.is_null()) => {
                        value.retain(|other, _| other == name);
                    }
                    _ => {}
                }
            }
            if let Some(target) = map.targets().get(target) {
                value.insert("kind".into(), target.kind.into());
                value.remove("apiVersion");
                if says_version {
                    value.insert("apiVersion".into(), target.api_versions[0].into());
                }
            }
            value.into()
        })
        .boxed()
}

fn text(form: &'static Form) -> BoxedStrategy<String> {
    // Of a server the reader knows more: not every port and address that has the pattern is one.
    if !form.examples.is_empty() && (form.pattern.is_empty() || form.called == "server") {
        return select(form.examples).prop_map(str::to_owned).boxed();
    }
    // Numbers of some length are out of every range.
    let pattern = form.pattern.trim_matches(['^', '$']).replace("[0-9]+", "[0-9]{1,3}");
    let pattern = if pattern.is_empty() { format!("[ -~]{{{},12}}", form.least) } else { pattern };
    let most = form.most.unwrap_or(usize::MAX);
    let except = Regex::new(form.except).expect(form.except);
    let good = move |text: &String| text.len() <= most && (form.except.is_empty() || !except.is_match(text));
    string_regex(&pattern).expect(form.pattern).prop_filter(form.called, good).boxed()
}
