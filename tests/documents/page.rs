//! docs/documents.md, read: what it says of each field.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Honoured,
    Refused,
    NoEffect,
}

enum Said {
    Class(Class),
    /// What another section says of what is below.
    As(String),
}

/// The tables, by their section in lower case.
pub(crate) struct Page(BTreeMap<String, Vec<(String, Said)>>);

impl Page {
    pub(crate) fn read() -> Page {
        let text = std::fs::read_to_string("docs/documents.md").unwrap();
        let (mut page, mut section) = (BTreeMap::<_, Vec<_>>::new(), String::new());
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                section = title.to_lowercase();
            }
            let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
            let [fields, class, ..] = cells.as_slice() else { continue };
            if section.is_empty() || !line.starts_with("| ") || *fields == "field" {
                continue;
            }
            for field in fields.split(", ") {
                let said = match *class {
                    "honoured" => Said::Class(Class::Honoured),
                    "refused" => Said::Class(Class::Refused),
                    "no effect" => Said::Class(Class::NoEffect),
                    link => {
                        let title = link.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                        Said::As(title.unwrap_or_else(|| panic!("no class: {line}")).0.to_owned())
                    }
                };
                page.entry(section.clone()).or_default().push((field.replace('`', ""), said));
            }
        }
        Page(page)
    }

    /// The fields that a section names.
    pub(crate) fn named(&self, section: &str) -> impl Iterator<Item = &str> {
        self.0[&section.to_lowercase()].iter().map(|(row, _)| row.as_str())
    }

    /// What the section says of a path, by the row that names most of it.
    pub(crate) fn class(&self, section: &str, path: &str) -> Option<Class> {
        let rows = self.0.get(&section.to_lowercase()).unwrap_or_else(|| panic!("no section {section}"));
        let below = |row: &str| {
            let rest = path.strip_prefix(row)?;
            (rest.is_empty() || rest.starts_with('.')).then(|| rest.trim_start_matches('.').to_owned())
        };
        let found = rows.iter().filter_map(|(row, said)| Some((row.len(), below(row)?, said)));
        match found.max_by_key(|(length, ..)| *length) {
            Some((_, _, Said::Class(class))) => Some(*class),
            Some((_, rest, Said::As(section))) => self.class(section, &rest),
            None if section != "every document" && !path.starts_with("spec") => {
                self.class("every document", path)
            }
            None => None,
        }
    }
}
