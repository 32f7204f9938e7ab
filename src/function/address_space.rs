//! Is there room for one more instance? WasmEdge reserves 12 GiB of addresses for each memory, because then code need not look
//! whether what it reads or writes is within. Where it gets none it goes on with a memory at address 0, and what a guest
//! does there is done to the worker: so nothing is instantiated unless there is more room than that.

use std::ffi::c_void;
use std::{fs, io, ptr};

use rustix::process::{Resource, getrlimit};

/// Of one memory.
const MEMORY: usize = 12 << 30;
/// As many may be made at once, by threads that have all found room.
const AT_ONCE: usize = 16;
const PAGE: usize = 65_536;

/// Why there is none.
pub(super) fn check() -> Result<(), String> {
    // In one piece there mostly is, and it is found out sooner.
    if Reserved::new(AT_ONCE * MEMORY).is_some() {
        return Ok(());
    }
    let mut pieces = Vec::with_capacity(AT_ONCE);
    while pieces.len() < AT_ONCE {
        pieces.push(Reserved::new(MEMORY).ok_or_else(shortage)?);
    }
    Ok(())
}

/// Addresses where nothing is, until it is dropped.
struct Reserved {
    first: *mut c_void,
    len: usize,
}

impl Reserved {
    fn new(len: usize) -> Option<Reserved> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a mapping of its own, at no place in particular, of which nothing is read or written. A part in the middle is
        // made what a memory is: that takes two mappings more.
        unsafe {
            let first = libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0);
            if first == libc::MAP_FAILED {
                return None;
            }
            let reserved = Reserved { first, len };
            let made = libc::mprotect(first.byte_add(len / 2), PAGE, libc::PROT_READ | libc::PROT_WRITE);
            (made == 0).then_some(reserved)
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: the mapping is its own, and nobody knows of it.
        unsafe { libc::munmap(self.first, self.len) };
    }
}

/// What is at its end, and what helps.
pub(super) fn shortage() -> String {
    let error = io::Error::last_os_error();
    if let Some(limit) = getrlimit(Resource::As).current {
        let gib = limit >> 30;
        return format!("each takes 12 GiB of addresses, and this process may have {gib} GiB (`ulimit -v`)");
    }
    let maps = fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
    let most =
        fs::read_to_string("/proc/sys/vm/max_map_count").ok().and_then(|text| text.trim().parse().ok());
    match most {
        Some(most) if maps + 4 * AT_ONCE >= most => {
            format!("this process has {maps} mappings of memory, and may have {most}: raise vm.max_map_count")
        }
        _ => format!(
            "each takes 12 GiB of addresses, and there are no more ({error}): \
             fewer functions in one worker, or fewer executors, take fewer instances"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_and_it_is_given_back() {
        // 190 TiB, of which there are 128.
        for _ in 0..1_000 {
            assert_eq!(check(), Ok(()));
        }
    }
}
