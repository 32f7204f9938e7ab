//! How the triggers of a world are set, and which of their functions fail at which events: all of it follows from the
//! seed and the thing itself, so a smaller world treats what is left the same.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use weir::dispatch::{Backoff, Flow, Hold, Limits, Order, Outcome, Policy, Rate, Table, Trip};
use weir::event::Uid;
use weir::time::Moment;
use weir::trigger::{Filter, Routes};

use super::dice::{Dice, dice_of};
use super::scenario::{Fault, Scenario};

pub(crate) const BROKER: Uid = Uid(7);
/// Nothing wants the last.
pub(crate) const TYPES: [&str; 3] = ["placed", "paid", "ignored"];

#[derive(Debug)]
pub(crate) struct Plan {
    seed: u64,
    failures: bool,
    retry_after: bool,
    pub(crate) policies: Vec<Policy>,
    wants: Vec<Option<usize>>,
    outages: Vec<Vec<Range<u64>>>,
    pub(crate) table: Arc<Table>,
    pub(crate) limits: Limits,
}

pub(crate) fn trigger_uid(trigger: u32) -> Uid {
    Uid::of_document("default", "Trigger", &trigger.to_string())
}

fn millis(dice: &mut Dice, range: Range<u64>) -> Duration {
    Duration::from_millis(dice.within(range))
}

impl Plan {
    /// Functions are out only before `calm`.
    pub(crate) fn of(scenario: &Scenario, calm: Moment) -> Plan {
        let seed = scenario.seed;
        let triggers = u64::from(scenario.triggers);
        let flow = |t| {
            let has = scenario.has(Fault::Limited);
            let flow = if has { flow(&mut dice_of(seed, &[11, t])) } else { Flow::default() };
            Flow { budget: scenario.has(Fault::Budgets) && dice_of(seed, &[14, t]).chance(60), ..flow }
        };
        let remote = |t| dice_of(seed, &[12, t]).chance(40);
        let policies: Vec<Policy> = (0..triggers)
            .map(|t| Policy { flow: flow(t), remote: remote(t), ..policy(&mut dice_of(seed, &[2, t])) })
            .collect();
        let wants: Vec<Option<usize>> = (0..triggers)
            .map(|t| dice_of(seed, &[3, t]).within(0..4))
            .map(|want| (want < 2).then_some(want as usize))
            .collect();
        let outages = (0..triggers)
            .map(|t| {
                let mut dice = dice_of(seed, &[4, t]);
                let count = if scenario.has(Fault::Outages) { dice.within(0..3) } else { 0 };
                (0..count)
                    .map(|_| {
                        let from = dice.within(0..calm.0);
                        from..calm.0.min(from + dice.within(0..400_000_000))
                    })
                    .collect()
            })
            .collect();
        let all: Vec<u32> = (0..scenario.triggers).collect();
        Plan {
            seed,
            failures: scenario.has(Fault::Failures),
            retry_after: scenario.has(Fault::RetryAfter),
            table: table_of(&policies, &wants, &all),
            policies,
            wants,
            outages,
            limits: limits(scenario),
        }
    }

    /// The number of the one with that uid.
    pub(crate) fn trigger_of(&self, uid: Uid) -> u32 {
        let at = self.table.uids.iter().position(|&of| of == uid);
        at.expect("it is one of ours") as u32
    }

    /// Where there are no others than these.
    pub(crate) fn table_of(&self, triggers: &[u32]) -> Arc<Table> {
        table_of(&self.policies, &self.wants, triggers)
    }

    /// One whose budget may be used up, and how long for; `None`: more of it is given.
    pub(crate) fn spends(&self, dice: &mut Dice) -> Option<(Uid, Option<Duration>)> {
        let budgeted: Vec<u32> =
            (0..).zip(&self.policies).filter(|(_, policy)| policy.flow.budget).map(|(t, _)| t).collect();
        if budgeted.is_empty() {
            return None;
        }
        let trigger = dice.pick(&budgeted);
        Some((trigger_uid(trigger), dice.chance(75).then(|| millis(dice, 1..1_500))))
    }

    pub(crate) fn routed(&self, ty: usize) -> Vec<u32> {
        let wanting = |want: &Option<usize>| want.is_none_or(|wanted| wanted == ty);
        let triggers = (0..).zip(&self.wants).filter(|(_, want)| ty < 2 && wanting(want));
        triggers.map(|(trigger, _)| trigger).collect()
    }

    pub(crate) fn outcome(
        &self,
        event: usize,
        trigger: u32,
        attempt: u32,
        replay: u32,
        now: Moment,
    ) -> Outcome {
        if self.outages[trigger as usize].iter().any(|outage| outage.contains(&now.0)) {
            return Outcome::Retryable;
        }
        if !self.failures {
            return Outcome::Succeeded;
        }
        let mut dice = dice_of(self.seed, &[5, event as u64, u64::from(trigger)]);
        let failure = dice.pick(&[Outcome::Retryable, Outcome::TimedOut, Outcome::Trapped]);
        // A replay may come after the function was mended.
        let mended = replay > 0 && dice.chance(50);
        match dice.within(0..100) {
            0..10 if !mended => failure,
            10..15 if !mended => Outcome::Permanent,
            15..40 if u64::from(attempt) <= dice.within(1..4) => failure,
            _ => Outcome::Succeeded,
        }
    }

    pub(crate) fn retry_after(&self, event: usize, trigger: u32, attempt: u32) -> Option<Duration> {
        let mut dice = dice_of(self.seed, &[6, event as u64, u64::from(trigger), u64::from(attempt)]);
        let asks = self.retry_after && dice.chance(40);
        asks.then(|| Duration::from_millis(dice.pick(&[0, 5, 80, 20_000])))
    }

    pub(crate) fn replies(&self, event: usize, trigger: u32) -> bool {
        dice_of(self.seed, &[7, event as u64, u64::from(trigger)]).chance(50)
    }
}

fn table_of(policies: &[Policy], wants: &[Option<usize>], triggers: &[u32]) -> Arc<Table> {
    let filter = |want: &Option<usize>| match want {
        Some(ty) => Filter::exact([("type".to_owned(), TYPES[*ty].to_owned())]),
        None => Filter::exact([("xwanted".to_owned(), "yes".to_owned())]),
    };
    Arc::new(Table {
        routes: Routes::new(triggers.iter().map(|&t| (BROKER, filter(&wants[t as usize])))),
        policies: triggers.iter().map(|&t| policies[t as usize].clone()).collect(),
        uids: triggers.iter().copied().map(trigger_uid).collect(),
        ..Table::default()
    })
}

fn policy(dice: &mut Dice) -> Policy {
    let hold = Hold {
        time: Duration::from_millis(dice.pick(&[0, 20, 200, 10_000])),
        deliveries: dice.pick(&[0, 1, 3, 1000]) as usize,
    };
    Policy {
        retry: dice.within(0..5) as u32,
        backoff: dice.pick(&[Backoff::Linear, Backoff::Exponential]),
        delay: millis(dice, 0..40),
        order: dice.pick(&[Order::Ordered, Order::Key, Order::Key, Order::Unordered]),
        hold,
        retry_after_max: dice.pick(&[None, Some(Duration::from_millis(50))]),
        trip: dice
            .chance(60)
            .then(|| Trip { failures: dice.within(1..5) as u32, wait: millis(dice, 1..200) }),
        flow: Flow::default(),
        remote: false,
    }
}

fn flow(dice: &mut Dice) -> Flow {
    // None so slow that a world takes minutes.
    let (count, per) = dice.pick(&[(5, 1), (11, 1), (23, 1), (59, 1), (400, 60), (1999, 60)]);
    let rate = Rate { count, per: Duration::from_secs(per), burst: dice.pick(&[1, 2, 8]) };
    Flow {
        concurrency: dice.chance(40).then(|| dice.within(1..4) as usize),
        rate: dice.chance(40).then_some(rate),
        ..Flow::default()
    }
}

fn limits(scenario: &Scenario) -> Limits {
    if !scenario.has(Fault::TightLimits) {
        return Limits::default();
    }
    let mut dice = dice_of(scenario.seed, &[8]);
    Limits {
        deliveries: dice.within(1..12) as usize,
        bytes: dice.within(100..2_000) as usize,
        held: dice.within(1..6) as usize,
        parked: dice.pick(&[0, 1, 4, 12, 1000]) as usize,
        running: dice.within(1..6) as usize,
        span: dice.pick(&[1, 4, 16, 64]),
        latency: dice.pick(&[None, Some(Duration::from_millis(10)), Some(Duration::from_millis(60))]),
        executors: dice.within(1..3) as usize,
        remote: dice_of(scenario.seed, &[13]).within(1..6) as usize,
    }
}
