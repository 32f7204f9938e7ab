//! docs/settings.md, made from the table, so that it can't say anything else than the worker does.

use super::{Row, TABLE, foreign};

const HEAD: &str = "\
# Settings

All of the worker's own settings, with their defaults. This page is made from the table in `src/config/settings/`;
a test holds it to that, and `UPDATE_EXPECTED=1 cargo test --test cli` writes it anew.

A setting is taken from the first of these that says it:

1. the command line: `--set http.max-body=4MiB`, or a flag of its own (`--http`, `--admin`, `--data-dir`, `--executors`,
   `--select`);
2. the environment: `WEIR_HTTP_MAX_BODY=4MiB`;
3. the file: `weir.yaml`, or the one that `--config` or `WEIR_CONFIG` names. A dot is a level:
   `http: {max-body: 4MiB}`. [weir.example.yaml](weir.example.yaml) has them all;
4. the default.

`weir check --show-origin` shows every setting with its value and where that is from. A wrong value is a mistake wherever
it stands, also where another wins; with a mistake nothing is started (exit code 78).

Sizes are written as `64KiB` or `4GiB`, durations as `200ms`, `30s` or `1h30m`, addresses as `127.0.0.1:8080`. A secret
never stands in a file: `http: {token: {secret: name/key}}` refers to `<secrets.dir>/name/key`, or to the variable
`WEIR_SECRET_NAME_KEY`; what is not such a reference is refused and not shown.

Of OpenTelemetry's own variables `OTEL_EXPORTER_OTLP_ENDPOINT`, `_PROTOCOL` and `_HEADERS` stand for `telemetry.otlp.*` where that is
not set in the environment, `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say what the worker is called, and `OTEL_SDK_DISABLED` that
the first three count for nothing.

";

const FOREIGN: &str = "
## A function server's `config.yaml`

Its words are taken for ours, each with a note, so that the file runs as it stands: `weir run --config config.yaml`. Two
words for one setting must agree.

| there | here |
|---|---|
";

/// The whole page.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    page += "| setting | value | default | environment | what it is |\n|---|---|---|---|---|\n";
    for row in TABLE {
        let (value, variable) = (value(row), row.variable());
        let default = if row.default.is_empty() { "none".into() } else { format!("`{}`", row.default) };
        page += &format!("| `{}` | {value} | {default} | `{variable}` | {} |\n", row.name, row.doc);
    }
    page += FOREIGN;
    for (theirs, ours) in foreign::words() {
        page += &format!("| `{theirs}` | `{ours}` |\n");
    }
    page
}

/// Its kind, with its bounds.
fn value(row: &Row) -> String {
    let kind = row.kind.trim();
    match (row.least, row.most) {
        ("", "") => kind.to_owned(),
        (least, most) => format!("{kind}, {least} to {most}"),
    }
}
