//! Functions without limits and without a price. Nobody is told to write a field that is refused: each lint speaks as soon
//! as one of its fields is read.

use crate::config::shape::FUNCTION_SPEC;

use super::site::Site;
use super::{Findings, Lint};

pub(super) const NO_LIMITS: Lint =
    Lint::production("lint/no-limits", "a function says nothing of the time, fuel or memory that it may use");
pub(super) const NO_PRICE: Lint =
    Lint::production("lint/no-price", "a function has no price: what it uses is counted and costs nothing");

struct Wanted {
    lint: Lint,
    /// One of them is enough.
    fields: &'static [&'static str],
    message: &'static str,
    help: &'static str,
}

const WANTED: [Wanted; 2] = [
    Wanted {
        lint: NO_LIMITS,
        fields: &["timeout", "fuel", "memory"],
        message: "has no limits of its own: it may take what the worker allows any function",
        help: "say how long it may run:\nspec:\n  timeout: 1s",
    },
    Wanted {
        lint: NO_PRICE,
        fields: &["price"],
        message: "has no price: what it uses is counted and costs nothing",
        help: "say what it costs:\nspec:\n  price: {call: \"0.0000002\", gibMillisecond: \"0.000000017\"}\nor that it costs nothing:\n\
               metadata:\n  annotations: {weir.dev/allow: no-price -- nobody is billed for it}",
    },
];

pub(super) fn check(site: &Site<'_>, findings: &mut Findings<'_>) {
    check_without(&FUNCTION_SPEC.refused().collect::<Vec<_>>(), site, findings);
}

fn check_without(refused: &[&str], site: &Site<'_>, findings: &mut Findings<'_>) {
    for wanted in WANTED {
        let mut readable = wanted.fields.iter().filter(|field| !refused.contains(field)).peekable();
        if readable.peek().is_some() && readable.all(|field| site.entry(&["spec", field]).is_none()) {
            let message = format!("the Function '{}' {}", site.name(), wanted.message);
            findings.add(wanted.lint, site, site.named(), message, wanted.help);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::site::{Sites, Trees};
    use super::*;
    use crate::config::diagnostic::{Diagnostics, Report};
    use crate::config::text::Text;
    use crate::config::yaml;

    fn lints(spec: &str, annotations: &str, refused: &[&str]) -> Vec<&'static str> {
        let document =
            format!("kind: Function\nmetadata: {{annotations: {{{annotations}}}}}\nspec: {{{spec}}}\n");
        let (text, mut diagnostics) = (Arc::new(Text::new("f.yaml", &document)), Diagnostics::default());
        let stream = yaml::parse(&mut Report::new(&text, &mut diagnostics), &text.content);
        let mut trees = Trees::default();
        trees.add(&text, stream.documents);
        let sites = Sites::of(&trees);
        let findings = &mut Findings { diagnostics: &mut diagnostics };
        sites.of_kind("Function").for_each(|site| check_without(refused, site, findings));
        diagnostics.sorted().into_iter().map(|diagnostic| diagnostic.code.text()).collect()
    }

    #[test]
    fn limits_and_a_price_are_asked_for_where_they_can_be_written() {
        assert_eq!(lints("module: f.wasm", "", &[]), ["lint/no-limits", "lint/no-price"]);
        assert_eq!(lints("timeout: 1s, price: {call: 1}", "", &[]), [""; 0]);
        assert_eq!(lints("fuel: 5", "weir.dev/allow: no-price -- ours", &[]), [""; 0]);
        assert_eq!(lints("", "", &["timeout", "memory", "price"]), ["lint/no-limits"]);
        assert_eq!(lints("", "", &["timeout", "fuel", "memory", "price"]), [""; 0]);
    }
}
