#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[allow(dead_code)] // One of them each.
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| _ = targets::documents(input));
