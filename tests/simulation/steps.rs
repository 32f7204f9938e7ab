//! A worker's loop: what has happened goes into the core, what it says is carried out, and each of it is looked at.

use std::time::Duration;

use weir::dispatch::{Effect, End, Fate, Input, Key, Outcome, Parked};
use weir::event::{Envelope, Uid};
use weir::time::Moment;

use super::billing::Line;
use super::broker::{Duty, source};
use super::group::{Happens, World};
use super::scenario::Fault;
use super::source::BATCH;
use super::truth::broken;
use super::worker::{Job, Under, What, Write};

/// The most that an event's record takes up.
const RECORD: usize = 300;
/// Deliveries of a lane that are fetched together.
const RUN: usize = 32;

impl World {
    pub(crate) fn plan_step(&mut self, w: usize) {
        if !self.workers[w].step_planned {
            self.workers[w].step_planned = true;
            let life = self.life(w);
            self.soon(0..1_500, Happens::Step(life));
        }
    }

    pub(crate) fn step(&mut self, w: usize) {
        let worker = &mut self.workers[w];
        worker.step_planned = false;
        worker.poll_planned &= !std::mem::take(&mut worker.arrived);
        let inputs = std::mem::take(&mut self.workers[w].inbox);
        inputs.iter().for_each(|input| self.note(w, input));
        // What comes with a partition may be more than a worker would have parked of its own.
        let brings = |input: &Input<u64>| matches!(input, Input::Assigned { .. } | Input::Unparked { .. });
        let brings = inputs.iter().any(brings);
        let mut effects = Vec::new();
        self.workers[w].core.step(inputs, self.now, &mut effects);
        let parks = self.carry_out(w, effects) && !brings;
        self.look(w, parks);
        self.go_on(w);
    }

    /// What the core is told, in the order in which it is told.
    fn note(&mut self, w: usize, input: &Input<u64>) {
        self.trace.say(self.now, || format!("{w} < {}", told(input)));
        let worker = &mut self.workers[w];
        match input {
            Input::Assigned { partition, epoch, progress, ended, parked, .. } => {
                worker.told.insert(*partition, epoch.0);
                worker.given.insert(*partition, progress.clone());
                worker.watermarks.remove(partition);
                for ended in ended {
                    let trigger = self.plan.table.uids.iter().position(|&uid| uid == ended.trigger);
                    let event = self.truth.at(*partition, ended.offset);
                    let duty = (event, trigger.expect("one of ours") as u32, 0);
                    worker.known.entry((*partition, epoch.0, duty)).or_default().ended = true;
                }
                for stub in parked {
                    let record = &self.partitions[*partition as usize].parked[stub.id as usize];
                    let under =
                        Under { attempts: stub.attempts, parked: true, due: stub.due, ..Under::default() };
                    worker.known.insert((*partition, epoch.0, record.duty), under);
                }
            }
            Input::Unparked { partition, parked, .. } => {
                for stub in parked {
                    let Some(&epoch) = worker.told.get(partition) else { return };
                    let record = &self.partitions[*partition as usize].parked[stub.id as usize];
                    let under = Under { parked: true, due: stub.due, ..Under::default() };
                    worker.known.insert((*partition, epoch, record.duty), under);
                }
            }
            Input::Spent { trigger, until } => worker.meter.spent(self.plan.trigger_of(*trigger), *until),
            Input::Revoked { partition, .. } => drop(worker.told.remove(partition)),
            Input::Attempted { delivery, report, .. } => {
                worker.handed_over.remove(delivery);
                worker.meter.came_back(*delivery);
                let job = worker.jobs.get_mut(report).expect("it was attempted");
                job.late = worker.told.get(&job.partition) != Some(&job.epoch);
            }
            Input::Skipped { delivery } => {
                worker.handed_over.remove(delivery);
                worker.meter.came_back(*delivery);
                self.totals.skipped += 1;
            }
            Input::Fetched { stub, .. } => {
                let key = worker.fetching.remove(stub).expect("it was asked for");
                if let Some(under) = worker.known.get_mut(&key) {
                    under.parked = false;
                    under.fetched = true;
                }
                self.totals.fetched += 1;
            }
            _ => {}
        }
    }

    /// Returns whether something is parked.
    fn carry_out(&mut self, w: usize, effects: Vec<Effect<u64>>) -> bool {
        let mut parks = false;
        let mut last = None;
        for effect in effects {
            self.trace.say(self.now, || format!("{w} > {}", said(&effect)));
            let before = last.take();
            match effect {
                Effect::Invoke { delivery, trigger, attempt, replay, follows, envelope, .. } => {
                    let event = self.truth.at(envelope.position.partition, envelope.position.offset);
                    let job =
                        self.invoked(w, (delivery, follows), (event, trigger, replay), attempt, &envelope);
                    let executor = match before {
                        Some((executor, number, other))
                            if follows && (number, other) == (job.partition, trigger) =>
                        {
                            executor
                        }
                        _ if follows => broken("follows nothing", &format!("{:?} at worker {w}", job.duty)),
                        _ => self.dice.within(0..self.workers[w].executors.len() as u64) as usize,
                    };
                    last = Some((executor, job.partition, trigger));
                    self.hand_over(w, executor, job);
                }
                Effect::Journal { delivery, report, fate } => {
                    // One that replaces another takes up no more room.
                    parks |= matches!(&fate, Fate::Parked(parked) if parked.was.is_none());
                    self.journal(w, delivery, report, fate);
                }
                Effect::Park { delivery, parked } => {
                    parks |= parked.was.is_none();
                    if self.workers[w].handed_over.contains(&delivery) {
                        broken("parked while it runs", &format!("{delivery:?} at worker {w}"));
                    }
                    self.park(w, delivery, parked);
                }
                Effect::GiveUp { delivery, .. } => {
                    broken("given up in vain", &format!("{delivery:?} at worker {w}"));
                }
                Effect::Refuse { position, .. } | Effect::Answer { position } => {
                    broken("nobody waits for an answer", &format!("{position:?} at worker {w}"));
                }
                Effect::Fetch { stub, partition, id, .. } => {
                    let record = &self.partitions[partition as usize].parked[id as usize];
                    let Some(&epoch) = self.workers[w].told.get(&partition) else {
                        broken(
                            "fetched without assignment",
                            &format!("{id} of partition {partition} at worker {w}"),
                        )
                    };
                    if self.workers[w].fetching.insert(stub, (partition, epoch, record.duty)).is_some() {
                        broken("fetched twice", &format!("{id} of partition {partition} at worker {w}"));
                    }
                    if record.done && self.partitions[partition as usize].epoch == epoch {
                        broken("fetched when done", &format!("{id} of partition {partition} at worker {w}"));
                    }
                    let life = self.life(w);
                    self.soon(100..8_000, Happens::Fetches(life, stub, partition, id));
                }
            }
        }
        parks
    }

    fn invoked(
        &mut self,
        w: usize,
        (delivery, follows): (Key, bool),
        duty: Duty,
        attempt: u32,
        envelope: &Envelope,
    ) -> Job {
        let (partition, epoch) = (envelope.position.partition, envelope.epoch.0);
        let wrong = |check: &str| -> ! {
            broken(
                check,
                &format!(
                    "attempt {attempt} of (event, trigger, replay) {duty:?} at worker {w} under {epoch}"
                ),
            )
        };
        let policy = &self.plan.policies[duty.1 as usize];
        let worker = &mut self.workers[w];
        if worker.told.get(&partition) != Some(&epoch) {
            wrong("runs without assignment");
        }
        if !worker.handed_over.insert(delivery) {
            wrong("runs twice at once");
        }
        worker.meter.begins((duty.1, policy.flow), delivery, self.now);
        let under = worker.known.entry((partition, epoch, duty)).or_default();
        if under.parked {
            wrong("runs while it is parked");
        }
        if under.ended {
            wrong("runs after its end");
        }
        if attempt != under.attempts + 1 {
            wrong(&format!("attempts are counted wrongly, {} were before", under.attempts));
        }
        if self.now < under.due {
            wrong("runs too soon");
        }
        if duty.2 == 0 && !under.fetched && worker.given[&partition].is_complete(envelope.position.offset) {
            wrong("runs though it was committed");
        }
        under.attempts = attempt;
        let pauses = || self.workers.iter().map(|worker| worker.core.counts().pauses).sum::<u64>();
        let excused = if policy.trip.is_some() { self.totals.pauses + pauses() } else { 0 };
        if u64::from(attempt) > u64::from(policy.retry) + 1 + excused {
            wrong("more attempts than the policy allows");
        }
        self.totals.repeats += u64::from(self.truth.has_ended(duty));
        // What comes of it is known when it begins.
        let (outcome, retry_after) = (Outcome::Succeeded, None);
        Job { delivery, duty, attempt, partition, epoch, follows, late: false, outcome, retry_after }
    }

    fn journal(&mut self, w: usize, delivery: Key, report: u64, fate: Fate) {
        let Some(job) = self.workers[w].jobs.remove(&report) else {
            broken("journaled twice", &format!("attempt {report} at worker {w}"))
        };
        let Job { duty, attempt, partition, epoch, .. } = job;
        let wrong = |check: &str| -> ! {
            broken(
                check,
                &format!(
                    "attempt {attempt} of (event, trigger, replay) {duty:?} at worker {w} under {epoch}"
                ),
            )
        };
        if delivery != job.delivery {
            wrong("journaled as another");
        }
        let is_fenced = matches!(fate, Fate::Fenced);
        if is_fenced != job.late {
            wrong(if is_fenced { "fenced in vain" } else { "a late result counts" });
        }
        let charge = Uid::of_charge(self.truth.delivery_id(duty), attempt);
        let worker = &mut self.workers[w];
        worker.journal.push(Line::Entry((!is_fenced).then_some(charge)));
        let policy = &self.plan.policies[duty.1 as usize];
        // What an open breaker excuses is not told: only without one is it known what has been used up.
        let exact = policy.trip.is_none();
        let wait = policy.wait_after(attempt, job.retry_after).filter(|_| exact).unwrap_or_default();
        let under = worker.known.get_mut(&(partition, epoch, duty)).expect("it was begun");
        match fate {
            Fate::Fenced => self.totals.fenced += 1,
            Fate::Retried => {
                if !job.outcome.retries() || exact && attempt > policy.retry {
                    wrong("retried in vain");
                }
                under.due = self.now.after(wait);
            }
            Fate::Parked(parked) => {
                if !job.outcome.retries() || parked.failures > policy.retry || exact && attempt > policy.retry
                {
                    wrong("parked in vain");
                }
                if parked.due < self.now.after(wait) {
                    wrong("parked for too short a time");
                }
                self.park(w, delivery, parked);
            }
            Fate::Ended { end, record } => {
                under.ended = true;
                let gives_up = job.outcome.retries();
                if (end == End::Delivered) != (job.outcome == Outcome::Succeeded) {
                    wrong("delivered without success");
                }
                if gives_up && (attempt <= policy.retry || exact && attempt != policy.retry + 1) {
                    wrong("given up too soon, or too late");
                }
                self.end(w, &job, end, record);
            }
        }
    }

    fn park(&mut self, w: usize, delivery: Key, parked: Parked) {
        let position = parked.envelope.position;
        let epoch = parked.envelope.epoch.0;
        let trigger = self.plan.trigger_of(parked.trigger);
        let duty = (self.truth.at(position.partition, position.offset), trigger, parked.replay);
        let worker = &mut self.workers[w];
        let attempts = worker.known.get(&(position.partition, epoch, duty)).map_or(0, |under| under.attempts);
        if parked.attempts != attempts {
            let what = format!("{duty:?} with {} attempts, it has had {attempts}", parked.attempts);
            broken("parked with a wrong count", &what);
        }
        self.totals.parked += 1;
        self.totals.reparked += u64::from(parked.was.is_some());
        self.write(
            w,
            Write {
                delivery,
                duty,
                attempt: parked.attempts,
                partition: position.partition,
                epoch,
                what: What::Park(Box::new(parked)),
                flushed: false,
                acked: false,
            },
        );
    }

    /// The bounds, and that no watermark falls.
    fn look(&mut self, w: usize, parks: bool) {
        let limits = self.plan.limits;
        let worker = &mut self.workers[w];
        let core = &worker.core;
        let triggers = self.scenario.triggers as usize;
        let batch = BATCH * self.scenario.partitions as usize;
        let fetched = limits.deliveries / 2 + RUN;
        let over = |what: &str, is: usize, most: usize| {
            if is > most {
                broken("out of bounds", &format!("{what} at worker {w}: {is}, at most {most}"));
            }
        };
        over("running", core.running(), limits.running);
        over("running at remote subscribers", core.running_remote(), limits.remote);
        let most =
            limits.deliveries + limits.remote + limits.held.saturating_mul(2) + batch * triggers + fetched;
        over("deliveries", core.deliveries_in_flight(), most);
        over("held", core.held(), most);
        over("bytes", core.bytes(), limits.bytes + (batch + fetched) * RECORD);
        if parks {
            let parking = worker.writes.values().filter(|write| {
                matches!(write.what, What::Park(_)) && worker.told.get(&write.partition) == Some(&write.epoch)
            });
            over("parked", core.parked() + parking.count(), limits.parked);
        }
        self.totals.full += u64::from(!core.has_room());
        let mut changed = false;
        for (&number, &epoch) in &worker.told {
            let progress = core.progress(source(), number).expect("it was assigned");
            let before = worker.watermarks.insert(number, progress.watermark).unwrap_or_default();
            if progress.watermark < before {
                broken("watermark falls", &format!("from {before} to {} at worker {w}", progress.watermark));
            }
            let Some(mine) = worker.mine.get(&number).filter(|mine| mine.epoch == epoch) else { continue };
            let gaps = if self.scenario.has(Fault::Gaps) { 72 } else { 1 };
            let span = mine.next.saturating_sub(progress.watermark) as usize;
            over(
                "span",
                span,
                limits.span as usize
                    + BATCH * gaps
                    + 4096 * usize::from(self.scenario.has(Fault::Compaction)),
            );
            changed |= mine.sent.as_ref() != Some(&progress);
        }
        if changed {
            self.plan_commit(w);
        }
    }

    fn go_on(&mut self, w: usize) {
        let life = self.life(w);
        if let Some(due) = self.workers[w].core.next_due() {
            self.trace.say(self.now, || format!("{w}   next due {} ms", due.0 as f64 / 1e6));
        }
        if let Some(due) = self.workers[w].core.next_due()
            && self.workers[w].wake_planned.is_none_or(|planned| due < planned)
        {
            self.workers[w].wake_planned = Some(due);
            let at = Moment(due.0.max(self.now.0 + 1)).after(Duration::from_micros(self.dice.within(0..500)));
            self.agenda.plan(at, Happens::Wake(life));
        }
        self.plan_flush(w);
        self.plan_poll(w);
        self.end_stop(w);
    }
}

fn told(input: &Input<u64>) -> String {
    match input {
        Input::Arrived { envelope, .. } => {
            format!(
                "Arrived {}/{} under {}",
                envelope.position.partition, envelope.position.offset, envelope.epoch.0
            )
        }
        Input::Assigned { partition, epoch, progress, .. } => {
            format!("Assigned {partition} under {} from {progress:?}", epoch.0)
        }
        Input::Fetched { stub, envelope, .. } => {
            format!("Fetched {stub:?} offset {}", envelope.position.offset)
        }
        Input::Unparked { partition, parked, .. } => {
            format!("Unparked in {partition}: {:?}", parked.iter().map(|stub| stub.id).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

fn said(effect: &Effect<u64>) -> String {
    let parked = |parked: &Parked| {
        let Parked { trigger, attempts, failures, replay, due, holds, was, envelope, .. } = parked;
        let offset = envelope.position.offset;
        format!(
            "{offset} for {trigger} attempts {attempts} failures {failures} replay {replay} due {due:?} holds {holds} was {was:?}"
        )
    };
    match effect {
        Effect::Invoke { delivery, trigger, attempt, replay, follows, envelope, .. } => {
            let offset = envelope.position.offset;
            format!(
                "Invoke {delivery:?} {offset} for {trigger} attempt {attempt} replay {replay} follows {follows}"
            )
        }
        Effect::Journal { delivery, fate: Fate::Parked(p), .. } => {
            format!("Journal {delivery:?} Parked {}", parked(p))
        }
        Effect::Park { delivery, parked: p } => format!("Park {delivery:?} {}", parked(p)),
        other => format!("{other:?}"),
    }
}
