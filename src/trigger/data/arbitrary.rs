//! Payloads and filters for the property tests, and a second opinion: the same language over a tree of `serde_json`.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::event::Data;

const NAMES: [&str; 8] = ["a", "b", "0", "1", "01", "a/b~", "é\"", ""];
/// Each of them a binary fraction: what `serde_json` reads is what is written.
const NUMBERS: [&str; 10] =
    ["0", "-0", "1", "1.0", "10e-1", "-1.5", "1e3", "1000", "4503599627370497.5", "-9007199254740991"];
const TEXTS: [&str; 6] = ["", "a", "A", "é", "1", "a\"\\\n😀"];

/// JSON as it may be written: names may be there twice.
#[derive(Clone, Debug)]
enum Written {
    Plain(String),
    Array(Vec<Written>),
    Object(Vec<(String, Written)>),
}

impl Written {
    /// `spread`: white space around everything.
    fn write(&self, spread: &str, out: &mut String) {
        out.push_str(spread);
        match self {
            Written::Plain(text) => out.push_str(text),
            Written::Array(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { "," });
                    item.write(spread, out);
                }
                out.push(']');
            }
            Written::Object(members) => {
                out.push('{');
                for (n, (name, value)) in members.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { "," });
                    out.push_str(spread);
                    out.push_str(name);
                    out.push_str(spread);
                    out.push(':');
                    value.write(spread, out);
                }
                out.push('}');
            }
        }
        out.push_str(spread);
    }

    fn text(&self, spread: &str) -> String {
        let mut text = String::new();
        self.write(spread, &mut text);
        text
    }

    /// Whether a name is there twice on the way.
    fn is_twice(&self, pointer: &[Box<str>]) -> bool {
        let Some((first, rest)) = pointer.split_first() else { return false };
        match self {
            Written::Plain(_) => false,
            Written::Array(items) => places::index(first)
                .and_then(|index| items.get(index))
                .is_some_and(|item| item.is_twice(rest)),
            Written::Object(members) => {
                let named = |(name, _): &&(String, Written)| {
                    serde_json::from_str::<String>(name).is_ok_and(|name| name == **first)
                };
                let mut named = members.iter().filter(named);
                match (named.next(), named.next()) {
                    (Some(_), Some(_)) => true,
                    (Some((_, value)), None) => value.is_twice(rest),
                    _ => false,
                }
            }
        }
    }
}

/// A string as it may be written: plainly, or every character as an escape.
fn written_text(text: &str, escaped: bool) -> String {
    match escaped {
        false => serde_json::to_string(text).unwrap(),
        true => {
            format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>())
        }
    }
}

fn payload() -> impl Strategy<Value = Written> {
    let text = |all: &'static [&'static str]| {
        (prop::sample::select(all), any::<bool>()).prop_map(|(text, escaped)| written_text(text, escaped))
    };
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        prop::sample::select(&NUMBERS[..]).prop_map(str::to_owned),
        text(&TEXTS),
    ];
    leaf.prop_map(Written::Plain).prop_recursive(4, 30, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Written::Array),
            vec((text(&NAMES), inner), 0..4).prop_map(Written::Object),
        ]
    })
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["null", "true", "FALSE"]).prop_map(str::to_owned),
        prop::sample::select(&NUMBERS[..]).prop_map(str::to_owned),
        prop::sample::select(&TEXTS[..]).prop_map(|text| written_text(text, false)),
    ]
}

fn pointer() -> impl Strategy<Value = String> {
    let name = prop::sample::select(&NAMES[..]).prop_map(|name| match name {
        "a" | "b" | "0" | "1" | "01" => name.to_owned(),
        "a/b~" => "a~1b~0".to_owned(),
        other => written_text(other, false),
    });
    vec(name, 1..4).prop_map(|names| format!("/{}", names.join("/")))
}

/// A filter's text.
pub(super) fn filter() -> impl Strategy<Value = String> {
    let operators = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let compared = (pointer(), operators, literal()).prop_map(|(pointer, operator, literal)| {
        let ordered = !["null", "true", "FALSE"].contains(&&*literal);
        let operator = if ordered || operator.ends_with('=') && operator.len() != 2 || operator == "!=" {
            operator
        } else {
            "="
        };
        format!("{pointer} {operator} {literal}")
    });
    let listed = (pointer(), vec(literal(), 1..4), any::<bool>()).prop_map(|(pointer, list, negated)| {
        format!("{pointer} {}in [{}]", if negated { "not " } else { "" }, list.join(", "))
    });
    let clause = prop_oneof![
        3 => compared,
        1 => listed,
        1 => pointer(),
        1 => pointer().prop_map(|pointer| format!("exists {pointer}")),
    ];
    clause.prop_recursive(3, 12, 3, |inner| {
        let joined = (vec(inner.clone(), 2..4), prop::sample::select(vec![" and ", " OR "]));
        prop_oneof![
            joined.prop_map(|(parts, word)| format!("({})", parts.join(word))),
            inner.prop_map(|part| format!("not {part}")),
        ]
    })
}

fn event(data: Option<Data<'static>>, datacontenttype: Option<&'static str>) -> Event<'static> {
    Event {
        id: "1".into(),
        source: "/s".into(),
        ty: "t".into(),
        subject: None,
        time: None,
        dataschema: None,
        datacontenttype: datacontenttype.map(Into::into),
        extensions: Vec::new(),
        data,
    }
}

fn json(text: impl Into<String>) -> Event<'static> {
    event(Some(Data::Json(text.into().into())), Some("application/json"))
}

/// The second opinion.
struct Naive<'t> {
    written: &'t Written,
    json: &'t Json,
    filter: &'t DataFilter,
}

impl Naive<'_> {
    fn verdict(&self, expr: &Expr) -> Option<bool> {
        match &expr.node {
            ast::Node::All(parts) => {
                let each: Vec<_> = parts.iter().map(|part| self.verdict(part)).collect();
                match () {
                    () if each.contains(&Some(false)) => Some(false),
                    () if each.contains(&None) => None,
                    () => Some(true),
                }
            }
            ast::Node::Any(parts) => {
                let each: Vec<_> = parts.iter().map(|part| self.verdict(part)).collect();
                match () {
                    () if each.contains(&Some(true)) => Some(true),
                    () if each.contains(&None) => None,
                    () => Some(false),
                }
            }
            ast::Node::Not(part) => self.verdict(part).map(|verdict| !verdict),
            ast::Node::Clause(pointer, test) => self.clause(&self.filter.pointers[*pointer], test),
        }
    }

    fn clause(&self, pointer: &Pointer, test: &ast::Test) -> Option<bool> {
        if self.written.is_twice(pointer) {
            return None;
        }
        let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
        let found =
            self.json.pointer(&pointer.iter().map(|name| format!("/{}", escaped(name))).collect::<String>());
        match test {
            ast::Test::Exists => Some(found.is_some()),
            ast::Test::Compare(operator, literal) => compare(found?, *operator, literal),
            ast::Test::In { list, negated } => {
                let found = found?;
                let each: Vec<_> =
                    list.iter().filter_map(|literal| compare(found, ast::Operator::Equal, literal)).collect();
                (!each.is_empty()).then(|| each.contains(&true) != *negated)
            }
        }
    }
}

fn compare(found: &Json, operator: ast::Operator, literal: &ast::Literal) -> Option<bool> {
    use ast::{Literal, Operator};
    match (found, literal) {
        (Json::Number(found), Literal::Number(literal)) => {
            let (found, literal): (f64, f64) = (found.as_f64().unwrap(), literal.text().parse().unwrap());
            Some(match operator {
                Operator::Equal => found == literal,
                Operator::NotEqual => found != literal,
                Operator::Less => found < literal,
                Operator::LessOrEqual => found <= literal,
                Operator::Greater => found > literal,
                Operator::GreaterOrEqual => found >= literal,
            })
        }
        (Json::String(found), Literal::Text(literal)) => Some(operator.holds((**found).cmp(literal))),
        (Json::Bool(found), Literal::Boolean(literal)) => {
            Some((found == literal) == (operator == Operator::Equal))
        }
        (found, Literal::Null) => Some(found.is_null() == (operator == Operator::Equal)),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_scan_agrees_with_a_tree(
        written in payload(),
        spread in prop::sample::select(vec!["", " ", "\r\n\t"]),
        texts in vec(filter(), 1..5),
    ) {
        let text = written.text(spread);
        let tree: Json = serde_json::from_str(&text).unwrap();
        let event = json(text);
        // Alone, and with the pointers of others among its own.
        let (mut together, mut found) = (DataFilters::default(), Found::default());
        let filters: Vec<DataFilter> = texts.iter().map(|text| DataFilter::parse(text).unwrap()).collect();
        let numbers: Vec<usize> = filters.iter().map(|filter| together.add(filter)).collect();
        for _ in 0..2 {
            let read = together.read(&event, &mut found).unwrap();
            for (filter, number) in filters.iter().zip(&numbers) {
                let expected = Naive { written: &written, json: &tree, filter }.verdict(&filter.root);
                prop_assert_eq!(filter.verdict(&event), expected.into(), "{}", filter.text());
                prop_assert_eq!(read.matches(*number), expected == Some(true), "{}", filter.text());
                prop_assert_eq!(filter.explain(&event).matches(), expected == Some(true));
            }
        }
    }

    /// What is JSON says `serde_json`, too, whatever was done to it.
    #[test]
    fn malformed_data_matches_nothing(
        written in payload(),
        changes in vec((any::<prop::sample::Index>(), prop::sample::select(&b"{}[]\",:\\ 0-e.tn\n"[..]), 0..3), 1..4),
        text in filter(),
    ) {
        let mut bytes = written.text(" ").into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        let Ok(text_of) = String::from_utf8(bytes) else { return Ok(()) };
        let valid = serde_json::from_str::<serde::de::IgnoredAny>(&text_of).is_ok();
        let filter = DataFilter::parse(&text).unwrap();
        let (mut places, mut found) = (Places::default(), Found::default());
        places.add_all(&filter.pointers);
        prop_assert_eq!(scan::scan(&text_of, &places, &mut found), valid, "{}", text_of);
        prop_assert!(valid || filter.verdict(&json(text_of)) == Verdict::Undecided);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), parts in vec(prop::sample::select(PARTS), 0..20)) {
        for text in [text, parts.concat()] {
            match DataFilter::parse(&text) {
                Ok(filter) => drop(filter.explain(&json("{\"a\":{\"b\":1}}"))),
                Err(error) => prop_assert!(
                    text.get(error.span.start..error.span.end).is_some() && !error.message.is_empty(),
                    "{}: {:?}", text, error
                ),
            }
        }
    }
}

const PARTS: &[&str] = &[
    "/a", "/a/b", "/", "/\"", "\"x\"", "'", "\\", "1", "-", ".5", "1e5", "true", "null", "(", ")", "[", "]",
    ",", "=", "!=", "<", ">=", "==", "!", "&&", " and ", " or ", " not ", " in ", " exists ", " ", "~", "*",
    "é", "\u{0}", "a.b",
];

#[test]
fn what_an_article_would_say() {
    let order = r#"{"amount": 12000, "customer": {"country": "DE", "name": "Zoë", "id": 9007199254740993},
        "vip": true, "test": false, "items": [{"sku": "A-1", "price": 1299.95}], "coupon": null, "note": "a\nb",
        "twice": 1, "twice": 2}"#;
    for (text, expected) in [
        ("/amount > 10000", Verdict::True),
        ("/amount > 12e3", Verdict::False),
        ("/customer/country in [\"DE\", 'FR']", Verdict::True),
        ("/customer/country not in [\"DE\", \"FR\"]", Verdict::False),
        ("/vip", Verdict::True),
        ("not /test", Verdict::True),
        ("/vip and not /test and /amount >= 12000.00", Verdict::True),
        ("/test or /vip and /amount < 5", Verdict::False),
        ("(/test or /vip) and not /amount < 5", Verdict::True),
        ("/customer/id = 9007199254740993", Verdict::True),
        ("/customer/id = 9007199254740992", Verdict::False),
        ("/items/0/price = 1299.95", Verdict::True),
        ("/items/0/sku >= 'A'", Verdict::True),
        ("exists /items/1", Verdict::False),
        ("exists /items/00", Verdict::False),
        ("exists /coupon and /coupon = null", Verdict::True),
        ("/note = \"a\\nb\"", Verdict::True),
        ("/customer/\"name\" = \"Zo\\u00eb\"", Verdict::True),
        // Not there, or of another type: neither it nor its contrary.
        ("/absent", Verdict::Undecided),
        ("not /absent", Verdict::Undecided),
        ("not exists /absent or not /absent", Verdict::True),
        ("/absent != 5", Verdict::Undecided),
        ("/vip = 'true'", Verdict::Undecided),
        ("/amount != '12000'", Verdict::Undecided),
        ("/coupon = 5", Verdict::Undecided),
        ("/coupon in [5, null]", Verdict::True),
        ("/amount in ['a', 5]", Verdict::False),
        ("/customer != null", Verdict::True),
        ("/customer = 'DE'", Verdict::Undecided),
        ("exists /twice", Verdict::Undecided),
        ("/twice = 2", Verdict::Undecided),
        ("/vip or /twice = 2", Verdict::True),
    ] {
        assert_eq!(DataFilter::parse(text).unwrap().verdict(&json(order)), expected, "{text}");
    }
}

#[test]
fn what_is_no_json_is_undecided() {
    let text = || Some(Data::Text("{\"a\":true}".into()));
    for (event, found) in [
        (event(None, None), "the event has no data"),
        (event(text(), Some("text/plain")), "the data is no JSON"),
        (event(Some(Data::Binary(b"{\"a\":true}"[..].into())), None), "the data is no JSON"),
        (event(Some(Data::Json("{\"a\":true}".into())), Some("text/xml")), "the data is no JSON"),
        (json("{\"a\":true"), "the data is no JSON"),
        (json("{\"a\":true} {}"), "the data is no JSON"),
        (json(format!("{{\"a\":true,\"b\":{}{}}}", "[".repeat(127), "]".repeat(127))), "the data is no JSON"),
    ] {
        for text in ["/a", "not /a", "exists /a", "not exists /a"] {
            let filter = DataFilter::parse(text).unwrap();
            assert_eq!(filter.verdict(&event), Verdict::Undecided, "{text} {event:?}");
            assert_eq!(filter.explain(&event).errors, [found]);
        }
    }
    assert!(DataFilter::parse("/a").unwrap().matches(&event(Some(Data::Json("{\"a\":true}".into())), None)));
    assert!(
        DataFilter::parse("/a")
            .unwrap()
            .matches(&event(Some(Data::Json("{\"a\":true}".into())), Some("a/b+json")))
    );
}

#[test]
fn an_explanation_follows_the_tree() {
    use crate::trigger::explain::{Clause, Verdict};
    let filter = DataFilter::parse("/vip and (/land = 'de' or not exists /a/'b c') and not /x").unwrap();
    let explained = filter.explain(&json(r#"{"vip":"yes","land":"DE","a":{"b c":{}},"n":1.50}"#));
    fn told(clause: &Clause, depth: usize, all: &mut Vec<String>) {
        let verdict = match clause.verdict {
            Verdict::True => "true",
            Verdict::False => "false",
            Verdict::Error => "error",
        };
        let seen: Vec<String> = clause
            .seen
            .iter()
            .map(|(what, value)| format!("{what}: {}", value.as_ref().map_or("-".into(), Json::to_string)))
            .collect();
        let hint = clause.hint.as_deref().unwrap_or_default();
        let parts = [clause.is, &clause.asks, verdict, &seen.join(", "), &clause.errors.join(", "), hint];
        all.push(format!("{}{}", " ".repeat(depth), parts.join(" | ")));
        clause.parts.iter().for_each(|part| told(part, depth + 1, all));
    }
    let mut all = Vec::new();
    told(&explained, 0, &mut all);
    let expected = [
        "data |  | false |  |  | ",
        " and |  | false |  |  | ",
        "  value | /vip | error | /vip: \"yes\" | /vip is a text and compared with a boolean | ",
        "  or |  | false |  |  | ",
        "   value | /land = 'de' | false | /land: \"DE\" |  | it would match but for upper and lower case",
        "   not |  | false |  |  | ",
        "    value | exists /a/'b c' | true |  |  | ",
        "  not |  | error |  |  | what can't be decided matches nothing, and neither does 'not' of it",
        "   value | /x | error | /x: - | there is no /x | ",
    ];
    assert_eq!(all, expected);
    let one = DataFilter::parse("/n > 1").unwrap().explain(&json(r#"{"n":1.50}"#));
    assert_eq!(
        (one.is, &*one.asks, one.seen),
        ("data", "/n > 1", vec![("/n".into(), Some(Json::from("1.50")))])
    );
}

/// A text or number of the payload's length is not read again for each clause: who sends it does not choose how long all take.
#[test]
fn what_is_long_is_not_read_by_each_clause() {
    let many = |clause: &str| DataFilter::parse(&vec![clause; 5_000].join(" or ")).unwrap();
    let number = json(format!("{{\"a\":{}}}", "1".repeat(1 << 20)));
    assert_eq!(many("/a = 1").verdict(&number), Verdict::Undecided);
    let text = json(format!("{{\"a\":\"{}\"}}", "\\u00fc".repeat(200_000)));
    assert_eq!(many("/a = 'x'").verdict(&text), Verdict::False);
    let list = DataFilter::parse(&format!("/a in [{}2]", "1, ".repeat(20_000))).unwrap();
    assert_eq!(list.verdict(&number), Verdict::Undecided);
}

/// However a payload repeats names, what is spoilt is spoilt once.
#[test]
fn names_there_twice_cost_nothing_more() {
    let filters: Vec<String> = (0..3_000).map(|n| format!("/a/b{n} = 1")).collect();
    let filter = DataFilter::parse(&filters.join(" or ")).unwrap();
    let event = json(format!("{{{}}}", vec!["\"a\":{\"b7\":1}"; 50_000].join(",")));
    assert_eq!(filter.verdict(&event), Verdict::Undecided);
}
