//! What the host offers besides events: its log, and the function's configuration.

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Writes to the worker's log, with the function's name and the event's id; in a test to standard error.
pub fn log(level: Level, text: &str) {
    outside::log(level, text);
}

/// What the Function document says under `config`, or under `script` its script's text. It does not change while an instance
/// lives.
pub fn config(key: &str) -> Option<String> {
    outside::config(key)
}

#[cfg(target_family = "wasm")]
mod outside {
    use super::Level;

    mod imported {
        #[link(wasm_import_module = "weir")]
        extern "C" {
            pub fn log(level: u32, text: *const u8, len: usize);
            pub fn config(key: *const u8, key_len: usize, value: *mut u8, room: usize) -> i64;
        }
    }

    pub fn log(level: Level, text: &str) {
        // SAFETY: the host reads that text.
        unsafe { imported::log(level as u32, text.as_ptr(), text.len()) }
    }

    pub fn config(key: &str) -> Option<String> {
        let ask = |value: &mut [u8]| {
            // SAFETY: the host reads that key, and writes no more than there is room for.
            unsafe { imported::config(key.as_ptr(), key.len(), value.as_mut_ptr(), value.len()) }
        };
        let len = usize::try_from(ask(&mut [])).ok()?;
        let mut value = vec![0; len];
        ask(&mut value);
        String::from_utf8(value).ok()
    }
}

#[cfg(not(target_family = "wasm"))]
mod outside {
    use super::{Level, CONFIG};

    pub fn log(level: Level, text: &str) {
        eprintln!("{level:?}: {text}");
    }

    pub fn config(key: &str) -> Option<String> {
        CONFIG.with_borrow(|config| {
            config.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
        })
    }
}

#[cfg(not(target_family = "wasm"))]
thread_local! {
    static CONFIG: std::cell::RefCell<Vec<(String, String)>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// For tests on this machine: what [`config`] finds on this thread from here on.
#[cfg(not(target_family = "wasm"))]
pub fn configure(config: &[(&str, &str)]) {
    CONFIG.set(config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_says_what_is_configured() {
        assert_eq!(config("limit"), None);
        configure(&[("limit", "10000"), ("empty", "")]);
        assert_eq!((config("limit").as_deref(), config("empty").as_deref()), (Some("10000"), Some("")));
        assert_eq!(config("Limit"), None);
    }
}
