//! A journal in numbers, from one walk over all of it: its chain has been looked at then.

use serde::{Deserialize, Serialize};

use super::{JournalError, Log, walk};
use crate::money::Money;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    pub volumes: u64,
    pub bytes: u64,
    /// Of the segments that are there, the first and the one after the last.
    pub first_segment: u64,
    pub end_segment: u64,
    /// That are there, and that ever were.
    pub entries: u64,
    pub entries_ever: u64,
    pub fenced: u64,
    pub wall_ns: u64,
    pub price: Money,
    /// When the first and the last of them ended, in nanoseconds since 1970.
    pub from: Option<u64>,
    pub to: Option<u64>,
    /// Of the last segment: the whole chain in a number.
    pub digest: String,
    /// How many entries have not gone, for each cursor that was asked about.
    pub waiting: Vec<(String, u64)>,
}

/// A cursor: whose it is, the segment, and the entry in it.
pub type Asked = (String, u64, u64);

impl Survey {
    pub fn of(log: &Log, cursors: &[Asked]) -> Result<Survey, JournalError> {
        let mut survey = Survey { first_segment: log.first(), ..Survey::default() };
        survey.waiting = cursors.iter().map(|(name, ..)| (name.clone(), 0)).collect();
        let totals = walk(log, |number, segment| {
            for entry in &segment.entries {
                survey.fenced += u64::from(entry.fenced);
                survey.price += Money(entry.price.into());
                survey.from = Some(survey.from.map_or(entry.ended, |from| from.min(entry.ended)));
                survey.to = Some(survey.to.map_or(entry.ended, |to| to.max(entry.ended)));
            }
            let entries = segment.entries.len() as u64;
            for ((_, waiting), (_, at, index)) in survey.waiting.iter_mut().zip(cursors) {
                *waiting += match number.cmp(at) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => entries.saturating_sub(*index),
                    std::cmp::Ordering::Greater => entries,
                };
            }
            survey.end_segment = number + 1;
            survey.entries_ever = segment.link.totals.entries;
            survey.digest = segment.link.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        })?;
        (survey.entries, survey.wall_ns) = (totals.entries, totals.wall_ns);
        survey.end_segment = survey.end_segment.max(survey.first_segment);
        (survey.volumes, survey.bytes) = (log.volumes_held() as u64, log.bytes());
        Ok(survey)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::tests::write;

    #[test]
    fn it_counts_what_is_there_and_what_has_not_gone() {
        let home = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::open(home.path(), Default::default()).unwrap());
        assert_eq!(Survey::of(&log, &[]).unwrap().entries, 0);
        write(&log, 0..10);
        // Segments of 1, 3, 3 and 3 entries.
        let asked =
            [("all", 0, 0), ("some", 1, 2), ("none", 4, 0)].map(|(name, s, i)| (name.to_owned(), s, i));
        let survey = Survey::of(&log, &asked).unwrap();
        assert_eq!((survey.entries, survey.entries_ever, survey.fenced, survey.end_segment), (10, 10, 2, 4));
        let waiting: Vec<u64> = survey.waiting.iter().map(|(_, waiting)| *waiting).collect();
        assert_eq!(waiting, [10, 7, 0]);
        assert_eq!(survey.digest.len(), 64);
    }
}
