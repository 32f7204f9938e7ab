//! Kubernetes' label selectors, `team=payments,tier in (gold, silver),!legacy`, over the labels of triggers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// All of it must hold. An empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    wants: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Requirement {
    key: String,
    is: Is,
}

/// As in Kubernetes, a label that is not there is different from, and in none of, whatever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Is {
    There,
    NotThere,
    Equal(String),
    Different(String),
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// Why it can't be read, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSelector {
    pub message: String,
    pub help: String,
}

const LIKE: &str = "write it as team=payments, team!=payments, team, !team or 'team in (payments, orders)'";

impl Selector {
    /// The labels of each that there is: whoever selects nothing is told what he could.
    pub(crate) fn listed<'l>(labels: impl Iterator<Item = &'l BTreeMap<String, String>>) -> String {
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, value) in labels.flatten() {
            values.entry(key).or_default().insert(value);
        }
        let shown = |(key, values): (&str, BTreeSet<&str>)| {
            let more = if values.len() > 10 { ", …" } else { "" };
            format!("{key} in ({}{more})", values.into_iter().take(10).collect::<Vec<_>>().join(", "))
        };
        values.into_iter().take(20).map(shown).collect::<Vec<_>>().join("; ")
    }

    pub fn selects_all(&self) -> bool {
        self.wants.is_empty()
    }

    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.wants.iter().all(|Requirement { key, is }| {
            let value = labels.get(key);
            match is {
                Is::There => value.is_some(),
                Is::NotThere => value.is_none(),
                Is::Equal(wanted) => value == Some(wanted),
                Is::Different(other) => value != Some(other),
                Is::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
                Is::NotIn(others) => value.is_none_or(|value| !others.contains(value)),
            }
        })
    }

    pub fn parse(text: &str) -> Result<Selector, NoSelector> {
        if text.trim().is_empty() {
            return Ok(Selector::default());
        }
        let mut rest = Rest { text, left: text };
        let mut wants = Vec::new();
        loop {
            wants.push(rest.requirement()?);
            if rest.is_done() {
                return Ok(Selector { wants });
            }
            if !rest.takes(",") {
                return Err(rest.unexpected("a comma or the end"));
            }
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Requirement { key, is }) in self.wants.iter().enumerate() {
            f.write_str(if n > 0 { "," } else { "" })?;
            match is {
                Is::There => write!(f, "{key}"),
                Is::NotThere => write!(f, "!{key}"),
                Is::Equal(value) => write!(f, "{key}={value}"),
                Is::Different(value) => write!(f, "{key}!={value}"),
                Is::In(values) => write!(f, "{key} in ({})", values.join(", ")),
                Is::NotIn(values) => write!(f, "{key} notin ({})", values.join(", ")),
            }?;
        }
        Ok(())
    }
}

/// What is still to be read.
struct Rest<'t> {
    text: &'t str,
    left: &'t str,
}

impl<'t> Rest<'t> {
    fn requirement(&mut self) -> Result<Requirement, NoSelector> {
        if self.takes("!") {
            return Ok(Requirement { key: self.key()?, is: Is::NotThere });
        }
        let key = self.key()?;
        let is = if self.takes("!=") {
            Is::Different(self.value()?)
        } else if self.takes("==") || self.takes("=") {
            Is::Equal(self.value()?)
        } else if self.is_done() || self.left.starts_with(',') {
            Is::There
        } else {
            match self.word() {
                "in" => Is::In(self.values()?),
                "notin" => Is::NotIn(self.values()?),
                "" => return Err(self.unexpected("=, !=, in or notin")),
                word => {
                    let help = match word.to_lowercase().as_str() {
                        "in" | "is" => "write 'in', then the values in parentheses",
                        "not" | "notin" => "write it as one word: 'notin'",
                        _ => LIKE,
                    };
                    return Err(self.wrong(format!("'{word}' is not known"), help));
                }
            }
        };
        Ok(Requirement { key, is })
    }

    fn key(&mut self) -> Result<String, NoSelector> {
        let key = self.word();
        let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
        let is_domain = |text: &str| {
            let label = |label: &str| is_name(label) && !label.contains(['_', '.']);
            text.len() <= 253 && text == text.to_lowercase() && text.split('.').all(label)
        };
        if key.is_empty() {
            return Err(self.unexpected("the name of a label"));
        }
        if !is_name(name) || prefix.is_some_and(|prefix| !is_domain(prefix)) {
            let help =
                "a name is letters, digits, '-', '_' and '.', 63 at most, perhaps behind a domain and '/'";
            return Err(self.wrong(format!("'{key}' is no name of a label"), help));
        }
        Ok(key.to_owned())
    }

    /// May be empty.
    fn value(&mut self) -> Result<String, NoSelector> {
        let value = self.word();
        if !value.is_empty() && !is_name(value) {
            let help = "a value is letters, digits, '-', '_' and '.', 63 at most, or nothing";
            return Err(self.wrong(format!("'{value}' is no value of a label"), help));
        }
        Ok(value.to_owned())
    }

    fn values(&mut self) -> Result<Vec<String>, NoSelector> {
        if !self.takes("(") {
            return Err(self.unexpected("values in parentheses"));
        }
        let mut values = vec![self.value()?];
        while self.takes(",") {
            values.push(self.value()?);
        }
        if self.takes(")") { Ok(values) } else { Err(self.unexpected("a comma or ')'")) }
    }

    fn word(&mut self) -> &'t str {
        self.left = self.left.trim_start();
        let end = self.left.find(|c: char| c.is_whitespace() || "=!,()".contains(c));
        let (word, left) = self.left.split_at(end.unwrap_or(self.left.len()));
        self.left = left.trim_start();
        word
    }

    fn takes(&mut self, token: &str) -> bool {
        self.left = self.left.trim_start();
        let rest = self.left.strip_prefix(token);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }

    fn is_done(&self) -> bool {
        self.left.trim().is_empty()
    }

    fn unexpected(&self, wanted: &str) -> NoSelector {
        let found = match self.left.trim_start().chars().next() {
            None => "the end".into(),
            Some(found) => format!("'{found}'"),
        };
        self.wrong(format!("expected {wanted}, found {found}"), LIKE)
    }

    fn wrong(&self, message: String, help: &str) -> NoSelector {
        NoSelector { message: format!("'{}' is no selector: {message}", self.text), help: help.into() }
    }
}

/// As Kubernetes has the names and values of labels.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.iter().all(|&byte| inner(byte)) && outer(bytes.first()) && outer(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn it_selects_as_kubernetes_does() {
        let labels = labels(&[("team", "payments"), ("tier", "gold"), ("example.com/empty", "")]);
        let selecting = [
            "",
            "team=payments",
            "team==payments",
            " team = payments , tier = gold ",
            "team!=orders",
            "nothing!=orders",
            "team",
            "!nothing",
            "! nothing",
            "team in (orders,payments)",
            "team in ( payments )",
            "tier notin (silver, bronze),team",
            "nothing notin (a)",
            "example.com/empty=",
            "example.com/empty in (a,)",
            "team=payments,example.com/empty",
        ];
        for text in selecting {
            let selector = Selector::parse(text).unwrap();
            assert!(selector.matches(&labels), "{text}");
            assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector, "{text}");
        }
        let others = [
            "team=orders",
            "team!=payments",
            "nothing",
            "!team",
            "nothing in (a)",
            "nothing=",
            "tier notin (gold)",
            "team=payments,tier=silver",
            "Team=payments",
        ];
        for text in others {
            assert!(!Selector::parse(text).unwrap().matches(&labels), "{text}");
        }
        assert!(Selector::parse(" ").unwrap().selects_all());
    }

    #[test]
    fn what_is_no_selector_is_refused_with_words() {
        let cases = [
            ("=a", "expected the name of a label, found '='"),
            ("team=payments,", "expected the name of a label, found the end"),
            ("team=payments tier=gold", "expected a comma or the end, found 't'"),
            ("team in payments", "expected values in parentheses, found 'p'"),
            ("team in (payments", "expected a comma or ')', found the end"),
            ("team in ()x", "expected a comma or the end, found 'x'"),
            ("team is payments", "'is' is not known"),
            ("team not in (a)", "'not' is not known"),
            ("team(a)", "expected =, !=, in or notin, found '('"),
            ("-team", "'-team' is no name of a label"),
            ("Example.com/team", "'Example.com/team' is no name of a label"),
            ("a/b/c", "'a/b/c' is no name of a label"),
            ("team=a/b", "'a/b' is no value of a label"),
            ("team=\"a\"", "'\"a\"' is no value of a label"),
            ("team>3", "'team>3' is no name of a label"),
            ("é", "'é' is no name of a label"),
        ];
        for (text, message) in cases {
            let wrong = Selector::parse(text).unwrap_err();
            assert!(wrong.message.ends_with(message), "{text}: {}", wrong.message);
            assert!(!wrong.help.is_empty());
        }
        assert!(Selector::parse(&"a".repeat(64)).is_err());
    }

    #[test]
    fn what_there_is_to_select_is_listed() {
        let all = [labels(&[("team", "b"), ("x", "1")]), labels(&[("team", "a")]), labels(&[])];
        assert_eq!(Selector::listed(all.iter()), "team in (a, b); x in (1)");
    }
}
