//! Which triggers a data directory is run for. What was taken in for a trigger is owed to it: while events have not settled,
//! none that ran here can be left out.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::deployment::Deployment;
use crate::config::{Config, Trigger};
use crate::event::Uid;
use crate::sink::parking::Label;

const FILE: &str = "selected";
/// Its first line; then a trigger a line, as "namespace/name".
const HEAD: &str = "weir selected 1";
/// So many are named where there are more.
const NAMED: usize = 10;

/// Notes what is run from here on. Refused where that would lose something: `waiting` events have not settled.
pub(super) fn note(data: &Path, config: &Config, waiting: u64) -> Result<(), String> {
    let path = data.join(FILE);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let ran = match std::fs::read_to_string(&path) {
        Ok(text) => {
            Some(read(&text).ok_or_else(|| format!("{}: this version can't read it", path.display()))?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    // Without the file all may have run.
    let did_run = |name: &String| ran.as_ref().is_none_or(|ran| ran.contains(name));
    let owed: Vec<String> = config.deselected.iter().map(Trigger::full_name).filter(did_run).collect();
    if waiting > 0 && !owed.is_empty() {
        return Err(format!(
            "{waiting} events that were taken in here have not settled, and {} may still be owed some of them: start once \
             without leaving that out, and stop the worker when it is ready (what it can't do by then is parked and kept); \
             or give the new selection a data directory of its own",
            named(&owed)
        ));
    }
    let runs: BTreeSet<String> = config.triggers.iter().map(Trigger::full_name).collect();
    if ran.as_ref() == Some(&runs) {
        return Ok(());
    }
    let lines = runs.iter().fold(HEAD.to_owned(), |text, name| text + "\n" + name);
    write(&path, &(lines + "\n")).and_then(|()| File::open(data)?.sync_all()).map_err(failed)
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

fn read(text: &str) -> Option<BTreeSet<String>> {
    let mut lines = text.lines();
    (lines.next()? == HEAD).then(|| lines.map(str::to_owned).collect())
}

/// Not gone: what is not selected is run by another worker, or by this one's next life.
pub(super) fn is_known(deployment: &Deployment, config: &Config, trigger: Uid) -> bool {
    deployment.is_known(trigger) || config.deselected.iter().any(|other| other.uid == trigger)
}

/// Says what is left to others.
pub(super) fn say(config: &Config) {
    if !config.deselected.is_empty() {
        let names: Vec<String> = config.deselected.iter().map(Trigger::full_name).collect();
        tracing::info!(triggers = named(&names), "not selected: left to other workers");
    }
}

/// Those that are left out and that something is parked for.
pub(super) fn left_out(config: &Config, parked: &[Label]) -> BTreeSet<Uid> {
    let is_left_out = |uid: &Uid| config.deselected.iter().any(|trigger| trigger.uid == *uid);
    parked.iter().map(|label| label.trigger).filter(is_left_out).collect()
}

/// May this take the other's place while the worker runs? What was `left_out` at the start stays so, and what was not, too.
pub(super) fn may_change(before: &Config, after: &Config, left_out: &BTreeSet<Uid>) -> Result<(), String> {
    let is_in = |all: &[Trigger], one: &Trigger| all.iter().any(|trigger| trigger.uid == one.uid);
    let gone = after.deselected.iter().filter(|trigger| is_in(&before.triggers, trigger));
    let gone: Vec<String> = gone.map(Trigger::full_name).collect();
    if !gone.is_empty() {
        return Err(format!(
            "{} would no longer be selected, and may be owed events: that takes a restart",
            named(&gone)
        ));
    }
    let back = after.triggers.iter().filter(|trigger| left_out.contains(&trigger.uid));
    let back: Vec<String> = back.map(Trigger::full_name).collect();
    if !back.is_empty() {
        return Err(format!(
            "{} would be selected, and deliveries are parked for it that were left out at the start: that takes a restart",
            named(&back)
        ));
    }
    Ok(())
}

/// What is parked for triggers that are left out stays where it is. Returns the rest.
pub(super) fn leave_out(config: &Config, parked: Vec<Label>) -> Vec<Label> {
    let deselected: BTreeSet<Uid> = config.deselected.iter().map(|trigger| trigger.uid).collect();
    let (kept, parked): (Vec<Label>, Vec<Label>) =
        parked.into_iter().partition(|label| deselected.contains(&label.trigger));
    if !kept.is_empty() {
        let of: BTreeSet<Uid> = kept.iter().map(|label| label.trigger).collect();
        let of = config.deselected.iter().filter(|trigger| of.contains(&trigger.uid)).map(Trigger::full_name);
        let of: Vec<String> = of.collect();
        tracing::warn!(
            deliveries = kept.len(),
            triggers = named(&of),
            "parked for triggers that are not selected: kept until a worker of this data directory runs them"
        );
    }
    parked
}

fn named(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(of: &[&str]) -> Config {
        let document = |name: &&str| {
            format!(
                "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}, labels: {{team: {name}}}}}\n\
                 spec:\n  broker: default\n  subscriber:\n    ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: f}}\n\
                 ---\n"
            )
        };
        let function =
            "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: f}\nspec: {module: m.wasm}\n";
        let text = of.iter().map(document).collect::<String>() + function;
        let loaded =
            crate::config::load_text("tests/mistakes/a.yaml", &text.replace("m.wasm", "module.wasm"));
        assert!(loaded.config.is_some(), "{}", loaded.diagnostics);
        loaded.config.unwrap()
    }

    fn selecting(select: &str) -> Config {
        let mut config = config(&["a", "b", "c"]);
        config.select(&crate::config::Selector::parse(select).unwrap()).unwrap();
        config
    }

    #[test]
    fn what_may_be_owed_something_can_t_be_left_out() {
        let data = tempfile::tempdir().unwrap();
        let note = |select: &str, waiting: u64| note(data.path(), &selecting(select), waiting);
        // A directory of an older version: all may have run.
        let refused = note("team=a", 5).unwrap_err();
        assert!(refused.contains("5 events") && refused.contains("default/b, default/c may"), "{refused}");
        note("", 5).unwrap();
        assert!(note("team=a", 5).is_err());
        note("team=a", 0).unwrap();
        // What did not run is owed nothing, also what the others have come to have since.
        note("team=a", 7).unwrap();
        assert!(note("team=b", 7).unwrap_err().contains("default/a may"));
        note("team!=c", 7).unwrap();
        assert!(note("team=a", 7).is_err(), "b ran meanwhile");
        note("", 7).unwrap();
        assert!(note("team!=c", 7).is_err(), "and so did c");
        std::fs::write(data.path().join(FILE), "weir selected 2\n").unwrap();
        assert!(note("", 0).is_err());
    }

    #[test]
    fn what_is_run_and_what_is_left_out_with_something_parked_stays_so_while_a_worker_runs() {
        let (one, two) = (selecting("team=a"), selecting("team!=c"));
        let nothing = BTreeSet::new();
        may_change(&one, &two, &nothing).unwrap();
        assert!(may_change(&two, &one, &nothing).unwrap_err().starts_with("default/b would no longer"));
        let parked = BTreeSet::from([two.triggers[1].uid]);
        assert!(may_change(&one, &two, &parked).unwrap_err().starts_with("default/b would be selected"));
        may_change(&one, &one, &parked).unwrap();
        // One that is gone from the documents is no matter of selection.
        may_change(&two, &config(&["a"]), &nothing).unwrap();
    }
}
