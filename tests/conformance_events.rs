//! The codecs against material that others wrote: the CloudEvents conformance suites, real events, malformed events.
//!
//! The data is not part of the project: it is read where `WEIR_CONFORMANCE` points.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use saphyr_parser::{Event as Yaml, Parser};
use serde_json::Value as Json;
use weir::event::binary::{self, Message};
use weir::event::{Data, Event, Invalid, record, structured};

/// `None` where the suites are left out.
fn data(path: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("WEIR_CONFORMANCE") else {
        println!("conformance data absent: suite left out");
        return None;
    };
    let path = Path::new(&root).join(path);
    assert!(path.exists(), "WEIR_CONFORMANCE has no {}", path.display());
    Some(path)
}

fn read_json(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    files
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn http<'a>(headers: &'a [(String, Cow<'_, str>)], body: &'a [u8]) -> Result<Event<'a>, Invalid> {
    binary::decode_http(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())), body)
}

fn payload<'a>(event: &'a Event<'_>) -> &'a [u8] {
    event.data.as_ref().map_or(b"", Data::bytes)
}

/// Through every codec: attributes and payload stay what they are.
fn assert_kept(event: &Event<'_>) {
    let mut json = Vec::new();
    structured::encode(event, &mut json);
    let read = structured::decode(&json).unwrap();
    assert!(event.attributes().eq(read.attributes()));
    assert_eq!(payload(event).trim_ascii(), payload(&read).trim_ascii());

    let mut bytes = Vec::new();
    record::encode(event, &mut bytes);
    assert_eq!(record::decode(&bytes).as_ref(), Ok(event));

    let Message { headers, body } = binary::encode_http(event);
    assert_same(event, &http(&headers, body.as_deref().unwrap_or_default()).unwrap());
    let Message { headers, body } = binary::encode_nats(event);
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert_same(event, &binary::decode_nats(pairs, body.as_deref().unwrap_or_default()).unwrap());
    let Message { headers, body } = binary::encode_kafka(event);
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
    assert_same(event, &binary::decode_kafka(pairs, body.as_deref()).unwrap());
    cloudevents::Event::try_from(event).unwrap();
}

fn assert_same(event: &Event<'_>, read: &Event<'_>) {
    let sorted = |event: &Event<'_>| -> BTreeMap<String, String> {
        event.attributes().map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
    };
    assert_eq!(sorted(event), sorted(read));
    assert_eq!(payload(event), payload(read));
}

#[test]
fn malformed_events() {
    let Some(path) = data("bad_events.jsonl") else { return };
    let (mut gated, mut free, mut failures) = (0, Vec::new(), Vec::new());
    for line in fs::read_to_string(path).unwrap().lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let [id, verdict, strength] = ["id", "verdict", "strength"].map(|name| case[name].as_str().unwrap());
        let found = match verdict_of(&case) {
            Ok(()) => "accept".to_owned(),
            Err(reason) => format!("reject: {reason}"),
        };
        let agrees = found.starts_with(verdict);
        if strength.starts_with("MUST") && ["accept", "reject"].contains(&verdict) {
            gated += 1;
            if !agrees {
                failures.push(format!("{id} ({}): wants {verdict}, found {found}", case["reason"]));
            }
        } else {
            free.push(format!("{id} [{strength}] says {verdict}, found {found}"));
        }
    }
    println!("{gated} gated, {} not:", free.len());
    free.iter().for_each(|line| println!("  {line}"));
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(gated > 0);
}

fn verdict_of(case: &Json) -> Result<(), String> {
    let input = &case["input"];
    let text = |value: &Json| value.as_str().map(|text| text.as_bytes().to_vec());
    let body = |plain: &str| {
        let coded = input[format!("{plain}_b64")].as_str().map(|text| BASE64_STANDARD.decode(text).unwrap());
        coded.or_else(|| text(&input[plain]))
    };
    let bytes = match case["transport"].as_str().unwrap() {
        "json" | "json-batch" => serde_json::to_vec(input).unwrap(),
        "json-raw" => text(input).unwrap(),
        "json-raw-base64" => {
            BASE64_STANDARD.decode(input.as_str().unwrap()).unwrap_or_else(|_| nested(20_000))
        }
        "generate" => with_data(&format!("\"{}\"", "a".repeat(16 << 20))),
        "http-binary" => body("body").unwrap_or_default(),
        "kafka" => body("value").unwrap_or_default(),
        "nats" => body("payload").unwrap_or_default(),
        other => panic!("transport {other} is not known"),
    };
    let headers = headers(&input["headers"]);
    let set = || headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)));
    let event = match case["transport"].as_str().unwrap() {
        "json-batch" => {
            return structured::decode_batch(&bytes, 1000).map(drop).map_err(|invalid| invalid.to_string());
        }
        "http-binary" => binary::decode_http(set(), &bytes),
        "nats" => binary::decode_nats(set(), &bytes),
        "kafka" => {
            let all = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
            binary::decode_kafka(all, body("value").is_some().then_some(&bytes))
        }
        _ => structured::decode(&bytes),
    };
    let event = event.map_err(|invalid| invalid.to_string())?;
    assert_kept(&event);
    for (name, expected) in case["expect_attributes"].as_object().into_iter().flatten() {
        let found = if name == "data" {
            data_value(&event)
        } else {
            event.attribute(name).map_or(Json::Null, Json::from)
        };
        // Headers have strings alone.
        let same = found == *expected || found.as_str() == Some(&expected.to_string());
        if !same {
            return Err(format!("{name} is {found}, expected {expected}"));
        }
    }
    Ok(())
}

fn data_value(event: &Event<'_>) -> Json {
    match &event.data {
        None => Json::Null,
        Some(Data::Json(text)) => serde_json::from_str(text).unwrap(),
        Some(Data::Text(text)) => text.as_ref().into(),
        Some(Data::Binary(bytes)) => String::from_utf8_lossy(bytes).into(),
    }
}

/// A name that ends in `_b64` has its value in Base64; a value may be null.
fn headers(list: &Json) -> Vec<(String, Option<Vec<u8>>)> {
    let header = |pair: &Json| {
        let (name, value) = (pair[0].as_str().unwrap(), pair[1].as_str());
        match name.strip_suffix("_b64") {
            Some(name) => (name.to_owned(), value.map(|text| BASE64_STANDARD.decode(text).unwrap())),
            None => (name.to_owned(), value.map(|text| text.as_bytes().to_vec())),
        }
    };
    list.as_array().into_iter().flatten().map(header).collect()
}

fn nested(depth: usize) -> Vec<u8> {
    with_data(&("[".repeat(depth) + &"]".repeat(depth)))
}

fn with_data(data: &str) -> Vec<u8> {
    format!(r#"{{"specversion":"1.0","id":"a","source":"/s","type":"t","data":{data}}}"#).into_bytes()
}

/// Events that describe one sample are equal, also where they write its time differently: as the SDK sees them.
#[derive(Default)]
struct Samples(BTreeMap<String, Vec<cloudevents::Event>>);

impl Samples {
    fn add(&mut self, test: &Json, events: &[Event<'_>]) {
        let events: Vec<_> =
            events.iter().map(|event| cloudevents::Event::try_from(event).unwrap()).collect();
        let Some(sample) = test["sampleId"].as_str() else { return };
        let known = self.0.entry(sample.to_owned()).or_insert_with(|| events.clone());
        assert_eq!(*known, events, "{}", test["id"]);
    }
}

#[test]
fn valid_events_in_json() {
    let Some(path) = data("ce_format_json/valid-events.json") else { return };
    let mut samples = Samples::default();
    for test in read_json(&path)["tests"].as_array().unwrap() {
        let bytes = serde_json::to_vec(&test["event"]).unwrap();
        let event = structured::decode(&bytes).unwrap_or_else(|invalid| panic!("{}: {invalid}", test["id"]));
        assert_kept(&event);
        let mut json = Vec::new();
        structured::encode(&event, &mut json);
        assert_eq!(structured::decode(&json).as_ref(), Ok(&event), "{}", test["id"]);
        samples.add(test, &[event]);
    }
    println!("{} samples", samples.0.len());
}

#[test]
fn valid_batches_in_json() {
    let Some(path) = data("ce_format_json/valid-batches.json") else { return };
    let mut samples = Samples::default();
    for test in read_json(&path)["tests"].as_array().unwrap() {
        let bytes = serde_json::to_vec(&test["batch"]).unwrap();
        let events = structured::decode_batch(&bytes, 100)
            .unwrap_or_else(|invalid| panic!("{}: {invalid}", test["id"]));
        let mut json = Vec::new();
        structured::encode_batch(&events, &mut json);
        assert_eq!(structured::decode_batch(&json, 100).as_ref(), Ok(&events), "{}", test["id"]);
        samples.add(test, &events);
    }
    println!("{} samples", samples.0.len());
}

#[test]
fn samples_in_both_modes() {
    let Some(path) = data("ce_samples") else { return };
    let mut paths = files(&path);
    let directories: Vec<_> = paths.extract_if(.., |path| path.is_dir()).collect();
    paths.extend(directories.iter().flat_map(|directory| files(directory)));
    let (mut kept, mut refused) = (0, 0);
    for path in paths {
        for sample in yaml_documents(&fs::read_to_string(&path).unwrap()) {
            let (headers, body) = in_binary_mode(&sample);
            let event = http(&headers, body.as_bytes());
            if sample["ContextAttributes.specversion"] == "0.3" {
                let reason = event.unwrap_err().to_string();
                assert!(
                    reason.starts_with("specversion: '0.3' is not supported"),
                    "{}: {reason}",
                    name(&path)
                );
                refused += 1;
                continue;
            }
            let event = event.unwrap_or_else(|invalid| panic!("{}: {invalid}", name(&path)));
            assert_eq!(payload(&event), body.as_bytes());
            assert_kept(&event);
            kept += 1;
        }
    }
    println!("{kept} samples kept, {refused} of version 0.3 refused");
    assert!(kept > 0 && refused > 0);
}

/// The line feed with which YAML ends a block is no part of an attribute: there it would be illegal.
fn in_binary_mode(sample: &BTreeMap<String, String>) -> (Vec<(String, Cow<'_, str>)>, &str) {
    let header = |(path, value): (&String, &'_ String)| {
        let name = path.strip_prefix("ContextAttributes.")?;
        let name = name.strip_prefix("Extensions.").unwrap_or(name);
        let header = if name == "datacontenttype" { "content-type".to_owned() } else { format!("ce-{name}") };
        Some((header, Cow::Owned(value.trim_end().replace('%', "%25").replace('"', "%22"))))
    };
    (sample.iter().filter_map(header).collect(), sample.get("Data").map_or("", String::as_str))
}

/// Scalars by their path; the samples are mappings of scalars and of such mappings.
fn yaml_documents(text: &str) -> Vec<BTreeMap<String, String>> {
    let (mut documents, mut path, mut key) = (Vec::new(), Vec::<String>::new(), None::<String>);
    for event in Parser::new_from_str(text) {
        match event.unwrap().0 {
            Yaml::DocumentStart(_) => documents.push(BTreeMap::new()),
            Yaml::MappingStart(..) => path.push(key.take().map_or(String::new(), |key| key + ".")),
            Yaml::MappingEnd => drop(path.pop()),
            Yaml::Scalar(value, ..) => match key.take() {
                None => key = Some(value.into_owned()),
                Some(key) => {
                    drop(documents.last_mut().unwrap().insert(path.concat() + &key, value.into_owned()))
                }
            },
            Yaml::StreamStart | Yaml::StreamEnd | Yaml::DocumentEnd => {}
            other => panic!("{other:?} in a sample"),
        }
    }
    documents
}

/// Examples of documentation that the manifest calls valid and the specification does not.
const NOT_EVENTS: [(&str, &str); 1] = [
    // Its data_base64 is "... base64 encoded string ...".
    ("structured/020-spec-com-example-someevent.json", "data_base64: not Base64"),
];

#[test]
fn real_events() {
    let Some(path) = data("events/MANIFEST.json") else { return };
    let root = path.parent().unwrap();
    let (mut kept, mut failures) = (0, Vec::new());
    for entry in read_json(&path).as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        if !file.starts_with("structured/") {
            continue;
        }
        let bytes = fs::read(root.join(file)).unwrap();
        let events = match entry["kind"].as_str() {
            Some("batch") => structured::decode_batch(&bytes, 1000),
            _ => structured::decode(&bytes).map(|event| vec![event]),
        };
        match events {
            Ok(events) => {
                events.iter().for_each(assert_kept);
                kept += 1;
            }
            Err(invalid)
                if NOT_EVENTS
                    .iter()
                    .any(|(known, reason)| *known == file && invalid.to_string().starts_with(reason)) =>
            {
                println!("{file}: {invalid}");
            }
            Err(invalid) if entry["verdict"] != "accept" => {
                println!("{file}: {invalid} ({})", entry["problems"])
            }
            Err(invalid) => failures.push(format!("{file}: {invalid}")),
        }
    }
    println!("{kept} files kept");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(kept > 0);
}

#[test]
fn payloads_of_others() {
    let Some(path) = data("events/data_only") else { return };
    for path in files(&path) {
        let body = fs::read(&path).unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        for content_type in ["application/json", "text/plain", "application/octet-stream"] {
            let headers = [
                ("ce-specversion", "1.0"),
                ("ce-id", "1"),
                ("ce-source", "/s"),
                ("ce-type", "t"),
                ("content-type", content_type),
            ];
            let headers = headers.map(|(name, value)| (name.to_owned(), Cow::Borrowed(value)));
            let event = http(&headers, &body).unwrap();
            assert_eq!(payload(&event), body, "{}", name(&path));
            match &event.data {
                Some(Data::Json(found)) => assert!(found == text && content_type == "application/json"),
                Some(Data::Text(found)) => assert!(found == text && content_type == "text/plain"),
                Some(Data::Binary(_)) if content_type == "application/json" => {
                    assert!(serde_json::from_slice::<Json>(&body).is_err(), "{}", name(&path));
                }
                other => {
                    assert!(other.is_some() && content_type == "application/octet-stream", "{}", name(&path))
                }
            }
            assert_kept(&event);
        }
    }
}

/// Requests as documentation shows them. Answers and other protocols in the same folder are passed over.
#[test]
fn http_examples() {
    let Some(path) = data("events/http_examples") else { return };
    let (mut kept, mut passed) = (0, Vec::new());
    for path in files(&path) {
        let text = fs::read_to_string(&path).unwrap();
        let headers = example_headers(&text);
        let body =
            text.split_once("-d '").and_then(|(_, rest)| rest.split_once('\'')).map_or("", |(body, _)| body);
        match http(&headers, body.as_bytes()) {
            Ok(event) => {
                assert_eq!(payload(&event), body.as_bytes(), "{}", name(&path));
                assert_kept(&event);
                kept += 1;
            }
            Err(invalid @ (Invalid::NotAnEvent { .. } | Invalid::Json(_))) => {
                passed.push(format!("{}: {invalid}", name(&path)))
            }
            Err(invalid) => {
                assert!(text.contains("specversion: 0.3"), "{}: {invalid}", name(&path));
                passed.push(format!("{}: {invalid}", name(&path)));
            }
        }
    }
    println!("{kept} requests kept, {} passed over:", passed.len());
    passed.iter().for_each(|line| println!("  {line}"));
    assert!(kept > 0);
}

/// `name: value` as it stands, after `> ` or as an argument of curl; up to where a second message begins.
fn example_headers(text: &str) -> Vec<(String, Cow<'_, str>)> {
    let mut headers: Vec<(String, Cow<'_, str>)> = Vec::new();
    for line in text.lines().map(|line| line.trim_matches(|c: char| " \t\\>\"'".contains(c))) {
        let line = line.trim_start_matches("-H ").trim_start_matches(['"', '\'']);
        let Some((name, value)) = line.split_once(": ") else { continue };
        let name = name.to_ascii_lowercase();
        if !name.starts_with("ce-") && name != "content-type" {
            continue;
        }
        if headers.iter().any(|(known, _)| *known == name) {
            break;
        }
        headers.push((name, Cow::Borrowed(value)));
    }
    headers
}
