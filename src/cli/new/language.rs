//! The languages that a project can be written in: what stands in it, and what is done with it.

use std::fmt;

use clap::ValueEnum;

/// In the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// The language with the SDK
    Rust,
    /// Without a libc: the smallest and quickest modules
    C,
}

impl Language {
    /// Where its module is when it has been built.
    pub(super) fn module(self, name: &str) -> String {
        match self {
            Language::Rust => {
                format!("target/wasm32-unknown-unknown/release/{}.wasm", name.replace('-', "_"))
            }
            Language::C => format!("{name}.wasm"),
        }
    }

    /// The commands that come next, with what each does.
    pub(super) fn commands(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Language::Rust => &[
                ("cargo test", "its own tests, on this machine"),
                ("cargo build --release --target wasm32-unknown-unknown", "the module"),
            ],
            Language::C => &[("make test", "its own test, on this machine"), ("make", "the module")],
        }
    }

    /// Why a name that is good for a function is not for a project in this language.
    pub(super) fn taken(self, name: &str) -> Option<&'static str> {
        match self {
            Language::Rust if RUST_KEYWORDS.contains(&name) => Some("it is a keyword of Rust"),
            Language::Rust if RUST_CRATES.contains(&name) => Some("it is a crate that the function uses"),
            Language::C if name == "test" => Some("test.c is the test"),
            _ => None,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Rust => "Rust",
            Language::C => "C",
        })
    }
}

/// cargo refuses a package of such a name.
const RUST_KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];
const RUST_CRATES: [&str; 9] =
    ["alloc", "core", "proc-macro", "proc_macro", "serde", "serde-json", "std", "test", "weir-guest"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_taken_in_one_language_alone() {
        assert!(Language::Rust.taken("yield").is_some());
        assert_eq!(Language::C.taken("yield"), None);
        assert_eq!(Language::Rust.taken("payment"), None);
        assert!(Language::C.taken("test").is_some() && Language::Rust.taken("test").is_some());
    }
}
