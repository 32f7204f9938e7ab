//! What comes in, second by second.

/// What a worker does in a second: a function of some 180 us on one processor, beside the worker's own 18 us an event.
pub(crate) const WORKER: f64 = 5_000.0;

pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// In seconds.
    pub(crate) long: u32,
    /// Of each partition, its part of the events.
    pub(crate) share: &'static [f64],
    rate: fn(f64) -> f64,
}

const EVEN: [f64; 48] = [1.0 / 48.0; 48];

pub(crate) const LOADS: [Load; 3] = [
    Load { name: "ramp", title: "0 to 100,000/s and back", long: 3600, share: &EVEN, rate: ramp },
    Load { name: "sale", title: "a flash sale", long: 3000, share: &EVEN, rate: sale },
    Load { name: "bound", title: "a busy partition", long: 3000, share: &[0.6, 0.2, 0.2], rate: bound },
];

impl Load {
    pub(crate) fn partitions(&self) -> usize {
        self.share.len()
    }

    /// Events a second, with what such loads have of unrest.
    pub(crate) fn at(&self, second: u32) -> f64 {
        // The same at each run: a hash of the second.
        let hash = u64::from(second).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let unrest = 1.0 + 0.1 * (hash as f64 / f64::from(1 << 23) - 1.0);
        (self.rate)(f64::from(second)) * unrest
    }

    pub(crate) fn most(&self) -> f64 {
        (0..self.long).map(|second| self.at(second)).fold(0.0, f64::max)
    }
}

/// Ten minutes up, ten there, ten down.
fn ramp(second: f64) -> f64 {
    match second - 60.0 {
        s if s < 0.0 => 0.0,
        s if s < 600.0 => 100_000.0 * s / 600.0,
        s if s < 1200.0 => 100_000.0,
        s if s < 1800.0 => 100_000.0 * (1800.0 - s) / 600.0,
        _ => 0.0,
    }
}

/// A quiet shop; at one moment everybody; then fewer and fewer.
fn sale(second: f64) -> f64 {
    match second - 300.0 {
        s if s < 0.0 => 2_000.0,
        s if s < 120.0 => 150_000.0,
        s if s < 1500.0 => 2_000.0 + 148_000.0 * (-(s - 120.0) / 120.0).exp(),
        _ => 0.0,
    }
}

/// Ten minutes of more than one worker does, most of it under one key's partition.
fn bound(second: f64) -> f64 {
    if (60.0..660.0).contains(&second) { 12_000.0 } else { 0.0 }
}
