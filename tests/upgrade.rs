//! UPGRADE.md against the sources: every format with its number, and of each that reads the one before it the test that does. And
//! what workers of several versions leave in Kafka, side by side, with a worker of this one.

#[path = "upgrade/before.rs"]
mod before;
#[path = "brokers/mod.rs"]
mod brokers;
#[path = "upgrade/directory.rs"]
mod directory;
mod kafka;
#[path = "billing/receiver.rs"]
mod receiver;
#[path = "upgrade/to_come.rs"]
mod to_come;
#[path = "upgrade/volumes.rs"]
mod volumes;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use weir::dispatch::Progress;
use worker::{Running, eventually};

struct Row {
    now: u32,
    reads: Option<u32>,
    source: String,
    shown: Option<(String, String)>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn rows() -> Vec<Row> {
    let page = text("UPGRADE.md");
    let lines = page.lines().skip_while(|line| !line.starts_with("|---"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, _, _, now, reads, source, shown, _] = cells[..] else { panic!("{line}") };
        let source = source.trim_matches('`').to_owned();
        let shown = shown.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let shown = shown
            .split_first()
            .map(|(test, file)| (test.clone(), file.first().cloned().unwrap_or_else(|| source.clone())));
        Row { now: now.parse().unwrap(), reads: reads.parse().ok(), source, shown }
    };
    lines.skip(1).take_while(|line| line.starts_with('|')).map(row).collect()
}

fn files(directory: PathBuf, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => files(entry, found),
            false => found.push(entry),
        }
    }
}

/// Every number of a format that the sources say.
fn formats() -> BTreeMap<String, u32> {
    // These are of interfaces, of the compiler's cache, whose files are told apart by their names, and of the documents.
    let others = ["src/function/"];
    let mut all = Vec::new();
    files(root().join("src"), &mut all);
    let mut found = BTreeMap::new();
    for path in all {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if others.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = words.iter().position(|word| *word == "const");
            let Some([name_of, kind, "=", value]) = at.and_then(|at| words.get(at + 1..at + 5)) else {
                continue;
            };
            let number = value.trim_end_matches(';').parse();
            if ["FORMAT:", "VERSION:"].contains(name_of)
                && ["u8", "u32", "u64"].contains(kind)
                && let Ok(number) = number
            {
                found.insert(name.clone(), number);
            }
        }
    }
    found
}

#[test]
fn every_format_is_in_the_table_with_its_number() {
    let table: BTreeMap<String, u32> = rows().into_iter().map(|row| (row.source, row.now)).collect();
    assert!(table.len() > 10);
    assert_eq!(table, formats());
}

#[test]
fn every_format_that_has_changed_is_read_as_it_was_before() {
    for Row { now, reads, source, shown } in rows() {
        assert_eq!(reads, (now > 1).then(|| now - 1), "{source}: version N reads N-1");
        assert!(now == 1 || shown.is_some(), "{source}: no test reads what it was");
        if let Some((test, file)) = shown {
            let text = text(&file);
            let at = text.find(&format!("fn {test}(")).unwrap_or_else(|| panic!("{file} has no test {test}"));
            let above: String = text[..at].lines().rev().take(3).collect();
            assert!(above.contains("#[test]"), "{test} is no test");
        }
    }
}

/// A partition each of a worker of the version before, of this one, of the next, and of somebody else; what each said of 20 done
/// records and five beyond them is believed where it can be read.
#[test]
fn what_several_versions_have_left_in_a_group_is_read_side_by_side() {
    const EACH: i32 = 40;
    let topic = kafka::Topic::new(4);
    for n in 0..EACH * 4 {
        topic.publish(n % 4, None, "order.created", &n.to_string(), "{}");
    }
    topic.flush();
    // 25 to 29 are done: in format 1 a count of runs, then distance and length.
    let before = vec![1, 20, 1, 5, 5];
    let now = Progress { watermark: 20, runs: vec![(25, 5)] }.encode();
    let next = [&[now[0] + 1], &now[1..]].concat();
    assert_eq!(Progress::decode(&before).unwrap(), Progress::decode(&now).unwrap());
    assert!(Progress::decode(&next).is_err());
    let said = |map: &[u8]| format!("weir:{}", STANDARD_NO_PAD.encode(map));
    let left = [said(&before), said(&now), said(&next), "somebody else's".to_owned()];
    for (partition, metadata) in (0..).zip(&left) {
        topic.commit(partition, 20, metadata);
    }
    let home = topic.home("");
    let running = Running::start(&home, &[]);
    topic.until_done();
    eventually("it says what it can't read", || running.log().contains("is ignored").then_some(()));
    assert_eq!(running.terminate().code, Some(0));
    let ran = home.succeeded("default/audit");
    let of = |partition: i32| -> Vec<i32> {
        let mut offsets: Vec<i32> = ran
            .keys()
            .map(|id| id.parse::<i32>().unwrap())
            .filter(|n| n % 4 == partition)
            .map(|n| n / 4)
            .collect();
        offsets.sort_unstable();
        offsets
    };
    let beyond: Vec<i32> = (20..25).chain(30..EACH).collect();
    assert_eq!([of(0), of(1)], [beyond.clone(), beyond], "what is done is not done again");
    let all: Vec<i32> = (20..EACH).collect();
    assert_eq!([of(2), of(3)], [all.clone(), all], "nothing is left out");
    assert!(ran.values().all(|times| *times == 1));
    // What it leaves itself is of its own version.
    for (partition, (offset, metadata)) in topic.committed() {
        assert_eq!(offset, i64::from(EACH), "{partition}");
        let map = metadata.strip_prefix("weir:").map(|text| STANDARD_NO_PAD.decode(text).unwrap());
        assert!(map.is_none_or(|map| map[0] == now[0]), "{partition}: {metadata}");
    }
}
