//! Executors, and what an attempt has made by the time it is over.

use weir::dispatch::{End, Input, Outcome, Reason};
use weir::event::segment::Ended;
use weir::journal::Entry;
use weir::sink::dead_letter::DeadLetter;
use weir::worker::attempt::{Buried, Made};

use super::super::dice::dice_of;
use super::super::plan::{BROKER, trigger_uid};
use super::super::scenario::Fault;
use super::events::Known;
use super::life::Job;
use super::truth::{Change, Place, uid_of};
use super::{Happens, World};

impl World {
    pub(super) fn hand_over(&mut self, executor: usize, job: Job) {
        self.attempts += 1;
        let number = self.attempts;
        let life = self.life();
        life.jobs.insert(number, job);
        life.executors[executor].queue.push_back(number);
        if life.executors[executor].queue.len() == 1 {
            self.run_next(executor);
        }
    }

    fn run_next(&mut self, executor: usize) {
        let now = self.now;
        let life = self.life.as_mut().expect("it is alive");
        let Some(number) = life.executors[executor].queue.front() else { return };
        let job = life.jobs.get_mut(number).expect("it is to run");
        let run = &mut life.executors[executor].run;
        if !job.follows {
            run.clear();
        }
        let (duty, attempt) = (job.duty, job.attempt);
        let progress = life.core.progress(super::events::QUEUE, 0).expect("it is assigned");
        self.truth.begins(duty, &self.plan.policies[duty.1 as usize], run, (&progress, &life.routed));
        let event = self.truth.events[&self.truth.fates[&duty].event].number as usize;
        // What is replayed later may go better.
        job.outcome = self.plan.outcome(event, duty.1, attempt, duty.2, now);
        let asked = self.plan.retry_after(event, duty.1, attempt);
        job.retry_after = asked.filter(|_| job.outcome.retries());
        let life = life.number;
        self.totals.attempts += 1;
        self.note_made(duty, attempt);
        self.soon(500..15_000, Happens::Ran(life, executor));
    }

    pub(super) fn ran(&mut self, executor: usize) {
        let life = self.life.as_mut().expect("it is alive");
        let of = &mut life.executors[executor];
        let number = of.queue.pop_front().expect("it ran");
        let job = &life.jobs[&number];
        self.trace.say(self.now, || format!("  {:?} {}", job.duty, job.outcome));
        let (delivery, outcome, retry_after) = (job.delivery, job.outcome, job.retry_after);
        life.inbox.push(Input::Attempted { delivery, outcome, retry_after, report: number });
        if outcome == Outcome::Succeeded {
            of.run.push(job.duty.0);
            self.truth.fates.get_mut(&job.duty).expect("it ran").ended = true;
        } else {
            while let Some(next) = of.queue.front().filter(|next| life.jobs[next].follows) {
                let skipped = life.jobs.remove(next).expect("it was to run");
                of.queue.pop_front();
                life.inbox.push(Input::Skipped { delivery: skipped.delivery });
                life.known.get_mut(&skipped.duty).expect("it was begun").attempts -= 1;
            }
        }
        self.run_next(executor);
        self.plan_step();
    }

    /// Where it will be, and what goes with it.
    pub(super) fn ends(&mut self, job: &Job, end: End) -> Change {
        let mut change = Change {
            duty: job.duty,
            place: Place::Over,
            attempts: job.attempt,
            events: Vec::new(),
            loops: Vec::new(),
        };
        let hops = self.event_of(job).hops;
        if end == End::Delivered {
            self.totals.delivered += 1;
            for id in self.replies(job) {
                if hops > 1 {
                    change.events.push(id);
                    self.totals.replies += 1;
                } else {
                    change.loops.push(id);
                    self.totals.loops += 1;
                }
            }
        } else if end == End::DeadLettered && hops > 1 && self.broker_of_letters(job.duty.1).is_some() {
            self.totals.sent_letters += 1;
            change.events.push(format!("letter of {:?}", job.duty));
        } else {
            self.totals.dead_lettered += 1;
            change.place = Place::Letter;
        }
        for id in change.events.iter().chain(&change.loops) {
            let (seed, keys) = (self.scenario.seed, self.scenario.keys);
            let made = || Known::new(seed, id, keys, (hops - 1).max(0));
            self.truth.events.entry(id.clone()).or_insert_with(made);
        }
        change
    }

    fn event_of(&self, job: &Job) -> &Known {
        &self.truth.events[&self.truth.fates[&job.duty].event]
    }

    fn replies(&self, job: &Job) -> Vec<String> {
        if !self.scenario.has(Fault::Replies) {
            return Vec::new();
        }
        let mut dice = dice_of(self.scenario.seed, &[25, self.event_of(job).number, u64::from(job.duty.1)]);
        let count = dice.pick(&[0, 0, 0, 1, 1, 2]);
        (0..count).map(|n| format!("reply {n} of {:?}", job.duty)).collect()
    }

    pub(super) fn made(&mut self, job: &Job, change: Option<&mut Change>) -> Made {
        let (offset, trigger, _) = job.duty;
        let name = format!("default/{trigger}");
        let event = job.envelope.event();
        let wall_ns = 1_000 + u64::from(job.attempt);
        let entry = Entry {
            delivery: uid_of(job.duty),
            position: job.envelope.position,
            trigger: &name,
            function: "default/f",
            tenant: "shop",
            version: 0,
            replay: 0,
            attempt: job.attempt,
            outcome: job.outcome,
            reason: if job.outcome == Outcome::Succeeded { Reason::None } else { Reason::Guest },
            ended: self.wall(),
            wall_ns,
            init_ns: None,
            fuel: 0,
            price: 0,
            memory: 0,
            memory_limit: 0,
            bytes_in: job.envelope.record().len() as u64,
            bytes_out: 0,
            event_id: &event.id,
            event_source: &event.source,
            event_type: &event.ty,
            replies: Vec::new(),
            fenced: false,
            dead_letter: false,
        };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        let mut made = Made {
            entry: bytes,
            wall_ns,
            mark: Ended { offset, trigger: trigger_uid(trigger) },
            replies: Vec::new(),
            parcels: Vec::new(),
            looping: Vec::new(),
        };
        let Some(change) = change.filter(|_| job.outcome == Outcome::Succeeded) else { return made };
        for id in &change.events {
            made.replies.push((BROKER, self.truth.events[id].record.to_vec()));
        }
        for id in &change.loops {
            let record = self.truth.events[id].record.clone();
            made.looping.push(self.letter(job, Reason::Hops, &record));
        }
        made
    }

    pub(super) fn bury(&self, job: &Job, end: End) -> Buried {
        match self.broker_of_letters(job.duty.1) {
            _ if end == End::GivenUp => {
                Buried::Kept(self.letter(job, Reason::TriggerGone, job.envelope.record()))
            }
            Some(broker) if self.event_of(job).hops > 1 => {
                let id = format!("letter of {:?}", job.duty);
                Buried::Sent(broker, self.truth.events[&id].record.to_vec())
            }
            _ => Buried::Kept(self.letter(job, Reason::Guest, job.envelope.record())),
        }
    }

    pub(super) fn letter(&self, job: &Job, reason: Reason, record: &[u8]) -> Vec<u8> {
        let letter = DeadLetter {
            delivery: uid_of(job.duty),
            position: job.envelope.position,
            broker: job.broker,
            trigger: &format!("default/{}", job.duty.1),
            function: "default/f",
            attempts: job.attempt,
            replay: job.duty.2,
            outcome: Outcome::Permanent,
            reason,
            message: "",
            ended: self.wall(),
            record,
        };
        let mut bytes = Vec::new();
        letter.encode(&mut bytes);
        bytes
    }
}
