//! YAML as the JSON that it would be: numbers keep their digits, maps their order.

use super::super::diagnostic::Report;
use super::super::node::{Kind, Node};
use super::super::scalar::Scalar;

/// `None`: reported.
pub(super) fn text(node: &Node, path: &str, report: &mut Report<'_>) -> Option<String> {
    let mut out = String::new();
    write(node, path, &mut out, report).then_some(out)
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write(node: &Node, path: &str, out: &mut String, report: &mut Report<'_>) -> bool {
    let mut whole = true;
    match &node.kind {
        Kind::Scalar { is: Scalar::Str, text, .. } => *out += &quoted(text),
        Kind::Scalar { is: Scalar::Null, .. } => *out += "null",
        Kind::Scalar { is: Scalar::Bool(flag), .. } => *out += if *flag { "true" } else { "false" },
        Kind::Scalar { is: Scalar::Int(_) | Scalar::Float(_), text, .. } if is_number(text) => *out += text,
        Kind::Scalar { is: Scalar::Int(number), .. } => *out += &number.to_string(),
        Kind::Scalar { is: Scalar::Float(number), text, .. } => match serde_json::Number::from_f64(*number) {
            Some(number) => *out += &number.to_string(),
            None => {
                report
                    .error(node.span, format!("{path}: JSON has no number {text}"))
                    .help(format!("write it as a string: \"{text}\""));
                whole = false;
            }
        },
        Kind::Seq(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                whole &= write(item, &format!("{path}[{n}]"), out, report);
            }
            out.push(']');
        }
        Kind::Map(entries) => {
            out.push('{');
            for (n, entry) in entries.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                *out += &quoted(&entry.key);
                out.push(':');
                whole &= write(&entry.value, &format!("{path}.{}", entry.key), out, report);
            }
            out.push('}');
        }
    }
    whole
}

/// Is it a number in JSON as it stands? YAML knows more ways to write one.
fn is_number(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok_and(|raw| raw.get() == text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::diagnostic::Diagnostics;
    use super::super::super::text::Text;
    use super::super::super::yaml;
    use super::*;

    fn of(yaml: &str) -> Result<String, String> {
        let (file, mut diagnostics) = (Arc::new(Text::new("f", yaml)), Diagnostics::default());
        let report = &mut Report::new(&file, &mut diagnostics);
        let stream = yaml::parse(report, &file.content);
        text(&stream.documents[0], "data", report).ok_or_else(|| diagnostics.to_string())
    }

    #[test]
    fn yaml_is_the_json_that_it_would_be() {
        let cases = [
            ("amount: 10000.00", r#"{"amount":10000.00}"#),
            ("z: 1\na: [yes, true, ~, \"\"]", r#"{"z":1,"a":["yes",true,null,""]}"#),
            ("[0x10, +7, 1., .5, 1e3, 98765432109876543210]", "[16,7,1.0,0.5,1e3,98765432109876543210]"),
            ("'a \"b\"\n\n  é\\'", r#""a \"b\"\né\\""#),
            ("{}", "{}"),
        ];
        for (yaml, json) in cases {
            assert_eq!(of(yaml).as_deref(), Ok(json), "{yaml}");
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
        let refused = of("a: {b: [1, .inf]}").unwrap_err();
        assert!(refused.starts_with("f:1:12: error: data.a.b[1]: JSON has no number .inf"), "{refused}");
    }
}
