//! The languages that a project can be written in: what stands in it, and what is done with it.

use std::fmt;

use clap::ValueEnum;

/// In the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// The language with the SDK
    Rust,
    /// Go 1.24 or later: large modules, which take a minute to compile when they are new
    Go,
    /// Nothing to build: the engine is a module that is there, the script is handed to it
    #[value(name = "javascript", alias = "js")]
    JavaScript,
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
            Language::JavaScript => ENGINE.to_owned(),
            Language::Go | Language::C => format!("{name}.wasm"),
        }
    }

    /// What stands in its document beside the module.
    pub(super) fn script(self, name: &str) -> String {
        match self {
            Language::JavaScript => format!("\n  script: ../{name}.js"),
            _ => String::new(),
        }
    }

    /// The commands that come next, with what each does.
    pub(super) fn commands(self, name: &str) -> Vec<(String, &'static str)> {
        let (test, build) = match self {
            Language::Rust => {
                ("cargo test", "cargo build --release --target wasm32-unknown-unknown".to_owned())
            }
            Language::Go => ("go test ./...", format!("{GO_BUILD} -o {name}.wasm .")),
            Language::JavaScript => ("node --test", String::new()),
            Language::C => ("make test", "make".to_owned()),
        };
        let all = [(test.to_owned(), "its own tests, on this machine"), (build, "the module")];
        all.into_iter().filter(|(command, _)| !command.is_empty()).collect()
    }

    /// What `weir test` does, and how long that takes at first.
    pub(super) fn cases(self) -> &'static str {
        match self {
            Language::Rust | Language::C => "the cases of triggers/, with the module",
            Language::Go => "the cases of triggers/; a new module takes a minute to compile",
            Language::JavaScript => "the cases of triggers/; the engine takes half a minute to compile, once",
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
            Language::Go => "Go",
            Language::JavaScript => "JavaScript",
            Language::C => "C",
        })
    }
}

/// What the copy of the engine is called in a project.
pub(super) const ENGINE: &str = "javascript.wasm";

/// A module whose exports are called, not a program; without what only a debugger reads.
const GO_BUILD: &str = "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w'";

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
