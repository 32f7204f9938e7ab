//! A document as a file in which each field has a line of its own, so that what is said of a line is said of one field.

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) struct Printed {
    pub(crate) text: String,
    /// By path: `spec.topics.0`.
    pub(crate) lines: BTreeMap<String, u32>,
}

pub(crate) fn print(document: &Value) -> Printed {
    let mut printed = Printed { text: String::new(), lines: BTreeMap::new() };
    printed.value(document, "");
    printed.text.push('\n');
    printed
}

impl Printed {
    fn value(&mut self, value: &Value, path: &str) {
        let entries: Vec<(String, String, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), format!("{k:?}: "), v)).collect(),
            Value::Array(items) => {
                items.iter().enumerate().map(|(n, v)| (n.to_string(), String::new(), v)).collect()
            }
            scalar => {
                self.text += &scalar.to_string();
                return;
            }
        };
        let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
        self.text.push(open);
        for (n, (name, key, value)) in entries.iter().enumerate() {
            self.text += if n > 0 { ",\n" } else { "\n" };
            self.text += key;
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.lines.insert(path.clone(), 1 + self.text.matches('\n').count() as u32);
            self.value(value, &path);
        }
        self.text.push(close);
    }
}
