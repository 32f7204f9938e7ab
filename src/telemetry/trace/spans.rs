//! The spans that wait to be exported: so many, and what is over is counted.

use std::sync::{Mutex, PoisonError};

use super::span::Span;
use crate::telemetry::metrics::Cell;

/// About four megabytes.
const WAITING: usize = 8192;

#[derive(Debug, Default)]
pub struct Spans {
    waiting: Mutex<Vec<Span>>,
    /// That a receiver has taken.
    pub sent: Cell,
    /// For which there was no room, or no time at the end.
    pub dropped: Cell,
    /// That a receiver refused.
    pub refused: Cell,
    /// Exports that failed.
    pub failures: Cell,
}

impl Spans {
    /// By the loop, once a turn. Nobody is woken: whoever exports comes by.
    pub fn offer(&self, spans: &mut Vec<Span>) {
        if spans.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = WAITING.saturating_sub(waiting.len()).min(spans.len());
        waiting.extend(spans.drain(..room));
        drop(waiting);
        self.dropped.share(spans.len() as u64);
        spans.clear();
    }

    /// The oldest ones.
    pub fn take(&self, most: usize) -> Vec<Span> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// There will be no more exports.
    pub fn close(&self) {
        let left = self.take(usize::MAX).len();
        self.dropped.share(left as u64);
    }
}
