//! How a worker reads its partitions and commits them.

use weir::dispatch::{Input, Progress};
use weir::event::{Envelope, Epoch, Position};
use weir::time::Moment;

use super::broker::{Committed, source};
use super::group::{Happens, World};
use super::plan::BROKER;
use super::scenario::Fault;
use super::truth::broken;

/// What a source hands over: records of one partition, read under one epoch, and how far nothing else stands.
#[derive(Debug)]
pub(crate) struct Arrival {
    partition: u32,
    epoch: u32,
    envelopes: Vec<Envelope>,
    passed: Option<u64>,
}

/// Records of a partition that are read at once.
pub(crate) const BATCH: usize = 6;

impl World {
    pub(crate) fn plan_poll(&mut self, w: usize) {
        let worker = &self.workers[w];
        if worker.poll_planned || !worker.is_candidate() {
            return;
        }
        let readable = worker.mine.iter().any(|(&number, mine)| {
            mine.passed < self.partitions[number as usize].end
                && worker.told.get(&number) == Some(&mine.epoch)
                && worker.core.takes(source(), number)
        });
        if readable {
            self.workers[w].poll_planned = true;
            let life = self.life(w);
            self.soon(0..2_000, Happens::Poll(life));
        }
    }

    pub(crate) fn poll(&mut self, w: usize) {
        let mut arrivals = Vec::new();
        let worker = &mut self.workers[w];
        for (&number, mine) in &mut worker.mine {
            if worker.stopping
                || worker.told.get(&number) != Some(&mine.epoch)
                || !worker.core.takes(source(), number)
            {
                continue;
            }
            let log = &self.partitions[number as usize];
            let count = self.dice.within(1..BATCH as u64 + 1) as usize;
            let mut envelopes = Vec::new();
            for (&offset, (_, record)) in log.records.range(mine.next..).take(count) {
                let position = Position { source: source(), partition: number, offset };
                let envelope =
                    Envelope::new(position, Epoch(mine.epoch), record.clone()).expect("a valid record");
                mine.next = offset + 1;
                envelopes.push(envelope);
            }
            let position = log.position_from(mine.next);
            let tells = log.records.range(mine.next..).next().is_none() || self.dice.chance(30);
            if tells {
                mine.passed = position;
            }
            arrivals.push(Arrival {
                partition: number,
                epoch: mine.epoch,
                envelopes,
                passed: tells.then_some(position),
            });
        }
        // No other batch is read until this one is in.
        let life = self.life(w);
        let late = if self.has(Fault::LateAcks) { 20_000 } else { 1_000 };
        self.soon(0..late, Happens::Arrive(life, arrivals));
    }

    pub(crate) fn arrive(&mut self, w: usize, arrivals: Vec<Arrival>) {
        let worker = &mut self.workers[w];
        // It reads on when the core has seen these.
        worker.arrived = true;
        for Arrival { partition, epoch, envelopes, passed } in arrivals {
            let arrived = envelopes.into_iter().map(|envelope| Input::Arrived { envelope, broker: BROKER });
            worker.inbox.extend(arrived);
            let passed = passed.map(|offset| Input::Passed {
                source: source(),
                partition,
                epoch: Epoch(epoch),
                offset,
            });
            worker.inbox.extend(passed);
        }
        self.plan_step(w);
    }

    pub(crate) fn plan_commit(&mut self, w: usize) {
        if !self.workers[w].commit_planned {
            self.workers[w].commit_planned = true;
            let life = self.life(w);
            self.soon(1_000..30_000, Happens::Commit(life));
        }
    }

    pub(crate) fn commit(&mut self, w: usize) {
        self.workers[w].commit_planned = false;
        let numbers: Vec<u32> = self.workers[w].mine.keys().copied().collect();
        for number in numbers {
            let Some((epoch, committed)) = self.take_commit(w, number) else { continue };
            if self.has(Fault::LostCommits) && self.dice.chance(30) {
                self.totals.lost_commits += 1;
                let life = self.life(w);
                self.soon(5_000..40_000, Happens::CommitLost(life, number));
                continue;
            }
            let late = if self.has(Fault::LateAcks) { 60_000 } else { 3_000 };
            let at =
                self.now.after(self.dice.micros(100..late)).max(Moment(self.workers[w].last_commit.0 + 1));
            self.workers[w].last_commit = at;
            self.agenda.plan(at, Happens::CommitArrives(number, epoch, committed));
        }
    }

    /// What has been done since the last commit that was sent.
    pub(crate) fn take_commit(&mut self, w: usize, number: u32) -> Option<(u32, Committed)> {
        let worker = &mut self.workers[w];
        let mine = worker.mine.get_mut(&number)?;
        if worker.told.get(&number) != Some(&mine.epoch) {
            return None;
        }
        let progress = worker.core.progress(source(), number).expect("the partition is its own");
        if mine.sent.as_ref() == Some(&progress) {
            return None;
        }
        self.truth.committed(number, &self.partitions[number as usize], &progress);
        let limit =
            if self.scenario.has(Fault::SmallMaps) { self.dice.within(12..28) as usize } else { 4096 };
        let map = progress.encode_within(limit);
        if map.len() > limit {
            broken(
                "map size",
                &format!("{progress:?} is {} bytes long, and {limit} were allowed", map.len()),
            );
        }
        let read = Progress::decode(&map).expect("what was encoded is read");
        let within =
            read.runs.iter().all(|&(first, count)| (first..first + count).all(|p| progress.is_complete(p)));
        if read.watermark != progress.watermark || !within {
            broken("map says more", &format!("{progress:?} was encoded as {read:?}"));
        }
        self.totals.maps += u64::from(!read.runs.is_empty());
        self.totals.cut_maps += u64::from(read != progress);
        let (epoch, watermark) = (mine.epoch, progress.watermark);
        mine.sent = Some(progress);
        Some((epoch, Committed { watermark, map }))
    }

    pub(crate) fn commit_arrives(&mut self, number: u32, epoch: u32, committed: Committed) {
        let partition = &mut self.partitions[number as usize];
        let progress = Progress::decode(&committed.map).expect("what was encoded is read");
        let before = partition.committed.as_ref().map_or(0, |before| before.watermark);
        let accepted = partition.commit(epoch, committed);
        self.trace.say(self.now, || format!("commit of {number} under {epoch}: {progress:?}, {accepted}"));
        if !accepted {
            self.totals.refused_commits += 1;
            return;
        }
        if progress.watermark < before {
            broken(
                "watermark falls",
                &format!("from {before} to {} in partition {number}", progress.watermark),
            );
        }
        self.truth.committed(number, &self.partitions[number as usize], &progress);
    }

    pub(crate) fn commit_lost(&mut self, w: usize, number: u32) {
        if let Some(mine) = self.workers[w].mine.get_mut(&number) {
            mine.sent = None;
        }
        self.plan_commit(w);
    }
}
