//! The loop, as its thread goes: what has happened goes into the core, what it says is carried out, and each is looked at.

use std::time::Duration;

use weir::dispatch::{Effect, End, Fate, Input, Key, Outcome, Parked, Stub, StubKey};
use weir::time::Moment;
use weir::trigger::Memo;
use weir::worker::attempt::{Attempt, Now};

use super::super::truth::broken;
use super::events::QUEUE;
use super::life::{Job, Told, Under};
use super::reload::Left;
use super::truth::{Change, Duty, Place};
use super::{Happens, World};

/// Deliveries of a lane that are fetched together.
const RUN: usize = 32;
/// The most that a segment of the queue holds, and the most that an event takes up.
const SEGMENT: usize = 160;
const RECORD: usize = 300;

impl World {
    pub(super) fn plan_step(&mut self) {
        let life = self.life();
        if !life.step_planned {
            life.step_planned = true;
            let number = life.number;
            self.soon(0..1_500, Happens::Step(number));
        }
    }

    pub(super) fn step(&mut self) {
        if self.life().closed.is_some() {
            return;
        }
        let now = self.moment();
        self.life().step_planned = false;
        let inputs = std::mem::take(&mut self.life().inbox);
        self.look_who_is_gone();
        inputs.iter().for_each(|input| self.note(input));
        let brings = |input: &Input<u64>| matches!(input, Input::Assigned { .. } | Input::Unparked { .. });
        let brings = inputs.iter().any(brings);
        let mut effects = Vec::new();
        self.life().core.step(inputs, now, &mut effects);
        let parks = self.carry_out(effects) && !brings;
        self.look(parks);
        self.go_on();
    }

    /// What the core is told.
    fn note(&mut self, input: &Input<u64>) {
        self.trace.say(self.now, || format!("< {}", told(input)));
        let life = self.life.as_mut().expect("it is alive");
        match input {
            Input::Arrived { envelope, .. } => {
                let offset = envelope.position.offset;
                let event = envelope.event();
                self.truth.read(offset, &event.id);
                self.totals.events += 1;
                if life.given.is_complete(offset) {
                    return;
                }
                let mut matched = Vec::new();
                life.table.routes.matching(super::BROKER, &event, &mut Memo::default(), &mut matched);
                for index in matched {
                    let trigger = life.triggers[index as usize];
                    let policy = &self.plan.policies[trigger as usize];
                    life.routed.insert((offset, trigger, 0));
                    self.totals.deliveries +=
                        u64::from(self.truth.route((offset, trigger, 0), &event.id, policy));
                }
            }
            Input::Unparked { parked, .. } => parked.iter().for_each(|stub| {
                let duty = (stub.offset, self.plan.trigger_of(stub.trigger), stub.replay);
                life.records.insert(stub.id, duty);
                life.known.insert(duty, Under { parked: true, due: stub.due, ..Under::default() });
            }),
            Input::Attempted { delivery, .. } => {
                life.handed_over.remove(delivery);
                life.meter.came_back(*delivery);
            }
            Input::Skipped { delivery } => {
                life.handed_over.remove(delivery);
                life.meter.came_back(*delivery);
                self.totals.skipped += 1;
            }
            Input::Journaled { delivery, parked: Some(id) } => {
                let duty = life.parking.remove(delivery).expect("it was to be parked");
                life.records.insert(*id, duty);
                life.known.get_mut(&duty).expect("it is known").parked = true;
            }
            Input::Fetched { stub, .. } => {
                if !life.fetching.remove(stub) {
                    broken("fetched in vain", &format!("{stub:?}"));
                }
                self.totals.fetched += 1;
            }
            Input::Spent { trigger, until } => {
                let trigger = self.plan.trigger_of(*trigger);
                if life.triggers.contains(&trigger) {
                    life.meter.spent(trigger, *until);
                }
            }
            Input::Reloaded { table } => self.reloaded(table),
            _ => {}
        }
    }

    /// Returns whether something is parked that was not.
    fn carry_out(&mut self, effects: Vec<Effect<u64>>) -> bool {
        let mut parks = false;
        let mut last = None;
        for effect in effects {
            self.trace.say(self.now, || format!("> {}", said(&effect)));
            let before = last.take();
            match effect {
                Effect::Invoke { delivery, trigger, attempt, replay, follows, envelope, broker } => {
                    let trigger = self.life().triggers[trigger as usize];
                    let duty = (envelope.position.offset, trigger, replay);
                    let event = envelope.event().id.into_owned();
                    self.invoked(delivery, duty, attempt, &event);
                    let executor = match before {
                        Some((executor, other)) if follows && other == trigger => executor,
                        _ if follows => broken("follows nothing", &format!("{duty:?}")),
                        _ => self.dice.within(0..self.executors as u64) as usize,
                    };
                    last = Some((executor, trigger));
                    let (outcome, retry_after) = (Outcome::Succeeded, None);
                    let job =
                        Job { delivery, duty, attempt, follows, outcome, retry_after, envelope, broker };
                    self.hand_over(executor, job);
                }
                Effect::Journal { delivery, report, fate } => {
                    parks |= matches!(&fate, Fate::Parked(parked) if parked.was.is_none());
                    self.journal(delivery, report, fate);
                }
                Effect::Park { delivery, parked } => {
                    parks |= parked.was.is_none();
                    if self.life().handed_over.contains(&delivery) {
                        broken("parked while it runs", &format!("{delivery:?}"));
                    }
                    let change = self.parks(delivery, &parked);
                    let now = self.clocks();
                    let attempt = Attempt::aside(delivery, &parked, now);
                    self.life().unwritten.attempts.push((attempt, Some(change)));
                }
                Effect::GiveUp { delivery, trigger, attempts, replay, record, envelope, broker } => {
                    self.given_up(Left { delivery, trigger, attempts, replay, record, envelope, broker });
                }
                Effect::Fetch { stub, id, .. } => self.fetch(stub, id),
                Effect::Refuse { position, .. } | Effect::Answer { position } => {
                    broken("nobody waits for an answer", &format!("{position:?}"));
                }
            }
        }
        parks
    }

    fn clocks(&mut self) -> Now {
        Now { moment: self.moment(), wall: self.wall() }
    }

    fn fetch(&mut self, stub: StubKey, id: u64) {
        let life = self.life();
        let duty = *life.records.get(&id).unwrap_or_else(|| broken("fetched from nowhere", &id.to_string()));
        if !life.fetching.insert(stub) || life.known[&duty].ended {
            broken("fetched in vain", &format!("{id}, {duty:?}"));
        }
        life.unwritten.fetches.push((stub, id));
    }

    fn invoked(&mut self, delivery: Key, duty: Duty, attempt: u32, event: &str) {
        let wrong = |check: &str| -> ! { broken(check, &format!("attempt {attempt} of {duty:?}")) };
        let now = self.moment();
        let life = self.life.as_mut().expect("it is alive");
        if !life.handed_over.insert(delivery) {
            wrong("runs twice at once");
        }
        let flow = self.plan.policies[duty.1 as usize].flow;
        let reached = life.meter.reached;
        life.meter.begins((duty.1, flow), delivery, now);
        self.totals.limited += life.meter.reached - reached;
        let Some(fate) = self.truth.fates.get(&duty) else { wrong("runs for nobody") };
        if fate.event != event {
            wrong("runs with another event");
        }
        if !matches!(fate.place, Place::Queue | Place::Parked) {
            wrong("runs after its durable end");
        }
        let under = life.known.entry(duty).or_default();
        if under.parked {
            wrong("runs while it is parked");
        }
        if under.ended {
            wrong("runs after its end");
        }
        if attempt != under.attempts + 1 {
            wrong(&format!("attempts are counted wrongly, {} were before", under.attempts));
        }
        if now < under.due {
            wrong("runs too soon");
        }
        under.attempts = attempt;
        let policy = &self.plan.policies[duty.1 as usize];
        let excused = if policy.trip.is_some() { self.totals.pauses + life.core.counts().pauses } else { 0 };
        if u64::from(attempt) > u64::from(policy.retry) + 1 + excused {
            wrong("more attempts than the policy allows");
        }
    }

    fn journal(&mut self, delivery: Key, report: u64, fate: Fate) {
        let Some(job) = self.life().jobs.remove(&report) else {
            broken("journaled twice", &format!("attempt {report}"))
        };
        let Job { duty, attempt, .. } = job;
        let wrong = |check: &str| -> ! { broken(check, &format!("attempt {attempt} of {duty:?}")) };
        if delivery != job.delivery {
            wrong("journaled as another");
        }
        let policy = self.plan.policies[duty.1 as usize].clone();
        // What an open breaker excuses is not told: only without one is it known what has been used up.
        let exact = policy.trip.is_none();
        let now = self.clocks();
        let wait = policy.wait_after(attempt, job.retry_after).filter(|_| exact).unwrap_or_default();
        let mut change = None;
        match &fate {
            Fate::Fenced => wrong("fenced in vain"),
            Fate::Retried => {
                if !job.outcome.retries() || exact && attempt > policy.retry {
                    wrong("retried in vain");
                }
                self.life().known.get_mut(&duty).expect("it was begun").due = now.moment.after(wait);
            }
            Fate::Parked(parked) => {
                if !job.outcome.retries() || parked.failures > policy.retry || exact && attempt > policy.retry
                {
                    wrong("parked in vain");
                }
                if parked.due < now.moment.after(wait) {
                    wrong("parked for too short a time");
                }
                change = Some(self.parks(delivery, parked));
            }
            Fate::Ended { end, record } => {
                let under = self.life().known.get_mut(&duty).expect("it was begun");
                under.ended = true;
                let records = &self.life().records;
                if record.is_some_and(|id| records.get(&id) != Some(&duty)) {
                    wrong("ends another's record");
                }
                if (*end == End::Delivered) != (job.outcome == Outcome::Succeeded) {
                    wrong("delivered without success");
                }
                if *end == End::GivenUp && !self.life().gone.contains(&duty.1) {
                    wrong("given up in vain");
                }
                let gives_up = job.outcome.retries() && *end != End::GivenUp;
                if gives_up && (attempt <= policy.retry || exact && attempt != policy.retry + 1) {
                    wrong("given up too soon, or too late");
                }
                change = Some(self.ends(&job, *end));
            }
        }
        let made = self.made(&job, change.as_mut());
        let attempt = Attempt::settled(made, delivery, fate, now, |end| self.bury(&job, end));
        self.life().unwritten.attempts.push((attempt, change));
    }

    fn parks(&mut self, delivery: Key, parked: &Parked) -> Change {
        let trigger = self.plan.trigger_of(parked.trigger);
        let duty = (parked.envelope.position.offset, trigger, parked.replay);
        let life = self.life();
        let attempts = life.known.entry(duty).or_default().attempts;
        if parked.attempts != attempts {
            let what = format!("{duty:?} with {} attempts, it has had {attempts}", parked.attempts);
            broken("parked with a wrong count", &what);
        }
        if parked.was.is_some_and(|was| life.records.get(&was) != Some(&duty)) {
            broken("takes another's place", &format!("{duty:?} that of {:?}", parked.was));
        }
        // Parked in the step in which its trigger went, it waits no longer, either.
        let due = if life.gone.contains(&trigger) { Moment(0) } else { parked.due };
        life.known.get_mut(&duty).expect("just seen").due = due;
        life.parking.insert(delivery, duty);
        self.totals.parked += 1;
        self.totals.reparked += u64::from(parked.was.is_some());
        Change { duty, place: Place::Parked, attempts, events: Vec::new(), loops: Vec::new() }
    }

    /// The bounds, and that no watermark falls.
    fn look(&mut self, parks: bool) {
        let limits = self.plan.limits;
        let triggers = self.scenario.triggers as usize;
        let life = self.life();
        let core = &life.core;
        let fetched = limits.deliveries / 2 + RUN;
        let over = |what: &str, is: usize, most: usize| {
            if is > most {
                broken("out of bounds", &format!("{what}: {is}, at most {most}"));
            }
        };
        over("running", core.running(), limits.running);
        let most = limits.deliveries + limits.held.saturating_mul(2) + SEGMENT * triggers + fetched;
        over("deliveries", core.deliveries_in_flight(), most);
        over("held", core.held(), most);
        over("bytes", core.bytes(), limits.bytes + (SEGMENT + fetched) * RECORD);
        if parks {
            over("parked", core.parked() + life.parking.len(), limits.parked);
        }
        let progress = life.progress();
        if progress.watermark < life.watermark {
            broken("watermark falls", &format!("from {} to {}", life.watermark, progress.watermark));
        }
        life.watermark = progress.watermark;
        let full = !core.has_room();
        self.totals.full += u64::from(full);
    }

    fn go_on(&mut self) {
        let life = self.life();
        let number = life.number;
        if let Some(due) = life.core.next_due()
            && life.wake_planned.is_none_or(|planned| due < planned)
        {
            life.wake_planned = Some(due);
            let born = life.born;
            let at = Moment((born.0 + due.0).max(self.now.0 + 1));
            let at = at.after(Duration::from_micros(self.dice.within(0..500)));
            self.agenda.plan(at, Happens::Wake(number));
        }
        let life = self.life();
        if !life.commit_planned && life.core.counts().settled != life.committed_events {
            life.commit_planned = true;
            self.soon(1_000..60_000, Happens::Commit(number));
        }
        self.hand_to_scribe();
        self.plan_read();
        let life = self.life();
        let idle = life.core.is_idle() && life.inbox.is_empty() && !life.step_planned;
        if life.stopping && idle {
            self.close(true);
        }
    }

    /// The channel takes so many batches; else they wait for the next step.
    fn hand_to_scribe(&mut self) {
        let life = self.life();
        if life.unwritten.is_empty() || life.batches.len() >= 4 {
            return;
        }
        let batch = std::mem::take(&mut life.unwritten);
        life.batches.push_back(batch);
        self.plan_group();
    }

    pub(super) fn commit(&mut self) {
        if self.life().closed.is_none() {
            self.life().commit_planned = false;
            self.note_progress();
            self.hand_to_scribe();
        }
    }

    pub(super) fn note_progress(&mut self) {
        let life = self.life();
        let progress = life.progress();
        life.committed_events = life.core.counts().settled;
        if progress != life.committed {
            life.committed = progress.clone();
            life.unwritten.progress = Some(progress.clone());
            let life = self.life.as_ref().expect("it is alive");
            self.truth.settles(&progress, &life.routed);
        }
    }

    fn plan_read(&mut self) {
        let life = self.life();
        if !life.read_planned && !life.stopping && life.core.takes(QUEUE, 0) {
            life.read_planned = true;
            let number = life.number;
            self.soon(0..2_000, Happens::Read(number));
        }
    }

    /// One segment at a time, as they come over the channel.
    pub(super) fn read(&mut self) {
        let life = self.life();
        if life.stopping || life.closed.is_some() || !life.core.takes(QUEUE, 0) {
            life.read_planned = false;
            return;
        }
        let arrivals = life.source.read();
        let arrivals = arrivals.unwrap_or_else(|error| broken("unreadable", &error.to_string()));
        life.read_planned = false;
        // Where there are none, what is written next brings the loop here again.
        let Some(arrivals) = arrivals else { return };
        life.inbox
            .extend(arrivals.into_iter().map(|a| Input::Arrived { envelope: a.envelope, broker: a.broker }));
        self.plan_step();
    }

    /// The scribe's answers.
    pub(super) fn told(&mut self, told: Told) {
        let Told { posts, written, fetched, unparked, evict_below } = told;
        for post in posts {
            self.publications.remove(&post.publication);
            for id in &post.ids {
                self.truth.events.get_mut(id).expect("it was sent").promised = true;
            }
        }
        let (now, wall) = (self.moment(), self.wall());
        let life = self.life();
        life.untold -= 1;
        if life.closed.is_some() {
            return self.end_if_flushed();
        }
        let answers = written.answers.into_iter();
        life.inbox.extend(answers.map(|(delivery, parked)| Input::Journaled { delivery, parked }));
        for (stub, id, envelope, broker) in fetched {
            let duty = life.records[&id];
            life.known.get_mut(&duty).expect("it is parked").parked = false;
            life.inbox.push(Input::Fetched { stub, envelope, broker });
        }
        if !unparked.is_empty() {
            let keys = life.core.keys();
            let parked: Vec<Stub> =
                unparked.into_iter().map(|label| label.into_stub(&keys, now, wall)).collect();
            life.inbox.push(Input::Unparked { source: QUEUE, partition: 0, parked });
        }
        if let Some(below) = evict_below {
            self.evict(below);
        }
        self.plan_step();
        self.plan_read();
    }

    /// The charge of an attempt, by which billing counts it once.
    pub(super) fn note_made(&mut self, duty: Duty, attempt: u32) {
        let life = self.life().number;
        if let Some(before) = self.truth.made.insert((duty, attempt), life) {
            self.totals.repeats += 1;
            if before > self.unclean {
                broken("runs again after a clean stop", &format!("attempt {attempt} of {duty:?}"));
            }
        }
    }
}

fn told(input: &Input<u64>) -> String {
    match input {
        Input::Arrived { envelope, .. } => {
            format!("Arrived {} ({})", envelope.position.offset, envelope.event().id)
        }
        Input::Fetched { stub, envelope, .. } => format!("Fetched {stub:?} {}", envelope.position.offset),
        Input::Assigned { epoch, progress, ended, parked, .. } => {
            format!(
                "Assigned under {epoch:?} {progress:?} {ended:?} {:?}",
                parked.iter().map(shown).collect::<Vec<_>>()
            )
        }
        Input::Unparked { parked, .. } => {
            format!("Unparked {:?}", parked.iter().map(shown).collect::<Vec<_>>())
        }
        Input::Reloaded { table } => format!("Reloaded {:?}", table.uids),
        other => format!("{other:?}"),
    }
}

/// Keys are hashed otherwise in each core.
fn shown(stub: &Stub) -> Stub {
    Stub { key: stub.key.map(|_| 0), ..stub.clone() }
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
