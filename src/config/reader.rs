//! Reading typed values out of a tree. What can't be read is reported where it stands and reads as `None`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::{Code, Report};
use super::node::{Entry, Kind, Node};
use super::quantity;
use super::scalar::Scalar;
use super::shape::{Field, Map, Role, Shape, Target};
use super::spelling::{did_you_mean, listed, nearest};
use super::text::Span;

/// The fields of one map, of a shape that says what they are. Each must be asked for; [`finish`](Self::finish) reports
/// those that the shape does not know.
pub(super) struct Fields<'n> {
    /// Where in the document: `Trigger.spec`.
    pub path: String,
    pub node: &'n Node,
    entries: &'n [Entry],
    shape: &'static Map,
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    pub(super) fn of(
        node: &'n Node,
        shape: &'static Map,
        path: impl Into<String>,
        report: &mut Report<'_>,
    ) -> Option<Fields<'n>> {
        let path = path.into();
        let Kind::Map(entries) = &node.kind else {
            report.error(node.span, format!("{path}: expected a map, found {}", node.describe()));
            return None;
        };
        Some(Fields { path, node, entries, shape, asked: Vec::new(), missing: Vec::new() })
    }

    /// What it is has been seen from fields that every such shape has.
    pub(super) fn turn_into(&mut self, shape: &'static Map, path: &str) {
        (self.shape, self.path) = (shape, path.to_owned());
    }

    /// Of a reference: what may be named.
    pub(super) fn targets(&self) -> &'static [Target] {
        self.shape.targets()
    }

    fn shape_of(&self, name: &str) -> &'static Shape {
        match self.shape.field(name) {
            Some(field) => &field.shape,
            None => unreachable!("{}.{name} stands in no shape", self.path),
        }
    }

    /// The entry of a field, key and all. A field without a value is as if it were not there, as in Kubernetes.
    pub(super) fn entry(&mut self, name: &'static str) -> Option<&'n Entry> {
        debug_assert!(self.shape.field(name).is_some(), "{}.{name} stands in no shape", self.path);
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        self.present(name)
    }

    /// Whether this version reads the field where it stands.
    pub(super) fn reads(&self, name: &str) -> bool {
        self.shape.field(name).is_some_and(|field| field.role == Role::Read)
    }

    fn present(&self, name: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| *entry.key == *name && !entry.value.is_null())
    }

    pub(super) fn optional(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// Its absence is reported by [`finish`](Self::finish), unless an unknown field is a misspelling of it.
    pub(super) fn required(&mut self, name: &'static str) -> Option<&'n Node> {
        let found = self.optional(name);
        if found.is_none() {
            self.missing.push(name);
        }
        found
    }

    /// A map below this one.
    pub(super) fn map(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<Fields<'n>> {
        let node = self.optional(name)?;
        self.map_in(node, name, report)
    }

    pub(super) fn required_map(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<Fields<'n>> {
        let node = self.required(name)?;
        self.map_in(node, name, report)
    }

    fn map_in(&self, node: &'n Node, name: &'static str, report: &mut Report<'_>) -> Option<Fields<'n>> {
        let Shape::Map(shape) = self.shape_of(name) else { unreachable!("{}.{name} is no map", self.path) };
        Fields::of(node, shape, self.below(name), report)
    }

    /// A string of the form that the shape asks for.
    pub(super) fn string(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<&'n str> {
        self.spanned(name, report).map(|(text, _)| text)
    }

    pub(super) fn spanned(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<(&'n str, Span)> {
        let node = self.optional(name)?;
        Some((self.string_in(node, name, report)?, node.span))
    }

    pub(super) fn required_string(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<(&'n str, Span)> {
        self.required(name);
        self.spanned(name, report)
    }

    fn string_in(&self, node: &'n Node, name: &'static str, report: &mut Report<'_>) -> Option<&'n str> {
        let Shape::Text(form) = self.shape_of(name) else { unreachable!("{}.{name} is no text", self.path) };
        (form.read)(node, &self.below(name), report)
    }

    pub(super) fn integer(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<i64> {
        let node = self.optional(name)?;
        let Shape::Integer(least, most) = self.shape_of(name) else {
            unreachable!("{}.{name} is no integer", self.path)
        };
        integer(node, &self.below(name), *least..=*most, report)
    }

    /// A word of the shape's, as what it stands for.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
        report: &mut Report<'_>,
    ) -> Option<T> {
        let node = self.optional(name)?;
        self.shape_of(name).expect_words(words);
        choice(node, &self.below(name), words, report)
    }

    pub(super) fn duration(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<Duration> {
        let node = self.optional(name)?;
        iso_duration(node, &self.below(name), report)
    }

    pub(super) fn below(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A field beside which nothing may stand; what does is reported.
    pub(super) fn alone(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<&'n Node> {
        let found = self.optional(name)?;
        let others = self.entries.iter().filter(|entry| *entry.key != *name && !entry.value.is_null());
        for other in others {
            let message = format!("{}: '{}' and '{name}' both stand here", self.path, other.key);
            report.error(other.key_span, message).help(format!("'{name}' says it all: remove one of them"));
        }
        Some(found)
    }

    /// Whether something stands here that this version refuses.
    pub(super) fn has_refused(&self) -> bool {
        self.shape.refused().any(|name| self.present(name).is_some())
    }

    /// Those that stand in no shape.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &'n Entry> + '_ {
        self.entries.iter().filter(|entry| self.shape.field(&entry.key).is_none())
    }

    /// A field that changes nothing where it stands.
    pub(super) fn without_effect(&mut self, name: &'static str, reason: &str, report: &mut Report<'_>) {
        if let Some(entry) = self.entry(name) {
            let message = format!("{}.{name} has no effect in this version: {reason}", self.path);
            report.note(entry.key_span, message).code(Code::WITHOUT_EFFECT);
        }
    }

    /// Reads every field for its mistakes alone.
    pub(super) fn check(mut self, report: &mut Report<'_>) {
        for field in self.shape.fields.iter().filter(|field| field.role == Role::Read) {
            if let Some(node) = self.optional(field.name) {
                field.shape.check(node, &self.below(field.name), report);
            }
        }
        self.finish(report);
    }

    /// Reports what nobody asked for: unknown fields, and those that the shape says are not for this version.
    pub(super) fn finish(self, report: &mut Report<'_>) {
        let mut misspelt = Vec::new();
        for entry in self.unknown() {
            misspelt.extend(nearest(&entry.key, self.shape.names()));
            let help = did_you_mean(&entry.key, self.shape.names())
                .unwrap_or_else(|| format!("known here: {}", listed(self.shape.useful())));
            report
                .error(entry.key_span, format!("unknown field '{}' in {}", entry.key, self.path))
                .code(Code::UNKNOWN_FIELD)
                .help(help);
        }
        for field in self.shape.fields.iter().filter(|field| !self.asked.contains(&field.name)) {
            self.unasked(field, report);
        }
        for name in self.missing.iter().filter(|name| !misspelt.contains(name)) {
            let empty = self.entries.iter().find(|entry| *entry.key == **name);
            let at = empty.map_or(self.node.span, |entry| entry.key_span);
            let word = if empty.is_some() { "has no value" } else { "is missing" };
            report
                .error(at, format!("{}.{name} {word}", self.path))
                .code(Code::MISSING_FIELD)
                .help(format!("add '{name}: …'"));
        }
    }

    fn unasked(&self, field: &Field, report: &mut Report<'_>) {
        let (name, path) = (field.name, &self.path);
        debug_assert!(field.role != Role::Read, "{path}.{name} stands in the shape, and nobody asks for it");
        let Some(entry) = self.present(name) else { return };
        match field.role {
            Role::Read => {}
            Role::Cluster => field.shape.check(&entry.value, &self.below(name), report),
            Role::Idle(why) => {
                field.shape.check(&entry.value, &self.below(name), report);
                let message = format!("{path}.{name} has no effect in this version: {why}");
                report.note(entry.key_span, message).code(Code::WITHOUT_EFFECT);
            }
            Role::Refused(instead) => {
                report
                    .error(entry.key_span, format!("{path}.{name} is not supported by this version"))
                    .code(Code::UNSUPPORTED)
                    .help(instead);
            }
        }
    }
}

pub(super) fn string<'n>(node: &'n Node, path: &str, report: &mut Report<'_>) -> Option<&'n str> {
    match &node.kind {
        Kind::Scalar { is: Scalar::Str, text, plain } => {
            if *plain && Scalar::is_boolean_elsewhere(text) {
                report
                    .warning(
                        node.span,
                        format!("{path}: {text} is a string here, but a boolean to YAML 1.1 readers"),
                    )
                    .help(format!("write it in quotes: \"{text}\""));
            }
            Some(text)
        }
        Kind::Scalar { is: Scalar::Bool(_) | Scalar::Int(_) | Scalar::Float(_), text, .. } => {
            report
                .error(node.span, format!("{path}: expected a string, found {}", node.describe()))
                .help(format!("write it in quotes: \"{text}\""));
            None
        }
        _ => wrong(node, path, "a string", report),
    }
}

/// The items of a list of strings.
pub(super) fn list<'n>(node: &'n Node, path: &str, report: &mut Report<'_>) -> Option<&'n [Node]> {
    let Kind::Seq(items) = &node.kind else {
        let help = node.text().map(|text| format!("write it as a list: [{text}]"));
        report
            .error(node.span, format!("{path}: expected a list of strings, found {}", node.describe()))
            .maybe_help(help);
        return None;
    };
    Some(items)
}

/// What is wrong with a text, and what to write instead.
pub(super) type Wrong = (String, String);

/// What the items of a list of strings say, each read by `parse`: at least one. What is said twice is kept once.
pub(super) fn distinct<T: PartialEq>(
    node: &Node,
    path: &str,
    report: &mut Report<'_>,
    parse: impl Fn(&str) -> Result<Vec<T>, Wrong>,
) -> Option<Vec<T>> {
    let items = list(node, path, report)?;
    if items.is_empty() {
        report.error(node.span, format!("{path}: the list is empty")).help("name at least one");
        return None;
    }
    let mut distinct = Vec::new();
    let mut good = true;
    for (n, item) in items.iter().enumerate() {
        let path = format!("{path}[{n}]");
        match string(item, &path, report).map(&parse) {
            Some(Ok(said)) => said.into_iter().for_each(|one| {
                if !distinct.contains(&one) {
                    distinct.push(one);
                }
            }),
            Some(Err((message, help))) => {
                report.error(item.span, format!("{path}: {message}")).help(help);
                good = false;
            }
            None => good = false,
        }
    }
    good.then_some(distinct)
}

pub(super) fn integer(
    node: &Node,
    path: &str,
    range: RangeInclusive<i64>,
    report: &mut Report<'_>,
) -> Option<i64> {
    let bounds = || format!("from {} to {}", range.start(), range.end());
    match &node.kind {
        Kind::Scalar { is: Scalar::Int(number), .. } if range.contains(number) => Some(*number),
        Kind::Scalar { is: Scalar::Int(number), .. } => {
            report
                .error(node.span, format!("{path}: {number} is out of range"))
                .help(format!("write a number {}", bounds()));
            None
        }
        Kind::Scalar { is: Scalar::Str, text, .. } if matches!(Scalar::of_plain(text), Scalar::Int(_)) => {
            report
                .error(node.span, format!("{path}: expected a whole number, found a string"))
                .help(format!("write it without quotes: {text}"));
            None
        }
        _ => {
            report
                .error(node.span, format!("{path}: expected a whole number, found {}", node.describe()))
                .help(format!("write a number {}", bounds()));
            None
        }
    }
}

pub(super) fn boolean(node: &Node, path: &str, report: &mut Report<'_>) -> Option<bool> {
    let Kind::Scalar { is, text, .. } = &node.kind else { return wrong(node, path, "true or false", report) };
    if let Scalar::Bool(flag) = is {
        return Some(*flag);
    }
    let help = match text.to_lowercase().as_str() {
        "true" | "yes" | "on" => "write it without quotes: true",
        "false" | "no" | "off" => "write it without quotes: false",
        _ => "write true or false",
    };
    report.error(node.span, format!("{path}: expected true or false, found {}", node.describe())).help(help);
    None
}

/// One word of a closed list.
pub(super) fn choice<T: Copy>(
    node: &Node,
    path: &str,
    words: &[(&str, T)],
    report: &mut Report<'_>,
) -> Option<T> {
    let text = string(node, path, report)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let known = || words.iter().map(|(word, _)| *word);
    let help = did_you_mean(text, known()).unwrap_or_else(|| format!("it is one of {}", listed(known())));
    report.error(node.span, format!("{path}: '{text}' is not known")).help(help);
    None
}

/// Knative's durations: ISO 8601.
pub(super) fn iso_duration(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Duration> {
    let text = match &node.kind {
        Kind::Scalar { is: Scalar::Int(seconds), .. } if *seconds >= 0 => {
            let iso = format!("PT{seconds}S");
            report
                .error(node.span, format!("{path}: expected an ISO 8601 duration, found {}", node.describe()))
                .help(format!("write \"{iso}\""));
            return None;
        }
        _ => string(node, path, report)?,
    };
    match quantity::iso_duration(text) {
        Ok(duration) => Some(duration),
        Err(reason) => {
            let help = quantity::duration(text).ok().map(|d| format!("write \"{}\"", quantity::as_iso(d)));
            let help = help.unwrap_or_else(|| "write it as PT0.2S, PT30S, PT5M or P1DT2H".into());
            report.error(node.span, format!("{path}: '{text}' is no ISO 8601 duration: {reason}")).help(help);
            None
        }
    }
}

/// As [`iso_duration`], and not zero.
pub(super) fn some_time(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Duration> {
    let duration = iso_duration(node, path, report)?;
    if duration.is_zero() {
        report.error(node.span, format!("{path}: it has to be longer than nothing")).help("write it as PT5S");
        return None;
    }
    Some(duration)
}

pub(super) fn wrong<T>(node: &Node, path: &str, wanted: &str, report: &mut Report<'_>) -> Option<T> {
    expected(node, path, wanted, report);
    None
}

pub(super) fn expected(node: &Node, path: &str, wanted: &str, report: &mut Report<'_>) {
    report.error(node.span, format!("{path}: expected {wanted}, found {}", node.describe()));
}
