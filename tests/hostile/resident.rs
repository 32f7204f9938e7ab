//! How much memory the process takes up.

use std::fs;

/// More than what allocators keep for themselves, and far less than any leak comes to here.
const SLACK: i64 = 64 << 20;

pub(crate) fn bytes() -> i64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4_096
}

/// Without what is free, and the compiler's.
pub(crate) fn level() -> i64 {
    weir::function::give_back();
    bytes()
}

#[track_caller]
pub(crate) fn is_back_at(level_before: i64, after: &str) {
    let grown = level() - level_before;
    println!("{after}: {} MiB, {} KiB more than before", bytes() >> 20, grown >> 10);
    assert!(grown < SLACK, "{after}: memory grew by {grown} bytes");
}
