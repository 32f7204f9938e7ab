//! Whatever the format, the same is told.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{github, json};
use crate::config::{Code, Diagnostics, LINTS, Loaded, Look, Severity};

/// What is told of one: severity, code where it is shown, place, message with its help.
type Told = (String, String, String);

fn diagnostics() -> impl Strategy<Value = Diagnostics> {
    let severity = prop::sample::select(vec![Severity::Error, Severity::Warning, Severity::Note]);
    let codes: Vec<Code> =
        Code::ALL.iter().map(|(code, _)| *code).chain(LINTS.iter().map(|l| l.code)).collect();
    let code = prop::sample::select(codes);
    let file = "[a-z:,%é ]{1,6}";
    let (message, help) = ("[a-z%:,é ']{1,12}", prop::option::of("[a-z%:]{1,5}(\n[a-z%:]{1,5}){0,2}"));
    vec((severity, code, file, message, help), 0..8).prop_map(|all| {
        let mut diagnostics = Diagnostics::default();
        for (severity, code, file, message, help) in all {
            let added = diagnostics.whole(severity, &file, message).code(code);
            added.maybe_help(help);
        }
        diagnostics
    })
}

/// Of which something is to be said at its place.
fn documents() -> impl Strategy<Value = String> {
    let lines =
        vec!["kind: Trigger\n", "---\n", "apiVersion: v1\n", "? [\n", "kind: Ö,:%\n", "a: &a {b: 1}\n"];
    vec(prop::sample::select(lines), 0..12).prop_map(|lines| lines.concat())
}

fn of_json(text: &str) -> Vec<Told> {
    let all: Json = serde_json::from_str(text).unwrap();
    assert_eq!(all["version"], 1);
    let each = all["diagnostics"].as_array().unwrap();
    let (errors, warnings, notes) =
        (&all["summary"]["errors"], &all["summary"]["warnings"], &all["summary"]["notes"]);
    let counted = [errors, warnings, notes].map(|count| count.as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!(counted, each.len() as u64);
    let told = |it: &Json| {
        let word = |name: &str| it[name].as_str().unwrap().to_owned();
        let place = match it["line"].as_u64() {
            Some(line) => format!("{}:{line}:{}", word("file"), it["column"]),
            None => word("file"),
        };
        let help = it["help"].as_str().map_or(String::new(), |help| format!("\nhelp: {help}"));
        (format!("{} {}", word("severity"), word("code")), place, word("message") + &help)
    };
    each.iter().map(told).collect()
}

fn of_github(text: &str) -> Vec<Told> {
    let plain = |text: &str| {
        let text = text.replace("%2C", ",").replace("%3A", ":");
        text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    };
    let told = |line: &str| {
        let (command, rest) = line.strip_prefix("::").unwrap().split_once(' ').unwrap();
        let (properties, data) = rest.split_once("::").unwrap();
        let properties: Vec<(&str, &str)> =
            properties.split(',').map(|property| property.split_once('=').unwrap()).collect();
        let property = |name| properties.iter().find(|(key, _)| *key == name).map(|(_, value)| plain(value));
        let (mut place, data) = (property("file").unwrap_or_default(), plain(data));
        match property("line") {
            Some(line) => place = format!("{place}:{line}:{}", property("col").unwrap()),
            // Its message says of what.
            None => place.clear(),
        }
        let severity = if command == "notice" { "note" } else { command };
        (format!("{severity} {}", property("title").unwrap()), place, data)
    };
    text.lines().map(told).collect()
}

/// As the text has it: the code is that of lints only, and each line of help is indented.
fn as_text((kind, place, message): &Told) -> String {
    let (severity, code) = kind.split_once(' ').unwrap();
    let mut lines = message.split("\nhelp: ");
    let mut text = format!("{place}: {severity}: {}", lines.next().unwrap());
    if code.starts_with("lint/") {
        text += &format!(" [{code}]");
    }
    text.push('\n');
    if let Some(help) = lines.next() {
        text += &format!("  help: {}\n", help.replace('\n', "\n        "));
    }
    text
}

fn same(of_settings: &Diagnostics, loaded: &Loaded) -> Result<(), TestCaseError> {
    let all = [of_settings, &loaded.diagnostics];
    let told = of_json(&json::object(all, loaded, true).to_string());
    prop_assert_eq!(told.len(), all.iter().map(|diagnostics| diagnostics.sorted().len()).sum::<usize>());
    // Where there is no place in a file, an annotation says of what within the message.
    let annotated = told.iter().cloned().map(|(kind, place, message)| {
        let placed = place.rsplit(':').take(2).all(|part| part.parse::<u32>().is_ok());
        if placed { (kind, place, message) } else { (kind, String::new(), format!("{place}: {message}")) }
    });
    prop_assert_eq!(of_github(&github::Annotations(all).to_string()), annotated.collect::<Vec<_>>());
    let mut text = String::new();
    all.iter().try_for_each(|diagnostics| diagnostics.write(&mut text, &Look::PLAIN)).unwrap();
    // But for the lines of the file.
    let said: String = text.split_inclusive('\n').filter(|line| !excerpt(line)).collect();
    prop_assert_eq!(said, told.iter().map(as_text).collect::<String>());
    Ok(())
}

/// `   12 | kind: x` or `      |  ^^`.
fn excerpt(line: &str) -> bool {
    let line = line.trim_start();
    line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with("| ")
}

proptest! {
    #[test]
    fn every_format_tells_the_same(of_settings in diagnostics(), text in documents()) {
        same(&of_settings, &crate::config::load_text("a,b%:c.yaml", &text))?;
    }
}

#[test]
fn what_is_no_place_has_no_numbers() {
    let mut diagnostics = Diagnostics::default();
    diagnostics.whole(Severity::Error, "nowhere", "does not exist").code(Code::FILE).help("create it");
    let loaded = crate::config::load_text("a.yaml", "");
    let object = json::object([&diagnostics, &Diagnostics::default()], &loaded, false);
    let expected = json!({
        "severity": "error", "code": "file", "message": "does not exist", "help": "create it", "file": "nowhere",
        "line": null, "column": null, "endLine": null, "endColumn": null,
    });
    assert_eq!(object["diagnostics"], json!([expected]));
    assert_eq!(object["summary"]["ok"], json!(false));
}
