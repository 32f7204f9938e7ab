//! What a function answers that did not do what it was asked.

/// With the numbers of preview 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(in crate::function) enum Errno {
    Success = 0,
    /// No such file descriptor.
    BadF = 8,
    Inval = 28,
    Io = 29,
    /// There is no such function here.
    NoSys = 52,
    /// A stream has no places.
    SPipe = 70,
}
