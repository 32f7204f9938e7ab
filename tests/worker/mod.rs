//! A worker as its users have it: the `weir` binary as a process on a directory of its own, events sent over HTTP, and
//! what became of them asked with `weir journal` and `weir cost`.

// Each test binary uses what it needs of this.
#![allow(dead_code, unused_imports, unreachable_pub)]

pub mod client;
pub mod guests;
pub mod home;
pub mod running;

pub use client::{Connection, Response};
pub use home::Home;
pub use running::{Ended, Running, eventually, patience};
