//! What a panic says, left where the host looks for it once the call has trapped.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

/// Exported as the global `weir_panic`, which is its address: the host reads the text's address and its length there.
#[repr(C)]
pub struct LastWords {
    address: AtomicU32,
    len: AtomicU32,
}

#[cfg_attr(target_family = "wasm", no_mangle)]
#[allow(non_upper_case_globals)]
pub static weir_panic: LastWords = LastWords { address: AtomicU32::new(0), len: AtomicU32::new(0) };

/// From here on. What [`handler!`](crate::handler) exports does it.
pub fn keep() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| std::panic::set_hook(Box::new(|info| leave(text(info)))));
}

/// Ends the call as a panic does, with the text alone. For what runs other people's programs: the place in its own source
/// tells them nothing.
pub fn end(text: String) -> ! {
    leave(text);
    std::process::abort()
}

fn leave(text: String) {
    // The instance ends with this call, so nobody would free the text.
    let text = String::leak(text);
    weir_panic.address.store(text.as_ptr() as usize as u32, Ordering::Relaxed);
    weir_panic.len.store(text.len() as u32, Ordering::Relaxed);
}

fn text(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
    match info.location() {
        Some(place) => format!("panicked at {}:{}: {said}", place.file(), place.line()),
        None => format!("panicked: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_its_text() {
        static HEARD: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|info| HEARD.lock().unwrap().push(text(info))));
        let _ = std::panic::catch_unwind(|| panic!("as it is"));
        let _ = std::panic::catch_unwind(|| panic!("{} of {}", 7, 3));
        std::panic::set_hook(before);
        let heard = HEARD.lock().unwrap();
        assert!(heard.iter().all(|text| text.starts_with("panicked at sdk/src/panic.rs:")), "{heard:?}");
        assert!(heard[0].ends_with(": as it is") && heard[1].ends_with(": 7 of 3"), "{heard:?}");
    }
}
