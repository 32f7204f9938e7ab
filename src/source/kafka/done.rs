//! What is done of a parking partition. Unlike a topic of events it has no gaps: an offset that is not known is not done.

use std::collections::BTreeSet;

use crate::dispatch::Progress;

#[derive(Clone, Debug, Default)]
pub struct Done {
    watermark: u64,
    beyond: BTreeSet<u64>,
}

impl Done {
    pub fn resume(progress: &Progress) -> Done {
        let beyond = progress.runs.iter().flat_map(|&(first, count)| first..first + count).collect();
        Done { watermark: progress.watermark, beyond }
    }

    /// Said again, it changes nothing.
    pub fn add(&mut self, offset: u64) {
        if offset >= self.watermark {
            self.beyond.insert(offset);
        }
        while self.beyond.first() == Some(&self.watermark) {
            self.beyond.pop_first();
            self.watermark += 1;
        }
    }

    pub fn progress(&self) -> Progress {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for &offset in &self.beyond {
            match runs.last_mut() {
                Some((first, count)) if *first + *count == offset => *count += 1,
                _ => runs.push((offset, 1)),
            }
        }
        Progress { watermark: self.watermark, runs }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_was_added(start in 0u64..20, offsets in prop::collection::vec(0u64..60, 0..80)) {
            let mut done = Done::resume(&Progress { watermark: start, runs: vec![] });
            offsets.iter().for_each(|offset| done.add(*offset));
            let progress = done.progress();
            for offset in 0..70 {
                let expected = offset < start || offsets.contains(&offset);
                prop_assert_eq!(progress.is_complete(offset), expected, "{}", offset);
            }
            prop_assert_eq!(Done::resume(&progress).progress(), progress);
        }
    }
}
