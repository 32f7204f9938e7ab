//! What somebody sees who types commands: each with its output, its talk and its exit code, held to a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::worker::Home;

/// Commands in a directory of their own, and what they said.
pub(crate) struct Session {
    pub(crate) home: Home,
    name: &'static str,
    said: String,
    /// Durations are said.
    timed: bool,
    /// What varies, and what stands for it.
    hidden: Vec<(String, &'static str)>,
}

impl Session {
    pub(crate) fn new(name: &'static str) -> Session {
        let home = Home::new("");
        std::fs::remove_file(home.documents()).unwrap();
        let version = format!("weir {}", env!("CARGO_PKG_VERSION"));
        Session { home, name, said: String::new(), timed: false, hidden: vec![(version, "weir [VERSION]")] }
    }

    /// What commands say holds durations.
    pub(crate) fn timed(mut self) -> Session {
        self.timed = true;
        self
    }

    pub(crate) fn hide(&mut self, text: impl ToString, shown: &'static str) {
        self.hidden.push((text.to_string(), shown));
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// `weir`, for people of any terminal.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.home.command();
        for name in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        // Native code is kept from run to run.
        command.env("WEIR_FUNCTION_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("native"));
        command
    }

    /// Types a command.
    pub(crate) fn weir(&mut self, arguments: &[&str]) -> &mut Session {
        let mut command = self.command();
        command.args(arguments);
        self.run(arguments, command, b"")
    }

    /// Types a command whose environment or input is special.
    pub(crate) fn run(&mut self, arguments: &[&str], mut command: Command, input: &[u8]) -> &mut Session {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that never reads it may be gone.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let typed: Vec<_> = arguments.iter().map(|argument| quoted(argument)).collect();
        self.said += &self.steady(&format!("$ weir {}\n", typed.join(" ")));
        for (name, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !text.is_empty() {
                let text = self.steady(std::str::from_utf8(text).unwrap());
                self.said += &format!("--- {name}\n{text}");
            }
        }
        self.said += &format!("--- exit {}\n\n", output.status.code().expect("it ended by itself"));
        self
    }

    /// Holds all that was said to tests/cli/<name>.txt, which `UPDATE_EXPECTED=1` writes.
    #[track_caller]
    pub(crate) fn expect(&self) {
        let path = format!("tests/cli/{}.txt", self.name);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &self.said).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        snapbox::assert_data_eq!(&self.said, snapbox::Data::text(expected).raw());
    }

    /// Without what differs from run to run.
    fn steady(&self, text: &str) -> String {
        let mut text = text.replace(&*self.home.path().to_string_lossy(), "[HOME]");
        for (hidden, shown) in &self.hidden {
            text = text.replace(hidden.as_str(), shown);
        }
        if !self.timed {
            return text;
        }
        text.lines().map(|line| steady_times(line) + "\n").collect()
    }
}

/// "in 24.3 us (41 a second)" to "in [TIME] ([RATE] a second)"; fuel is as the guest's compiler will have it; and of the
/// spaces that make columns one is left: they are as wide as the times in them.
fn steady_times(line: &str) -> String {
    let mut words = line.split(' ').filter(|word| !word.is_empty()).peekable();
    let mut out: Vec<String> = Vec::new();
    while let Some(word) = words.next() {
        let number = |text: &str| text.parse::<f64>().is_ok();
        let next = words.peek().copied().unwrap_or_default();
        let unit = next.trim_end_matches([';', ',']);
        if number(word) && ["ns", "us", "ms", "s", "min"].contains(&unit) {
            out.push(format!("[TIME]{}", &next[unit.len()..]));
            words.next();
        } else if number(word.trim_start_matches('(')) && next == "a" {
            out.push("([RATE]".to_owned());
        } else if number(word) && next == "units" {
            out.push("[FUEL]".to_owned());
        } else {
            out.push(word.to_owned());
        }
    }
    let indent = if line.starts_with("  ") { "  " } else { "" };
    format!("{indent}{}", out.join(" "))
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@{}[]".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{argument}'")
    }
}
