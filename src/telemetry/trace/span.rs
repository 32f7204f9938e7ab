//! Spans: one for each attempt, and one for its delivery when that has ended. They are made when all about them has been
//! measured, so nothing is begun, held or looked up while an attempt runs.

use std::sync::Arc;

use super::context::Context;
use crate::dispatch::{End, Outcome, Reason};
use crate::event::{Event, Uid};
use crate::telemetry::metrics::Attempted;

/// What an attempt that is traced leaves for its spans.
#[derive(Debug)]
pub struct Traced {
    pub context: Context,
    pub about: Arc<About>,
    /// In nanoseconds since 1970, as all times here.
    pub started: u64,
    pub ended: u64,
    pub attempt: u32,
    pub outcome: Outcome,
    pub reason: Reason,
    pub is_cold: bool,
    pub fuel: u64,
}

/// What the spans of a delivery have in common: the event, cut to a length that lets many wait.
#[derive(Debug)]
pub struct About {
    pub delivery: Uid,
    pub id: Box<str>,
    pub source: Box<str>,
    pub ty: Box<str>,
    pub subject: Option<Box<str>>,
    pub trigger: Box<str>,
    pub function: Box<str>,
}

#[derive(Debug)]
pub struct Span {
    pub trace: u128,
    pub id: u64,
    pub parent: Option<u64>,
    pub state: Option<Box<str>>,
    pub started: u64,
    pub ended: u64,
    pub about: Arc<About>,
    pub of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Attempt { number: u32, outcome: Outcome, reason: Reason, is_cold: bool, fuel: u64 },
    Delivery { attempts: u32, end: End, reason: Reason },
}

/// Of one attribute, in bytes.
const LONGEST: usize = 256;

impl About {
    pub fn new(event: &Event<'_>, delivery: Uid, trigger: &str, function: &str) -> Arc<About> {
        Arc::new(About {
            delivery,
            id: cut(&event.id),
            source: cut(&event.source),
            ty: cut(&event.ty),
            subject: event.subject.as_deref().map(cut),
            trigger: trigger.into(),
            function: function.into(),
        })
    }
}

impl Traced {
    /// One that ended at `ended`.
    pub fn new(
        context: Context,
        about: Arc<About>,
        attempt: u32,
        ended: u64,
        measured: &Attempted,
    ) -> Traced {
        let Attempted { outcome, reason, wall_ns, init_ns, fuel, .. } = *measured;
        let took = wall_ns + init_ns.unwrap_or_default();
        let (started, is_cold) = (ended.saturating_sub(took), init_ns.is_some());
        Traced { context, about, started, ended, attempt, outcome, reason, is_cold, fuel }
    }

    pub fn attempt(&self) -> Span {
        let Traced { attempt: number, outcome, reason, is_cold, fuel, .. } = *self;
        let of = Of::Attempt { number, outcome, reason, is_cold, fuel };
        self.span(self.context.attempt, Some(self.context.delivery), self.started, of)
    }

    /// `since`: when the event was there; its first attempt else.
    pub fn delivery(&self, end: End, since: Option<u64>) -> Span {
        let of = Of::Delivery { attempts: self.attempt, end, reason: self.reason };
        let started = since.unwrap_or(self.started).min(self.started);
        self.span(self.context.delivery, self.context.parent, started, of)
    }

    fn span(&self, id: u64, parent: Option<u64>, started: u64, of: Of) -> Span {
        Span {
            trace: self.context.trace,
            id,
            parent,
            state: self.context.tracestate().map(Box::from),
            started,
            ended: self.ended,
            about: Arc::clone(&self.about),
            of,
        }
    }
}

fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(LONGEST)].into()
}
