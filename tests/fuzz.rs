//! Whatever a file, an expression or a publisher says: every reader ends, does not panic, and takes no more memory than
//! stands here.
//!
//! Inputs are right ones with a few changes, as a seed decides. WEIR_SEED with a target's name (`cesql:17`) tries one input;
//! WEIR_SOAK_SECONDS goes on from WEIR_SEED for that long. Where the process itself ends (a stack that overflows), the
//! files that are named at the beginning say which inputs were being read.

#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "simulation/dice.rs"]
#[allow(dead_code)] // We use what we need of this.
mod dice;
#[path = "fuzz/meter.rs"]
mod meter;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/targets.rs"]
#[allow(unreachable_pub)]
mod targets;

use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use corpus::Corpus;
use dice::dice_of;

#[global_allocator]
static METER: meter::Meter = meter::Meter;

struct Target {
    name: &'static str,
    read: fn(&[u8]) -> bool,
    corpus: fn(&Corpus) -> &[Vec<u8>],
    /// Inputs of `make test`.
    count: u64,
    /// Bytes that an input may take, and for each of its own so many more.
    memory: (usize, usize),
}

const TARGETS: [Target; 8] = [
    Target {
        name: "documents",
        read: targets::documents,
        corpus: |all| &all.documents,
        count: 3_000,
        memory: (64 << 20, 200),
    },
    Target {
        name: "filters",
        read: targets::filters,
        corpus: |all| &all.filters,
        count: 3_000,
        memory: (64 << 20, 200),
    },
    Target {
        name: "cesql",
        read: targets::cesql,
        corpus: |all| &all.cesql,
        count: 6_000,
        memory: (1 << 20, 400),
    },
    Target {
        name: "data_filters",
        read: targets::data_filters,
        corpus: |all| &all.data,
        count: 6_000,
        memory: (1 << 20, 400),
    },
    Target {
        name: "structured_event",
        read: targets::structured_event,
        corpus: |all| &all.events,
        count: 6_000,
        memory: (1 << 16, 100),
    },
    Target {
        name: "batch",
        read: targets::batch,
        corpus: |all| &all.batches,
        count: 3_000,
        memory: (1 << 16, 100),
    },
    Target {
        name: "binary_event",
        read: targets::binary_event,
        corpus: |all| &all.messages,
        count: 6_000,
        memory: (1 << 16, 100),
    },
    Target {
        name: "stored",
        read: targets::stored,
        corpus: |all| &all.stored,
        count: 6_000,
        memory: (1 << 16, 100),
    },
];

/// What takes longer hangs, or as good as.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a thread reads, and since when.
type Reading = Mutex<Option<(Instant, String, Vec<u8>)>>;

/// What a target has seen.
#[derive(Debug, Default)]
struct Totals {
    inputs: u64,
    taken: u64,
    /// Bytes, and how long that input was.
    most: (usize, usize),
    slowest: (Duration, String),
}

struct Fuzz {
    corpus: Corpus,
    totals: [Mutex<Totals>; TARGETS.len()],
    failed: Mutex<Option<String>>,
}

impl Fuzz {
    /// Reads one input; false if something was wrong with it.
    fn read(&self, number: usize, seed: u64, reading: &Reading) -> bool {
        let target = &TARGETS[number];
        let name = format!("{}:{seed}", target.name);
        let dice = &mut dice_of(seed, &[number as u64]);
        let input = mutate::mutated(dice, (target.corpus)(&self.corpus));
        *reading.lock().unwrap() = Some((Instant::now(), name.clone(), input.clone()));
        let (begun, mut taken) = (Instant::now(), Err(()));
        let most = meter::most(|| {
            taken = catch_unwind(AssertUnwindSafe(|| (target.read)(&input))).map_err(drop);
        });
        let time = begun.elapsed();
        *reading.lock().unwrap() = None;
        let (fixed, each) = target.memory;
        let wrong = match taken {
            Err(()) => "panicked".to_owned(),
            Ok(_) if most > fixed + each * input.len() => format!("took {most} bytes for {}", input.len()),
            Ok(taken) => {
                let mut totals = self.totals[number].lock().unwrap();
                totals.inputs += 1;
                totals.taken += u64::from(taken);
                totals.most = totals.most.max((most, input.len()));
                if time > totals.slowest.0 {
                    totals.slowest = (time, name);
                }
                return true;
            }
        };
        self.failed.lock().unwrap().get_or_insert(told(&name, &wrong, &input));
        false
    }
}

fn told(name: &str, wrong: &str, input: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", name.replace(':', "-")));
    let _ = std::fs::write(&path, input);
    let start = input[..input.len().min(1_000)].escape_ascii();
    let length = input.len();
    format!(
        "{name} {wrong}; again: WEIR_SEED={name} cargo test --test fuzz\nits input, {length} bytes, is in {}: {start}",
        path.display()
    )
}

/// Ends the process when an input takes too long: no thread can be stopped.
fn watch(all: &[Reading], done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        for reading in all {
            let now = reading.lock().unwrap();
            if let Some((since, name, input)) = now.as_ref().filter(|(since, ..)| since.elapsed() > PATIENCE)
            {
                // Not by a macro, whose words a test keeps to itself.
                use std::io::Write;
                let text = told(name, &format!("hangs, for {:?}", since.elapsed()), input);
                let _ = writeln!(std::io::stderr(), "{text}");
                std::process::abort();
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_reader_ends_whatever_it_reads() {
    let fuzz = Fuzz {
        corpus: Corpus::read(),
        totals: std::array::from_fn(|_| Mutex::default()),
        failed: Mutex::default(),
    };
    let one = std::env::var("WEIR_SEED").ok().and_then(|seed| {
        let (name, seed) = seed.split_once(':')?;
        let number = TARGETS.iter().position(|target| target.name == name).expect("a target");
        Some((number, seed.parse().expect("a number")))
    });
    let until = number("WEIR_SOAK_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let first = number("WEIR_SEED").unwrap_or(0) << 32;
    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let reading: Vec<Reading> = (0..threads).map(|_| Reading::default()).collect();
    let turn = |reading: &Reading, file: &std::fs::File| {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let over = fuzz.failed.lock().unwrap().is_some() || until.is_some_and(|until| Instant::now() > until);
        let (number, seed) = match one {
            Some(one) if turn == 0 => one,
            Some(_) => return false,
            None => ((turn % TARGETS.len() as u64) as usize, first + turn / TARGETS.len() as u64),
        };
        let count = if until.is_some() || one.is_some() { u64::MAX } else { TARGETS[number].count };
        let most = TARGETS.iter().map(|target| target.count).max().unwrap_or(0);
        if over || (until.is_none() && one.is_none() && seed - first >= most) {
            return false;
        }
        let name = format!("{:<40}\n", format!("{}:{seed}", TARGETS[number].name));
        file.write_all_at(name.as_bytes(), 0).unwrap();
        seed - first >= count || fuzz.read(number, seed, reading)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&reading, &done));
        let workers: Vec<_> = reading
            .iter()
            .enumerate()
            .map(|(n, reading)| {
                let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-reading-{n}"));
                println!("{} names what is being read", path.display());
                let file = std::fs::File::create(path).unwrap();
                let turn = &turn;
                scope.spawn(move || while turn(reading, &file) {})
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    let failed = fuzz.failed.into_inner().unwrap();
    for (target, totals) in TARGETS.iter().zip(fuzz.totals) {
        let totals = totals.into_inner().unwrap();
        println!("{}: {totals:?}", target.name);
        let both = totals.taken > 0 && totals.taken < totals.inputs;
        assert!(both || one.is_some() || failed.is_some(), "{}: nothing was tried in earnest", target.name);
    }
    if let Some(failed) = failed {
        panic!("{failed}");
    }
}
