//! A guest's memory, as the functions of the host see it while the guest calls them.

/// Addresses and lengths are the guest's; nothing of it outlives the call.
pub(super) struct Memory<'m>(pub &'m mut [u8]);

/// A pointer or what it points to is not within the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outside;

impl Memory<'_> {
    pub(super) fn bytes(&self, address: u32, len: u32) -> Result<&[u8], Outside> {
        self.0.get(range(address, len)?).ok_or(Outside)
    }

    pub(super) fn bytes_mut(&mut self, address: u32, len: u32) -> Result<&mut [u8], Outside> {
        self.0.get_mut(range(address, len)?).ok_or(Outside)
    }

    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Outside> {
        let len = u32::try_from(bytes.len()).map_err(|_| Outside)?;
        self.bytes_mut(address, len)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Outside> {
        self.write(address, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, address: u32, value: u64) -> Result<(), Outside> {
        self.write(address, &value.to_le_bytes())
    }
}

/// The sum of two `u32` overflows no `u64`.
fn range(address: u32, len: u32) -> Result<std::ops::Range<usize>, Outside> {
    let end = usize::try_from(u64::from(address) + u64::from(len)).map_err(|_| Outside)?;
    Ok(address as usize..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_beyond_the_end_is_outside_and_nothing_is_written() {
        let mut bytes = [7; 16];
        let mut memory = Memory(&mut bytes);
        for (address, len) in [(16, 1), (15, 2), (0, 17), (17, 0), (u32::MAX, 1), (u32::MAX, u32::MAX)] {
            assert_eq!(memory.bytes(address, len), Err(Outside), "{len} at {address}");
        }
        assert_eq!(memory.write(9, &[1; 8]), Err(Outside));
        assert_eq!(memory.write_u32(13, 0), Err(Outside));
        assert_eq!(memory.bytes(16, 0), Ok(&[][..]));
        assert_eq!(memory.write_u64(8, u64::MAX), Ok(()));
        assert_eq!(bytes, [[7; 8], [255; 8]].concat()[..]);
    }
}
