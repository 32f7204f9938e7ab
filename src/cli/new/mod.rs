//! `weir new`.

mod engine;
mod language;
mod project;

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use self::language::{ENGINE, Language};
use self::project::File;
use super::exit::{Failed, Outcome};
use super::out::print;
use super::style::{FAINT, PLAIN};

#[derive(Debug, Args)]
pub struct New {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a function that builds, runs and has tests, with its Trigger and a Test
    Function(NewFunction),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The project is a folder of its own, with nothing in it that names this machine. Its function answers
order.created: order.flagged if the amount is over 10,000, else payment.processed. Its own tests run
on this machine, `weir test` plays the cases of triggers/NAME_test.yaml with the built module.

Examples:
  weir new function greeter --lang rust
  weir new function greeter --lang javascript
  weir new function greeter --lang c --in functions")]
struct NewFunction {
    /// Its name: lower-case letters, digits and '-', as in Kubernetes; also the folder's
    name: String,
    /// What it is written in
    #[arg(short, long = "lang", value_name = "LANGUAGE")]
    language: Language,
    /// Where the folder is made
    #[arg(long = "in", value_name = "FOLDER", default_value = ".", hide_default_value = true)]
    folder: PathBuf,
    /// For JavaScript: the engine's module, of which the project gets a copy [default: functions/javascript.wasm, here or
    /// in a folder above, or above weir itself]
    #[arg(long, value_name = "FILE")]
    engine: Option<PathBuf>,
}

impl New {
    pub fn main(&self) -> Outcome {
        match &self.what {
            What::Function(function) => function.main(),
        }
    }
}

impl NewFunction {
    fn main(&self) -> Outcome {
        let NewFunction { name, language, folder, engine } = self;
        if !is_name(name) {
            return Err(Failed::usage(format!("'{name}' is no name for a function"))
                .help("lower-case letters, digits and '-', at most 63, a letter first and no '-' last"));
        }
        if let Some(why) = language.taken(name) {
            return Err(Failed::usage(format!("a function in {language} can't be called '{name}': {why}"))
                .help(format!("choose another name: {name}-function")));
        }
        let engine = match language {
            Language::JavaScript => Some(engine::find(engine.as_deref())?),
            _ if engine.is_some() => {
                return Err(Failed::usage(format!("a function in {language} needs no --engine"))
                    .help("leave it out: JavaScript alone runs in one"));
            }
            _ => None,
        };
        let project = if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) };
        match fs::create_dir(&project) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Failed::error(format!("'{}' is there already", project.display()))
                    .help("nothing was written: choose another name, or another place with --in"));
            }
            Err(error) => {
                return Err(Failed::error(format!("can't make '{}': {error}", project.display())));
            }
        }
        let files = project::files(name, *language);
        let written = files.iter().try_for_each(|file| write(&project, file));
        if let Err(failed) = written.and_then(|()| engine.map_or(Ok(()), |engine| copy(&project, &engine))) {
            // What this command made, and nothing else: the folder was not there.
            let _ = fs::remove_dir_all(&project);
            return Err(failed);
        }
        print(self.told(&project, &files))
    }

    fn told(&self, project: &Path, files: &[File]) -> String {
        let mut text = format!("{}, a function in {}:\n", project.display(), self.language);
        for file in files.iter().filter(|file| !is_of_the_sdk(&file.path)) {
            text += &format!("  {}\n", file.path);
        }
        if self.language == Language::JavaScript {
            text += &format!("  {ENGINE:54}  {FAINT}the engine, a copy{PLAIN}\n");
        }
        text += &format!("\nNext:\n  cd {}\n", project.display());
        let of_weir = [
            ("weir test".to_owned(), self.language.cases()),
            ("weir run".to_owned(), "a worker; from another terminal:"),
        ];
        for (command, does) in self.language.commands(&self.name).iter().chain(&of_weir) {
            text += &format!("  {command:54}  {FAINT}{does}{PLAIN}\n");
        }
        let order = r#"{"order_id": "7", "amount": 12000, "currency": "EUR"}"#;
        text + &format!("  weir publish --type order.created --data '{order}'\n")
    }
}

/// Nobody need look at it.
fn is_of_the_sdk(path: &str) -> bool {
    path.starts_with("weir-guest/src/") || path.starts_with("weir/")
}

/// A name that is good everywhere: for Kubernetes' Services, in file names, in every language.
fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    first && text.len() <= 63 && text.bytes().all(inner) && !text.ends_with('-')
}

fn write(project: &Path, file: &File) -> Result<(), Failed> {
    let path = project.join(&file.path);
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::File::create_new(&path)?.write_all(file.text.as_bytes()));
    written.map_err(|error| Failed::error(format!("can't write '{}': {error}", path.display())))
}

fn copy(project: &Path, engine: &Path) -> Result<(), Failed> {
    let copied = fs::copy(engine, project.join(ENGINE));
    copied.map(drop).map_err(|error| Failed::error(format!("can't copy '{}': {error}", engine.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_good_everywhere() {
        for good in ["a", "greeter", "to-2", &"a".repeat(63)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "2nd", "-a", "a-", "a.b", "a_b", "Greeter", "../a", "a/b", "ä", &"a".repeat(64)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
