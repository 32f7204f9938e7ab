//! What the system knows of this process, where it is Linux; elsewhere nothing.

use super::snapshot::Snapshot;
use super::table::Metric;

pub fn gather(snapshot: &mut Snapshot) {
    if let Some(pages) = read("/proc/self/statm").and_then(|text| number(text.split(' ').nth(1)?)) {
        snapshot.whole(Metric::ProcessMemory, &[], pages * rustix::param::page_size() as u64);
    }
    if let Some(descriptors) = std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count) {
        // One of them is that of the directory.
        snapshot.whole(Metric::ProcessDescriptors, &[], descriptors.saturating_sub(1) as u64);
    }
    let Some(stat) = read("/proc/self/stat") else { return };
    // What stands before the last parenthesis is the name of the program, which may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |n: usize| fields.get(n - 3).copied().and_then(number);
    let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        snapshot.nanos(Metric::ProcessCpu, &[], (user + system) * tick);
    }
    let booted = read("/proc/stat")
        .and_then(|text| text.lines().find_map(|line| number(line.strip_prefix("btime ")?)));
    if let (Some(booted), Some(after)) = (booted, field(22)) {
        snapshot.nanos(Metric::ProcessStart, &[], booted * 1_000_000_000 + after * tick);
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::snapshot::Value;
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let mut snapshot = Snapshot::nothing();
        gather(&mut snapshot);
        let value = |name: &str| {
            let (_, points) = snapshot.families().find(|(row, _)| row.name == name).unwrap();
            match points[0].value {
                Value::Whole(value) | Value::Nanos(value) => value,
                Value::Distribution(_) => unreachable!(),
            }
        };
        assert!(value("process_resident_memory_bytes") > 1 << 20);
        assert!((3..100_000).contains(&value("process_open_fds")));
        let now = crate::time::unix_nanos();
        let age = now - value("process_start_time_seconds");
        assert!(age < 24 * 3600 * 1_000_000_000, "{age}");
    }
}
