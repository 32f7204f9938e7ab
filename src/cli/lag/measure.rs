//! How far a group is behind in a partition: as KEDA counts it, and as a worker has it before it.

use crate::config::Initial;

/// What the brokers say of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) number: i32,
    /// The first record that there still is, and the next that there will be.
    pub(super) begin: i64,
    pub(super) end: i64,
    /// `None`: nothing, or it is forgotten.
    pub(super) committed: Option<i64>,
    /// Where a worker would begin without it.
    pub(super) first: i64,
    /// When the first record of the backlog was written, in milliseconds since 1970.
    pub(super) oldest: Option<i64>,
}

impl Partition {
    /// As KEDA's scaler sums it up: with `latest`, a partition of which nothing is committed counts 1, else its whole end;
    /// records that are deleted count as well.
    pub(super) fn lag(&self, initial: Initial) -> u64 {
        match (self.committed, initial) {
            (Some(committed), _) => unsigned(self.end - committed),
            (None, Initial::Latest) => 1,
            (None, Initial::Earliest | Initial::At(_)) => unsigned(self.end),
        }
    }

    /// Where a worker goes on. Further than there is anything: the topic was made anew, and is read from its beginning.
    pub(super) fn from(&self) -> i64 {
        match self.committed {
            Some(committed) if committed <= self.end => committed.max(self.begin),
            Some(_) => self.begin,
            None => self.first.clamp(self.begin, self.end),
        }
    }

    /// What a worker finds to do.
    pub(super) fn backlog(&self) -> u64 {
        unsigned(self.end - self.from())
    }
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keda_counts_what_is_gone_and_a_worker_does_not() {
        let at = |committed, first| Partition {
            topic: "t".into(),
            number: 0,
            begin: 10,
            end: 25,
            committed,
            first,
            oldest: None,
        };
        for (committed, first, initial, lag, backlog) in [
            (Some(20), 10, Initial::Earliest, 5, 5),
            (Some(4), 10, Initial::Earliest, 21, 15),
            (Some(25), 10, Initial::Latest, 0, 0),
            // The topic was made anew.
            (Some(90), 10, Initial::Latest, 0, 15),
            (None, 10, Initial::Earliest, 25, 15),
            (None, 25, Initial::Latest, 1, 0),
            (None, 22, Initial::At(7), 25, 3),
        ] {
            let partition = at(committed, first);
            assert_eq!((partition.lag(initial), partition.backlog()), (lag, backlog), "{partition:?}");
        }
    }
}
