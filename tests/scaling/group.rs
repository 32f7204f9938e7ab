//! A topic and the workers of its group: who has which partition, and what becomes of them as workers come and go. Assignment is
//! cooperative and sticky: who has a partition keeps it where that can be.

use super::loads::WORKER;

/// From the autoscaler's word to a worker that asks for partitions, in seconds: a pod is placed and its image is there (3 to 4 s,
/// assumed), the worker is ready (0.13 to 0.34 s, measured of each overlay's as in its pod, functions compiled).
const START: u32 = 4;
/// From there to the first record, and how long a partition that changes hands is read by nobody: the first worker of a group had a
/// partition after 2 s (measured); others wait for heartbeats, of 3 s, besides (assumed).
const JOIN: u32 = 4;
/// From SIGTERM to the end (measured: 0.04 to 1.06 s with calls that are quick; drain.timeout allows 25).
const DRAIN: u32 = 1;

#[derive(Clone, Copy, PartialEq)]
enum Worker {
    /// Until then.
    Starting(u32),
    Running,
    Draining(u32),
}

pub(crate) struct Group<'l> {
    share: &'l [f64],
    lag: Vec<f64>,
    /// Of each partition: which worker, and from when on it reads.
    owners: Vec<Option<(usize, u32)>>,
    /// By their numbers; `None`: gone.
    workers: Vec<Option<Worker>>,
    pub(crate) moved: u32,
}

impl<'l> Group<'l> {
    pub(crate) fn new(share: &'l [f64]) -> Group<'l> {
        Group {
            share,
            lag: vec![0.0; share.len()],
            owners: vec![None; share.len()],
            workers: vec![],
            moved: 0,
        }
    }

    pub(crate) fn lag(&self) -> f64 {
        self.lag.iter().sum::<f64>().round()
    }

    /// Those that are not on their way out.
    pub(crate) fn there(&self) -> u64 {
        self.workers.iter().flatten().filter(|worker| !matches!(worker, Worker::Draining(_))).count() as u64
    }

    pub(crate) fn scale(&mut self, now: u32, to: u64) {
        for _ in self.there()..to {
            self.workers.push(Some(Worker::Starting(now + START)));
        }
        for _ in to..self.there() {
            // The youngest goes.
            let stays =
                |worker: &&mut Option<Worker>| matches!(worker, Some(Worker::Starting(_) | Worker::Running));
            let last = self.workers.iter_mut().rev().find(stays).expect("there is one");
            *last = match last {
                Some(Worker::Running) => Some(Worker::Draining(now + DRAIN)),
                _ => None,
            };
        }
    }

    /// A second goes by. How many events were done in it.
    pub(crate) fn step(&mut self, now: u32, came: f64) -> f64 {
        let mut changed = false;
        for worker in &mut self.workers {
            match worker {
                Some(Worker::Starting(until)) if *until <= now => *worker = Some(Worker::Running),
                Some(Worker::Draining(until)) if *until <= now => *worker = None,
                _ => continue,
            }
            changed = true;
        }
        if changed {
            self.assign(now);
        }
        for (lag, share) in self.lag.iter_mut().zip(self.share) {
            *lag += came * share;
        }
        (0..self.workers.len()).map(|number| self.work(now, number)).sum()
    }

    /// Each has as many as the others, or one more; who has too many gives of them.
    fn assign(&mut self, now: u32) {
        let running: Vec<usize> =
            (0..self.workers.len()).filter(|number| self.workers[*number] == Some(Worker::Running)).collect();
        let has = |owners: &[Option<(usize, u32)>], worker| {
            owners.iter().flatten().filter(|(owner, _)| *owner == worker).count()
        };
        for owner in &mut self.owners {
            if owner.is_some_and(|(worker, _)| !running.contains(&worker)) {
                *owner = None;
            }
        }
        if running.is_empty() {
            return;
        }
        loop {
            let fewest = running.iter().copied().min_by_key(|worker| has(&self.owners, *worker)).unwrap();
            let most = running.iter().copied().max_by_key(|worker| has(&self.owners, *worker)).unwrap();
            let free = self.owners.iter().position(Option::is_none);
            let uneven = has(&self.owners, most) > has(&self.owners, fewest) + 1;
            let taken = uneven.then(|| {
                self.owners.iter().rposition(|owner| owner.is_some_and(|(worker, _)| worker == most)).unwrap()
            });
            let Some(partition) = free.or(taken) else { return };
            self.moved += 1;
            self.owners[partition] = Some((fewest, now + JOIN));
        }
    }

    /// What a worker does in a second of its partitions' events, each in turn.
    fn work(&mut self, now: u32, worker: usize) -> f64 {
        if self.workers[worker] != Some(Worker::Running) {
            return 0.0;
        }
        let mut of: Vec<usize> = (0..self.owners.len())
            .filter(|partition| {
                self.owners[*partition].is_some_and(|(owner, from)| owner == worker && from <= now)
            })
            .collect();
        // Those with little first: what they leave is for the others.
        of.sort_by(|a, b| self.lag[*a].total_cmp(&self.lag[*b]));
        let (mut left, mut done) = (WORKER, 0.0);
        for (number, partition) in of.iter().enumerate() {
            let part = (left / (of.len() - number) as f64).min(self.lag[*partition]);
            self.lag[*partition] -= part;
            left -= part;
            done += part;
        }
        done
    }
}
