//! QuickJS with Guest ABI 1 around it. The same module serves every script, so it is compiled once: the script is the value
//! `script` of the configuration, read when an instance starts.
//!
//! ```js
//! export default function handle(event) {
//!   return { type: "greeting.made", id: `${event.id}/greeting`, data: `hello, ${event.data.name}` };
//! }
//! ```

#[cfg(target_family = "wasm")]
mod clock;
pub mod engine;

#[cfg(target_family = "wasm")]
mod abi {
    use std::cell::RefCell;

    use weir_guest::{config, panic};

    use crate::engine::Engine;

    struct Instance {
        engine: Engine,
        input: Vec<u8>,
        output: String,
    }

    thread_local! {
        static INSTANCE: RefCell<Option<Instance>> = const { RefCell::new(None) };
    }

    const UNSAID: &str = "the Function names no script: write 'script: FILE.js' beside its module";

    fn with<R>(act: impl FnOnce(&mut Instance) -> R) -> R {
        INSTANCE.with_borrow_mut(|instance| act(instance.as_mut().expect("_initialize comes first")))
    }

    #[no_mangle]
    extern "C" fn _initialize() {
        panic::keep();
        let script = config("script").unwrap_or_else(|| panic::end(UNSAID.to_owned()));
        let engine = Engine::load("script", &script).unwrap_or_else(|error| panic::end(error));
        INSTANCE.set(Some(Instance { engine, input: Vec::new(), output: String::new() }));
    }

    #[no_mangle]
    extern "C" fn weir_abi() -> u32 {
        weir_guest::abi::VERSION
    }

    #[no_mangle]
    extern "C" fn weir_buffer(len: u32) -> *mut u8 {
        with(|instance| {
            if instance.input.len() < len as usize {
                instance.input.resize(len as usize, 0);
            }
            instance.input.as_mut_ptr()
        })
    }

    #[no_mangle]
    extern "C" fn weir_handle(len: u32) -> u64 {
        with(|instance| {
            let event = String::from_utf8_lossy(&instance.input[..len as usize]);
            instance.output = instance.engine.respond(&event).unwrap_or_else(|error| panic::end(error));
            ((instance.output.as_ptr() as usize as u64) << 32) | instance.output.len() as u64
        })
    }
}
