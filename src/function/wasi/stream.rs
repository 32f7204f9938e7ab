//! Reading and writing the three streams.

use super::call::Refusal;
use super::descriptor::STDOUT;
use super::errno::Errno;
use super::process::{Process, Stdout};
use super::world::{World, cost};
use crate::function::limits::Stop;
use crate::function::memory::Memory;

/// More vectors are refused, as by Linux.
const VECTORS: u32 = 1_024;

/// Where the guest wants something, or has it: address and length, all within memory.
type Vectors = Vec<(u32, u32)>;

/// `list` has `count` vectors; how much was read is written to `size`.
pub(super) fn read(
    process: &mut Process,
    memory: &mut Memory<'_>,
    world: &dyn World,
    [fd, list, count, size]: [u32; 4],
) -> Result<(), Refusal> {
    process.descriptors.reads(fd)?;
    let mut read = 0;
    for (address, len) in vectors(memory, world, list, count)? {
        let unread = &process.stdin[process.read..];
        let part = unread.len().min(len as usize);
        world.charge(cost::copied(part))?;
        memory.write(address, &unread[..part])?;
        process.read += part;
        read += part as u32;
    }
    Ok(memory.write_u32(size, read)?)
}

/// All of it is written, or the call ends.
pub(super) fn write(
    process: &mut Process,
    memory: &mut Memory<'_>,
    world: &dyn World,
    [fd, list, count, size]: [u32; 4],
) -> Result<(), Refusal> {
    process.descriptors.writes(fd)?;
    let mut written = 0;
    for (address, len) in vectors(memory, world, list, count)? {
        let bytes = memory.bytes(address, len)?;
        let printed = match &mut process.stdout {
            Stdout::Answer { bytes: answer, limit } if fd == STDOUT => {
                if bytes.len() > *limit - answer.len() {
                    return Err(Stop::Output.into());
                }
                world.charge(cost::copied(bytes.len()))?;
                answer.extend_from_slice(bytes);
                None
            }
            Stdout::Log(printed) if fd == STDOUT => Some(printed),
            _ => Some(&mut process.stderr),
        };
        if let Some(printed) = printed {
            for piece in bytes.chunks(cost::PIECE) {
                world.charge(cost::printed(piece.len()))?;
                printed.print(piece, &mut process.log);
            }
        }
        written += len;
    }
    Ok(memory.write_u32(size, written)?)
}

/// Their lengths add up to no more than a `u32`.
fn vectors(memory: &Memory<'_>, world: &dyn World, list: u32, count: u32) -> Result<Vectors, Refusal> {
    if count > VECTORS {
        return Err(Errno::Inval.into());
    }
    world.charge(u64::from(count) * cost::ITEM)?;
    let mut sum = 0_u32;
    let mut vectors = Vec::with_capacity(count as usize);
    for vector in memory.bytes(list, count * 8)?.chunks_exact(8) {
        let word =
            |at: usize| u32::from_le_bytes([vector[at], vector[at + 1], vector[at + 2], vector[at + 3]]);
        let (address, len) = (word(0), word(4));
        memory.bytes(address, len)?;
        sum = sum.checked_add(len).ok_or(Errno::Inval)?;
        vectors.push((address, len));
    }
    Ok(vectors)
}
