//! The numbers as text: Prometheus' format 0.0.4, or OpenMetrics 1.0.

use std::fmt::Write;

use super::cell::Distribution;
use super::snapshot::{Point, Snapshot, Value};
use super::table::{Kind, Row, Unit};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// What an Accept header asks for; who asks for nothing that there is gets Prometheus' format.
    pub fn accepted(header: &str) -> Format {
        let mut best = (0.0, Format::Prometheus);
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let format = match parts.next() {
                Some(kind) if kind.eq_ignore_ascii_case("application/openmetrics-text") => {
                    Format::OpenMetrics
                }
                Some("*/*" | "text/*" | "text/plain") => Format::Prometheus,
                _ => continue,
            };
            let quality =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
            if let Some(quality) = quality.filter(|quality| *quality > best.0) {
                best = (quality, format);
            }
        }
        best.1
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    pub fn write(self, snapshot: &Snapshot) -> String {
        let mut text = String::with_capacity(16 << 10);
        for (row, points) in snapshot.families() {
            self.head(row, &mut text);
            points.iter().for_each(|point| write_point(row, point, &mut text));
        }
        if self == Format::OpenMetrics {
            text += "# EOF\n";
        }
        text
    }

    fn head(self, row: &Row, text: &mut String) {
        let Row { kind, unit, help, .. } = row;
        let (name, kind) = match self {
            Format::OpenMetrics => (row.name.to_owned(), kind.as_str()),
            // It knows no info, and calls a counter as its samples are called.
            Format::Prometheus if *kind == Kind::Info => (row.sample(), Kind::Gauge.as_str()),
            Format::Prometheus => (row.sample(), kind.as_str()),
        };
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        if self == Format::OpenMetrics && *unit != Unit::None {
            let _ = writeln!(text, "# UNIT {name} {}", unit.as_str());
        }
    }
}

fn write_point(row: &Row, point: &Point, text: &mut String) {
    let name = row.sample();
    match &point.value {
        Value::Whole(value) => {
            write_name(&name, row, point, None, text);
            let _ = writeln!(text, " {value}");
        }
        Value::Nanos(nanos) => {
            write_name(&name, row, point, None, text);
            let _ = writeln!(text, " {}", Seconds(*nanos));
        }
        Value::Distribution(Distribution { bounds, counts, sum }) => {
            let mut so_far = 0;
            let (bucket, most) = (format!("{name}_bucket"), "+Inf".to_owned());
            let bounds = bounds.iter().map(|&bound| Seconds(bound).to_string()).chain([most]);
            for (bound, count) in bounds.zip(counts) {
                so_far += count;
                write_name(&bucket, row, point, Some(&bound), text);
                let _ = writeln!(text, " {so_far}");
            }
            write_name(&format!("{name}_sum"), row, point, None, text);
            let _ = writeln!(text, " {}", Seconds(*sum));
            write_name(&format!("{name}_count"), row, point, None, text);
            let _ = writeln!(text, " {so_far}");
        }
    }
}

fn write_name(name: &str, row: &Row, point: &Point, bound: Option<&str>, text: &mut String) {
    text.push_str(name);
    let labels = row.labels.iter().copied().zip(point.labels.iter().map(String::as_str));
    let mut before = '{';
    for (label, value) in labels.chain(bound.map(|bound| ("le", bound))) {
        text.push(before);
        let _ = write!(text, "{label}=\"");
        value.chars().for_each(|c| match c {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str(r#"\""#),
            '\n' => text.push_str(r"\n"),
            c => text.push(c),
        });
        text.push('"');
        before = ',';
    }
    if before == ',' {
        text.push('}');
    }
}

/// Nanoseconds as seconds, to the last digit.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let digits = format!("{rest:09}");
        let digits = digits.trim_end_matches('0');
        write!(f, "{whole}.{}", if digits.is_empty() { "0" } else { digits })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Metric;
    use super::*;

    #[test]
    fn openmetrics_goes_to_those_who_would_rather_have_it() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/html", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            (prometheus, Format::OpenMetrics),
            ("text/plain, application/openmetrics-text;q=0.2", Format::Prometheus),
            ("application/openmetrics-text;q=0, text/plain;q=0.1", Format::Prometheus),
            ("application/openmetrics-text;q=x", Format::Prometheus),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
    }

    #[test]
    fn a_family_has_its_head_and_its_samples() {
        let mut snapshot = Snapshot::nothing();
        snapshot.whole(Metric::Events, &[], 3);
        snapshot.whole(Metric::Attempts, &["a\"b\\c\nd", "succeeded", "none"], 1);
        snapshot.nanos(Metric::ColdStartTime, &["f"], 1_500_000_001);
        let distribution =
            Distribution { bounds: &[1_000_000, 1_000_000_000], counts: vec![1, 0, 2], sum: 70 };
        snapshot.add(Metric::WriteDuration, &[], Value::Distribution(distribution));
        let expected = r#"# HELP weir_events Events taken in: durable, and their publisher told so; in direct mode, of senders who wait.
# TYPE weir_events counter
weir_events_total 3
# HELP weir_attempts Attempts, by how they ended and why.
# TYPE weir_attempts counter
weir_attempts_total{trigger="a\"b\\c\nd",outcome="succeeded",reason="none"} 1
# HELP weir_cold_start_seconds The time that took.
# TYPE weir_cold_start_seconds counter
# UNIT weir_cold_start_seconds seconds
weir_cold_start_seconds_total{function="f"} 1.500000001
# HELP weir_write_duration_seconds The time of one write of all that had gathered, and its flush.
# TYPE weir_write_duration_seconds histogram
# UNIT weir_write_duration_seconds seconds
weir_write_duration_seconds_bucket{le="0.001"} 1
weir_write_duration_seconds_bucket{le="1.0"} 1
weir_write_duration_seconds_bucket{le="+Inf"} 3
weir_write_duration_seconds_sum 0.00000007
weir_write_duration_seconds_count 3
# EOF
"#;
        assert_eq!(Format::OpenMetrics.write(&snapshot), expected);
        let plain = Format::Prometheus.write(&snapshot);
        assert!(plain.contains("# TYPE weir_events_total counter\nweir_events_total 3\n"), "{plain}");
        assert!(!plain.contains("UNIT") && !plain.contains("EOF"), "{plain}");
    }
}
