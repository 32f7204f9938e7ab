//! Seeds that found something once, with what: they run first.

pub(crate) const GROUP: [(u64, &str); 9] = [
    (11, "deliveries behind a parked one filled the room that fetching it needed"),
    (85, "a replay waited in memory behind what was parked, and kept it from being fetched"),
    (65, "with its route about to probe, a delivery was fetched and parked again for ever"),
    (
        215,
        "skipped behind a failure, part of what had been fetched was parked again and the rest kept its room",
    ),
    (28, "of two that stand at the same place, one stayed in memory behind the other"),
    (19, "a delivery was parked again that had gone with the one before it"),
    (643, "what had been fetched gave up its place among the parked, and had none to go back to"),
    (758, "behind another one, a retry ran before it was due"),
    (7_516_326, "a replay waited for events that waited for it"),
];

pub(crate) const QUEUE: [(u64, &str); 1] = [(
    17_923,
    "parked in the step in which its trigger went, a delivery was expected to wait though it was back",
)];
