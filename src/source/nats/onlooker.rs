//! Messages of a stream looked at by their sequence, in order: no consumer is made and nothing is acknowledged, so nobody
//! notices, whatever the stream's retention is.

use std::collections::VecDeque;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};

/// One who looks.
#[derive(Debug)]
pub struct Onlooker {
    stream: Stream,
    /// One for each of the subjects that are looked at.
    heads: Vec<Head>,
}

/// How far a subject has been looked at.
#[derive(Debug)]
struct Head {
    subject: String,
    /// Where to look next.
    next: u64,
    /// What was found, and not shown yet.
    found: Option<StreamMessage>,
}

impl Onlooker {
    /// `subjects`: of the stream's; none: all of them.
    pub fn new(stream: Stream, subjects: &[String]) -> Onlooker {
        let all = [">".to_owned()];
        let subjects = if subjects.is_empty() { &all[..] } else { subjects };
        let head = |subject: &String| Head { subject: subject.clone(), next: 0, found: None };
        Onlooker { heads: subjects.iter().map(head).collect(), stream }
    }

    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The first and the last sequence that it has; of an empty stream the last is the lower.
    pub async fn ends(&self) -> Result<(u64, u64), String> {
        let state = self.stream.get_info().await.map_err(|error| said(&self.stream, &error))?.state;
        Ok((state.first_sequence.max(1), state.last_sequence))
    }

    /// Goes on, or back, to a sequence.
    pub fn go_to(&mut self, sequence: u64) {
        for head in &mut self.heads {
            (head.next, head.found) = (sequence, None);
        }
    }

    /// The next one; `None`: nothing more is there yet.
    pub async fn next(&mut self) -> Result<Option<StreamMessage>, String> {
        for head in self.heads.iter_mut().filter(|head| head.found.is_none()) {
            head.found = look(&self.stream, &head.subject, head.next).await?;
            if let Some(found) = &head.found {
                head.next = found.sequence + 1;
            }
        }
        let there = self.heads.iter_mut().filter(|head| head.found.is_some());
        let first = there.min_by_key(|head| head.found.as_ref().map(|found| found.sequence));
        Ok(first.and_then(|head| head.found.take()))
    }

    /// The first sequence of which the message was written then or later, in milliseconds since 1970.
    pub async fn since(&self, milliseconds: i64) -> Result<u64, String> {
        let (mut low, last) = self.ends().await?;
        let mut high = last + 1;
        while low < high {
            let middle = low + (high - low) / 2;
            match look(&self.stream, ">", middle).await?.filter(|found| found.sequence < high) {
                Some(found) if written(&found) < milliseconds => low = found.sequence + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Where the last so many begin, which may stand far apart.
    pub async fn last(&mut self, count: u64) -> Result<u64, String> {
        let (first, last) = self.ends().await?;
        if count == 0 {
            return Ok(last + 1);
        }
        let mut window = count;
        loop {
            let begin = (last + 1).saturating_sub(window).max(first);
            self.go_to(begin);
            let mut seen = VecDeque::new();
            while let Some(message) = self.next().await?.filter(|message| message.sequence <= last) {
                seen.push_back(message.sequence);
                if seen.len() as u64 > count {
                    seen.pop_front();
                }
            }
            if seen.len() as u64 == count || begin == first {
                return Ok(seen.front().copied().unwrap_or(last + 1));
            }
            window = window.saturating_mul(8);
        }
    }
}

/// When it was written, in milliseconds since 1970.
pub fn written(message: &StreamMessage) -> i64 {
    (message.time.unix_timestamp_nanos() / 1_000_000) as i64
}

/// The first of a subject at or after a sequence.
async fn look(stream: &Stream, subject: &str, sequence: u64) -> Result<Option<StreamMessage>, String> {
    match stream.get_first_raw_message_by_subject(subject, sequence.max(1)).await {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(said(stream, &error)),
    }
}

fn said(stream: &Stream, error: &dyn std::fmt::Display) -> String {
    format!("the stream {} can't be read: {error}", stream.cached_info().config.name)
}
