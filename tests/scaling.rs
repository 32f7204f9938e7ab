//! Scaling, replayed: loads, a topic with its group, and the arithmetic of KEDA and of the Horizontal Pod Autoscaler, by the
//! settings of deploy/knative-eventing/consumer-kafka and by those that KEDA has where nothing is said. What comes of it stands in
//! docs/scaling.md; `UPDATE_EXPECTED=1 cargo test --test scaling` writes it anew.

#[path = "scaling/autoscaler.rs"]
mod autoscaler;
#[path = "scaling/drawing.rs"]
mod drawing;
#[path = "scaling/group.rs"]
mod group;
#[path = "scaling/loads.rs"]
mod loads;
#[path = "scaling/replay.rs"]
mod replay;
#[allow(dead_code)] // Others read one document alone.
#[path = "packaging/yaml.rs"]
mod yaml;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use autoscaler::Settings;
use loads::{LOADS, Load};
use replay::{Replayed, replay};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// As the overlay says it; its most is as many as the topic has partitions.
fn ours(load: &Load) -> Settings {
    let text =
        std::fs::read_to_string(root().join("deploy/knative-eventing/consumer-kafka/scaling.yaml")).unwrap();
    let documents = yaml::documents(&text);
    let scaled = documents.iter().find(|document| document["kind"] == "ScaledObject").unwrap();
    let mut settings = Settings::of(scaled);
    settings.most = load.partitions() as u64;
    settings
}

fn both(load: &Load) -> [Replayed; 2] {
    [replay(load, &ours(load)), replay(load, &Settings::keda_s_own())]
}

/// The file, or what it should be.
fn hold(path: PathBuf, made: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "{} is another: UPDATE_EXPECTED=1 cargo test --test scaling", path.display());
}

#[test]
fn the_page_shows_what_is_replayed() {
    let mut table = String::from(
        "| load | settings | most workers | worker-hours | changes of their number | partitions moved | most lag | longest wait |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for load in &LOADS {
        let replayed = both(load);
        hold(root().join(format!("docs/scaling/{}.svg", load.name)), &drawing::svg(load, &replayed));
        for (name, one) in ["ours", "KEDA's own"].into_iter().zip(&replayed) {
            let hours = one.worker_seconds / 3600.0;
            writeln!(
                table,
                "| {} | {name} | {} | {hours:.1} | {} | {} | {:.0} | {:.0} s |",
                load.title,
                one.most_workers(),
                one.changes(),
                one.moved,
                one.most_lag(),
                one.longest_wait,
            )
            .unwrap();
        }
    }
    let page = root().join("docs/scaling.md");
    let there = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = there.split_once("<!-- replayed -->\n").expect("where it goes");
    let (_, after) = rest.split_once("<!-- until here -->").expect("where it ends");
    hold(page, &format!("{before}<!-- replayed -->\n{table}<!-- until here -->{after}"));
}

/// Whatever the settings, all of it is done, and nobody is left.
#[test]
fn everything_is_done_and_nobody_is_left() {
    for load in &LOADS {
        for one in both(load) {
            assert!((one.came - one.done).abs() < 1.0, "{}: {} of {}", load.name, one.done, one.came);
            assert_eq!(one.points.last().map(|point| point.workers), Some(0), "{}", load.name);
        }
    }
}

/// What the overlay's settings are for.
#[test]
fn ours_take_fewer_workers_and_let_no_event_wait_longer() {
    for load in &LOADS {
        let [ours, theirs] = both(load);
        assert!(ours.worker_seconds <= theirs.worker_seconds, "{}", load.name);
        assert!(ours.longest_wait <= theirs.longest_wait, "{}", load.name);
        assert!(ours.most_workers() <= load.partitions(), "{}", load.name);
    }
}

/// More workers than partitions do nothing for a partition that is too busy.
#[test]
fn a_busy_partition_is_one_worker_s() {
    let load = LOADS.iter().find(|load| load.name == "bound").unwrap();
    let [ours, theirs] = both(load);
    assert_eq!((ours.most_workers(), theirs.most_workers()), (3, 3));
    let rate = loads::WORKER;
    assert!(load.share[0] * load.most() > rate, "one worker can't do it");
    assert!(ours.longest_wait > 60.0);
}
