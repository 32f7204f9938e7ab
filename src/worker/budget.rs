//! Budgets: what the attempts of triggers have taken and cost in this day of UTC, and what follows where that reaches what they
//! may. A trigger without one costs a look whether there are any.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;

use super::attempt::Attempt;
use super::console::BudgetAnswer;
use super::deployment::Deployment;
use super::notice;
use super::report::Report;
use crate::config::{Amount, Budget, BudgetPolicy};
use crate::dispatch::{Fate, Input};
use crate::event::Uid;
use crate::journal::day::{Day, Use, Used};
use crate::time::{Clock, Moment};

const DAY: u64 = 86_400_000_000_000;
/// Of a budget, in percent: from there on it is nearly used up.
const NEAR: u64 = 80;

#[derive(Debug)]
pub(super) struct Budgets {
    /// Whose they are: the worker's queue.
    worker: Uid,
    /// Since 1970.
    day: u64,
    accounts: HashMap<Uid, Account>,
}

#[derive(Debug)]
struct Account {
    /// Its index in the deployment.
    trigger: usize,
    budget: Budget,
    used: Used,
    /// Until when the core was told that it is used up.
    shut: Option<Moment>,
}

/// How much of a budget is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Fine,
    Near,
    Spent,
}

/// A budget as it is, for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'d> {
    pub(super) trigger: &'d str,
    pub(super) uid: Uid,
    pub(super) budget: Budget,
    pub(super) used: Amount,
    pub(super) percent: u64,
    pub(super) day: u64,
    /// When it begins anew, in nanoseconds since 1970.
    pub(super) until: u64,
    pub(super) worker: Uid,
}

/// What an attempt takes, and who is told.
#[derive(Debug)]
pub(super) struct Charged {
    used: Box<Use>,
    /// Records for its trigger's broker.
    notices: Vec<(Uid, Vec<u8>)>,
}

impl Budgets {
    /// `day`: what was used by those before.
    pub(super) fn new(deployment: &Deployment, day: &Day, worker: Uid, now: u64) -> Budgets {
        let mut budgets = Budgets { worker, day: now / DAY, accounts: HashMap::default() };
        budgets.open(deployment, |number, trigger| day.of(number, trigger));
        budgets
    }

    /// Another deployment is in force: what was used is used.
    pub(super) fn follow(&mut self, deployment: &Deployment) {
        let before = std::mem::take(&mut self.accounts);
        self.open(deployment, |_, trigger| {
            before.get(&trigger).map(|account| account.used).unwrap_or_default()
        });
    }

    fn open(&mut self, deployment: &Deployment, used: impl Fn(u64, Uid) -> Used) {
        let budgets = deployment.triggers.iter().enumerate();
        for (index, trigger, budget) in budgets.filter_map(|(n, t)| Some((n, t, t.budget.as_ref()?.budget))) {
            let account = Account { trigger: index, budget, used: used(self.day, trigger.uid), shut: None };
            account.show(deployment);
            self.accounts.insert(trigger.uid, account);
        }
    }

    /// What the core has to know of those that are used up, at the start and after another table.
    pub(super) fn tell(&mut self, clock: Clock, now: u64, inputs: &mut Vec<Input<Report>>) {
        for (&trigger, account) in &mut self.accounts {
            account.shut = (account.level() == Level::Spent).then(|| tomorrow(clock, now));
            inputs.push(Input::Spent { trigger, until: account.shut });
        }
    }

    /// A day is over.
    pub(super) fn look(
        &mut self,
        deployment: &Deployment,
        now: impl Fn() -> u64,
        inputs: &mut Vec<Input<Report>>,
    ) {
        if self.accounts.is_empty() {
            return;
        }
        // A clock that is set back makes no day begin again.
        let today = now() / DAY;
        if today <= self.day {
            return;
        }
        self.day = today;
        for (&trigger, account) in &mut self.accounts {
            account.used = Used::default();
            account.show(deployment);
            if account.shut.take().is_some() {
                inputs.push(Input::Spent { trigger, until: None });
            }
        }
    }

    /// How long until there is something to look at.
    pub(super) fn wait(&self, now: impl Fn() -> u64) -> Option<Duration> {
        (!self.accounts.is_empty()).then(|| Duration::from_nanos(DAY - now() % DAY))
    }

    /// Are its deliveries dead letters now?
    pub(super) fn refuses(&self, trigger: Uid) -> bool {
        self.accounts.get(&trigger).is_some_and(|account| {
            account.budget.policy == BudgetPolicy::DeadLetter && account.level() == Level::Spent
        })
    }

    /// How each of them is, by the name of its trigger.
    pub(super) fn told(&self, deployment: &Deployment) -> Vec<BudgetAnswer> {
        let mut told: Vec<_> = self
            .accounts
            .iter()
            .filter_map(|(&uid, account)| {
                let name = &deployment.triggers.get(account.trigger)?.name;
                let state = account.state(name, uid, self.day, self.worker);
                Some(BudgetAnswer {
                    trigger: name.clone(),
                    budget: format!("{}/day", state.budget.limit),
                    used: state.used.to_string(),
                    percent: state.percent,
                    policy: state.budget.policy.as_str().to_owned(),
                    is_spent: account.level() == Level::Spent,
                    until_unix_ns: state.until,
                })
            })
            .collect();
        told.sort_by(|one, other| one.trigger.cmp(&other.trigger));
        told
    }

    /// Is it used up for today?
    pub(super) fn is_spent(&self, trigger: Uid) -> bool {
        self.accounts.get(&trigger).is_some_and(|account| account.level() == Level::Spent)
    }

    /// An attempt is over. `None`: nobody counts what it takes.
    pub(super) fn charge(
        &mut self,
        report: &Report,
        fate: &Fate,
        deployment: &Deployment,
        clock: Clock,
        inputs: &mut Vec<Input<Report>>,
    ) -> Option<Charged> {
        if self.accounts.is_empty() || matches!(fate, Fate::Fenced) {
            return None;
        }
        let used = Used { wall_ns: report.measured().wall_ns, price: report.price() };
        self.take((report.trigger(), used, report.ended()), deployment, clock, inputs)
    }

    fn take(
        &mut self,
        (trigger, used, ended): (Uid, Used, u64),
        deployment: &Deployment,
        clock: Clock,
        inputs: &mut Vec<Input<Report>>,
    ) -> Option<Charged> {
        let account = self.accounts.get_mut(&trigger)?;
        let before = account.level();
        account.used.add(used);
        account.show(deployment);
        let after = account.level();
        let now = clock.now();
        if after == Level::Spent
            && account.budget.policy == BudgetPolicy::Pause
            && account.shut.is_none_or(|until| until <= now)
        {
            account.shut = Some(tomorrow(clock, ended));
            inputs.push(Input::Spent { trigger, until: account.shut });
        }
        let mut notices = Vec::new();
        let of = &deployment.triggers[account.trigger];
        for level in [Level::Near, Level::Spent].into_iter().filter(|&level| before < level && level <= after)
        {
            let state = account.state(&of.name, trigger, self.day, self.worker);
            notice::log(level, &state);
            let to = of.budget.as_ref().map(|budgeted| budgeted.broker);
            notices.extend(to.map(|broker| (broker, notice::record(level, &state, ended))));
        }
        Some(Charged { used: Box::new(Use { day: self.day, trigger, used }), notices })
    }
}

impl Account {
    fn level(&self) -> Level {
        match self.percent() {
            100.. => Level::Spent,
            NEAR.. => Level::Near,
            _ => Level::Fine,
        }
    }

    /// Rounded down.
    fn percent(&self) -> u64 {
        let (used, limit) = match self.budget.limit {
            Amount::Time(limit) => (self.used.wall_ns, u128::from(limit)),
            Amount::Money(limit) => (self.used.price, limit.0),
        };
        u64::try_from(u128::from(used) * 100 / limit.max(1)).unwrap_or(u64::MAX)
    }

    fn state<'d>(&self, trigger: &'d str, uid: Uid, day: u64, worker: Uid) -> State<'d> {
        let (budget, percent, until) = (self.budget, self.percent(), (day + 1) * DAY);
        let used = match budget.limit {
            Amount::Time(_) => Amount::Time(self.used.wall_ns),
            Amount::Money(_) => Amount::Money(crate::money::Money(self.used.price.into())),
        };
        State { trigger, uid, budget, used, percent, day, until, worker }
    }

    fn show(&self, deployment: &Deployment) {
        if let Some(budgeted) = deployment.triggers.get(self.trigger).and_then(|t| t.budget.as_ref()) {
            budgeted.used.set(self.percent());
        }
    }
}

impl Charged {
    /// All of it becomes durable with the attempt.
    pub(super) fn onto(self, attempt: &mut Attempt, deployment: &Deployment) {
        attempt.used = Some(self.used);
        for (broker, record) in self.notices {
            match deployment.outlets.get(broker) {
                None => attempt.events.push((broker, record)),
                Some(outlet) => attempt.parcels.push(notice::parcel(Arc::clone(outlet), record, broker)),
            }
        }
    }
}

/// When the next day begins. `now`: the same moment, since 1970.
fn tomorrow(clock: Clock, now: u64) -> Moment {
    clock.now().after(Duration::from_nanos(DAY - now % DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, load_text};
    use crate::event::record;

    const NOON: u64 = 20_000 * DAY + DAY / 2;

    fn deployment(budget: &str) -> Deployment {
        let text = format!(
            "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: a, annotations: {{weir.dev/budget-per-worker: \
             {budget}}}}}\nspec: {{broker: default, subscriber: {{uri: 'http://a/'}}}}\n---\n\
             apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: b}}\nspec: {{broker: default, subscriber: \
             {{uri: 'http://a/'}}}}\n"
        );
        let config = load_text("a.yaml", &text).config.unwrap();
        Deployment::of(&config, &[], &Settings::defaults())
    }

    /// The types of what it is told by, and whether its trigger is shut then.
    fn take(
        budgets: &mut Budgets,
        deployment: &Deployment,
        trigger: Uid,
        milliseconds: u64,
    ) -> (Vec<String>, bool) {
        let mut inputs = Vec::new();
        let used = Used { wall_ns: milliseconds * 1_000_000, price: 0 };
        let charged = budgets.take((trigger, used, NOON), deployment, Clock::new(), &mut inputs);
        let notices = charged.map(|charged| charged.notices).unwrap_or_default();
        let types = notices.iter().map(|(_, bytes)| record::decode(bytes).unwrap().ty.into_owned()).collect();
        (types, inputs.iter().any(|input| matches!(input, Input::Spent { until: Some(_), .. })))
    }

    #[test]
    fn it_is_told_of_once_a_day_and_begins_anew_at_midnight() {
        let deployment = deployment("100ms/day");
        let uid = deployment.triggers[0].uid;
        let mut budgets = Budgets::new(&deployment, &Day::default(), Uid(1), NOON);
        let near = "dev.weir.budget.near.v1".to_owned();
        let spent = "dev.weir.budget.spent.v1".to_owned();
        for (milliseconds, told, shut) in [
            (79, vec![], false),
            (1, vec![near.clone()], false),
            (19, vec![], false),
            (1, vec![spent.clone()], true),
            (5, vec![], false),
        ] {
            assert_eq!(take(&mut budgets, &deployment, uid, milliseconds), (told, shut));
        }
        assert_eq!(take(&mut budgets, &deployment, deployment.triggers[1].uid, 1000), (vec![], false));
        assert_eq!(deployment.triggers[0].budget.as_ref().unwrap().used.get(), 105);
        assert!(budgets.is_spent(uid) && !budgets.refuses(uid));
        let mut inputs = Vec::new();
        for now in [NOON, NOON - DAY, NOON + DAY / 2 - 1] {
            budgets.look(&deployment, || now, &mut inputs);
        }
        assert!(inputs.is_empty() && budgets.is_spent(uid));
        assert_eq!(budgets.wait(|| NOON), Some(Duration::from_secs(43_200)));
        budgets.look(&deployment, || NOON + DAY / 2, &mut inputs);
        assert!(matches!(inputs[..], [Input::Spent { until: None, .. }]), "{inputs:?}");
        assert_eq!(take(&mut budgets, &deployment, uid, 150), (vec![near, spent], true), "a leap over both");
    }

    #[test]
    fn what_was_used_counts_under_another_limit_and_after_a_start() {
        let (small, large) = (deployment("100ms/day"), deployment("400ms/day"));
        let uid = small.triggers[0].uid;
        let mut day = Day::default();
        day.add(&Use { day: NOON / DAY, trigger: uid, used: Used { wall_ns: 300_000_000, price: 0 } });
        let mut budgets = Budgets::new(&small, &day, Uid(1), NOON);
        let mut inputs = Vec::new();
        budgets.tell(Clock::new(), NOON, &mut inputs);
        assert!(matches!(inputs[..], [Input::Spent { until: Some(_), .. }]), "{inputs:?}");
        budgets.follow(&large);
        inputs.clear();
        budgets.tell(Clock::new(), NOON, &mut inputs);
        assert!(
            matches!(inputs[..], [Input::Spent { until: None, .. }]) && !budgets.is_spent(uid),
            "{inputs:?}"
        );
        assert_eq!(large.triggers[0].budget.as_ref().unwrap().used.get(), 75);
        let tomorrow = Budgets::new(&small, &day, Uid(1), NOON + DAY);
        assert!(!tomorrow.is_spent(uid));
    }

    #[test]
    fn without_budgets_there_is_nothing_to_look_at() {
        let mut budgets = Budgets::new(&Deployment::default(), &Day::default(), Uid(1), NOON);
        budgets.look(&Deployment::default(), || unreachable!("no clock is asked"), &mut Vec::new());
        assert_eq!(budgets.wait(|| unreachable!("no clock is asked")), None);
    }
}
