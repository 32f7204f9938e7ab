//! The open connections of a listener, and which of them has had nothing to do for longest: it makes room for another
//! when there are as many as there may be.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use slab::Slab;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// All lines are looked through for the oldest idle ones once for so many of them at least.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(super) struct Lines {
    started: Instant,
    open: Mutex<Slab<Arc<Line>>>,
    /// Idle ones and since when, the oldest last. Some have had requests since.
    oldest: Mutex<Vec<(u64, Arc<Line>)>>,
    /// A connection waits for room.
    crowded: AtomicBool,
    /// Told, while it waits, when a line becomes idle.
    idle: Notify,
}

/// One connection, as its listener sees it.
#[derive(Debug)]
pub(super) struct Line {
    lines: Arc<Lines>,
    number: usize,
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// Requests that began, and that ended.
    turns: AtomicU64,
    /// Since when it has no request, in nanoseconds of the listener.
    since: AtomicU64,
    /// It is asked to make room.
    asked: AtomicBool,
    asks: Notify,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines {
            started: Instant::now(),
            open: Mutex::default(),
            oldest: Mutex::default(),
            crowded: AtomicBool::new(false),
            idle: Notify::new(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lines {
    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    pub(super) fn open(self: &Arc<Lines>) -> Arc<Line> {
        let mut open = lock(&self.open);
        let entry = open.vacant_entry();
        let line = Line {
            lines: Arc::clone(self),
            number: entry.key(),
            requests: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
            since: AtomicU64::new(self.now()),
            asked: AtomicBool::new(false),
            asks: Notify::new(),
        };
        Arc::clone(entry.insert(Arc::new(line)))
    }

    /// Waits for a free slot, and has one made where a line is idle.
    pub(super) async fn room(&self, slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return slot;
        }
        self.crowded.store(true, Ordering::SeqCst);
        let slot = loop {
            self.cut_oldest();
            tokio::select! {
                slot = Arc::clone(slots).acquire_owned() => break slot,
                () = self.idle.notified() => {}
            }
        };
        self.crowded.store(false, Ordering::SeqCst);
        slot.expect("the semaphore is never closed")
    }

    /// Asks the one that has been idle for longest to go.
    pub(super) fn cut_oldest(&self) {
        let mut oldest = lock(&self.oldest);
        for looked in [false, true] {
            if looked {
                self.look(&mut oldest);
            }
            while let Some((since, line)) = oldest.pop() {
                if line.is_idle() && line.since.load(Ordering::Relaxed) == since && line.ask() {
                    return;
                }
            }
        }
    }

    fn look(&self, oldest: &mut Vec<(u64, Arc<Line>)>) {
        let open = lock(&self.open);
        let idle = open.iter().map(|(_, line)| line).filter(|line| line.is_idle() && !line.is_asked());
        oldest.extend(idle.map(|line| (line.since.load(Ordering::Relaxed), Arc::clone(line))));
        drop(open);
        let keep = (oldest.len() / 16).max(AT_ONCE);
        if oldest.len() > keep {
            oldest.select_nth_unstable_by_key(keep, |(since, _)| *since);
            oldest.truncate(keep);
        }
        oldest.sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
    }
}

impl Line {
    pub(super) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::SeqCst) == 0
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// A request begins; it ends when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Line>) -> Turn {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.turns.fetch_add(1, Ordering::Relaxed);
        Turn(Arc::clone(self))
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// False: it has been asked before.
    fn ask(&self) -> bool {
        let first = !self.asked.swap(true, Ordering::Relaxed);
        if first {
            self.asks.notify_one();
        }
        first
    }

    /// Ends when it is to make room, unless a request has come in between.
    pub(super) async fn to_go(&self) {
        loop {
            self.asks.notified().await;
            if self.is_idle() {
                return;
            }
            self.asked.store(false, Ordering::Relaxed);
            self.lines.idle.notify_one();
        }
    }

    /// Nobody asks it any more.
    pub(super) fn close(&self) {
        self.asked.store(true, Ordering::Relaxed);
        lock(&self.lines.open).try_remove(self.number);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Turn(Arc<Line>);

impl Drop for Turn {
    fn drop(&mut self) {
        let line = &self.0;
        line.turns.fetch_add(1, Ordering::Relaxed);
        line.since.store(line.lines.now(), Ordering::Relaxed);
        let last = line.requests.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && line.lines.crowded.load(Ordering::SeqCst) {
            line.lines.idle.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[Arc<Line>]) -> Vec<usize> {
        (0..lines.len()).filter(|at| lines[*at].is_asked()).collect()
    }

    #[test]
    fn the_one_that_is_idle_for_longest_goes_first() {
        let all = Arc::new(Lines::default());
        let lines: Vec<_> = (0..4).map(|_| all.open()).collect();
        let busy = lines[0].begin();
        drop(lines[1].begin());
        all.cut_oldest();
        assert_eq!(asked(&lines), [2]);
        drop(busy);
        // Noted as the next when it was looked, it has had a request since.
        drop(lines[3].begin());
        all.cut_oldest();
        assert_eq!(asked(&lines), [1, 2]);
        for _ in 0..3 {
            all.cut_oldest();
        }
        assert_eq!(asked(&lines), [0, 1, 2, 3]);
    }

    #[test]
    fn who_is_busy_or_gone_is_not_asked() {
        let all = Arc::new(Lines::default());
        let lines: Vec<_> = (0..200).map(|_| all.open()).collect();
        let busy: Vec<_> = lines[..100].iter().map(Line::begin).collect();
        for line in &lines[100..150] {
            line.close();
        }
        for _ in 0..300 {
            all.cut_oldest();
        }
        assert!(lines[..100].iter().all(|line| !line.is_asked()), "busy");
        assert!(lines[150..].iter().all(|line| line.is_asked()), "idle");
        assert_eq!(lock(&all.open).len(), 150);
        drop(busy);
    }

    #[tokio::test]
    async fn a_line_that_becomes_idle_makes_room_for_who_waits() {
        let all = Arc::new(Lines::default());
        let slots = Arc::new(Semaphore::new(1));
        let slot = all.room(&slots).await;
        let line = all.open();
        let turn = line.begin();
        let goes = async {
            line.to_go().await;
            drop(slot);
        };
        let ends = async {
            tokio::task::yield_now().await;
            assert!(!line.is_asked(), "it is busy");
            drop(turn);
        };
        tokio::join!(goes, ends, async { drop(all.room(&slots).await) });
    }
}
