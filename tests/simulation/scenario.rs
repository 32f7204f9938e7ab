//! What a simulation is made of: drawn from its seed, and made smaller when it fails, until nothing can be left out.

use super::dice::dice_of;

/// Which world it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Several workers of a consumer group.
    Group,
    /// One worker with its own disk.
    Queue,
}

/// What may go wrong, or merely happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Fault {
    Crash,
    Rebalance,
    /// A worker goes on for a while with a partition that is another's.
    Zombie,
    /// Workers are stopped as they should be.
    Drain,
    LostCommits,
    /// The map beside the watermark has little room.
    SmallMaps,
    /// Some workers are of a version that can't read the map.
    OldReaders,
    LateAcks,
    /// Functions that fail for everything, for a while.
    Outages,
    /// Events that fail some times, or always.
    Failures,
    RetryAfter,
    Evictions,
    Replays,
    /// Offsets at which nothing stands.
    Gaps,
    /// Records that vanish from the log.
    Compaction,
    /// The ends of deliveries of unsettled events are known after a restart, as those in the queue are.
    Marks,
    /// Limits so small that each is reached.
    TightLimits,
    /// The disk refuses to write, once or for a while; what it refused may be on it all the same.
    FailingWrites,
    /// The disk has no room for a while.
    FullDisk,
    /// The worker is killed while it writes, between any two steps of that.
    TornWrites,
    /// A start is killed in its turn.
    TornStarts,
    /// The queue's limit is reached, and publishers are refused.
    SmallQueue,
    /// Dead letters are dropped.
    Drops,
    /// Dead letters are replayed and dropped while no worker runs.
    Offline,
    /// Triggers are gone in one life and back in another.
    GoneTriggers,
    Replies,
    /// Some triggers' dead letters go to a broker.
    LetterBrokers,
    /// Some triggers have limits: so many at once, so many in a time.
    Limited,
    /// Triggers are gone, and back, while the worker runs.
    Reloads,
    /// Some triggers have budgets, which are used up for a while.
    Budgets,
}

impl Fault {
    fn of(kind: Kind) -> &'static [Fault] {
        match kind {
            Kind::Group => &Fault::GROUP,
            Kind::Queue => &Fault::QUEUE,
        }
    }

    const QUEUE: [Fault; 21] = [
        Fault::Crash,
        Fault::Drain,
        Fault::LateAcks,
        Fault::Outages,
        Fault::Failures,
        Fault::RetryAfter,
        Fault::Replays,
        Fault::TightLimits,
        Fault::FailingWrites,
        Fault::FullDisk,
        Fault::TornWrites,
        Fault::TornStarts,
        Fault::SmallQueue,
        Fault::Drops,
        Fault::Offline,
        Fault::GoneTriggers,
        Fault::Replies,
        Fault::LetterBrokers,
        Fault::Limited,
        Fault::Reloads,
        Fault::Budgets,
    ];

    const GROUP: [Fault; 19] = [
        Fault::Crash,
        Fault::Rebalance,
        Fault::Zombie,
        Fault::Drain,
        Fault::LostCommits,
        Fault::SmallMaps,
        Fault::OldReaders,
        Fault::LateAcks,
        Fault::Outages,
        Fault::Failures,
        Fault::RetryAfter,
        Fault::Evictions,
        Fault::Replays,
        Fault::Gaps,
        Fault::Compaction,
        Fault::Marks,
        Fault::TightLimits,
        Fault::Limited,
        Fault::Budgets,
    ];
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    pub(crate) events: u64,
    pub(crate) partitions: u32,
    pub(crate) workers: usize,
    pub(crate) triggers: u32,
    pub(crate) keys: u64,
    faults: u32,
}

impl Scenario {
    pub(crate) fn of(kind: Kind, seed: u64) -> Scenario {
        let mut dice = dice_of(seed, &[1 + 100 * kind as u64]);
        let mut faults = 0;
        // Most things happen in most worlds; a world without one shows more of the others.
        let often = dice.pick(&[40, 70, 90]);
        for &fault in Fault::of(kind) {
            // What came later is drawn apart: the worlds that were known before stay what they are.
            let own = &mut dice_of(seed, &[12, fault as u64]);
            let is_later = matches!(fault, Fault::Limited | Fault::Reloads | Fault::Budgets);
            let dice = if is_later { own } else { &mut dice };
            faults |= u32::from(dice.chance(often)) << fault as u32;
        }
        let group = kind == Kind::Group;
        Scenario {
            kind,
            seed,
            events: dice.pick(if group { &[6, 12, 24, 40] } else { &[4, 8, 16] }) + dice.within(0..8),
            partitions: if group { dice.within(1..4) as u32 } else { 1 },
            workers: if group { dice.within(1..4) as usize } else { 1 },
            triggers: dice.within(1..5) as u32,
            keys: dice.within(1..5),
            faults,
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults & 1 << fault as u32 != 0
    }

    pub(crate) fn without(&self, fault: Fault) -> Scenario {
        Scenario { faults: self.faults & !(1 << fault as u32), ..self.clone() }
    }

    /// The same with less of one thing.
    pub(crate) fn smaller(&self) -> Vec<Scenario> {
        let mut all = Vec::new();
        let events = [self.events / 2, self.events * 3 / 4, self.events.saturating_sub(1)];
        all.extend(events.into_iter().map(|events| Scenario { events, ..self.clone() }));
        if self.partitions > 1 {
            all.push(Scenario { partitions: self.partitions - 1, ..self.clone() });
        }
        if self.workers > 1 {
            all.push(Scenario { workers: self.workers - 1, ..self.clone() });
        }
        if self.triggers > 1 {
            all.push(Scenario { triggers: self.triggers - 1, ..self.clone() });
        }
        if self.keys > 1 {
            all.push(Scenario { keys: 1, ..self.clone() });
        }
        for &fault in Fault::of(self.kind) {
            all.push(self.without(fault));
        }
        all.retain(|scenario| scenario != self && scenario.events > 0);
        all
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Scenario { kind, seed, events, partitions, workers, triggers, keys, .. } = self;
        let faults: Vec<&Fault> = Fault::of(*kind).iter().filter(|&&fault| self.has(fault)).collect();
        write!(
            f,
            "{kind:?} {seed}: {events} events, {partitions} partitions, {workers} workers, {triggers} triggers, \
             {keys} keys, {faults:?}"
        )
    }
}
