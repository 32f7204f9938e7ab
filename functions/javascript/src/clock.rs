//! QuickJS asks for the time through a function of its own, which is the host's clock here.

#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
}

const REALTIME: u32 = 0;

/// Microseconds since 1970.
#[no_mangle]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    let mut nanoseconds = 0;
    // SAFETY: the host writes eight bytes there.
    let errno = unsafe { clock_time_get(REALTIME, 1_000, &mut nanoseconds) };
    if errno == 0 {
        nanoseconds as f64 / 1_000.0
    } else {
        0.0
    }
}
