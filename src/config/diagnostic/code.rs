//! What kind of problem a diagnostic tells of: a short name that stays, for programs and for silencing.

use std::fmt;

/// One of [`Code::ALL`], or the code of a lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    pub const FILE: Code = Code("file");
    pub const SYNTAX: Code = Code("syntax");
    pub const DOCUMENT: Code = Code("document");
    pub const UNKNOWN_FIELD: Code = Code("unknown-field");
    pub const MISSING_FIELD: Code = Code("missing-field");
    pub const VALUE: Code = Code("value");
    pub const REFERENCE: Code = Code("reference");
    pub const SETTING: Code = Code("setting");
    pub const UNSUPPORTED: Code = Code("unsupported");
    pub const WITHOUT_EFFECT: Code = Code("without-effect");
    pub const PASSED_OVER: Code = Code("passed-over");
    pub const NOTHING: Code = Code("nothing");

    /// Each with what it means, as docs/diagnostics.md has it. What was published once stays.
    pub const ALL: [(Code, &'static str); 12] = [
        (Code::FILE, "a path does not exist, or a file can't be read"),
        (Code::SYNTAX, "a file is no YAML, or more than is read"),
        (Code::DOCUMENT, "it is not clear what a document is: its apiVersion, kind or name"),
        (Code::UNKNOWN_FIELD, "there is no such field, annotation or filter dialect"),
        (Code::MISSING_FIELD, "a field must be there and is not, or is empty"),
        (Code::VALUE, "a value can't stand where it stands, or does not mean what it seems to"),
        (Code::REFERENCE, "what is named is not there, or is there twice"),
        (Code::SETTING, "weir.yaml, a `WEIR_…` variable or a flag says something wrong"),
        (Code::UNSUPPORTED, "this version does not do it, and so refuses it"),
        (Code::WITHOUT_EFFECT, "it is taken in and changes nothing in this version"),
        (Code::PASSED_OVER, "a document of somebody else's kind, not read"),
        (Code::NOTHING, "there is no trigger at all"),
    ];

    /// The code of a lint, whose name begins with `lint/`.
    pub(in crate::config) const fn of_lint(code: &'static str) -> Code {
        Code(code)
    }

    pub fn text(self) -> &'static str {
        self.0
    }

    /// Whether it is that of a lint, which can be silenced.
    pub fn is_lint(self) -> bool {
        self.0.starts_with("lint/")
    }
}

/// Most of what is wrong is a value.
impl Default for Code {
    fn default() -> Code {
        Code::VALUE
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
