//! deny.toml's licences and sources, held without cargo-deny: what Cargo.lock names is what was looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

fn packages() -> Vec<Value> {
    let answer = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let metadata: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    // Without a source: this package itself.
    packages.iter().filter(|package| !package["source"].is_null()).cloned().collect()
}

/// What is read of deny.toml: the few lines that name licences.
#[derive(Debug, Default)]
struct Policy {
    allowed: BTreeSet<String>,
    exceptions: BTreeMap<String, BTreeSet<String>>,
    clarified: BTreeMap<String, String>,
}

/// The texts in quotes.
fn quoted(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

fn policy() -> Policy {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let lines =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let mut policy = Policy::default();
    // Each section is its head and what follows; a list may run over lines.
    for section in lines.split("\n[").map(|section| section.trim_start_matches('[')) {
        let (head, body) = section.split_once(']').unwrap_or((section, ""));
        let body = body.trim_start_matches(']');
        let list = |key: &str| -> BTreeSet<String> {
            let from = body.split_once(&format!("\n{key} = [")).map_or("", |(_, rest)| rest);
            quoted(from.split(']').next().unwrap_or("")).collect()
        };
        let text = |key: &str| {
            let from = body.split_once(&format!("\n{key} = ")).map(|(_, rest)| rest);
            from.and_then(|rest| quoted(rest).next()).unwrap_or_else(|| panic!("{head} without {key}"))
        };
        match head {
            "licenses" => policy.allowed = list("allow"),
            "licenses.exceptions" => drop(policy.exceptions.insert(text("name"), list("allow"))),
            "licenses.clarify" => drop(policy.clarified.insert(text("name"), text("expression"))),
            _ => {}
        }
    }
    policy
}

/// Whether an SPDX expression can be met with the licences allowed: `AND` binds closer than `OR`.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    // Before SPDX, a slash was an OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any(&mut rest, allowed)?;
    if rest.is_empty() { Ok(met) } else { Err(format!("'{expression}' ends before {rest:?}")) }
}

fn any(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let mut met = all(words, allowed)?;
    while take(words, "OR") {
        met |= all(words, allowed)?;
    }
    Ok(met)
}

fn all(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let mut met = one(words, allowed)?;
    while take(words, "AND") {
        met &= one(words, allowed)?;
    }
    Ok(met)
}

fn one(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    if take(words, "(") {
        let met = any(words, allowed)?;
        return if take(words, ")") { Ok(met) } else { Err("a bracket is not closed".into()) };
    }
    let word = |words: &mut &[&str]| match words.split_first() {
        Some((word, rest)) if !["AND", "OR", "WITH", ")"].contains(word) => {
            let word = (*word).to_owned();
            *words = rest;
            Ok(word)
        }
        other => Err(format!("a licence is missing at {other:?}")),
    };
    let mut licence = word(words)?;
    if take(words, "WITH") {
        licence = format!("{licence} WITH {}", word(words)?);
    }
    Ok(allowed(&licence))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let taken = words.first() == Some(&word);
    if taken {
        *words = &words[1..];
    }
    taken
}

#[test]
fn every_dependency_s_licence_is_allowed() {
    let policy = policy();
    let mut refused = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let given = package["license"].as_str();
        let Some(expression) = given.or_else(|| policy.clarified.get(name).map(String::as_str)) else {
            refused.push(format!("{name} names no licence, and deny.toml does not clarify it"));
            continue;
        };
        let exception = policy.exceptions.get(name);
        let allowed = |licence: &str| {
            policy.allowed.contains(licence) || exception.is_some_and(|e| e.contains(licence))
        };
        match satisfied(expression, &allowed) {
            Ok(true) => {}
            Ok(false) => refused.push(format!("{name}: {expression}")),
            Err(wrong) => refused.push(format!("{name}: {wrong}")),
        }
    }
    assert_eq!(refused, Vec::<String>::new(), "not allowed by deny.toml");
}

#[test]
fn every_dependency_is_from_the_one_registry() {
    let sources: BTreeSet<String> =
        packages().iter().map(|package| package["source"].as_str().unwrap().to_owned()).collect();
    assert!(sources.len() == 1 && sources.iter().all(|s| s.starts_with("registry+")), "{sources:?}");
}

/// What deny.toml excuses must still be there, so that excuses do not outlive their reason.
#[test]
fn exceptions_are_needed() {
    let policy = policy();
    let packages = packages();
    let find = |name: &str| packages.iter().filter(|p| p["name"] == name).cloned().collect::<Vec<_>>();
    assert!(!policy.exceptions.is_empty() && !policy.clarified.is_empty(), "{policy:?}");
    for name in policy.exceptions.keys() {
        let uses = find(name);
        let needed = |p: &Value| satisfied(p["license"].as_str().unwrap(), &|l| policy.allowed.contains(l));
        assert!(uses.iter().any(|p| needed(p) == Ok(false)), "{name} needs no exception");
    }
    for name in policy.clarified.keys() {
        assert!(find(name).iter().any(|p| p["license"].is_null()), "{name} names its licence itself");
    }
}

#[test]
fn expressions() {
    let allowed = |licence: &str| ["A", "B", "C WITH x"].contains(&licence);
    let cases = [
        ("A", Ok(true)),
        ("D", Ok(false)),
        ("D OR A", Ok(true)),
        ("D/A", Ok(true)),
        ("A AND D", Ok(false)),
        ("D AND D OR A", Ok(true)),
        ("A OR D AND D", Ok(true)),
        ("(A OR D) AND D", Ok(false)),
        ("(D OR A) AND (B)", Ok(true)),
        ("C", Ok(false)),
        ("C WITH x", Ok(true)),
        ("C WITH y OR A AND B", Ok(true)),
    ];
    for (expression, expected) in cases {
        assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
    }
    for wrong in ["", "A OR", "(A", "A B", "A WITH", "AND A", "A)"] {
        assert!(satisfied(wrong, &allowed).is_err(), "{wrong}");
    }
}
