//! The three streams as file descriptors. There are no others, and none can be opened.

use super::call::Refusal;
use super::errno::Errno;
use crate::function::memory::Memory;

pub(super) const STDIN: u32 = 0;
pub(super) const STDOUT: u32 = 1;
pub(super) const STDERR: u32 = 2;

/// The type of a stream that is neither a file nor a terminal.
const UNKNOWN: u8 = 0;
const RIGHT_TO_READ: u64 = 1 << 1;
const RIGHT_TO_WRITE: u64 = 1 << 6;
const RIGHT_TO_POLL: u64 = 1 << 27;

/// Of those that are open, their flags, which mean nothing here: each read and write is done at once.
pub(super) struct Descriptors([Option<u16>; 3]);

impl Default for Descriptors {
    fn default() -> Descriptors {
        Descriptors([Some(0); 3])
    }
}

impl Descriptors {
    fn open(&mut self, fd: u32) -> Result<&mut u16, Errno> {
        self.0.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BadF)
    }

    pub(super) fn is_open(&self, fd: u32) -> bool {
        self.0.get(fd as usize).is_some_and(Option::is_some)
    }

    pub(super) fn check(&self, fd: u32) -> Result<(), Errno> {
        if self.is_open(fd) { Ok(()) } else { Err(Errno::BadF) }
    }

    pub(super) fn reads(&self, fd: u32) -> Result<(), Errno> {
        if fd == STDIN { self.check(fd) } else { Err(Errno::BadF) }
    }

    pub(super) fn writes(&self, fd: u32) -> Result<(), Errno> {
        if fd == STDOUT || fd == STDERR { self.check(fd) } else { Err(Errno::BadF) }
    }

    pub(super) fn close(&mut self, fd: u32) -> Result<(), Refusal> {
        self.open(fd)?;
        self.0[fd as usize] = None;
        Ok(())
    }

    pub(super) fn set_flags(&mut self, fd: u32, flags: u32) -> Result<(), Refusal> {
        *self.open(fd)? = flags as u16;
        Ok(())
    }

    /// An `fdstat`: type, flags, rights, rights to hand on.
    pub(super) fn status(&mut self, fd: u32, memory: &mut Memory<'_>, to: u32) -> Result<(), Refusal> {
        let flags = *self.open(fd)?;
        let rights = RIGHT_TO_POLL | if fd == STDIN { RIGHT_TO_READ } else { RIGHT_TO_WRITE };
        let mut status = [0; 24];
        status[0] = UNKNOWN;
        status[2..4].copy_from_slice(&flags.to_le_bytes());
        status[8..16].copy_from_slice(&rights.to_le_bytes());
        Ok(memory.write(to, &status)?)
    }

    /// A `filestat`: it has a type, and nothing else to tell.
    pub(super) fn file_status(&mut self, fd: u32, memory: &mut Memory<'_>, to: u32) -> Result<(), Refusal> {
        self.open(fd)?;
        let mut status = [0; 64];
        status[16] = UNKNOWN;
        Ok(memory.write(to, &status)?)
    }

    /// A stream has no places to go to.
    pub(super) fn seek(&self, fd: u32) -> Result<(), Refusal> {
        self.check(fd)?;
        Err(Errno::SPipe.into())
    }
}
