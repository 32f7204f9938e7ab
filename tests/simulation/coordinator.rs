//! Who has which partition: handed over as asked, taken from workers that don't know yet, left behind by those that died.

use weir::dispatch::{Core, Input, Stub};
use weir::event::segment::Ended;
use weir::event::{Envelope, Epoch, Position};

use super::broker::{Owner, Partition, source};
use super::group::{Happens, Life, World};
use super::plan::trigger_uid;
use super::scenario::Fault;
use super::worker::Mine;

impl World {
    pub(crate) fn find_home(&mut self, number: u32) {
        if self.partitions[number as usize].owner != Owner::Nobody {
            return;
        }
        let candidates: Vec<usize> =
            (0..self.workers.len()).filter(|&w| self.workers[w].is_candidate()).collect();
        if candidates.is_empty() {
            // Whoever is down comes back.
            self.soon(20_000..50_000, Happens::FindHome(number));
        } else {
            let to = self.dice.pick(&candidates);
            self.assign(number, to);
        }
    }

    fn assign(&mut self, number: u32, to: usize) {
        let life = self.life(to);
        let partition = &mut self.partitions[number as usize];
        partition.epoch += 1;
        partition.owner = Owner::Held(to, life.1);
        let epoch = partition.epoch;
        self.trace.say(self.now, || format!("partition {number} goes to worker {to} under {epoch}"));
        self.soon(0..20_000, Happens::TakeOver(life, number, epoch));
    }

    pub(crate) fn rebalance(&mut self, number: u32) {
        let Owner::Held(w, life) = self.partitions[number as usize].owner else { return };
        // Of one that died the coordinator doesn't know yet.
        if !self.workers[w].is(life) {
            return;
        }
        let candidates: Vec<usize> =
            (0..self.workers.len()).filter(|&w| self.workers[w].is_candidate()).collect();
        if candidates.is_empty() {
            return;
        }
        self.totals.rebalances += 1;
        let to = self.dice.pick(&candidates);
        let epoch = self.partitions[number as usize].epoch;
        if to != w && self.scenario.has(Fault::Zombie) && self.dice.chance(60) {
            self.totals.zombies += 1;
            self.assign(number, to);
            self.soon(1_000..300_000, Happens::LetGo((w, life), number, epoch, false));
        } else {
            self.partitions[number as usize].owner = Owner::Leaving(w, life);
            // Some let go before what has begun is over: their time is up.
            let recalled = self.dice.chance(70);
            if recalled && self.workers[w].mine.get(&number).is_some_and(|mine| mine.epoch == epoch) {
                self.workers[w].inbox.push(Input::Recalled { source: source(), partition: number });
                self.plan_step(w);
            }
            let most = if recalled { 200_000 } else { 20_000 };
            self.soon(0..most, Happens::LetGo((w, life), number, epoch, true));
        }
    }

    /// Asked, the worker commits what is done first, and only then the partition is another's.
    pub(crate) fn let_go(&mut self, w: usize, number: u32, epoch: u32, asked: bool) {
        if self.workers[w].mine.get(&number).is_some_and(|mine| mine.epoch == epoch) {
            if asked
                && !(self.has(Fault::LostCommits) && self.dice.chance(30))
                && let Some((epoch, committed)) = self.take_commit(w, number)
            {
                self.commit_arrives(number, epoch, committed);
            }
            self.trace.say(self.now, || format!("worker {w} lets go of {number} under {epoch}"));
            self.workers[w].mine.remove(&number);
            self.workers[w].inbox.push(Input::Revoked { source: source(), partition: number });
            self.plan_step(w);
        }
        if asked && self.partitions[number as usize].epoch == epoch {
            self.abandon(number);
        }
    }

    /// Nobody's from here on: what its owner still says is refused.
    pub(crate) fn abandon(&mut self, number: u32) {
        let partition = &mut self.partitions[number as usize];
        partition.owner = Owner::Nobody;
        partition.epoch += 1;
        self.find_home(number);
    }

    /// A worker that was not heard of for too long.
    pub(crate) fn expire(&mut self, (w, life): Life) {
        for number in 0..self.scenario.partitions {
            let owner = self.partitions[number as usize].owner;
            if [Owner::Held(w, life), Owner::Leaving(w, life)].contains(&owner) {
                self.abandon(number);
            }
        }
    }

    pub(crate) fn take_over(&mut self, (w, life): Life, number: u32, epoch: u32) {
        if self.partitions[number as usize].epoch != epoch || !self.workers[w].is(life) {
            return;
        }
        if self.workers[w].stopping {
            return self.abandon(number);
        }
        let reads_maps = !(self.scenario.has(Fault::OldReaders) && self.dice.chance(50));
        let reads_both = self.dice.chance(50);
        let partition = &mut self.partitions[number as usize];
        let progress = partition.read_committed(reads_maps, reads_both);
        self.totals.unread_maps += u64::from(!reads_maps);
        partition.fence(epoch, w, life);
        let partition = &self.partitions[number as usize];
        let worker = &mut self.workers[w];
        let parked: Vec<Stub> =
            partition.live().map(|(id, _)| stub_of(partition, id, &worker.core, &self.truth)).collect();
        self.totals.restored += parked.len() as u64;
        let mut ended = Vec::new();
        if self.scenario.has(Fault::Marks) {
            let beyond = partition.marks.iter().filter(|(offset, _)| *offset >= progress.watermark);
            ended.extend(beyond.map(|&(offset, trigger)| Ended { offset, trigger: trigger_uid(trigger) }));
        }
        let (next, passed) = (progress.watermark, progress.watermark);
        self.trace.say(self.now, || {
            let ids: Vec<u64> = parked.iter().map(|stub| stub.id).collect();
            format!("worker {w} takes {number} over under {epoch} from {progress:?}, parked {ids:?}, ended {ended:?}")
        });
        worker.mine.insert(number, Mine { epoch, next, passed, sent: None });
        worker.inbox.push(Input::Assigned {
            source: source(),
            partition: number,
            epoch: Epoch(epoch),
            progress,
            ended,
            parked,
        });
        self.plan_step(w);
        self.plan_commit(w);
    }

    pub(crate) fn restart(&mut self, w: usize) {
        let core = Core::new(self.plan.table.clone(), self.plan.limits);
        self.workers[w].reborn(core);
        self.trace.say(self.now, || format!("worker {w} starts"));
        self.plan_ship(w);
    }
}

/// What a core is told of a parked record.
pub(crate) fn stub_of(partition: &Partition, id: u64, core: &Core, truth: &super::truth::Truth) -> Stub {
    let record = &partition.parked[id as usize];
    let known = &truth.events[record.duty.0];
    Stub {
        id,
        offset: record.offset,
        trigger: trigger_uid(record.duty.1),
        key: known.key.map(|key| core.keys().of_text(&key.to_string())),
        attempts: record.attempts,
        failures: record.failures,
        replay: record.duty.2,
        due: record.due,
        holds: record.holds,
    }
}

/// What stands in a parked record, as it comes back.
pub(crate) fn envelope_of(partition: &Partition, number: u32, epoch: u32, id: u64) -> Envelope {
    let record = &partition.parked[id as usize];
    let position = Position { source: source(), partition: number, offset: record.offset };
    Envelope::new(position, Epoch(epoch), record.bytes.clone()).expect("a valid record")
}
