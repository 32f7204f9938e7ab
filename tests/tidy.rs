//! Holds the lines that the README draws: who may import whom, and what may stand in one place only.

use std::fs;
use std::path::{Path, PathBuf};

use weir::telemetry::metrics::TABLE;

/// Every module at the top of src/, with its floor. An import goes strictly downward, or stays within its module.
const FLOORS: [(&str, u32); 16] = [
    ("event", 0),
    ("money", 0),
    ("time", 0),
    ("trigger", 1),
    ("dispatch", 2),
    ("config", 3),
    ("store", 4),
    ("telemetry", 4),
    ("client", 4),
    ("source", 5),
    ("sink", 5),
    ("function", 5),
    ("journal", 5),
    ("worker", 6),
    ("cli", 7),
    ("main", 8),
];

/// What the pure floors do not know: time, disk, network, threads, logs.
const IMPURE: [&str; 13] = [
    "std::fs",
    "std::net::T",
    "std::net::U",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::",
    "SystemTime",
    "tokio",
    "tracing",
    "async fn",
    "println!",
    "rand::",
];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The module at the top of src/ that it belongs to.
    fn module(&self) -> &str {
        let first = self.path.components().next().expect("a path").as_os_str().to_str().expect("UTF-8");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn floor(&self) -> Option<u32> {
        floor(self.module())
    }

    /// Lines of code that are not tests, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.lines().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(usize::MAX);
        let tests = self.name().ends_with("tests.rs") || self.name().ends_with("arbitrary.rs");
        let end = if tests { 0 } else { end };
        let lines = self.text.lines().enumerate().take(end);
        lines
            .map(|(number, line)| (number + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn floor(module: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

fn sources() -> Vec<Source> {
    fn walk(directory: &Path, root: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(directory).expect("src can be listed") {
            let path = entry.expect("src can be listed").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a source can be read");
                found.push(Source { path: path.strip_prefix(root).expect("below src").to_owned(), text });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// All lines that break a rule, in one message.
fn hold(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}\n  {}\n", broken.join("\n  "));
}

/// The modules that a line names as `crate::module` (of a list, too).
fn imports(line: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for part in line.split("crate::").skip(1) {
        let word = |text: &str| -> String {
            text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        match part.strip_prefix('{') {
            None => modules.push(word(part)),
            Some(list) => modules.extend(list.split([',', '}']).map(|item| word(item.trim()))),
        }
    }
    modules.retain(|module| !module.is_empty());
    modules
}

#[test]
fn every_module_has_a_floor() {
    let without =
        sources().iter().filter(|s| s.module() != "lib" && s.floor().is_none()).map(Source::name).collect();
    hold("a new module at the top of src/ needs a floor, here and in the README:", without);
}

#[test]
fn imports_go_strictly_downward() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|s| s.module() != "lib") {
        for (number, line) in source.code() {
            for module in imports(line).iter().filter(|module| *module != source.module()) {
                if floor(module).is_none_or(|below| below >= source.floor().unwrap_or(0)) {
                    broken.push(format!("{}:{number} imports {module}", source.name()));
                }
            }
        }
    }
    hold("imports go strictly downward through the floors:", broken);
}

#[test]
fn the_pure_floors_decide_without_the_world() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|s| s.floor().is_some_and(|f| f <= 2) && s.module() != "time") {
        for (number, line) in source.code() {
            for word in IMPURE.iter().filter(|word| line.contains(*word)) {
                broken.push(format!("{}:{number} knows {word}", source.name()));
            }
        }
    }
    hold("event, trigger and dispatch are pure:", broken);
}

#[test]
fn what_belongs_in_one_place_stands_there() {
    let places: [(&str, &[&str], &[&str]); 5] = [
        ("sled", &["sled::"], &["store/volume.rs"]),
        ("backoff", &["backoff::"], &["worker/patience.rs"]),
        (
            "threads and tasks start",
            &["thread::spawn", "thread::Builder", "tokio::spawn", "spawn_local"],
            &["worker/tasks.rs", "function/guard.rs"],
        ),
        (
            "unsafe",
            &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"],
            &[
                "cli/exit.rs",
                "client/bearer.rs",
                "client/detours.rs",
                "client/lifeline.rs",
                "source/kafka/inlet.rs",
                "source/kafka/offsets.rs",
                "function/address_space.rs",
                "function/engine.rs",
                "function/sandbox.rs",
                "function/host.rs",
                "function/guard.rs",
                "function/pages.rs",
            ],
        ),
        (
            "the engine's C interface",
            &["wasmedge_sys"],
            &[
                "function/engine.rs",
                "function/sandbox.rs",
                "function/host.rs",
                "function/guard.rs",
                "function/pages.rs",
            ],
        ),
    ];
    let mut broken = Vec::new();
    for source in sources() {
        let name = source.name();
        for (what, words, allowed) in places {
            if allowed.contains(&name.as_str()) {
                continue;
            }
            for (number, _) in source.code().filter(|(_, line)| words.iter().any(|word| line.contains(word)))
            {
                broken.push(format!("{name}:{number} {what}: only in {}", allowed.join(", ")));
            }
        }
    }
    hold("some things stand in one place only:", broken);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > 500 {
            broken.push(format!("{} has {lines} lines: is there a second noun in it?", source.name()));
        }
        if source.name() != "main.rs" && !source.text.starts_with("//!") {
            broken.push(format!("{} does not begin with what it is", source.name()));
        }
    }
    hold("a file has one noun, at most 500 lines, and begins with what it is:", broken);
}

#[test]
fn names_say_what_a_thing_is() {
    let mut broken = Vec::new();
    for source in sources() {
        let name = source.name();
        if ["util", "common", "helper", "misc"].iter().any(|word| name.contains(word)) {
            broken.push(name.clone());
        }
        for (number, line) in source.code() {
            if ["Manager", "Helper", "todo!", "unimplemented!"].iter().any(|word| line.contains(word)) {
                broken.push(format!("{name}:{number} {}", line.trim()));
            }
        }
    }
    hold("no names that could mean anything:", broken);
}

#[test]
fn every_metric_is_documented_and_comes_from_the_table() {
    let page = include_str!("../docs/metrics.md");
    let missing = TABLE.iter().filter(|row| !page.contains(&format!("| `{}", row.name)));
    hold("docs/metrics.md is made from the table:", missing.map(|row| row.name.to_owned()).collect());
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.name() != "telemetry/metrics/table.rs") {
        for (number, line) in source.code().filter(|(_, line)| line.contains("\"weir_")) {
            // What a guest exports.
            let exports = ["weir_abi", "weir_buffer", "weir_handle", "weir_panic"];
            if !exports.iter().any(|export| line.contains(export)) {
                broken.push(format!("{}:{number} {}", source.name(), line.trim()));
            }
        }
    }
    hold("a metric's name stands in the table alone:", broken);
}

#[test]
fn the_rules_can_be_broken() {
    assert_eq!(imports("use crate::{event::Uid, worker::tasks};"), ["event", "worker"]);
    assert_eq!(imports("    crate::store::Log::open(crate::time::Clock::new())"), ["store", "time"]);
    assert!(imports("use std::fmt;").is_empty());
}
