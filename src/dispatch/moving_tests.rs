//! Partitions that come and go many times: given back when they are quiet, or lost at whatever moment. Whoever has one begins
//! where the last left it and finds what that has parked; nothing is lost, and what is given back is neither done twice nor out
//! of order.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::core_tests::{BROKER, Run, Unwritten, core_within, envelope, policy, trigger_of};
use super::*;
use crate::event::{Epoch, Position, Uid};
use crate::time::Moment;

const PARTITIONS: u32 = 2;
/// What the partitions are of.
const TOPIC: Uid = Uid(3);

#[derive(Clone, Debug)]
enum Step {
    Publish(u32, Option<u8>),
    Read(u32),
    Assign(u32),
    Recall(u32),
    Lose(u32),
    Commit(u32),
    Finish(usize, Outcome),
    Write,
    Fetch,
    PassTime,
    Replay(u32, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let of = 0..PARTITIONS;
    let outcome = prop_oneof![
        4 => Just(Outcome::Retryable), 4 => Just(Outcome::Succeeded), 1 => Just(Outcome::Permanent), 1 => Just(Outcome::TimedOut)
    ];
    prop_oneof![
        6 => (of.clone(), prop::option::weighted(0.8, 0u8..3)).prop_map(|(p, key)| Step::Publish(p, key)),
        8 => of.clone().prop_map(Step::Read),
        4 => of.clone().prop_map(Step::Assign),
        2 => of.clone().prop_map(Step::Recall),
        1 => of.clone().prop_map(Step::Lose),
        3 => of.clone().prop_map(Step::Commit),
        8 => (any::<usize>(), outcome).prop_map(|(pick, outcome)| Step::Finish(pick, outcome)),
        6 => Just(Step::Write),
        4 => Just(Step::Fetch),
        4 => Just(Step::PassTime),
        1 => (of, any::<usize>()).prop_map(|(p, pick)| Step::Replay(p, pick)),
    ]
}

/// One partition, as its broker has it.
#[derive(Default)]
struct Partition {
    keys: Vec<Option<u8>>,
    committed: Progress,
    /// What is parked and not done.
    records: BTreeMap<u64, Parked>,
    /// While it is assigned: the epoch, and what is read next.
    owned: Option<(Epoch, u64)>,
    leaving: bool,
}

struct World {
    core: Core,
    now: Moment,
    partitions: Vec<Partition>,
    epoch: u32,
    runs: Vec<Run>,
    /// Whose each delivery is, until the core has heard the last of it.
    of: HashMap<Key, u32>,
    unwritten: Vec<(u32, Unwritten)>,
    fetches: Vec<(StubKey, u64)>,
    /// All that was ever parked: what is done can be read still.
    written: Vec<Parked>,
    /// In order: trigger, partition, offset, replay.
    ended: Vec<(u32, u32, u64, u32)>,
    lost: bool,
}

type Report = (u32, u32, u64, u32);

impl World {
    fn new(core: Core) -> World {
        let partitions = (0..PARTITIONS).map(|_| Partition::default()).collect();
        World {
            core,
            now: Moment(0),
            partitions,
            epoch: 0,
            runs: vec![],
            of: HashMap::new(),
            unwritten: vec![],
            fetches: vec![],
            written: vec![],
            ended: vec![],
            lost: false,
        }
    }

    fn at(&mut self, partition: u32) -> &mut Partition {
        &mut self.partitions[partition as usize]
    }

    fn feed(&mut self, inputs: Vec<Input<Report>>) {
        let mut effects = Vec::new();
        self.core.step(inputs, self.now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Invoke { delivery, trigger, replay, follows, envelope, .. } => {
                    let trigger = trigger_of(self.core.table.uids[trigger as usize]);
                    let Position { partition, offset, .. } = envelope.position;
                    self.of.insert(delivery, partition);
                    let begun = (delivery, trigger, offset, replay);
                    match self.runs.last_mut() {
                        Some(run) if follows => run.push_back(begun),
                        _ => self.runs.push(Run::from([begun])),
                    }
                }
                Effect::Journal { delivery, report, fate } => match fate {
                    Fate::Retried | Fate::Fenced => {}
                    Fate::Parked(parked) => {
                        self.unwritten.push((report.1, Unwritten::Park(delivery, parked)));
                    }
                    Fate::Ended { record, .. } => {
                        record.map(|record| self.at(report.1).records.remove(&record));
                        self.ended.push(report);
                        self.unwritten.push((report.1, Unwritten::End(delivery)));
                    }
                },
                Effect::Park { delivery, parked } => {
                    let partition = parked.envelope.position.partition;
                    self.unwritten.push((partition, Unwritten::Park(delivery, parked)));
                }
                Effect::Fetch { stub, id, .. } => self.fetches.push((stub, id)),
                Effect::GiveUp { .. } | Effect::Refuse { .. } | Effect::Answer { .. } => unreachable!(),
            }
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Publish(partition, key) => self.at(partition).keys.push(key),
            Step::Read(partition) => self.read(partition),
            Step::Assign(partition) => self.assign(partition),
            Step::Recall(partition) => {
                if self.at(partition).owned.is_some() && !self.at(partition).leaving {
                    self.at(partition).leaving = true;
                    self.feed(vec![Input::Recalled { source: TOPIC, partition }]);
                }
            }
            Step::Lose(partition) => {
                if self.at(partition).owned.take().is_some() {
                    self.at(partition).leaving = false;
                    self.lost = true;
                    self.feed(vec![Input::Revoked { source: TOPIC, partition }]);
                }
            }
            Step::Commit(partition) => self.commit(partition),
            Step::Finish(pick, outcome) => self.finish(pick, outcome),
            Step::Write => self.write(),
            Step::Fetch => self.fetch(),
            Step::PassTime => {
                if let Some(due) = self.core.next_due() {
                    self.now = self.now.max(due);
                    self.feed(vec![]);
                }
            }
            Step::Replay(partition, pick) => self.replay(partition, pick),
        }
        self.leave();
    }

    fn assign(&mut self, partition: u32) {
        if self.at(partition).owned.is_some() {
            return;
        }
        self.epoch += 1;
        let epoch = Epoch(self.epoch);
        let keys = self.core.keys();
        let at = self.at(partition);
        let progress = at.committed.clone();
        at.owned = Some((epoch, progress.watermark));
        at.leaving = false;
        let parked = at.records.iter().map(|(&id, parked)| stub(id, parked, &keys)).collect();
        let ended = vec![];
        self.feed(vec![Input::Assigned { source: TOPIC, partition, epoch, progress, ended, parked }]);
    }

    fn read(&mut self, partition: u32) {
        let has_room = self.core.takes(TOPIC, partition);
        let at = self.at(partition);
        let leaving = at.leaving;
        let Some((epoch, next)) = &mut at.owned else { return };
        if *next < at.keys.len() as u64 && !leaving && has_room {
            let mut envelope = envelope(*next, at.keys[*next as usize]);
            envelope.position = Position { source: TOPIC, partition, offset: *next };
            envelope.epoch = *epoch;
            *next += 1;
            self.feed(vec![Input::Arrived { envelope, broker: BROKER }]);
        }
    }

    fn commit(&mut self, partition: u32) {
        if self.at(partition).owned.is_some() {
            self.at(partition).committed = self.core.progress(TOPIC, partition).unwrap();
        }
    }

    /// Gives back what is quiet.
    fn leave(&mut self) {
        for partition in 0..PARTITIONS {
            if self.at(partition).leaving && self.core.is_quiet(TOPIC, partition) {
                self.commit(partition);
                (self.at(partition).owned, self.at(partition).leaving) = (None, false);
                self.feed(vec![Input::Revoked { source: TOPIC, partition }]);
            }
        }
    }

    fn finish(&mut self, pick: usize, outcome: Outcome) {
        if self.runs.is_empty() {
            return;
        }
        let pick = pick % self.runs.len();
        let run = &mut self.runs[pick];
        let (delivery, trigger, offset, replay) = run.pop_front().expect("no run is empty");
        let report = (trigger, self.of.remove(&delivery).expect("it was handed over"), offset, replay);
        let mut inputs = vec![Input::Attempted { delivery, outcome, retry_after: None, report }];
        if outcome != Outcome::Succeeded {
            inputs.extend(run.drain(..).map(|(delivery, ..)| Input::Skipped { delivery }));
        }
        if self.runs[pick].is_empty() {
            self.runs.swap_remove(pick);
        }
        self.feed(inputs);
    }

    fn write(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        match self.unwritten.remove(0) {
            (_, Unwritten::End(delivery)) => self.feed(vec![Input::Journaled { delivery, parked: None }]),
            (partition, Unwritten::Park(delivery, parked)) => {
                let id = self.written.len() as u64;
                self.written.push(parked.clone());
                let records = &mut self.at(partition).records;
                parked.was.map(|was| records.remove(&was));
                records.insert(id, parked);
                self.feed(vec![Input::Journaled { delivery, parked: Some(id) }]);
            }
        }
    }

    fn fetch(&mut self) {
        if self.fetches.is_empty() {
            return;
        }
        let (stub, id) = self.fetches.remove(0);
        let Parked { envelope, broker, .. } = self.written[id as usize].clone();
        self.feed(vec![Input::Fetched { stub, envelope, broker }]);
    }

    /// One that has ended is to be done again.
    fn replay(&mut self, partition: u32, pick: usize) {
        let of_it: Vec<Report> = self.ended.iter().filter(|report| report.1 == partition).copied().collect();
        if of_it.is_empty() || self.at(partition).owned.is_none() || self.at(partition).leaving {
            return;
        }
        let (trigger, _, offset, _) = of_it[pick % of_it.len()];
        let replay = 1 + of_it.iter().map(|report| report.3).max().unwrap() + self.written.len() as u32;
        let key = self.at(partition).keys[offset as usize];
        let mut envelope = envelope(offset, key);
        envelope.position = Position { source: TOPIC, partition, offset };
        let (id, keys) = (self.written.len() as u64, self.core.keys());
        let parked = Parked {
            trigger: super::core_tests::trigger_uid(trigger),
            attempts: 0,
            failures: 0,
            replay,
            due: Moment(0),
            holds: false,
            was: None,
            envelope,
            broker: BROKER,
        };
        self.written.push(parked.clone());
        let stub = stub(id, &parked, &keys);
        self.at(partition).records.insert(id, parked);
        self.feed(vec![Input::Unparked { source: TOPIC, partition, parked: vec![stub] }]);
    }

    /// All is assigned, read and done.
    fn settle_all(&mut self) {
        let mut rounds = 0;
        let is_read = |world: &World| {
            world
                .partitions
                .iter()
                .all(|p| !p.leaving && p.owned.is_some_and(|(_, n)| n == p.keys.len() as u64))
        };
        while !is_read(self) || !self.core.is_idle() || self.core.parked() > 0 {
            rounds += 1;
            assert!(rounds < 100_000, "never at rest: {:?}", self.core.counts());
            for partition in 0..PARTITIONS {
                self.assign(partition);
                self.read(partition);
            }
            self.finish(0, Outcome::Succeeded);
            self.write();
            self.fetch();
            self.leave();
            if self.runs.is_empty() && self.unwritten.is_empty() && self.fetches.is_empty() {
                self.run(&Step::PassTime);
            }
        }
    }
}

fn stub(id: u64, parked: &Parked, keys: &Keys) -> Stub {
    Stub {
        id,
        offset: parked.envelope.position.offset,
        trigger: parked.trigger,
        key: keys.of(&parked.envelope.event()),
        attempts: parked.attempts,
        failures: parked.failures,
        replay: parked.replay,
        due: parked.due,
        holds: parked.holds,
    }
}

proptest! {
    #[test]
    fn partitions_move_and_nothing_is_lost(
        steps in prop::collection::vec(step(), 1..400),
        (running, deliveries, held) in (1usize..6, 2usize..40, 1usize..20),
        parked in prop_oneof![3 => 100usize..101, 1 => 1usize..6],
        hold in (0u64..60, 0usize..5),
        orders in prop::collection::vec((prop::sample::select(vec![Order::Ordered, Order::Key, Order::Unordered]), any::<bool>()), 1..4),
        trips: bool,
    ) {
        let policies: Vec<_> = orders.iter().map(|&(order, limited)| {
            let hold = Hold { time: std::time::Duration::from_millis(hold.0), deliveries: hold.1 };
            let flow = Flow { concurrency: limited.then_some(2), ..Flow::default() };
            let trip = trips.then_some(Trip { failures: 3, wait: std::time::Duration::from_millis(30) });
            Policy { hold, flow, trip, ..policy(order, 4) }
        }).collect();
        let limits = Limits { running, deliveries, held, parked, bytes: 1 << 20, ..Limits::default() };
        let mut world = World::new(core_within(policies, limits));
        steps.iter().for_each(|step| world.run(step));
        world.settle_all();
        let firsts: Vec<_> = world.ended.iter().filter(|report| report.3 == 0).collect();
        let different: HashSet<_> = firsts.iter().collect();
        let published: usize = world.partitions.iter().map(|partition| partition.keys.len()).sum();
        prop_assert_eq!(different.len(), published * orders.len(), "one was lost");
        // What finds no room in the parking is done again by whoever has its partition next.
        if world.lost || limits.parked < 100 {
            return Ok(());
        }
        prop_assert_eq!(firsts.len(), different.len(), "a delivery ended twice");
        for (trigger, (order, _)) in orders.iter().enumerate() {
            let mut last: HashMap<(u32, Option<u8>), u64> = HashMap::new();
            for &&(_, partition, offset, _) in firsts.iter().filter(|report| report.0 as usize == trigger) {
                let lane = match order {
                    Order::Ordered => Some(0),
                    Order::Key => world.partitions[partition as usize].keys[offset as usize],
                    Order::Unordered => None,
                };
                if lane.is_some() {
                    prop_assert!(last.insert((partition, lane), offset).is_none_or(|before| before < offset));
                }
            }
        }
    }
}
