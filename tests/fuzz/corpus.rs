//! What inputs are made of: what stands in the repository, what people write, and the conformance data where it is at hand.

use std::path::{Path, PathBuf};

use weir::event::record;
use weir::event::structured::decode;

const CESQL: [&str; 14] = [
    "type = 'order.created' AND source LIKE '/shop%'",
    "type IN ('a', 'b', 'order.created') OR NOT EXISTS region",
    "x + 1 * (2 - -x) / 3 % 4 >= 5 AND x <> '05'",
    "LENGTH(subject) < 10 XOR flag",
    "CONCAT('a', 1, TRUE) = 'a1true'",
    "CONCAT_WS(', ', source, type) LIKE '%\\%_'",
    "LOWER(UPPER(TRIM('  a '))) = LEFT('abc', 1)",
    "SUBSTRING('abcdef', -3, 2) = RIGHT(region, 2)",
    "INT('2147483647') = -2147483648 OR BOOL('true') != IS_INT('1')",
    "ABS(-5) = 5 AND IS_BOOL(STRING(flag))",
    "\"quoted 'text'\" = 'it''s' OR 'a\\'b' = \"c\\\"d\"",
    "NOT NOT -x = - - 5",
    "EXISTS time AND time LIKE '2024-__-%T%Z'",
    "SUBJECT = subject",
];

const DATA: [&str; 9] = [
    "/amount > 10000 and /customer/country in [\"DE\", 'FR'] and not /test\n{\"amount\": 1e5, \"customer\": {\"country\": \"DE\"}}",
    "/vip or exists /coupon and not /coupon/used\n{\"vip\": false, \"coupon\": {\"used\": false, \"used\": 1}}",
    "/\"first name\" != 'Z\\u00fcrich' and not (/a = null or /b not in [1, 2.0, -3e-7])\n{\"first name\": \"\\ud83d\\ude00\", \"b\": 3}",
    "/items/0/sku = \"A-1\"\n{\"items\": [{\"sku\": \"A-1\"}, [], [[1]]]}",
    "/n <= 123456789012345678901234567890.5\n{\"n\": 1234567890123456789012345678900e-1}",
    "exists / and exists /~0~1 and / = ''\n{\"\": \"\", \"~/\": {}}",
    "not not not /a\n{\"a\": true}",
    "/a = true and /a = false\n{\"a\": tru",
    "/x >= 1e400 or /x < -1e-400\n{\"x\": 1E+99999}",
];

const FILTERS: [&str; 6] = [
    "- exact: {type: order.created}\n- prefix: {source: /shop}\n- suffix: {subject: '7'}",
    "- any:\n  - exact:\n      type: a\n  - not:\n      prefix:\n        source: b\n  - all: []",
    "- cesql: \"type = 'a' AND x < 5\"\n- sql: |\n    region IN ('eu', 'us')\n    OR flag",
    "- not: {not: {all: [{exact: {x: '5'}}, {any: [{suffix: {type: d}}]}]}}",
    "- cesql: >-\n    LENGTH(\"\u{fc}\") = 1\n- cesql: 'INT(''x'') = 0'",
    "- exact: {type: a, source: ''}\n- exact: {Type: a}",
];

const EVENTS: [&str; 6] = [
    r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.created","data":{"amount":12000.50,"items":[1,null]}}"#,
    r#"{"specversion":"1.0","id":"ü","source":"urn:a:b","type":"t","subject":"s","time":"2024-02-29T23:59:60.123456789+14:00","dataschema":"https://a/b","datacontenttype":"text/plain","data":"x\u0000\ud83d\ude00","n":-2147483648,"b":true,"s":"é","nothing":null}"#,
    r#"{"specversion":"1.0","id":"1","source":"?","type":"t","data_base64":"AAEC/w==","datacontenttype":"image/png"}"#,
    r#"{"data":"text","specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/xml"}"#,
    r#"{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}"#,
    r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/cloudevents+json","data":{"specversion":"1.0"}}"#,
];

const MESSAGES: [&str; 5] = [
    "ce-specversion: 1.0\nce-id: 1\nce-source: /shop\nce-type: order.created\ncontent-type: application/json\n\n{\"amount\": 1}",
    "ce_specversion: 1.0\nce_id: \u{fc}\nce_source: /shop\nce_type: t\nce_time: 2024-02-29T12:00:00Z\ncontent-type: text/plain; charset=utf-8\n\ntext",
    "Ce-Specversion: 1.0\nCE-ID: %C3%BC%20%25\nce-source: /s\nce-type: t\nce-ext1: a%2\nce-subject: %F0%9F%98%80\n\n\0\x01",
    "content-type: application/cloudevents+json; charset=UTF-8\n\n{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}",
    "content-type: application/cloudevents-batch+json\nce-specversion: 1.0\n\n[]",
];

/// Words that mean something somewhere.
pub(crate) const WORDS: [&str; 66] = [
    "AND",
    "OR",
    "NOT ",
    "XOR",
    "IN (",
    "LIKE '",
    "EXISTS ",
    "TRUE",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "\\",
    "%",
    "_",
    ",",
    ":",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "\r\n",
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!int ",
    "!t ",
    "| \n",
    ">-\n",
    "? ",
    "#",
    "@",
    "`",
    "~",
    "null",
    "0",
    "-1",
    "2147483648",
    "-9223372036854775809",
    "1e999",
    "0x10",
    "0o7",
    ".inf",
    "PT1S",
    "P1Y",
    "\u{0}",
    "\u{fc}",
    "\u{1f600}",
    "\u{feff}",
    "\u{2028}",
    "\\ud800",
    "\\u0000",
    "ce-",
    "%C3",
    "1.0",
    "/",
    "~1",
    "spec:\n  ",
    "exists /",
];

/// What may stand again and again, with another number for each `#`.
pub(crate) const ROWS: [&str; 10] = [
    " AND a# = 1",
    " AND type LIKE '%a#%'",
    " OR type = 'a#'",
    ", 'a#'",
    " or /a# = #",
    ", \"#\"",
    ",\"a#\":1",
    "ce-a#: #\n",
    "a#: {b#: #}\n",
    "- exact: {a#: '#'}\n",
];

#[derive(Debug)]
pub(crate) struct Corpus {
    pub documents: Vec<Vec<u8>>,
    pub filters: Vec<Vec<u8>>,
    pub cesql: Vec<Vec<u8>>,
    pub data: Vec<Vec<u8>>,
    pub events: Vec<Vec<u8>>,
    pub batches: Vec<Vec<u8>>,
    pub messages: Vec<Vec<u8>>,
    pub stored: Vec<Vec<u8>>,
}

impl Corpus {
    /// The same for the same files.
    pub(crate) fn read() -> Corpus {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut documents = Vec::new();
        for folder in ["deploy", "docs", "tests/cases", "tests/mistakes", "triggers"] {
            documents.extend(contents(&root.join(folder), "yaml"));
        }
        let [mut cesql, mut events] = [CESQL.map(bytes).to_vec(), EVENTS.map(bytes).to_vec()];
        if let Some(conformance) = std::env::var_os("WEIR_CONFORMANCE").map(PathBuf::from) {
            documents.extend(contents(&conformance.join("manifests"), "yaml"));
            let expression =
                |line: &str| line.trim().strip_prefix("expression:").map(|text| bytes(text.trim()));
            for file in contents(&conformance.join("cesql_tck"), "yaml") {
                cesql.extend(String::from_utf8_lossy(&file).lines().filter_map(expression));
            }
            events.extend(contents(&conformance.join("events/structured"), "json"));
        }
        let valid: Vec<&[u8]> =
            events.iter().filter(|json| decode(json).is_ok()).map(Vec::as_slice).collect();
        let batches = valid.chunks(3).map(|few| [b"[", &few.join(&b","[..])[..], b"]"].concat()).collect();
        let stored = valid.iter().map(|json| {
            let mut stored = Vec::new();
            record::encode(&decode(json).unwrap(), &mut stored);
            stored
        });
        let stored = stored.collect();
        let [filters, data] = [FILTERS.map(bytes).to_vec(), DATA.map(bytes).to_vec()];
        Corpus {
            documents,
            filters,
            cesql,
            data,
            events,
            batches,
            messages: MESSAGES.map(bytes).to_vec(),
            stored,
        }
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Of the files below that end so, by their names.
fn contents(folder: &Path, ending: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let each = paths.iter().flat_map(|path| match path.extension() {
        _ if path.is_dir() => contents(path, ending),
        Some(found) if found == ending => vec![std::fs::read(path).unwrap()],
        _ => Vec::new(),
    });
    each.collect()
}
