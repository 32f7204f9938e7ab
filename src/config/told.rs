//! `config` and `environment` of a Function: what it is told besides its events. Nothing of a value that is wrong is shown:
//! it may be a secret that stands where its reference belongs.

use std::collections::BTreeMap;

use super::diagnostic::Report;
use super::node::{Entry, Kind, Node};
use super::reader::Fields;
use super::scalar::Scalar;
use super::secret::SecretRef;
use super::secret_key;

/// So many entries has each of the two at most.
pub(super) const MOST: usize = 100;
/// As long is a key, in bytes.
pub(super) const LONGEST_KEY: usize = 253;
/// As long is a value, in bytes, as a secret's is.
pub(super) const LONGEST: usize = 64 << 10;

/// A value, by its key.
pub(super) type Table = BTreeMap<String, Told>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Text(String),
    /// Looked up when the function is loaded.
    Secret {
        reference: SecretRef,
        /// Where that stands, and in which field.
        place: String,
    },
}

/// What the key of an entry may be.
struct Keys {
    good: fn(&str) -> bool,
    wanted: &'static str,
}

pub(super) fn config(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Table {
    let keys = Keys {
        good: |key| key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
        wanted: "a key is of letters, digits, '-', '_' and '.'",
    };
    let table = table(spec, "config", &keys, report);
    if table.contains_key(SCRIPT)
        && let Some(entry) = spec.entry(SCRIPT)
    {
        let (own, key) = (spec.below(SCRIPT), spec.below("config.script"));
        report
            .error(entry.key_span, format!("'{own}' and '{key}' both stand here"))
            .help("the file's text is what the function finds under that key: remove one of them");
    }
    table
}

/// The key under which a function finds its script, and the field that says where that is.
pub const SCRIPT: &str = "script";

pub(super) fn environment(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Table {
    let keys = Keys {
        good: |key| {
            key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                && !key.starts_with(|first: char| first.is_ascii_digit())
        },
        wanted: "a variable's name is of letters, digits, '_', '-' and '.', with no digit first",
    };
    table(spec, "environment", &keys, report)
}

fn table(spec: &mut Fields<'_>, name: &'static str, keys: &Keys, report: &mut Report<'_>) -> Table {
    let Some(node) = spec.optional(name) else { return Table::new() };
    let path = spec.below(name);
    let Kind::Map(entries) = &node.kind else {
        report.error(node.span, format!("{path}: expected a map of strings, found {}", kind_of(node)));
        report.conceal(node.span);
        return Table::new();
    };
    if let Some(entry) = entries.get(MOST) {
        let message = format!("{path}: there are {} entries, and at most {MOST} may be", entries.len());
        report.error(entry.key_span, message).help("leave some out, or write several as one value, in JSON");
    }
    entries
        .iter()
        .filter_map(|entry| Some((entry.key.to_string(), told(entry, &path, keys, report)?)))
        .collect()
}

fn told(entry: &Entry, path: &str, keys: &Keys, report: &mut Report<'_>) -> Option<Told> {
    let (key, node) = (&*entry.key, &entry.value);
    if key.is_empty() || !(keys.good)(key) {
        report.error(entry.key_span, format!("{path}: '{key}' is no key")).help(keys.wanted);
        report.conceal(node.span);
        return None;
    }
    let path = format!("{path}.{key}");
    if key.len() > LONGEST_KEY {
        let message = format!("{path}: a key has at most {LONGEST_KEY} characters, this one {}", key.len());
        report.error(entry.key_span, message).help("write a shorter one");
        return None;
    }
    if let Kind::Map(_) = &node.kind {
        let place = format!("{}: {path}", report.place(node.span));
        return secret_key::read(Some(node), path, report).map(|reference| Told::Secret { reference, place });
    }
    let (wrong, help) = match &node.kind {
        Kind::Scalar { is: Scalar::Str, text, .. } if text.len() > LONGEST => {
            ("it is longer than 64 KiB".to_owned(), "a script goes into a file of its own: 'script: …'")
        }
        Kind::Scalar { is: Scalar::Str, text, .. } if text.contains('\0') => {
            ("a value has no NUL character in it".to_owned(), "leave it out")
        }
        Kind::Scalar { is: Scalar::Str, text, .. } => return Some(Told::Text(text.to_string())),
        _ => (format!("expected a string, found {}", kind_of(node)), WANTED),
    };
    report.error(node.span, format!("{path}: {wrong}")).help(help);
    report.conceal(node.span);
    None
}

const WANTED: &str =
    "write a string, in quotes if it looks like a number, or 'secretKeyRef: {name: …, key: …}'";

/// Not [`Node::describe`], which may say what stands there.
fn kind_of(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Scalar { is: Scalar::Bool(_), .. } => "true or false",
        Kind::Scalar { is: Scalar::Int(_) | Scalar::Float(_), .. } => "a number",
        Kind::Scalar { is: Scalar::Str, .. } => "a string",
        Kind::Scalar { is: Scalar::Null, .. } => "nothing",
        Kind::Seq(_) => "a list",
        Kind::Map(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::super::load_text;

    fn said(spec: &str) -> String {
        let document = format!(
            "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: f}}\nspec:\n  module: f.wasm\n  {spec}\n"
        );
        load_text("f.yaml", &document).diagnostics.to_string()
    }

    #[test]
    fn as_much_as_may_be_said_and_no_more() {
        let entries = |count: usize| (0..count).map(|n| format!("k{n}: v, ")).collect::<String>();
        assert!(!said(&format!("config: {{{}}}", entries(100))).contains("spec.config"));
        assert!(
            said(&format!("config: {{{}}}", entries(101)))
                .contains("there are 101 entries, and at most 100 may be")
        );
        let long = |length: usize| format!("environment: {{a: {}}}", "x".repeat(length));
        assert!(!said(&long(65_536)).contains("spec.environment"));
        assert!(said(&long(65_537)).contains("spec.environment.a: it is longer than 64 KiB"));
        assert!(
            said(&format!("config: {{{}: x}}", "k".repeat(254))).contains("a key has at most 253 characters")
        );
    }

    #[test]
    fn nothing_of_what_is_wrong_is_shown() {
        for spec in
            ["config: hunter2", "config: [hunter2]", "config: {a: [hunter2]}", "config: {\"a b\": hunter2}"]
        {
            let said = said(spec);
            assert!(said.contains("Function.spec.config") && !said.contains("hunter2"), "{said}");
        }
        for spec in
            ["config: {pin: 4711}", "config: {pin: {secretKeyRef: 4711}}", "config: {pin: \"4711\\0\"}"]
        {
            let said = said(spec);
            assert!(said.contains("Function.spec.config.pin") && !said.contains("4711"), "{said}");
        }
    }
}
