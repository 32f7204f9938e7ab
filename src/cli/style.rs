//! The few colours of the command line.

use anstyle::{AnsiColor, Reset, Style};

pub const PLAIN: Reset = Reset;
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const DOUBT: Style = AnsiColor::Yellow.on_default().bold();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const HEAD: Style = Style::new().bold();
pub const FAINT: Style = Style::new().dimmed();
