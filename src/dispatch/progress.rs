//! What is complete in a partition, as it is committed: a restart or another worker goes on from it.
//!
//! What it does not say is repeated; what it wrongly said would be lost. So a form that has no room for all forgets.

use std::borrow::Cow;

use crate::event::wire::{Corrupt, Reader, Writer};

/// Everything below `watermark` and every position in `runs` is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub watermark: u64,
    /// Complete positions beyond the watermark as (first, count): ascending, none empty, none that touches another or the watermark.
    pub runs: Vec<(u64, u64)>,
}

impl Progress {
    const FORMAT: u8 = 2;
    /// After the watermark: varints, the distance to a run and its length in turn, each less one.
    const RUNS: u8 = 0;
    /// After the watermark: a bit a position, from the one after the watermark on, lowest first.
    const BITS: u8 = 1;
    /// The version, a watermark, the kind: `encode_within` needs room for these.
    pub const LEAST: usize = 1 + 10 + 1;

    pub fn encode(&self) -> Vec<u8> {
        self.encode_within(usize::MAX)
    }

    /// As much as fits. What lies nearest to the watermark is kept; the far end is forgotten, and so is repeated.
    ///
    /// # Panics
    /// If `bytes` is less than `LEAST`: not even the watermark would be sure to fit.
    pub fn encode_within(&self, bytes: usize) -> Vec<u8> {
        assert!(bytes >= Progress::LEAST, "progress needs {} bytes, {bytes} are given", Progress::LEAST);
        let progress = self.canonical();
        let mut encoded = vec![Progress::FORMAT];
        Writer(&mut encoded).varint(progress.watermark);
        let room = bytes - encoded.len() - 1;

        let runs = progress.as_runs(room);
        let bits = progress.as_bits(room);
        // What tells more; of two that tell all, the shorter.
        if (bits.reach, runs.bytes) > (runs.reach, bits.bytes) {
            encoded.push(Progress::BITS);
            progress.write_bits(bits.bytes, &mut encoded);
        } else {
            encoded.push(Progress::RUNS);
            progress.write_runs(runs.bytes, &mut encoded);
        }
        encoded
    }

    pub fn decode(bytes: &[u8]) -> Result<Progress, Corrupt> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            1 => Progress::decode_format_1(reader),
            Progress::FORMAT => {
                let watermark = reader.varint()?;
                match reader.u8()? {
                    Progress::RUNS => Progress::read_runs(watermark, reader),
                    Progress::BITS => Progress::read_bits(watermark, reader.take(reader.remaining())?),
                    kind => Err(Corrupt::Unknown { what: "kind of progress", found: kind.into() }),
                }
            }
            found => Err(Corrupt::Version { found, known: Progress::FORMAT }),
        }
    }

    /// What either knows to be complete.
    #[must_use]
    pub fn merge(&self, other: &Progress) -> Progress {
        let runs = [&self.runs[..], &other.runs].concat();
        Progress { watermark: self.watermark.max(other.watermark), runs }.canonical().into_owned()
    }

    pub fn is_complete(&self, position: u64) -> bool {
        let after = self.runs.partition_point(|&(first, _)| first <= position);
        position < self.watermark
            || after.checked_sub(1).is_some_and(|run| position - self.runs[run].0 < self.runs[run].1)
    }

    /// The only form of what it says, whoever put it together.
    pub(super) fn canonical(&self) -> Cow<'_, Progress> {
        let mut end = self.watermark;
        let is_canonical = self.runs.iter().all(|&(first, count)| {
            let apart = first > end && count > 0 && first.checked_add(count).is_some();
            end = first.saturating_add(count);
            apart
        });
        if is_canonical {
            return Cow::Borrowed(self);
        }
        let mut sorted = self.runs.clone();
        sorted.sort();
        let mut canonical = Progress { watermark: self.watermark, runs: Vec::new() };
        sorted.into_iter().for_each(|(first, count)| canonical.add(first, count));
        Cow::Owned(canonical)
    }

    /// Runs come in ascending order of where they begin.
    fn add(&mut self, first: u64, count: u64) {
        let end = first.saturating_add(count);
        if first <= self.watermark {
            self.watermark = self.watermark.max(end);
            return;
        }
        match self.runs.last_mut() {
            Some((start, length)) if *start + *length >= first => *length = (*length).max(end - *start),
            _ if first == end => {}
            _ => self.runs.push((first, end - first)),
        }
    }

    fn as_runs(&self, room: usize) -> Form {
        let (mut bytes, mut end) = (0, self.watermark);
        for &(first, count) in &self.runs {
            let more = bytes + varint_length(first - end - 1) + varint_length(count - 1);
            if more > room {
                return Form { reach: first, bytes };
            }
            (bytes, end) = (more, first + count);
        }
        Form { reach: u64::MAX, bytes }
    }

    fn as_bits(&self, room: usize) -> Form {
        let all =
            self.runs.last().map_or(0, |&(first, count)| (first + count - self.watermark - 1).div_ceil(8));
        match usize::try_from(all) {
            Ok(bytes) if bytes <= room => Form { reach: u64::MAX, bytes },
            _ => Form { reach: self.watermark.saturating_add(1 + room as u64 * 8), bytes: room },
        }
    }

    fn write_runs(&self, bytes: usize, encoded: &mut Vec<u8>) {
        let full = encoded.len() + bytes;
        let mut end = self.watermark;
        for &(first, count) in &self.runs {
            if encoded.len() == full {
                break;
            }
            Writer(encoded).varint(first - end - 1);
            Writer(encoded).varint(count - 1);
            end = first + count;
        }
    }

    fn write_bits(&self, bytes: usize, encoded: &mut Vec<u8>) {
        let start = encoded.len();
        encoded.resize(start + bytes, 0);
        let bits = &mut encoded[start..];
        for &(first, count) in &self.runs {
            let from = first - self.watermark - 1;
            let until = (from + count).min(bytes as u64 * 8);
            let mut bit = from;
            while bit < until {
                let byte = &mut bits[(bit / 8) as usize];
                let of_this_byte = (until - bit).min(8 - bit % 8);
                *byte |= (0xff >> (8 - of_this_byte)) << (bit % 8);
                bit += of_this_byte;
            }
        }
    }

    fn read_runs(watermark: u64, mut reader: Reader<'_>) -> Result<Progress, Corrupt> {
        let mut progress = Progress { watermark, runs: Vec::new() };
        let mut end = watermark;
        while !reader.is_empty() {
            let first = after(after(end, reader.varint()?)?, 1)?;
            let count = after(reader.varint()?, 1)?;
            end = after(first, count)?;
            progress.runs.push((first, count));
        }
        Ok(progress)
    }

    fn read_bits(watermark: u64, bits: &[u8]) -> Result<Progress, Corrupt> {
        let mut progress = Progress { watermark, runs: Vec::new() };
        for (index, byte) in bits.iter().enumerate() {
            let mut rest = *byte;
            while rest != 0 {
                let bit = rest.trailing_zeros();
                let count = (rest >> bit).trailing_ones();
                rest &= !((0xff >> (8 - count)) << bit);
                let first = after(after(watermark, 1)?, index as u64 * 8 + u64::from(bit))?;
                after(first, count.into())?;
                progress.add(first, count.into());
            }
        }
        Ok(progress)
    }

    /// A count of runs, then each as its distance from the one before and its length; a run may touch the watermark.
    fn decode_format_1(mut reader: Reader<'_>) -> Result<Progress, Corrupt> {
        let mut progress = Progress { watermark: reader.varint()?, runs: Vec::new() };
        let mut end = progress.watermark;
        for _ in 0..reader.length()? {
            let first = after(end, reader.varint()?)?;
            let count = reader.varint()?;
            end = after(first, count)?;
            progress.add(first, count);
        }
        reader.finish()?;
        Ok(progress)
    }
}

/// What a way to write it down would tell within its room: everything below `reach`, in so many bytes.
struct Form {
    reach: u64,
    bytes: usize,
}

fn after(position: u64, distance: u64) -> Result<u64, Corrupt> {
    position
        .checked_add(distance)
        .ok_or(Corrupt::Unknown { what: "position in a partition", found: distance })
}

fn varint_length(value: u64) -> usize {
    (64 - (value | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn progress(watermark: u64, runs: &[(u64, u64)]) -> Progress {
        Progress { watermark, runs: runs.to_vec() }
    }

    /// The last position that is told apart from its neighbours, and a little more.
    fn beyond(progress: &Progress) -> u64 {
        progress.runs.iter().map(|&(first, count)| first + count).fold(progress.watermark, u64::max) + 20
    }

    fn any_progress() -> impl Strategy<Value = Progress> {
        let distance = prop_oneof![8 => 1u64..4, 2 => 1u64..200];
        (0u64..300, prop::collection::vec((distance.clone(), distance), 0..60)).prop_map(
            |(watermark, steps)| {
                let mut end = watermark;
                let runs = steps.into_iter().map(|(gap, count)| {
                    let first = end + gap;
                    end = first + count;
                    (first, count)
                });
                Progress { watermark, runs: runs.collect() }
            },
        )
    }

    fn far_progress() -> impl Strategy<Value = Progress> {
        let distance = || (any::<u64>(), 8u32..64).prop_map(|(value, shift)| 1 + (value >> shift));
        (distance(), prop::collection::vec((distance(), distance()), 0..10)).prop_map(|(watermark, steps)| {
            let mut progress = Progress { watermark, runs: Vec::new() };
            let mut end = watermark;
            for (gap, count) in steps {
                progress.runs.push((end + gap, count));
                end += gap + count;
            }
            progress
        })
    }

    #[test]
    fn what_touches_is_one() {
        let loose = progress(5, &[(9, 2), (5, 1), (20, 0), (6, 1), (11, 1), (10, 1), (3, 1)]);
        assert_eq!(*loose.canonical(), progress(7, &[(9, 3)]));
        assert_eq!(Progress::decode(&loose.encode()), Ok(progress(7, &[(9, 3)])));
        assert_eq!(*progress(0, &[(u64::MAX, 9)]).canonical(), progress(0, &[]));
    }

    #[test]
    fn the_shorter_kind_is_written() {
        let every_second: Vec<_> = (0..1000).map(|n| (1 + 2 * n, 1)).collect();
        let scattered: Vec<_> = (1..50).map(|n| (n << 40, 1 << 20)).collect();
        let (dense, sparse) = (progress(0, &every_second).encode(), progress(0, &scattered).encode());
        assert_eq!((dense[2], dense.len()), (Progress::BITS, 3 + 250));
        assert_eq!((sparse[2], sparse.len()), (Progress::RUNS, 3 + 49 * (6 + 3)));
        assert_eq!(progress(300, &[]).encode(), [2, 0xac, 2, Progress::RUNS]);
    }

    #[test]
    fn the_last_positions_there_are_can_be_told() {
        let every_second = (2..20).rev().map(|n| (u64::MAX - 2 * n, 1)).collect();
        let last = Progress { watermark: u64::MAX - 41, runs: every_second };
        assert_eq!(last.encode()[11], Progress::BITS);
        assert_eq!(Progress::decode(&last.encode()), Ok(last));
        for none in [u64::MAX, u64::MAX - 1] {
            assert_eq!(Progress::decode(&progress(none, &[]).encode()), Ok(progress(none, &[])));
        }
    }

    #[test]
    fn format_1_is_read() {
        // Version, watermark, count, then distance and length: the first run touches the watermark, the last two touch.
        let bytes = [1, 10, 4, 0, 2, 3, 1, 1, 4, 0, 200, 1];
        assert_eq!(Progress::decode(&bytes), Ok(progress(12, &[(15, 1), (17, 204)])));
        assert_eq!(Progress::decode(&[1, 0, 0]), Ok(Progress::default()));
        assert_eq!(Progress::decode(&[1, 0, 1, 1]), Err(Corrupt::Truncated));
        assert_eq!(Progress::decode(&[1, 0, 0, 9]), Err(Corrupt::Trailing(1)));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        assert_eq!(Progress::decode(&[]), Err(Corrupt::Truncated));
        assert_eq!(Progress::decode(&[3, 0, 0]), Err(Corrupt::Version { found: 3, known: 2 }));
        assert_eq!(Progress::decode(&[0, 0, 0]), Err(Corrupt::Version { found: 0, known: 2 }));
        assert!(matches!(Progress::decode(&[2, 0, 2]), Err(Corrupt::Unknown { found: 2, .. })));
        assert_eq!(Progress::decode(&[2, 0, Progress::RUNS, 4]), Err(Corrupt::Truncated));
        // A number of runs that no bytes stand for, and runs past the last position.
        let mut endless = vec![1, 0];
        Writer(&mut endless).varint(u64::MAX >> 1);
        assert_eq!(Progress::decode(&endless), Err(Corrupt::Truncated));
        for (version, kind) in [(1, 2), (2, Progress::RUNS), (2, Progress::BITS)] {
            let mut bytes = vec![version];
            Writer(&mut bytes).varint(u64::MAX - 1);
            bytes.push(kind);
            bytes.extend([1, 1, 1, 1]);
            assert!(matches!(Progress::decode(&bytes), Err(Corrupt::Unknown { .. })), "{bytes:?}");
        }
    }

    #[test]
    #[should_panic(expected = "progress needs 12 bytes")]
    fn no_room_for_the_watermark_is_refused() {
        Progress::default().encode_within(11);
    }

    proptest! {
        #[test]
        fn it_reads_back(near in any_progress(), far in far_progress()) {
            prop_assert_eq!(Progress::decode(&near.encode()), Ok(near));
            prop_assert_eq!(Progress::decode(&far.encode()), Ok(far));
        }

        #[test]
        fn within_its_room_it_forgets_the_far_end_alone(progress in any_progress(), far in far_progress(), room in 12usize..120) {
            let bytes = progress.encode_within(room);
            prop_assert!(bytes.len() <= room);
            let kept = Progress::decode(&bytes).unwrap();
            prop_assert_eq!(kept.watermark, progress.watermark);
            let known: Vec<u64> = (0..beyond(&progress)).filter(|p| kept.is_complete(*p)).collect();
            let nearest: Vec<u64> =
                (0..beyond(&progress)).filter(|p| progress.is_complete(*p)).take(known.len()).collect();
            prop_assert_eq!(known, nearest);
            if room >= progress.encode().len() {
                prop_assert_eq!(&kept, &progress);
            } else {
                // No byte is wasted that the next run would have fitted in.
                let next = (0..).find(|p| progress.is_complete(*p) && !kept.is_complete(*p)).unwrap();
                let runs = progress.canonical().runs.iter().copied().filter(|&(first, _)| first <= next).collect();
                let more = Progress { watermark: progress.watermark, runs };
                prop_assert!(more.encode().len() > room, "{more:?}");
            }

            let bytes = far.encode_within(room);
            prop_assert!(bytes.len() <= room);
            let kept = Progress::decode(&bytes).unwrap();
            prop_assert_eq!(far.merge(&kept), far);
        }

        #[test]
        fn a_merge_knows_what_either_knows(a in any_progress(), b in any_progress(), c in any_progress()) {
            let merged = a.merge(&b);
            for position in 0..beyond(&a).max(beyond(&b)) {
                prop_assert_eq!(merged.is_complete(position), a.is_complete(position) || b.is_complete(position));
            }
            prop_assert!(matches!(merged.canonical(), Cow::Borrowed(_)));
            prop_assert_eq!(&merged, &b.merge(&a));
            prop_assert_eq!(&merged.merge(&a), &merged);
            prop_assert_eq!(&a.merge(&a), &a);
            prop_assert_eq!(a.merge(&b).merge(&c), a.merge(&b.merge(&c)));
        }

        #[test]
        fn whatever_the_order_the_canonical_form_says_the_same(watermark in 0u64..50, runs in prop::collection::vec((0u64..200, 0u64..9), 0..30)) {
            let loose = Progress { watermark, runs };
            let canonical = loose.canonical();
            for position in 0..220 {
                let told = loose.runs.iter().any(|&(first, count)| (first..first + count).contains(&position));
                prop_assert_eq!(canonical.is_complete(position), position < watermark || told);
            }
            prop_assert!(!canonical.is_complete(canonical.watermark));
            prop_assert!(matches!(canonical.canonical(), Cow::Borrowed(_)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(version in 0u8..4, rest in prop::collection::vec(any::<u8>(), 0..80), near in any_progress(), cut: prop::sample::Index) {
            for watermark in [&[][..], &[0, 0], &[0, 1]] {
                let bytes = [&[version][..], watermark, &rest].concat();
                if let Ok(progress) = Progress::decode(&bytes) {
                    prop_assert!(matches!(progress.canonical(), Cow::Borrowed(_)));
                    prop_assert!(progress.runs.len() <= bytes.len() * 4);
                    prop_assert_eq!(Progress::decode(&progress.encode()), Ok(progress));
                }
            }
            // Cut short it is refused or says less, never more.
            let bytes = near.encode();
            if let Ok(less) = Progress::decode(&bytes[..cut.index(bytes.len())]) {
                prop_assert_eq!(near.merge(&less), near);
            }
        }
    }
}
