//! The options that say which dead letters are meant.

use std::time::Duration;

use clap::Args;
use clap::builder::{NonEmptyStringValueParser as NonEmpty, PossibleValuesParser};

use crate::config::duration;
use crate::dispatch::{Outcome, Reason};
use crate::event::attributes::check_name;
use crate::sink::letter_filter::{Clause, Filter};
use crate::time::unix_nanos;

#[derive(Clone, Debug, Args)]
pub(super) struct Filters {
    /// Only those of this trigger (in the namespace default, or namespace/name)
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    trigger: Option<String>,
    /// Only those whose last attempt ended so
    #[arg(long, value_name = "OUTCOME", hide_possible_values = true, value_parser = outcomes())]
    outcome: Option<String>,
    /// Only those that failed for this reason, as the listing has it
    #[arg(long, value_name = "REASON", hide_possible_values = true, value_parser = reasons())]
    reason: Option<String>,
    /// Only those that failed at this time or later: 2026-03-01T09:00:00Z, or how long ago (2h)
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<u64>,
    /// Only those that failed before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<u64>,
    /// Only events with this context attribute or extension; with several, all must hold. NAME= is any value
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    attribute: Vec<(String, String)>,
    /// Only events that match this expression of CloudEvents SQL
    #[arg(long, value_name = "EXPRESSION", value_parser = cesql)]
    cesql: Option<Clause>,
    /// Only those that have been replayed no more than N times
    #[arg(long, value_name = "N")]
    max_replays: Option<u32>,
}

impl Filters {
    pub(super) fn with(&self, mut ids: Vec<u64>) -> Filter {
        ids.sort_unstable();
        ids.dedup();
        let trigger = self.trigger.as_ref().map(|name| full_name(name));
        Filter {
            ids,
            trigger,
            outcome: self.outcome.clone(),
            reason: self.reason.clone(),
            since: self.since,
            until: self.until,
            attributes: self.attribute.clone(),
            cesql: self.cesql.clone(),
            replays: self.max_replays,
        }
    }
}

/// "namespace/name" of a name that may be without its namespace.
pub(super) fn full_name(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("default/{name}") }
}

fn outcomes() -> PossibleValuesParser {
    let failed = Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Succeeded);
    failed.map(|outcome| outcome.as_str()).collect::<Vec<_>>().into()
}

fn reasons() -> PossibleValuesParser {
    let failed = Reason::ALL.iter().filter(|reason| **reason != Reason::None);
    failed.map(|reason| reason.as_str()).collect::<Vec<_>>().into()
}

/// Nanoseconds since 1970.
pub(in super::super) fn time(text: &str) -> Result<u64, String> {
    let wrong = || "write a time like 2026-03-01T09:00:00Z, or how long ago it was: 2h, 30m, 7d".to_owned();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return u64::try_from(time.as_nanosecond()).map_err(|_| "nothing failed before 1970".to_owned());
    }
    let ago: Duration = duration(text).map_err(|_| wrong())?;
    Ok(unix_nanos().saturating_sub(u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX)))
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    check_name(name).map_err(|e| e.to_string())?;
    Ok((name.to_owned(), value.to_owned()))
}

fn cesql(text: &str) -> Result<Clause, String> {
    Clause::try_from(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_or_counted_back_from_now() {
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1_000_000_000));
        assert_eq!(time("1970-01-01T01:00:01.5+01:00"), Ok(1_500_000_000));
        let hour = 3600 * 1_000_000_000;
        let then = time("2h").unwrap();
        let ago = unix_nanos() - then;
        assert!((2 * hour..3 * hour).contains(&ago), "{ago}");
        assert_eq!(time("36500d"), Ok(0));
        for wrong in ["", "now", "2", "yesterday", "2026-03-01", "1969-12-31T23:59:59Z", "-2h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn attributes_have_names_that_an_event_s_may_have() {
        assert_eq!(attribute("tenant=a=b"), Ok(("tenant".into(), "a=b".into())));
        assert_eq!(attribute("type="), Ok(("type".into(), String::new())));
        for wrong in ["tenant", "=x", "Tenant=x", "data=1"] {
            assert!(attribute(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_trigger_without_a_namespace_is_in_the_default_one() {
        assert_eq!(full_name("orders"), "default/orders");
        assert_eq!(full_name("shop/orders"), "shop/orders");
    }
}
