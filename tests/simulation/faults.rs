//! What goes wrong: crashes, stops, evictions, replays, compaction.

use weir::dispatch::Input;
use weir::time::Moment;

use super::broker::{Owner, ParkedRecord, source};
use super::coordinator::stub_of;
use super::group::{Happens, World};
use super::scenario::Fault;

impl World {
    pub(crate) fn fault(&mut self) {
        let possible = [
            Fault::Crash,
            Fault::Rebalance,
            Fault::Drain,
            Fault::Evictions,
            Fault::Replays,
            Fault::Compaction,
            Fault::Budgets,
        ];
        let possible: Vec<Fault> = possible.into_iter().filter(|&fault| self.has(fault)).collect();
        if possible.is_empty() {
            return;
        }
        let fault = self.dice.pick(&possible);
        let w = self.dice.within(0..self.workers.len() as u64) as usize;
        let number = self.dice.within(0..u64::from(self.scenario.partitions)) as u32;
        match fault {
            Fault::Crash => self.crash(w),
            Fault::Rebalance => self.rebalance(number),
            Fault::Drain => self.stop(w),
            Fault::Evictions => self.evict(number),
            Fault::Replays => self.replay(),
            Fault::Budgets => self.spend(w),
            _ => self.compact(number),
        }
    }

    fn crash(&mut self, w: usize) {
        if !self.workers[w].up {
            return;
        }
        self.totals.crashes += 1;
        self.trace.say(self.now, || format!("worker {w} crashes"));
        self.down(w);
        let life = self.life(w);
        self.soon(10_000..150_000, Happens::Expire(life));
    }

    /// A budget of the worker's is used up, or more of it is given.
    fn spend(&mut self, w: usize) {
        if !self.workers[w].up {
            return;
        }
        if let Some((trigger, time)) = self.plan.spends(&mut self.dice) {
            self.totals.spent += 1;
            let until = time.map(|time| self.now.after(time));
            self.workers[w].inbox.push(Input::Spent { trigger, until });
            self.plan_step(w);
        }
    }

    /// Of what was being flushed, some is durable.
    fn down(&mut self, w: usize) {
        let flushing = self.workers[w].journal.flushing() as u64;
        let flushed = self.dice.within(0..flushing + 1) as usize;
        let worker = &mut self.workers[w];
        worker.journal.crash(flushed);
        worker.up = false;
        self.totals.pauses += worker.core.counts().pauses;
        self.totals.limited += worker.meter.reached;
        self.soon(1_000..200_000, Happens::Restart(w));
    }

    fn stop(&mut self, w: usize) {
        if !self.workers[w].is_candidate() {
            return;
        }
        self.totals.stops += 1;
        self.trace.say(self.now, || format!("worker {w} is stopped"));
        let worker = &mut self.workers[w];
        worker.stopping = true;
        worker.inbox.push(Input::Drain);
        self.plan_step(w);
        let life = self.life(w);
        self.soon(200_000..3_000_000, Happens::StopAnyway(life));
    }

    /// A worker that stops goes when nothing of its own is left to do.
    pub(crate) fn end_stop(&mut self, w: usize) {
        let worker = &self.workers[w];
        let done = worker.stopping
            && !worker.step_planned
            && worker.inbox.is_empty()
            && worker.core.is_idle()
            && worker.writes.is_empty()
            && worker.marking == 0
            && worker.journal.is_flushed();
        if done {
            self.stopped(w, true);
        }
    }

    pub(crate) fn stopped(&mut self, w: usize, clean: bool) {
        self.trace.say(self.now, || format!("worker {w} goes, clean: {clean}"));
        self.totals.clean_stops += u64::from(clean);
        let numbers: Vec<u32> = self.workers[w].mine.keys().copied().collect();
        for number in numbers {
            if let Some((epoch, committed)) = self.take_commit(w, number) {
                self.commit_arrives(number, epoch, committed);
            }
        }
        let life = self.life(w);
        self.down(w);
        self.expire(life);
    }

    fn evict(&mut self, number: u32) {
        let Owner::Held(w, life) = self.partitions[number as usize].owner else { return };
        let end = self.partitions[number as usize].end;
        if self.workers[w].is(life) && end > 0 {
            self.totals.evictions += 1;
            let below = self.dice.within(0..end) + 1;
            self.workers[w].inbox.push(Input::Evicted { source: source(), partition: number, below });
            self.plan_step(w);
        }
    }

    /// Someone has a dead letter delivered again: it is parked anew, and whoever has read what is parked is told.
    fn replay(&mut self) {
        let dead = self.truth.dead_letters();
        if dead.is_empty() {
            return;
        }
        let (event, trigger, before) = self.dice.pick(&dead);
        let duty = (event, trigger, before + 1);
        self.totals.replays += 1;
        self.truth.replayed(duty);
        let known = &self.truth.events[event];
        let (number, offset) = (known.partition, known.offset);
        let bytes = self.records[event].clone();
        let due = Moment(self.now.0);
        let record = ParkedRecord {
            duty,
            offset,
            attempts: 0,
            failures: 0,
            due,
            holds: false,
            was: None,
            done: false,
            bytes,
        };
        let partition = &mut self.partitions[number as usize];
        let id = partition.park(u32::MAX, record).expect("nobody is fenced off for ever");
        self.trace.say(self.now, || format!("replay of {duty:?} parked as {id} of {number}"));
        let partition = &self.partitions[number as usize];
        let Some((w, life)) = partition.reader.filter(|&(w, life)| self.workers[w].is(life)) else { return };
        // Where it was taken away meanwhile, the next owner will read it.
        let stub = stub_of(partition, id, &self.workers[w].core, &self.truth);
        if self.workers[w].mine.contains_key(&number) {
            debug_assert_eq!(self.workers[w].life, life);
            self.workers[w].inbox.push(Input::Unparked {
                source: source(),
                partition: number,
                parked: vec![stub],
            });
            self.plan_step(w);
        }
    }

    /// A record vanishes: nobody owes anything for it.
    fn compact(&mut self, number: u32) {
        let partition = &mut self.partitions[number as usize];
        let offsets: Vec<u64> = partition.records.keys().copied().collect();
        if offsets.is_empty() {
            return;
        }
        self.totals.compactions += 1;
        let offset = self.dice.pick(&offsets);
        let (event, _) = partition.records.remove(&offset).expect("just seen");
        self.trace.say(self.now, || format!("event {event} at {number}/{offset} vanishes"));
        self.truth.events[event].compacted = true;
    }
}
