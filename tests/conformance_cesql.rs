//! CloudEvents SQL against its official test suite (the TCK): every case of it.
//!
//! The data is not part of the project: it is read where `WEIR_CONFORMANCE` points.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event as Yaml, Parser, ScalarStyle};
use weir::trigger::cesql::{Attributes, Expression, Kind, Value};

/// Cases that contradict the specification, with the reason.
const ERRATA: [(&str, &str); 1] =
    [("NOT 10", "3.7 lets an integer be cast to a boolean: NOT 10 is false, and no error")];

/// `None` where the suite is left out.
fn data(path: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("WEIR_CONFORMANCE") else {
        println!("conformance data absent: suite left out");
        return None;
    };
    let path = Path::new(&root).join(path);
    assert!(path.exists(), "WEIR_CONFORMANCE has no {}", path.display());
    Some(path)
}

#[derive(Clone, Debug)]
enum Node {
    /// A scalar, and whether it stands without quotes.
    Scalar(String, bool),
    Seq(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

impl Node {
    fn read(parser: &mut dyn Iterator<Item = Yaml<'_>>) -> Option<Node> {
        Some(match parser.next()? {
            Yaml::Scalar(text, style, ..) => Node::Scalar(text.to_string(), style == ScalarStyle::Plain),
            Yaml::SequenceStart(..) => Node::Seq(std::iter::from_fn(|| Node::read(parser)).collect()),
            Yaml::MappingStart(..) => {
                let mut map = BTreeMap::new();
                while let Some(key) = Node::read(parser) {
                    map.insert(key.text().to_owned(), Node::read(parser).unwrap());
                }
                Node::Map(map)
            }
            Yaml::SequenceEnd | Yaml::MappingEnd => return None,
            other => panic!("{other:?}"),
        })
    }

    fn text(&self) -> &str {
        match self {
            Node::Scalar(text, _) => text,
            other => panic!("{other:?} is no text"),
        }
    }

    fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Map(map) => map.get(key),
            other => panic!("{other:?} is no map"),
        }
    }

    /// As YAML resolves it: what stands without quotes may be a number or a boolean.
    fn value(&self) -> Value<'static> {
        let Node::Scalar(text, plain) = self else { panic!("{self:?} is no value") };
        let plain = *plain;
        match text.as_str() {
            "true" | "TRUE" | "True" if plain => Value::Boolean(true),
            "false" | "FALSE" | "False" if plain => Value::Boolean(false),
            number if plain && number.parse::<i32>().is_ok() => Value::Integer(number.parse().unwrap()),
            text => Value::String(text.to_owned().into()),
        }
    }
}

struct Event(BTreeMap<String, Value<'static>>);

impl Event {
    /// A case brings its event, or changes a common one.
    fn of(case: &Node) -> Event {
        let common =
            [("specversion", "1.0"), ("id", "1"), ("source", "localhost.localdomain"), ("type", "t")];
        let common = common.map(|(name, value)| (name.to_owned(), Value::String(value.into())));
        let mut event = Event(common.into());
        if let Some(Node::Map(own)) = case.get("event") {
            event = Event(own.iter().map(|(name, value)| (name.clone(), value.value())).collect());
        }
        if let Some(Node::Map(changes)) = case.get("eventOverrides") {
            event.0.extend(changes.iter().map(|(name, value)| (name.clone(), value.value())));
        }
        event
    }
}

impl Attributes for Event {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        self.0.get(name).map(Value::borrowed)
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Parse => "parse",
        Kind::Math => "math",
        Kind::Cast => "cast",
        Kind::MissingAttribute => "missingAttribute",
        Kind::MissingFunction => "missingFunction",
        Kind::FunctionEvaluation => "functionEvaluation",
        Kind::Generic => "generic",
    }
}

/// What became of it, if that is not what the suite expects.
fn differs(case: &Node) -> Option<String> {
    let event = Event::of(case);
    let text = case.get("expression").unwrap().text();
    let parsed = Expression::parse(text);
    let (value, errors) = match &parsed {
        Ok(expression) => {
            let evaluation = expression.evaluate(&event);
            (evaluation.value, evaluation.errors.iter().map(|error| word(error.kind)).collect())
        }
        Err(error) => (Value::Boolean(false), vec![word(error.kind)]),
    };
    let expected = case.get("result").map(Node::value);
    let error = case.get("error").map(Node::text);
    let as_expected =
        expected.as_ref().is_none_or(|expected| *expected == value) && errors.first().copied() == error;
    let said = || format!("{text}: wants {expected:?} {error:?}, is {value:?} {errors:?}");
    (!as_expected).then(said)
}

#[test]
fn the_whole_suite() {
    let Some(directory) = data("cesql_tck") else { return };
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let (mut cases, mut errata, mut failures) = (0, Vec::new(), Vec::new());
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        let mut events = Parser::new_from_str(&text).map(|event| event.unwrap().0).filter(|event| {
            !matches!(event, Yaml::StreamStart | Yaml::StreamEnd | Yaml::DocumentStart(_) | Yaml::DocumentEnd)
        });
        let root = Node::read(&mut events).unwrap();
        let Some(Node::Seq(all)) = root.get("tests") else { panic!("{} has no tests", path.display()) };
        for case in all {
            cases += 1;
            let known = ERRATA.iter().find(|(text, _)| case.get("expression").unwrap().text() == *text);
            match (differs(case), known) {
                (None, None) => {}
                (None, Some(erratum)) => failures.push(format!("{erratum:?} is no erratum any more")),
                (Some(_), Some((text, reason))) => errata.push(format!("{text}: {reason}")),
                (Some(said), None) => {
                    let name = path.file_name().unwrap().to_string_lossy();
                    failures.push(format!("{name}: {}: {said}", case.get("name").unwrap().text()));
                }
            }
        }
    }
    println!("{cases} cases in {} files, {} errata:", files.len(), errata.len());
    errata.iter().for_each(|line| println!("  {line}"));
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(cases >= 250, "{cases} cases: is the suite whole?");
}
