//! What a thread has allocated and not yet given back, and the most that it ever was.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[derive(Debug)]
pub(crate) struct Meter;

#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    now: isize,
    most: isize,
}

thread_local! {
    static BYTES: Cell<Bytes> = const { Cell::new(Bytes { now: 0, most: 0 }) };
}

/// The most that `run` has had at once.
pub(crate) fn most(run: impl FnOnce()) -> usize {
    BYTES.set(Bytes::default());
    run();
    BYTES.get().most.unsigned_abs()
}

fn note(bytes: isize) {
    // A thread that ends frees after its counts are gone.
    let _ = BYTES.try_with(|all| {
        let now = all.get().now + bytes;
        all.set(Bytes { now, most: all.get().most.max(now) });
    });
}

// SAFETY: everything is done by the system's allocator; what is counted beside it allocates nothing.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(-layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size.cast_signed() - layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}
