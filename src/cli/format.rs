//! What a command prints: something for people, or JSON for programs.

use clap::ValueEnum;

/// Of a command whose answer is a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Textual {
    Text,
    Json,
}

/// Of a command whose answer is a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tabular {
    Table,
    Json,
}
