//! What all simulations together went through. One that no longer goes through something proves nothing about it.

use std::fmt;
use std::ops::AddAssign;

/// Of the worlds of one kind.
pub(crate) trait Total: fmt::Display + fmt::Debug + AddAssign + Default + PartialEq + Send {
    /// What did not happen as often in a thousand worlds as it should.
    fn too_rare(&self) -> Vec<String>;
}

macro_rules! totals {
    ($totals:ident { $($name:ident: $least:literal,)+ }) => {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $totals { $(pub(crate) $name: u64,)+ }

        impl AddAssign for $totals {
            fn add_assign(&mut self, other: $totals) {
                $(self.$name += other.$name;)+
            }
        }

        impl fmt::Display for $totals {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let all = [$((stringify!($name), self.$name),)+];
                let shown: Vec<String> =
                    all.iter().map(|(name, count)| format!("{} {count}", name.replace('_', " "))).collect();
                f.write_str(&shown.join(", "))
            }
        }

        impl Total for $totals {
            fn too_rare(&self) -> Vec<String> {
                let all = [$((stringify!($name), self.$name, $least),)+];
                let rare = all.iter().filter(|(_, count, least)| count * 1000 < least * self.worlds);
                rare.map(|(name, count, least)| format!("{name}: {count}, of which there should be {least} in 1,000 worlds"))
                    .collect()
            }
        }
    };
}

// The number: how often in a thousand worlds, at the least.
totals! { GroupTotals {
    worlds: 1,
    steps: 100_000,
    events: 10_000,
    deliveries: 10_000,
    attempts: 20_000,
    repeats: 500,
    delivered: 10_000,
    dead_lettered: 500,
    crashes: 300,
    rebalances: 300,
    zombies: 100,
    stops: 100,
    clean_stops: 50,
    lost_commits: 100,
    refused_commits: 20,
    maps: 100,
    cut_maps: 20,
    unread_maps: 20,
    parked: 1_000,
    refused_parkings: 5,
    fetched: 500,
    reparked: 50,
    restored: 100,
    skipped: 100,
    fenced: 100,
    pauses: 200,
    evictions: 100,
    replays: 50,
    compactions: 50,
    full: 100,
    limited: 2_000,
    spent: 200,
    billed_again: 100,
} }

totals! { QueueTotals {
    worlds: 1,
    steps: 50_000,
    events: 10_000,
    deliveries: 10_000,
    attempts: 10_000,
    repeats: 100,
    delivered: 5_000,
    dead_lettered: 500,
    sent_letters: 100,
    replies: 500,
    loops: 100,
    crashes: 300,
    torn_writes: 300,
    torn_forgets: 20,
    torn_starts: 100,
    failed_writes: 300,
    full_disks: 50,
    refused: 100,
    stops: 100,
    clean_stops: 50,
    parked: 1_000,
    reparked: 50,
    fetched: 500,
    restored: 300,
    adopted: 50,
    skipped: 100,
    pauses: 200,
    evictions: 50,
    replays: 100,
    replays_to_others: 50,
    drops: 100,
    offline: 50,
    gone: 50,
    reloads: 500,
    given_up: 100,
    queues_dropped: 300,
    parkings_dropped: 100,
    letters_dropped: 50,
    full: 100,
    limited: 2_000,
    spent: 200,
    billed_again: 100,
} }
