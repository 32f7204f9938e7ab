//! CPU time by the round, and the table that it goes into.

const ROUNDS: usize = 21;
/// What a round takes at least, so that the clock's own cost and grain don't show.
const ROUND_NS: f64 = 20e6;

/// Whose CPU time counts.
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    Thread,
    /// Every thread of the process: for steps that hand work to others.
    Process,
}

impl Clock {
    pub(crate) fn now(self) -> f64 {
        let clock = match self {
            Clock::Thread => libc::CLOCK_THREAD_CPUTIME_ID,
            Clock::Process => libc::CLOCK_PROCESS_CPUTIME_ID,
        };
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is ours, and both clocks exist on every Linux.
        assert_eq!(unsafe { libc::clock_gettime(clock, &raw mut time) }, 0);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    }
}

/// Nanoseconds an event, over the rounds.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) median: f64,
    p10: f64,
    p90: f64,
}

impl Cost {
    fn of(mut rounds: Vec<f64>) -> Cost {
        rounds.sort_by(f64::total_cmp);
        let at = |share: f64| rounds[((rounds.len() - 1) as f64 * share).round() as usize];
        Cost { median: at(0.5), p10: at(0.1), p90: at(0.9) }
    }
}

/// What one event costs in `run`, which is about `events` of them.
pub(crate) fn cost(clock: Clock, events: usize, mut run: impl FnMut()) -> Cost {
    let mut repeats = 1;
    // The first rounds also warm caches, branch predictors and allocator.
    while timed(clock, || (0..repeats).for_each(|_| run())) < ROUND_NS {
        repeats *= 2;
    }
    let round = || timed(clock, || (0..repeats).for_each(|_| run())) / (repeats * events) as f64;
    Cost::of(std::iter::repeat_with(round).take(ROUNDS).collect())
}

/// The same where each round needs something made for it first, which doesn't count.
pub(crate) fn cost_with<T>(
    clock: Clock,
    events: usize,
    mut make: impl FnMut() -> T,
    mut run: impl FnMut(T),
) -> Cost {
    let mut round = || {
        let made = make();
        timed(clock, || run(made)) / events as f64
    };
    round();
    Cost::of(std::iter::repeat_with(round).take(ROUNDS).collect())
}

fn timed(clock: Clock, run: impl FnOnce()) -> f64 {
    let begun = clock.now();
    run();
    clock.now() - begun
}

/// Printed as it grows.
pub(crate) struct Table;

impl Table {
    pub(crate) fn begin(event_bytes: usize) -> Table {
        println!("CPU time an event of {event_bytes} bytes, in ns: median of {ROUNDS} rounds, p10 and p90.");
        println!("Beside it what it can or should cost, and the ratio to that.\n");
        println!("{:<58}{:>10}{:>10}{:>10}{:>10}{:>8}", "step", "ns/event", "p10", "p90", "target", "ratio");
        Table
    }

    pub(crate) fn section(&self, title: &str) {
        println!("\n{title}");
    }

    pub(crate) fn row(&self, step: &str, cost: Cost, target: Option<f64>) {
        self.line(step, cost.median, [number(cost.p10), number(cost.p90)], target);
    }

    /// What is measured once, in whatever unit its name says.
    pub(crate) fn value(&self, what: &str, value: f64, target: Option<f64>) {
        self.line(what, value, Default::default(), target);
    }

    fn line(&self, what: &str, value: f64, [p10, p90]: [String; 2], target: Option<f64>) {
        let ratio = target.map_or("-".into(), |target| format!("{:.2}", value / target));
        let (value, target) = (number(value), target.map_or("-".into(), number));
        println!("  {what:<56}{value:>10}{p10:>10}{p90:>10}{target:>10}{ratio:>8}");
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
