//! How many workers there should be: KEDA's `kafka` scaler, which wakes the first and sends the last away, and between one and the
//! most the Horizontal Pod Autoscaler, which asks it.

use std::collections::VecDeque;

use serde_json::Value;

/// How often the HPA looks, whatever KEDA's interval is.
const LOOKS: u32 = 15;
/// What it takes for the same.
const TOLERANCE: f64 = 0.1;

pub(crate) struct Settings {
    /// How often KEDA looks, while there is nobody and for the last.
    pub(crate) polling: u32,
    pub(crate) cooldown: u32,
    pub(crate) most: u64,
    /// Of how much lag is one worker's.
    pub(crate) threshold: f64,
    up: Behaviour,
    down: Behaviour,
}

#[derive(Clone)]
struct Behaviour {
    window: u32,
    policies: Vec<Policy>,
}

#[derive(Clone)]
struct Policy {
    percent: bool,
    value: f64,
    period: u32,
}

impl Behaviour {
    fn of(said: &Value) -> Behaviour {
        let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
        let policy = |one: &Value| Policy {
            percent: one["type"] == "Percent",
            value: f64::from(number(&one["value"])),
            period: number(&one["periodSeconds"]),
        };
        let policies = said["policies"].as_array().unwrap().iter().map(policy).collect();
        Behaviour { window: number(&said["stabilizationWindowSeconds"]), policies }
    }
}

impl Settings {
    /// What a ScaledObject says, of its first trigger.
    pub(crate) fn of(scaled: &Value) -> Settings {
        let spec = &scaled["spec"];
        let number = |name: &str| spec[name].as_u64().unwrap_or_else(|| panic!("{name}"));
        let behaviour = &spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"];
        let metadata = &spec["triggers"][0]["metadata"];
        assert_eq!((number("minReplicaCount"), &metadata["activationLagThreshold"]), (0, &Value::from("0")));
        Settings {
            polling: number("pollingInterval") as u32,
            cooldown: number("cooldownPeriod") as u32,
            most: number("maxReplicaCount"),
            threshold: metadata["lagThreshold"].as_str().unwrap().parse().unwrap(),
            up: Behaviour::of(&behaviour["scaleUp"]),
            down: Behaviour::of(&behaviour["scaleDown"]),
        }
    }

    /// Where nothing is said.
    pub(crate) fn keda_s_own() -> Settings {
        let policy = |percent, value| Policy { percent, value, period: 15 };
        Settings {
            polling: 30,
            cooldown: 300,
            most: 100,
            threshold: 10.0,
            up: Behaviour { window: 0, policies: vec![policy(true, 100.0), policy(false, 4.0)] },
            down: Behaviour { window: 300, policies: vec![policy(true, 100.0)] },
        }
    }
}

pub(crate) struct Autoscaler<'s> {
    settings: &'s Settings,
    /// When, and how many were wanted.
    wanted: VecDeque<(u32, u64)>,
    /// When, and how many came or went.
    changed: VecDeque<(u32, i64)>,
    active: Option<u32>,
}

impl<'s> Autoscaler<'s> {
    pub(crate) fn new(settings: &'s Settings) -> Autoscaler<'s> {
        Autoscaler { settings, wanted: VecDeque::new(), changed: VecDeque::new(), active: None }
    }

    /// How many there are to be from now on. `lag`: what stands beyond what is committed.
    pub(crate) fn look(&mut self, now: u32, lag: f64, partitions: usize, there: u64) -> u64 {
        if now.is_multiple_of(self.settings.polling) {
            if lag > 0.0 {
                self.active = Some(now);
            }
            if there == 0 {
                return u64::from(lag > 0.0);
            }
            if self.active.is_none_or(|active| now - active > self.settings.cooldown) {
                self.wanted.clear();
                return 0;
            }
        }
        if there == 0 || !now.is_multiple_of(LOOKS) {
            return there;
        }
        let next = self.hpa(now, lag, partitions, there);
        if next != there {
            self.changed.push_back((now, next as i64 - there as i64));
        }
        next
    }

    fn hpa(&mut self, now: u32, lag: f64, partitions: usize, there: u64) -> u64 {
        let Settings { threshold, most, up, down, .. } = self.settings;
        // The scaler says no more than its partitions are worth.
        let metric = lag.min(partitions as f64 * threshold);
        let ratio = metric / (threshold * there as f64);
        let wanted =
            if (ratio - 1.0).abs() <= TOLERANCE { there } else { (metric / threshold).ceil() as u64 };
        let wanted = wanted.clamp(1, *most);
        self.wanted.push_back((now, wanted));
        let longest = up.window.max(down.window);
        self.wanted.retain(|(at, _)| now - at <= longest);
        let within =
            |window: u32| self.wanted.iter().filter(move |(at, _)| now - at <= window).map(|(_, n)| *n);
        // Up by the least that was wanted in its window, down by the most.
        let least = within(up.window).min().unwrap_or(wanted);
        let most_of = within(down.window).max().unwrap_or(wanted);
        if least > there {
            least.min(self.limit(now, there, up, true)).min(*most)
        } else if most_of < there {
            most_of.max(self.limit(now, there, down, false)).max(1)
        } else {
            there
        }
    }

    /// How far the policies let it go: the one that lets most.
    fn limit(&self, now: u32, there: u64, behaviour: &Behaviour, up: bool) -> u64 {
        let of = |policy: &Policy| {
            let recent = self.changed.iter().filter(|(at, _)| now - at < policy.period).map(|(_, by)| *by);
            let moved: i64 = recent.filter(|by| (*by > 0) == up).sum();
            let begun = (there as i64 - moved).max(0) as f64;
            let by = if policy.percent { begun * policy.value / 100.0 } else { policy.value };
            if up { (begun + by).ceil() as u64 } else { (begun - by).max(0.0).floor() as u64 }
        };
        let limits = behaviour.policies.iter().map(of);
        if up { limits.max().unwrap_or(there) } else { limits.min().unwrap_or(there) }
    }
}
