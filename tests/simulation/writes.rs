//! Executors, and how what they have done becomes durable: the journal first, then what refers to it.

use weir::dispatch::{End, Input, Outcome, Parked, StubKey};

use super::billing::Line;
use super::broker::{Duty, ParkedRecord};
use super::coordinator::envelope_of;
use super::group::{Happens, Life, World};
use super::plan::BROKER;
use super::scenario::Fault;
use super::worker::{Job, What, Write};

impl World {
    pub(crate) fn hand_over(&mut self, w: usize, executor: usize, job: Job) {
        self.attempts += 1;
        let number = self.attempts;
        let worker = &mut self.workers[w];
        worker.jobs.insert(number, job);
        worker.executors[executor].queue.push_back(number);
        if worker.executors[executor].queue.len() == 1 {
            self.begin(w, executor);
        }
    }

    /// The executor's next attempt begins.
    fn begin(&mut self, w: usize, executor: usize) {
        let worker = &mut self.workers[w];
        let Some(number) = worker.executors[executor].queue.front() else { return };
        let job = worker.jobs.get_mut(number).expect("it is to run");
        let run = &mut worker.executors[executor].run;
        if !job.follows {
            run.clear();
        }
        let (event, trigger, replay) = job.duty;
        self.truth.begins(job.duty, &self.plan.policies[trigger as usize], run);
        job.outcome = self.plan.outcome(event, trigger, job.attempt, replay, self.now);
        job.retry_after =
            self.plan.retry_after(event, trigger, job.attempt).filter(|_| job.outcome.retries());
        self.totals.attempts += 1;
        let life = self.life(w);
        self.soon(500..15_000, Happens::Ran(life, executor));
    }

    pub(crate) fn ran(&mut self, w: usize, executor: usize) {
        let worker = &mut self.workers[w];
        let of = &mut worker.executors[executor];
        let number = of.queue.pop_front().expect("it ran");
        let job = worker.jobs[&number];
        let Job { delivery, outcome, retry_after, .. } = job;
        self.trace.say(self.now, || format!("{w}   {:?} {outcome}", job.duty));
        worker.inbox.push(Input::Attempted { delivery, outcome, retry_after, report: number });
        if outcome == Outcome::Succeeded {
            of.run.push(job.duty.0);
        } else {
            while let Some(next) = of.queue.front().filter(|next| worker.jobs[next].follows) {
                let skipped = worker.jobs.remove(next).expect("it was to run");
                of.queue.pop_front();
                worker.inbox.push(Input::Skipped { delivery: skipped.delivery });
                let key = (skipped.partition, skipped.epoch, skipped.duty);
                worker.known.get_mut(&key).expect("it was begun").attempts -= 1;
            }
        }
        self.begin(w, executor);
        self.plan_step(w);
    }

    /// A delivery has ended: its reply or dead letter goes out, and its entry is written.
    pub(crate) fn end(&mut self, w: usize, job: &Job, end: End, record: Option<u64>) {
        let Job { delivery, duty, attempt, partition, epoch, .. } = *job;
        let is_dead_letter = end == End::DeadLettered;
        let sends = is_dead_letter || self.plan.replies(duty.0, duty.1);
        if is_dead_letter {
            self.totals.dead_lettered += 1;
        } else {
            self.totals.delivered += 1;
            self.truth.ended(duty);
        }
        let what = What::End(record);
        let write = self.write(
            w,
            Write { delivery, duty, attempt, partition, epoch, what, flushed: false, acked: !sends },
        );
        if sends {
            let life = self.life(w);
            let late = if self.has(Fault::LateAcks) { 100_000 } else { 5_000 };
            self.soon(100..late, Happens::Landed(life, write, duty, is_dead_letter));
        }
    }

    pub(crate) fn write(&mut self, w: usize, write: Write) -> u64 {
        self.writes += 1;
        let number = self.writes;
        self.workers[w].writes.insert(number, write);
        self.workers[w].journal.push(Line::Then(number));
        number
    }

    pub(crate) fn plan_flush(&mut self, w: usize) {
        if self.workers[w].journal.begin_flush() {
            let life = self.life(w);
            self.soon(500..10_000, Happens::Flushed(life));
        }
    }

    pub(crate) fn flushed(&mut self, w: usize) {
        for number in self.workers[w].journal.flushed() {
            let life = self.life(w);
            let write = self.workers[w].writes.get_mut(&number).expect("it was to be written");
            write.flushed = true;
            if let What::Park(parked) = &write.what {
                let (partition, epoch) = (write.partition, write.epoch);
                let parked = parked.clone();
                let late = if self.has(Fault::LateAcks) { 100_000 } else { 5_000 };
                self.soon(100..late, Happens::Parks(life, number, partition, epoch, parked));
            } else {
                self.finish(w, number);
            }
        }
        self.plan_flush(w);
        self.plan_ship(w);
        self.end_stop(w);
    }

    /// Durable where it was sent, whatever has become of the sender.
    pub(crate) fn landed(&mut self, (w, life): Life, write: u64, duty: Duty, is_dead_letter: bool) {
        if is_dead_letter {
            self.truth.dead_letter(duty);
        }
        let late = if self.has(Fault::LateAcks) { 100_000 } else { 5_000 };
        self.soon(100..late, Happens::Acked((w, life), write));
    }

    pub(crate) fn acked(&mut self, w: usize, write: u64) {
        self.workers[w].writes.get_mut(&write).expect("it is being written").acked = true;
        self.finish(w, write);
    }

    /// Once all of an end is durable, the core is told.
    fn finish(&mut self, w: usize, number: u64) {
        let worker = &mut self.workers[w];
        if !worker.writes.get(&number).is_some_and(|write| write.flushed && write.acked) {
            return;
        }
        let write = worker.writes.remove(&number).expect("just seen");
        let What::End(record) = write.what else { unreachable!("parking is acknowledged with an id") };
        worker.inbox.push(Input::Journaled { delivery: write.delivery, parked: None });
        self.truth.settled(write.duty, write.attempt);
        let (event, trigger, replay) = write.duty;
        if replay == 0 {
            let offset = self.truth.events[event].offset;
            self.partitions[write.partition as usize].marks.push((offset, trigger));
        }
        if let Some(id) = record {
            worker.marking += 1;
            let life = self.life(w);
            self.soon(0..20_000, Happens::Marks(life, write.partition, write.epoch, id));
        }
        self.plan_step(w);
    }

    pub(crate) fn parks(&mut self, life: Life, write: u64, (number, epoch): (u32, u32), parked: &Parked) {
        let Parked { trigger, attempts, failures, replay, due, holds, was, ref envelope, .. } = *parked;
        let offset = envelope.position.offset;
        let duty = (self.truth.at(number, offset), self.plan.trigger_of(trigger), replay);
        let bytes = envelope.record().clone();
        let record = ParkedRecord { duty, offset, attempts, failures, due, holds, was, done: false, bytes };
        let id = self.partitions[number as usize].park(epoch, record);
        self.trace.say(self.now, || format!("parked {duty:?} as {id:?} of {number}"));
        self.totals.refused_parkings += u64::from(id.is_none());
        let late = if self.has(Fault::LateAcks) { 100_000 } else { 5_000 };
        self.soon(100..late, Happens::ParkAcked(life, write, id));
    }

    /// Refused, it is told nothing: its partition is another's, as it will learn.
    pub(crate) fn park_acked(&mut self, w: usize, write: u64, id: Option<u64>) {
        let worker = &mut self.workers[w];
        let write = worker.writes.remove(&write).expect("it is being written");
        if id.is_some() {
            if let Some(under) = worker.known.get_mut(&(write.partition, write.epoch, write.duty)) {
                under.parked = true;
            }
            worker.inbox.push(Input::Journaled { delivery: write.delivery, parked: id });
            self.plan_step(w);
        }
    }

    pub(crate) fn fetches(&mut self, w: usize, stub: StubKey, number: u32, id: u64) {
        let epoch = self.workers[w].told.get(&number).copied().unwrap_or_default();
        let envelope = envelope_of(&self.partitions[number as usize], number, epoch, id);
        self.workers[w].inbox.push(Input::Fetched { stub, envelope, broker: BROKER });
        self.plan_step(w);
    }

    pub(crate) fn marks(&mut self, w: usize, (number, epoch): (u32, u32), id: u64) {
        self.workers[w].marking -= 1;
        self.partitions[number as usize].mark(epoch, id);
        self.end_stop(w);
    }

    pub(crate) fn plan_ship(&mut self, w: usize) {
        if !self.workers[w].ship_planned && !self.workers[w].journal.unshipped().is_empty() {
            self.workers[w].ship_planned = true;
            self.soon(1_000..50_000, Happens::Ship(w));
        }
    }

    /// Billing may have received what it did not acknowledge.
    pub(crate) fn ship(&mut self, w: usize) {
        let worker = &mut self.workers[w];
        worker.ship_planned = false;
        if !worker.up {
            return;
        }
        self.billing.receive(worker.journal.unshipped());
        let count = worker.journal.entries().len();
        if self.has(Fault::LateAcks) && self.dice.chance(30) {
            self.plan_ship(w);
        } else {
            self.soon(0..20_000, Happens::Shipped(w, count));
        }
    }
}
