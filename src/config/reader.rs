//! Reading typed values out of a tree. What can't be read is reported where it stands and reads as `None`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::{Code, Report};
use super::node::{Entry, Kind, Node};
use super::quantity;
use super::scalar::Scalar;
use super::spelling::{did_you_mean, listed, nearest};

/// The fields of one map. Each must be asked for; [`finish`](Self::finish) reports those that nobody asked for.
pub(super) struct Fields<'n> {
    /// Where in the document: `Trigger.spec`.
    pub path: String,
    pub node: &'n Node,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    pub(super) fn of(node: &'n Node, path: impl Into<String>, report: &mut Report<'_>) -> Option<Fields<'n>> {
        let path = path.into();
        let Kind::Map(entries) = &node.kind else {
            report.error(node.span, format!("{path}: expected a map, found {}", node.describe()));
            return None;
        };
        Some(Fields { path, node, entries, known: Vec::new(), missing: Vec::new() })
    }

    /// The entry of a field, key and all. A field without a value is as if it were not there, as in Kubernetes.
    pub(super) fn entry(&mut self, name: &'static str) -> Option<&'n Entry> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
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
        Fields::of(node, self.below(name), report)
    }

    pub(super) fn string(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<&'n str> {
        let node = self.optional(name)?;
        string(node, &self.below(name), report)
    }

    /// A field that is known, but not to this version: an error rather than a silent nothing.
    pub(super) fn refuse(&mut self, name: &'static str, reason: &str, report: &mut Report<'_>) {
        if let Some(entry) = self.entry(name) {
            report
                .error(entry.key_span, format!("{}.{name} is not supported by this version", self.path))
                .code(Code::UNSUPPORTED)
                .help(reason.to_owned());
        }
    }

    /// A field that may stand there and changes nothing.
    pub(super) fn without_effect(&mut self, name: &'static str, reason: &str, report: &mut Report<'_>) {
        if let Some(entry) = self.entry(name) {
            let message = format!("{}.{name} has no effect in this version: {reason}", self.path);
            report.note(entry.key_span, message).code(Code::WITHOUT_EFFECT);
        }
    }

    pub(super) fn below(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// Those that nobody asked for.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &'n Entry> + '_ {
        self.entries.iter().filter(|entry| !self.known.contains(&&*entry.key))
    }

    pub(super) fn finish(self, report: &mut Report<'_>) {
        let known = || self.known.iter().copied();
        let mut misspelt = Vec::new();
        for entry in self.unknown() {
            misspelt.extend(nearest(&entry.key, known()));
            let help = did_you_mean(&entry.key, known())
                .unwrap_or_else(|| format!("known here: {}", listed(known())));
            report
                .error(entry.key_span, format!("unknown field '{}' in {}", entry.key, self.path))
                .code(Code::UNKNOWN_FIELD)
                .help(help);
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
