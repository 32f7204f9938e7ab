//! What all simulations together went through. One that no longer goes through something proves nothing about it.

use std::fmt;
use std::ops::AddAssign;

macro_rules! totals {
    ($($name:ident: $least:literal,)+) => {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Totals { $(pub(crate) $name: u64,)+ }

        impl AddAssign for Totals {
            fn add_assign(&mut self, other: Totals) {
                $(self.$name += other.$name;)+
            }
        }

        impl fmt::Display for Totals {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let all = [$((stringify!($name), self.$name),)+];
                let shown: Vec<String> =
                    all.iter().map(|(name, count)| format!("{} {count}", name.replace('_', " "))).collect();
                f.write_str(&shown.join(", "))
            }
        }

        impl Totals {
            /// What did not happen as often in a thousand worlds as it should.
            pub(crate) fn too_rare(&self) -> Vec<String> {
                let all = [$((stringify!($name), self.$name, $least),)+];
                let rare = all.iter().filter(|(_, count, least)| count * 1000 < least * self.worlds);
                rare.map(|(name, count, least)| format!("{name}: {count}, of which there should be {least} in 1,000 worlds"))
                    .collect()
            }
        }
    };
}

// The number: how often in a thousand worlds, at the least.
totals! {
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
    billed_again: 100,
}
