//! A load from its first second to its last.

use super::autoscaler::{Autoscaler, Settings};
use super::group::Group;
use super::loads::Load;

pub(crate) struct Replayed {
    pub(crate) points: Vec<Point>,
    pub(crate) came: f64,
    pub(crate) done: f64,
    pub(crate) worker_seconds: f64,
    /// Partitions that got another worker.
    pub(crate) moved: u32,
    /// Of an event, from its arrival to its end, in seconds.
    pub(crate) longest_wait: f64,
}

#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) workers: usize,
    pub(crate) lag: f64,
}

impl Replayed {
    pub(crate) fn most_workers(&self) -> usize {
        self.points.iter().map(|point| point.workers).max().unwrap_or(0)
    }

    pub(crate) fn most_lag(&self) -> f64 {
        self.points.iter().map(|point| point.lag).fold(0.0, f64::max)
    }

    pub(crate) fn changes(&self) -> usize {
        self.points.windows(2).filter(|pair| pair[0].workers != pair[1].workers).count()
    }
}

pub(crate) fn replay(load: &Load, settings: &Settings) -> Replayed {
    let mut group = Group::new(load.share);
    let mut autoscaler = Autoscaler::new(settings);
    let mut points = Vec::new();
    let (mut came, mut done, mut worker_seconds, mut longest_wait) = (0.0, 0.0, 0.0, 0.0_f64);
    // How much had come by each second, and up to which of them all is done.
    let (mut until, mut oldest) = (Vec::new(), 0);
    for now in 0..load.long {
        let rate = load.at(now);
        came += rate;
        until.push(came);
        done += group.step(now, rate);
        let to = autoscaler.look(now, group.lag(), load.partitions(), group.there());
        group.scale(now, to);
        while oldest < until.len() && until[oldest] <= done + 0.5 {
            oldest += 1;
        }
        longest_wait = longest_wait.max(f64::from(now) - oldest as f64);
        worker_seconds += group.there() as f64;
        points.push(Point { workers: group.there() as usize, lag: group.lag() });
    }
    Replayed { points, came, done, worker_seconds, moved: group.moved, longest_wait }
}
