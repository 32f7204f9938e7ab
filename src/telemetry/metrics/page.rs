//! docs/metrics.md, made from the table.

use super::partitions::PARTITIONS;
use super::series::NAMES;
use super::table::{Kind, Row, TABLE};

const HEAD: &str = "\
# Metrics

`/metrics` on the admin listener (`admin.address`) has them as Prometheus' text, or as OpenMetrics 1.0 for who asks for
`application/openmetrics-text`. This page is made from the table in `src/telemetry/metrics/table.rs`; a test holds it to
that, and `UPDATE_EXPECTED=1 cargo test --test telemetry` writes it anew.

Counters begin at 0 when the worker starts and never go back while it runs, whatever is reloaded. A series is there from
its first event on.
";

/// The whole page.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    page += &format!(
        "
Labels come from the documents and from closed lists, never from events: `trigger` and `function` are `namespace/name`, of a
subscriber that is called over HTTP its URL, the first {NAMES} of each that the worker meets, and `other` for all that come after them. `outcome` and `reason` are those of
the journal. `source` is `queue`, or the `namespace/name` of a KafkaSource, with `topic/number` as `partition`, or of a NatsSource that has `partitions`,
with `stream/number`: the first {PARTITIONS} that the worker is given, each while it has it. Lag is counted from what is done; `weir lag` and KEDA count from
what is committed. Of NATS lag is what they count: what the partition's durable says of itself, every five seconds.

| metric | type | unit | labels | what it is |
|---|---|---|---|---|
"
    );
    for row in TABLE {
        let Row { kind, unit, labels, help, .. } = row;
        let name = if *kind == Kind::Histogram { row.name.to_owned() } else { row.sample() };
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        page += &format!(
            "| `{name}` | {} | {} | {} | {help} |\n",
            kind.as_str(),
            unit.as_str(),
            labels.join(" ")
        );
    }
    page
}
