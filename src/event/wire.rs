//! The parts that our own compact formats are made of, on disk and between threads: a writer, and a reader that borrows.
//!
//! Numbers are little-endian or varints (LEB128), byte strings have their length before them. A reader never allocates:
//! whatever a length says, it hands out what stands in the bytes or fails.

use std::fmt;

/// Why bytes are not what they should be. Reading fails; it never panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// Fewer bytes than what they say needs.
    Truncated,
    /// Bytes after the end.
    Trailing(usize),
    /// A varint of more than 64 bits, or with needless bytes.
    Varint,
    Utf8,
    /// Written by another version of weir.
    Version {
        found: u8,
        known: u8,
    },
    /// A value that stands for nothing.
    Unknown {
        what: &'static str,
        found: u64,
    },
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Corrupt::Truncated => f.write_str("it ends too early"),
            Corrupt::Trailing(bytes) => write!(f, "{bytes} bytes follow its end"),
            Corrupt::Varint => f.write_str("a number is not in its only legal form"),
            Corrupt::Utf8 => f.write_str("a text is not UTF-8"),
            Corrupt::Version { found, known } => {
                write!(
                    f,
                    "its format is version {found} and this weir reads {known}; use the weir that wrote it"
                )
            }
            Corrupt::Unknown { what, found } => write!(f, "{found} is no {what}"),
        }
    }
}

impl std::error::Error for Corrupt {}

/// Appends to a buffer that its owner keeps.
#[derive(Debug)]
pub struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u128(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
}

/// Reads from the front.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How much is left: the bound of any count that is read.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Corrupt::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub fn u8(&mut self) -> Result<u8, Corrupt> {
        self.array().map(u8::from_le_bytes)
    }

    #[inline]
    pub fn u32(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn u128(&mut self) -> Result<u128, Corrupt> {
        self.array().map(u128::from_le_bytes)
    }

    /// Only the shortest form is legal, so that equal values are equal bytes.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Corrupt> {
        if let [byte @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    /// Out of the way of the one byte that nearly all are.
    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().enumerate() {
            let bits = u64::from(byte & 0x7f);
            if index == 9 && *byte > 1 {
                return Err(Corrupt::Varint);
            }
            value |= bits << (index * 7);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return if *byte == 0 && index > 0 { Err(Corrupt::Varint) } else { Ok(value) };
            }
        }
        Err(Corrupt::Truncated)
    }

    pub fn varint32(&mut self) -> Result<u32, Corrupt> {
        u32::try_from(self.varint()?).map_err(|_| Corrupt::Varint)
    }

    /// A varint that counts or measures something in memory.
    #[inline]
    pub fn length(&mut self) -> Result<usize, Corrupt> {
        usize::try_from(self.varint()?).map_err(|_| Corrupt::Truncated)
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = self.length()?;
        self.take(length)
    }

    pub fn str(&mut self) -> Result<&'a str, Corrupt> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Corrupt::Utf8)
    }

    /// The first byte of each of our formats.
    #[inline]
    pub fn version(&mut self, known: u8) -> Result<(), Corrupt> {
        match self.u8()? {
            found if found == known => Ok(()),
            found => Err(Corrupt::Version { found, known }),
        }
    }

    /// The same of a format that has changed: the version found, `known` or the one before it.
    pub fn version_or_before(&mut self, known: u8) -> Result<u8, Corrupt> {
        match self.u8()? {
            found if found == known || found.checked_add(1) == Some(known) => Ok(found),
            found => Err(Corrupt::Version { found, known }),
        }
    }

    /// That all has been read.
    pub fn finish(self) -> Result<(), Corrupt> {
        if self.rest.is_empty() { Ok(()) } else { Err(Corrupt::Trailing(self.rest.len())) }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Corrupt::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_read_back(a: u8, b: u32, c: u64, d: u128, shift in 0..64, bytes: Vec<u8>, text: String) {
            let mut out = vec![7];
            let mut writer = Writer(&mut out);
            writer.u8(a);
            writer.u32(b);
            writer.u64(c);
            writer.u128(d);
            writer.varint(c >> shift);
            writer.bytes(&bytes);
            writer.str(&text);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.version(7), Ok(()));
            prop_assert_eq!((reader.u8(), reader.u32(), reader.u64(), reader.u128()), (Ok(a), Ok(b), Ok(c), Ok(d)));
            prop_assert_eq!((reader.varint(), reader.bytes(), reader.str()), (Ok(c >> shift), Ok(&bytes[..]), Ok(&text[..])));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn a_varint_has_one_form(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint() {
                let mut out = Vec::new();
                Writer(&mut out).varint(value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.remaining()]);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert_eq!(Reader::new(&[]).varint(), Err(Corrupt::Truncated));
        assert_eq!(Reader::new(&[0x80]).varint(), Err(Corrupt::Truncated));
        assert_eq!(Reader::new(&[0x80, 0]).varint(), Err(Corrupt::Varint));
        assert_eq!(Reader::new(&[0xff; 12]).varint(), Err(Corrupt::Varint));
        assert_eq!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).varint(),
            Ok(u64::MAX)
        );
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x7f, 1, 2]).bytes(), Err(Corrupt::Truncated));
        assert_eq!(Reader::new(&[1, 0xff]).str(), Err(Corrupt::Utf8));
        assert_eq!(Reader::new(&[1, 2]).finish(), Err(Corrupt::Trailing(2)));
        assert_eq!(Reader::new(&[2]).version(1), Err(Corrupt::Version { found: 2, known: 1 }));
        assert_eq!(Reader::new(&[1, 2, 3]).u32(), Err(Corrupt::Truncated));
        let either = [2, 3, 4, 1].map(|found| Reader::new(&[found]).version_or_before(3));
        let refused = |found| Err(Corrupt::Version { found, known: 3 });
        assert_eq!(either, [Ok(2), Ok(3), refused(4), refused(1)]);
    }
}
