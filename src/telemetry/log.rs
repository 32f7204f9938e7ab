//! Logs go to stderr: readable on a terminal, JSON elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::trace::doings::{self, DOING};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Once per process. `level` is a level, or directives as tracing-subscriber has them ("info,weir::worker=debug").
/// `is_traced`: what the worker does itself is kept as spans, too, for whoever exports them.
pub fn init(level: &str, format: Format, is_traced: bool) -> Result<(), String> {
    let filter = filter(level)?;
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        Format::Auto => !terminal,
        Format::Text => false,
        Format::Json => true,
    };
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // To complain on stderr that stderr is gone would be a panic, in whatever thread logs.
        .log_internal_errors(false)
        .with_timer(Rfc3339);
    let lines: Boxed = if json {
        layer.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
    } else {
        layer.with_ansi(colours).with_target(false).with_filter(filter).boxed()
    };
    let mut layers = vec![lines];
    if is_traced {
        layers.push(doings::layer().boxed());
    }
    tracing_subscriber::registry().with(layers).try_init().map_err(|e| e.to_string())
}

/// The client of NATS tells at `info` what the worker says itself, of whom it concerns: that is left out unless it is asked for.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let filter = EnvFilter::try_new(level).map_err(|e| format!("log.level '{level}': {e}"))?;
    let filter = filter.add_directive(format!("{DOING}=off").parse().expect("a directive"));
    let is_asked_for = level.contains(NATS) || filter.max_level_hint() < Some(LevelFilter::WARN);
    Ok(match is_asked_for {
        true => filter,
        false => filter.add_directive(format!("{NATS}=warn").parse().expect("a directive")),
    })
}

const NATS: &str = "async_nats";

struct Rfc3339;

impl FormatTime for Rfc3339 {
    fn format_time(&self, out: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        write!(out, "{:.3}", jiff::Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_of_nats_is_heard_where_it_is_asked_for() {
        let said = |level: &str| filter(level).unwrap().to_string();
        assert!(said("info").contains("async_nats=warn"), "{}", said("info"));
        assert!(said("debug").contains("async_nats=warn"));
        assert!(said("info,async_nats=debug").contains("async_nats=debug"));
        assert!(!said("error").contains(NATS), "no louder than what is said");
        assert!(filter("a=b=c").is_err());
    }
}
