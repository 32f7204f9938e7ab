//! The worker starts, and is stopped or killed.

use std::sync::Arc;

use weir::dispatch::{Core, Input};
use weir::event::Epoch;
use weir::event::segment::Ended;
use weir::source::queue::QueueSource;
use weir::store::simulated::Fault as DiskFault;
use weir::store::{self, Log};
use weir::time::Moment;
use weir::worker::archive::{Archive, ArchiveError};
use weir::worker::query::Store;
use weir::worker::recovery::Recovered;

use super::super::plan::trigger_uid;
use super::super::scenario::Fault;
use super::super::truth::broken;
use super::events::QUEUE;
use super::life::{Ask, Batch, Executor, Group, Life, Under};
use super::{Happens, World};

impl World {
    pub(super) fn start(&mut self) {
        if self.life.is_some() {
            return;
        }
        let triggers = self.triggers();
        if self.has(Fault::Offline) && self.dice.chance(20) {
            self.offline(&triggers);
            return self.soon(1_000..20_000, Happens::Start);
        }
        if self.has(Fault::TornStarts) && self.dice.chance(30) {
            self.totals.torn_starts += 1;
            self.trace.say(self.now, || "a start is killed".to_owned());
            self.tear(0..12);
            drop(self.open(&triggers));
            self.disk.crash();
            return self.soon(1_000..20_000, Happens::Start);
        }
        match self.open(&triggers) {
            Ok((store, archive, recovered)) => self.begin_life(triggers, store, archive, recovered),
            Err(error) => self.starts_again(&error),
        }
    }

    fn starts_again(&mut self, error: &ArchiveError) {
        self.trace.say(self.now, || format!("no start: {error}"));
        if !self.scenario.has(Fault::FullDisk) || self.is_calm() {
            broken("does not start", &error.to_string());
        }
        self.disk.crash();
        self.soon(5_000..50_000, Happens::Start);
    }

    /// The next step but so many fails, and all after it.
    pub(super) fn tear(&mut self, steps: std::ops::Range<u64>) {
        let (after, durable) = (self.dice.within(steps), self.dice.chance(50));
        self.disk.fail(DiskFault { after, durable, lasting: true });
    }

    /// Those there are in this life.
    fn triggers(&mut self) -> Vec<u32> {
        let goes = self.has(Fault::GoneTriggers);
        let all = 0..self.scenario.triggers;
        let there: Vec<u32> = all.filter(|_| !goes || self.dice.chance(70)).collect();
        if there.is_empty() { vec![0] } else { there }
    }

    fn open(&mut self, triggers: &[u32]) -> Result<(Arc<Store>, Archive, Recovered), ArchiveError> {
        for (duty, fate) in &mut self.truth.fates {
            fate.gone |= !triggers.contains(&duty.1);
        }
        let limits = store::Limits { volume_bytes: self.volume_bytes };
        let store = Arc::new(Store::of(|name| Log::open_on(self.disk.directory(name), limits))?);
        let known = |uid| triggers.iter().any(|&trigger| trigger_uid(trigger) == uid);
        let flushed = store.queue.flushed();
        let (archive, recovered) = Archive::open(Arc::clone(&store), self.limits, known, self.wall())?;
        self.totals.adopted += u64::from(recovered.gone == 0 && store.queue.flushed() > flushed);
        Ok((store, archive, recovered))
    }

    /// Someone asks for dead letters while no worker runs.
    fn offline(&mut self, triggers: &[u32]) {
        self.trace.say(self.now, || format!("offline, with {triggers:?}"));
        self.totals.offline += 1;
        let (_, mut archive, recovered) = match self.open(triggers) {
            Ok(opened) => opened,
            Err(error) => return self.starts_again(&error),
        };
        self.resolve(&mut archive, &recovered);
        let mut group = Group::default();
        for ask in [Ask::Replay, Ask::Drop] {
            if self.dice.chance(60) {
                self.ask(&mut archive, ask, triggers, &mut group);
            }
        }
        if self.has(Fault::TornWrites) && self.dice.chance(30) {
            self.tear(0..6);
        }
        if archive.write().is_ok() {
            self.truth.durable();
        }
        drop(archive);
        self.disk.crash();
    }

    fn begin_life(
        &mut self,
        triggers: Vec<u32>,
        store: Arc<Store>,
        mut archive: Archive,
        recovered: Recovered,
    ) {
        self.lives += 1;
        let number = self.lives;
        self.trace.say(self.now, || format!("life {number} begins with {triggers:?} from {recovered:?}"));
        self.resolve(&mut archive, &recovered);
        self.totals.gone += recovered.gone as u64;
        self.totals.restored += recovered.parked.len() as u64;
        let table = self.plan.table_of(&triggers);
        let core = Core::new(Arc::clone(&table), self.plan.limits);
        let Recovered { progress, ended, parked, .. } = recovered;
        let source = QueueSource::open(Arc::clone(&store.queue), QUEUE, progress.watermark);
        let source = source.unwrap_or_else(|error| broken("unreadable", &error.to_string()));
        let mut life = Life {
            number,
            born: self.now,
            store,
            archive,
            source,
            core,
            triggers,
            gone: Default::default(),
            table,
            executors: (0..self.executors).map(|_| Executor::default()).collect(),
            jobs: Default::default(),
            handed_over: Default::default(),
            meter: Default::default(),
            known: Default::default(),
            routed: Default::default(),
            records: Default::default(),
            fetching: Default::default(),
            parking: Default::default(),
            given: progress.clone(),
            watermark: progress.watermark,
            inbox: Vec::new(),
            step_planned: false,
            read_planned: false,
            wake_planned: None,
            commit_planned: false,
            committed: progress.clone(),
            committed_events: 0,
            unwritten: Batch::default(),
            batches: Default::default(),
            intake: Vec::new(),
            asks: Vec::new(),
            group: None,
            group_planned: false,
            look_planned: false,
            untold: 0,
            last_told: self.now,
            stopping: false,
            closed: None,
        };
        for &Ended { offset, trigger } in &ended {
            if let Some(trigger) = self.plan.table.uids.iter().position(|&uid| uid == trigger) {
                life.known.entry((offset, trigger as u32, 0)).or_default().ended = true;
            }
        }
        let keys = life.core.keys();
        let wall = self.wall();
        let stubs: Vec<_> = parked.into_iter().map(|label| label.into_stub(&keys, Moment(0), wall)).collect();
        for stub in &stubs {
            let trigger = life.triggers.iter().find(|&&trigger| trigger_uid(trigger) == stub.trigger);
            let duty = (stub.offset, *trigger.expect("those of others are letters"), stub.replay);
            life.records.insert(stub.id, duty);
            life.known.insert(
                duty,
                Under { attempts: stub.attempts, parked: true, due: stub.due, ..Under::default() },
            );
        }
        life.inbox.push(Input::Assigned {
            source: QUEUE,
            partition: 0,
            epoch: Epoch(1),
            progress,
            ended,
            parked: stubs,
        });
        self.life = Some(life);
        self.plan_step();
        self.plan_look();
    }

    /// It is gone, and with it what was not durable and what was not told.
    pub(super) fn crash(&mut self) {
        self.totals.crashes += 1;
        self.trace.say(self.now, || "a crash".to_owned());
        self.unclean = self.lives;
        self.down();
    }

    fn down(&mut self) {
        let life = self.life.take().expect("it is alive");
        self.totals.pauses += life.core.counts().pauses;
        self.disk.crash();
        // Those who were not answered send again.
        let sent = self.publications.iter().filter(|(_, tries)| **tries > 0);
        let unanswered: Vec<u64> = sent.map(|(&publication, _)| publication).collect();
        unanswered.into_iter().for_each(|publication| self.publish_again(publication));
        self.soon(1_000..100_000, Happens::Start);
    }

    pub(super) fn stop(&mut self) {
        self.totals.stops += 1;
        self.trace.say(self.now, || "the worker is stopped".to_owned());
        let life = self.life();
        life.stopping = true;
        life.inbox.push(Input::Drain);
        let number = life.number;
        self.plan_step();
        self.soon(200_000..2_000_000, Happens::StopAnyway(number));
    }

    /// The loop ends; the scribe goes on until all is written.
    pub(super) fn close(&mut self, clean: bool) {
        if self.life().closed.is_some() {
            return;
        }
        self.note_progress();
        let life = self.life();
        life.closed = Some(clean);
        let last = std::mem::take(&mut life.unwritten);
        if !last.is_empty() {
            life.batches.push_back(last);
        }
        self.plan_group();
        self.end_if_flushed();
    }

    pub(super) fn end_if_flushed(&mut self) {
        let life = self.life();
        let Some(clean) = life.closed.filter(|_| life.is_flushed() && life.untold == 0) else { return };
        self.trace.say(self.now, || format!("the worker goes, clean: {clean}"));
        self.totals.clean_stops += u64::from(clean);
        if clean {
            if let Some((duty, fate)) = self.truth.fates.iter().find(|(_, fate)| fate.perhaps.is_some()) {
                broken("stopped too soon", &format!("{duty:?} is {fate:?}"));
            }
        } else {
            self.unclean = self.lives;
        }
        self.down();
    }
}
