//! Arguments and environment: lists of strings, each with a zero behind it.

use super::call::Refusal;
use super::world::{World, cost};
use crate::function::memory::{Memory, Outside};

/// Writes how many there are, and how many bytes they take.
pub(super) fn sizes(
    strings: impl Iterator<Item = String>,
    memory: &mut Memory<'_>,
    world: &dyn World,
    [count, size]: [u32; 2],
) -> Result<(), Refusal> {
    let (mut many, mut bytes) = (0, 0);
    for string in strings {
        world.charge(cost::ITEM)?;
        many += 1;
        bytes += string.len() as u32 + 1;
    }
    memory.write_u32(count, many)?;
    Ok(memory.write_u32(size, bytes)?)
}

/// Writes their addresses to `list`, one after the other, and the strings to `buffer`.
pub(super) fn get(
    strings: impl Iterator<Item = String>,
    memory: &mut Memory<'_>,
    world: &dyn World,
    [mut list, mut buffer]: [u32; 2],
) -> Result<(), Refusal> {
    for string in strings {
        let bytes = [string.as_bytes(), &[0]].concat();
        world.charge(cost::ITEM + cost::copied(bytes.len()))?;
        memory.write_u32(list, buffer)?;
        memory.write(buffer, &bytes)?;
        list = list.checked_add(4).ok_or(Outside)?;
        buffer = buffer.checked_add(bytes.len() as u32).ok_or(Outside)?;
    }
    Ok(())
}
