//! docs/documents.md, made of the shapes, so that it can't say anything else than the readers do.

use super::super::shape::{Field, KINDS, Kind, Map, Role, Rule, Shape};

const HEAD: &str = "\
# What documents may say

Documents are YAML or JSON, several to a file, in any mix of files; what one names may stand in any other. `weir check` reads
all of them and says every mistake at once. This page and the [schemas](schemas) for editors are made of the tables in
`src/config/shape/`, which the readers themselves are held to; `UPDATE_EXPECTED=1 cargo test --test schemas` writes
them anew. Each field, also of Knative's published CRDs, is one of three things here:

- *honoured*: it means here what it means there;
- *refused*: an error with its place and the reason, because the events would not go where the file says;
- *no effect*: accepted, because files that a cluster takes must not have to change; a note says so, with the why, but for what
  the cluster itself writes.

A field that is in none of these tables is an error, and so is a value that is none. A field without a value is as if it were not
there. Other kinds (Services, ScaledObjects, ConfigMaps, …) are passed over with a note. A `List` of documents is read
as what it holds.

| kind | apiVersion | in this version |
|---|---|---|
";

const COLUMNS: &str = "| field | here | value | default | what it does |\n|---|---|---|---|---|\n";

/// The whole page.
pub fn page() -> String {
    let mut page = Page { text: HEAD.to_owned(), sections: Vec::new() };
    for kind in KINDS {
        let versions = words(kind.api_versions);
        let now = kind.later.map_or("read and run", |later| later.message.trim_start_matches("is "));
        page.text += &format!("| [{0}](#{1}) | {versions} | {now} |\n", kind.name, kind.name.to_lowercase());
    }
    page.text += "\n## Every document\n\n";
    page.text += COLUMNS;
    for field in KINDS[0].root.fields.iter().filter(|field| field.name != "spec") {
        page.field("", field, KINDS[0].root, None);
    }
    KINDS.into_iter().for_each(|kind| page.kind(kind));
    page.shared();
    page.text
}

struct Page {
    text: String,
    /// Maps with a section of their own.
    sections: Vec<&'static Map>,
}

impl Page {
    fn kind(&mut self, kind: &'static Kind) {
        self.text += &format!("\n## {}\n\n{}\n\n{COLUMNS}", kind.name, kind.doc);
        for (called, fields) in [("label", kind.labels), ("annotation", kind.annotations)] {
            for field in fields {
                let name = format!("{called} `{}`", field.name);
                self.row(&name, class(field), &value(&field.shape), &default(field, None), &doc(field));
            }
        }
        for field in kind.root.fields.iter().filter(|field| field.name == "spec") {
            self.field("", field, kind.root, None);
        }
    }

    /// What several of the others have.
    fn shared(&mut self) {
        let mut done = 0;
        while let Some(map) = self.sections.get(done).copied() {
            let (first, rest) = map.name.split_at(1);
            self.text += &format!("\n## {}{rest}\n\n", first.to_uppercase());
            if map.one_of().len() == map.fields.len() {
                self.text += "One of these, and no other beside it.\n\n";
            }
            if let Some(others) = map.others {
                let (called, value) = (others.keys.called, value(others.values));
                self.text += &format!("Any other {called}, too: a {value}.\n\n");
            }
            self.text += COLUMNS;
            self.map("", map, None);
            done += 1;
        }
    }

    /// `inherited`: what holds for all that is below.
    fn map(&mut self, above: &str, map: &'static Map, inherited: Option<&'static str>) {
        let mut fields = map.fields;
        while let [first, rest @ ..] = fields {
            // Neighbours of which the same is said stand in one row.
            let same = |field: &&Field| field.role == first.role && field.role != Role::Read;
            let alike = if matches!(first.role, Role::Refused(_) | Role::Cluster) {
                1 + rest.iter().take_while(same).count()
            } else {
                1
            };
            let (together, others) = fields.split_at(alike);
            fields = others;
            if let [one] = together {
                self.field(above, one, map, inherited);
            } else {
                let names: Vec<_> = together.iter().map(|field| format!("`{above}{}`", field.name)).collect();
                self.row(&names.join(", "), class(first), "", "", &doc(first));
            }
        }
    }

    fn field(
        &mut self,
        above: &str,
        field: &'static Field,
        map: &'static Map,
        inherited: Option<&'static str>,
    ) {
        let (inner, deeper) = match &field.shape {
            Shape::Map(map) | Shape::Either([Shape::Map(map), ..]) => {
                (Some(*map), format!("{above}{}.", field.name))
            }
            Shape::List { item: Shape::Map(map), .. } => (Some(*map), format!("{above}{}[].", field.name)),
            _ => (None, String::new()),
        };
        let own = inherited.unwrap_or(class(field));
        let elsewhere = inner.filter(|inner| !inner.name.is_empty() && inner.name != map.name);
        let link = elsewhere.map(|inner| format!("[{0}](#{0})", inner.name));
        let name = format!("`{above}{}`", field.name);
        self.row(
            &name,
            link.as_deref().unwrap_or(own),
            &value(&field.shape),
            &default(field, Some(map)),
            &doc(field),
        );
        match inner {
            Some(inner) if inner.name.is_empty() => {
                self.map(&deeper, inner, Some(own).filter(|own| *own != HONOURED));
            }
            Some(inner) if !self.sections.iter().any(|known| known.name == inner.name) => {
                self.sections.push(inner);
            }
            _ => {}
        }
    }

    fn row(&mut self, name: &str, class: &str, value: &str, default: &str, doc: &str) {
        let cell = |text: &str| text.replace('|', "\\|");
        self.text += &format!("| {name} | {class} | {} | {} | {} |\n", cell(value), cell(default), cell(doc));
    }
}

const HONOURED: &str = "honoured";

fn class(field: &Field) -> &'static str {
    match field.role {
        Role::Read => HONOURED,
        Role::Refused(_) => "refused",
        Role::Idle(_) | Role::Cluster => "no effect",
    }
}

fn doc(field: &Field) -> String {
    match field.role {
        Role::Read | Role::Cluster => field.doc.to_owned(),
        Role::Idle(why) => format!("{} *Here: {why}.*", field.doc),
        Role::Refused(instead) => format!("*Here: {instead}.*"),
    }
}

/// What holds without it.
fn default(field: &Field, map: Option<&Map>) -> String {
    if field.required {
        return "required".into();
    }
    if !field.default.is_empty() {
        return format!("`{}`", field.default);
    }
    let Some(map) = map else { return String::new() };
    let others = |names: &[&'static str]| {
        let read = |name: &&str| map.field(name).is_some_and(|field| field.role == Role::Read);
        let others = names.iter().copied().filter(|name| *name != field.name).filter(read);
        words(&others.collect::<Vec<_>>())
    };
    let said = map.rules.iter().find_map(|rule| match rule {
        _ if field.role != Role::Read => None,
        // Of one that has its own section, that says it.
        Rule::OneOf(names) if names.contains(&field.name) && names.len() < map.fields.len() => {
            let others = others(names);
            Some(if others.is_empty() { "required".into() } else { format!("this or {others}") })
        }
        Rule::AnyOf(names) if names.contains(&field.name) => {
            Some(format!("this, {}, or both", others(names)))
        }
        Rule::Alone(name) if *name == field.name => Some("alone".into()),
        Rule::NotBoth(one, other) if [*one, *other].contains(&field.name) => {
            Some(format!("not with {}", others(&[one, other])))
        }
        Rule::Together(names) if names.contains(&field.name) => Some(format!("with {}", others(names))),
        Rule::Enables(other, names) | Rule::Needs(other, names) if names.contains(&field.name) => {
            Some(format!("required with `{other}`"))
        }
        _ => None,
    });
    said.unwrap_or_default()
}

fn words(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
}

fn value(shape: &Shape) -> String {
    match shape {
        Shape::Map(map) if !map.targets().is_empty() => {
            let named = map
                .targets()
                .iter()
                .map(|target| format!("{} ({})", target.kind, words(target.api_versions)));
            named.collect::<Vec<_>>().join(", ")
        }
        Shape::Map(_) | Shape::AnyMap => "map".into(),
        Shape::Labels | Shape::Annotations => "map of strings".into(),
        Shape::Pairs(pairs) => format!("map of {}s", pairs.keys.called),
        Shape::List { item, .. } => match item {
            Shape::Map(map) if !map.name.is_empty() => format!("list of {}s", map.name),
            Shape::Map(_) | Shape::Any => "list".into(),
            item => format!("list of {}s", value(item)),
        },
        Shape::Either(shapes) => {
            let each: Vec<String> = shapes.iter().map(value).collect();
            each.join(", or ")
        }
        Shape::Text(form) => form.called.into(),
        Shape::Words(all) => words(all),
        Shape::Integer(least, _) if *least < 0 => "whole number".into(),
        Shape::Integer(least, most) if *most == i64::MAX || *most == i64::from(i32::MAX) => {
            format!("number, {least} or more")
        }
        Shape::Integer(least, most) => format!("number, {least} to {most}"),
        Shape::Boolean => "true or false".into(),
        Shape::Any => "anything".into(),
    }
}
