//! For what collects results: the XML that JUnit's own runners write, as far as its readers agree about it.

use super::{Counts, Played, suite, text};

/// A suite for each Test.
pub(super) fn report(played: &[Played<'_>]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out += &format!("<testsuites name=\"weir\"{}>\n", numbers(played));
    for cases in played.chunk_by(|a, b| std::ptr::eq(a.test, b.test)) {
        let name = suite(cases[0].test);
        out += &format!("  <testsuite name=\"{}\"{}>\n", escaped(&name), numbers(cases));
        for one in cases {
            out += &case(one, &name);
        }
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

fn numbers(cases: &[Played<'_>]) -> String {
    let Counts { failed, skipped, .. } = Counts::of(cases);
    let seconds: f64 = cases.iter().map(|one| one.took.as_secs_f64()).sum();
    format!(
        " tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.6}\"",
        cases.len()
    )
}

fn case(one: &Played<'_>, suite: &str) -> String {
    let head = format!(
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.6}\"",
        escaped(&one.case.name),
        escaped(suite),
        escaped(&one.case.place.text.name),
        one.case.place.span.line,
        one.took.as_secs_f64()
    );
    match &one.result {
        None => format!("{head}>\n      <skipped/>\n    </testcase>\n"),
        Some((differences, history)) => match differences.first() {
            None => format!("{head}/>\n"),
            Some(first) => {
                let message = escaped(&format!("{}: {}", first.place, first.what));
                let whole = text::failure(differences, history);
                let whole = escaped(&anstream::adapter::strip_str(&whole).to_string());
                format!(
                    "{head}>\n      <failure type=\"expectation\" message=\"{message}\">{whole}</failure>\n    </testcase>\n"
                )
            }
        },
    }
}

/// As it may stand in an attribute or between tags. XML has no way at all to write some characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out.push('\n'),
            '\t' => out += "&#9;",
            '\u{0}'..'\u{20}' | '\u{7f}'..'\u{a0}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_can_t_hold_is_replaced() {
        assert_eq!(
            escaped("a<b> & \"c\"\n\u{1b}[31m\u{ffff}é"),
            "a&lt;b&gt; &amp; &quot;c&quot;\n\u{fffd}[31m\u{fffd}é"
        );
    }
}
