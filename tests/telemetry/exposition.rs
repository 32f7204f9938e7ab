//! A reader of /metrics that forgives nothing: Prometheus' text 0.0.4 and OpenMetrics 1.0, by their grammars and not by our
//! writer.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Prometheus,
    OpenMetrics,
}

pub(crate) type Labels = BTreeMap<String, String>;

/// Every sample, by its name and labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exposition {
    pub(crate) samples: BTreeMap<(String, Labels), f64>,
    /// By family.
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) units: BTreeMap<String, String>,
}

impl Exposition {
    #[track_caller]
    pub(crate) fn read(text: &str, dialect: Dialect) -> Exposition {
        let body = match dialect {
            Dialect::OpenMetrics => text.strip_suffix("# EOF\n").expect("the end is '# EOF'"),
            Dialect::Prometheus => text,
        };
        assert!(body.is_empty() || body.ends_with('\n'), "the last line ends");
        let mut read = Exposition::default();
        let (mut family, mut helped) = (String::new(), BTreeSet::new());
        for line in body.split_terminator('\n') {
            assert!(!line.contains('\r'), "{line:?}");
            if let Some(comment) = line.strip_prefix("# ") {
                let (keyword, rest) = comment.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                let (name, value) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(is_name(name, true), "{line}");
                if name != family {
                    assert!(!read.types.contains_key(name), "{name} is in two places");
                    family = name.to_owned();
                }
                match keyword {
                    "HELP" => assert!(helped.insert(name.to_owned()) && is_help(value), "{line}"),
                    "TYPE" => {
                        let known: &[&str] = match dialect {
                            Dialect::Prometheus => &["counter", "gauge", "histogram", "summary", "untyped"],
                            Dialect::OpenMetrics => &["counter", "gauge", "histogram", "info", "unknown"],
                        };
                        assert!(known.contains(&value), "{line}");
                        assert_eq!(read.types.insert(name.to_owned(), value.to_owned()), None, "{line}");
                    }
                    "UNIT" if dialect == Dialect::OpenMetrics => {
                        assert!(name.ends_with(&format!("_{value}")), "{line}");
                        assert_eq!(read.units.insert(name.to_owned(), value.to_owned()), None, "{line}");
                    }
                    _ => panic!("{line}"),
                }
                continue;
            }
            let (name, labels, value) = sample(line);
            let kind = read.types.get(&family).unwrap_or_else(|| panic!("no type before {line}"));
            let suffix =
                name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} is within {family}"));
            let suffixes: &[&str] = match (kind.as_str(), dialect) {
                ("histogram", _) => &["_bucket", "_sum", "_count"],
                ("counter", Dialect::OpenMetrics) => &["_total"],
                ("info", _) => &["_info"],
                _ => &[""],
            };
            assert!(suffixes.contains(&suffix), "{line} is no {kind}");
            assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
            assert!(kind == "gauge" || value >= 0.0, "{line}");
            assert!(kind != "info" || value == 1.0, "{line}");
            assert_eq!(read.samples.insert((name, labels), value), None, "{line} is there twice");
        }
        read.types.keys().for_each(|name| assert!(helped.contains(name), "{name} has no help"));
        read.hold_histograms();
        read
    }

    /// Classes are cumulative, and the last one is all.
    fn hold_histograms(&self) {
        for (family, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((_, labels), value) in
                self.samples.iter().filter(|((name, _), _)| *name == format!("{family}_bucket"))
            {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bucket has a bound");
                assert!(bound == "+Inf" || bound.contains('.'), "{family}: {bound} is no canonical number");
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                series.entry(labels).or_default().push((bound, *value));
            }
            for (labels, mut buckets) in series {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{family}: {buckets:?}");
                let (bound, all) = *buckets.last().unwrap();
                assert_eq!(bound, f64::INFINITY, "{family}");
                assert_eq!(self.samples[&(format!("{family}_count"), labels.clone())], all, "{family}");
                assert!(self.samples.contains_key(&(format!("{family}_sum"), labels)), "{family}");
            }
        }
    }

    /// 0 if it is not there.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied().unwrap_or_default()
    }

    /// Of all series.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.samples.iter().filter(|((n, _), _)| n == name).map(|(_, value)| value).sum()
    }

    /// Whatever can only grow.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (&(String, Labels), f64)> {
        let grows =
            |name: &str| ["_total", "_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
        self.samples.iter().filter(move |((name, _), _)| grows(name)).map(|(at, value)| (at, *value))
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name, true), "{line}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label, false), "{line}");
            let (value, after) = quoted(after).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            match (after.strip_prefix(','), after.strip_prefix('}')) {
                (Some(after), _) => rest = after,
                (_, Some(after)) => break rest = after,
                _ => panic!("{line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_number =
        value.split_once('.').map_or(digits(value), |(whole, part)| digits(whole) && digits(part));
    assert!(is_number, "{line}: no timestamps, no exponents, nothing else");
    (name.to_owned(), labels, value.parse().unwrap())
}

/// What stands up to the closing quote, and what comes after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                '\\' => '\\',
                '"' => '"',
                'n' => '\n',
                _ => return None,
            }),
            '\n' => return None,
            c => value.push(c),
        }
    }
    None
}

fn is_name(name: &str, colons: bool) -> bool {
    let first = name.bytes().next();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || colons && b == b':';
    first.is_some_and(|b| !b.is_ascii_digit()) && name.bytes().all(plain)
}

/// Neither a lone backslash nor, for OpenMetrics, a lone quote.
fn is_help(help: &str) -> bool {
    !help.is_empty() && !help.contains(['\\', '"'])
}

#[test]
fn it_forgives_nothing() {
    let refused = |text: &str| {
        let text = text.to_owned();
        std::panic::catch_unwind(move || Exposition::read(&text, Dialect::Prometheus)).is_err()
    };
    let head = "# HELP a_total x.\n# TYPE a_total counter\n";
    let good = format!("{head}a_total{{b=\"c\\\\\\\"\\n\"}} 1.5\na_total 2\n");
    assert_eq!(Exposition::read(&good, Dialect::Prometheus).value("a_total", &[("b", "c\\\"\n")]), 1.5);
    for wrong in [
        "a_total -1\n",
        "a_total 1 5\n",
        "a_total{b=\"c} 1\n",
        "a_total{b=\"\\x\"} 1\n",
        "b_total 1\n",
        "a_total 1",
        "a_total 1\na_total 1\n",
        "a_total{1=\"\"} 1\n",
        "a_total NaN\n",
    ] {
        assert!(refused(&format!("{head}{wrong}")), "{wrong}");
    }
    let buckets = "# HELP h x.\n# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
    assert!(refused(buckets));
}
