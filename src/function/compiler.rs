//! The compiler, in a process of its own. What LLVM takes of time and memory grows with the square of some things that a
//! module may have, and its stack has an end: whatever becomes of it, the worker goes on, without that module.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::engine::{self, Configuration};
use super::failure::{MESSAGE, told};

/// The first argument of a program that is to be the compiler. Then come the kind of code and the name of the file
/// that is to be made.
const ARGUMENT: &str = "compile-native";
const NATIVE: &str = "native";
const GENERIC: &str = "generic";

/// Of one module. The largest one that anybody has built for this took a minute.
const SECONDS: u64 = 600;
const BYTES: u64 = 4 << 30;

/// The program that this is. Not set: it compiles here.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// What a program calls first that compiles in processes of its own. Such a process has nothing else to do than what is
/// returned.
pub fn apart() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(ARGUMENT)) {
        return Some(serve(&arguments.next()?, Path::new(&arguments.next()?)));
    }
    // On Linux this is the program that runs, whatever has become of its file.
    let this = Path::new("/proc/self/exe");
    let program = if this.exists() { Some(this.to_owned()) } else { env::current_exe().ok() };
    if let Some(program) = program {
        let _ = PROGRAM.set(program);
    }
    None
}

fn serve(kind: &OsStr, out: &Path) -> ExitCode {
    let compiled = bounded().and_then(|wasm| {
        let configuration = if kind == GENERIC { Configuration::generic() } else { Configuration::new() };
        engine::compile_here(&configuration, &wasm, out).map_err(|fault| fault.to_string())?;
        // The engine says nothing of a file that it can't write.
        if out.exists() { Ok(()) } else { Err(format!("{} could not be written", out.display())) }
    });
    match compiled {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = io::stderr().write_all(why.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// Takes no more than it may, goes when the worker goes, and reads the module.
fn bounded() -> Result<Vec<u8>, String> {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    for (resource, own) in [(Resource::Cpu, SECONDS), (Resource::As, BYTES), (Resource::Core, 0)] {
        let current = Some(most(resource, own));
        let _ = setrlimit(resource, Rlimit { current, maximum: getrlimit(resource).maximum });
    }
    engine::quiet();
    let mut wasm = Vec::new();
    io::stdin().read_to_end(&mut wasm).map_err(|error| error.to_string())?;
    Ok(wasm)
}

/// What a process may take, and those that it starts: no more than was said to it.
fn most(resource: Resource, own: u64) -> u64 {
    getrlimit(resource).current.map_or(own, |said| said.min(own))
}

/// `None`: nobody said that it is to be done apart.
pub(super) fn compile(generic: bool, wasm: &[u8], out: &Path) -> Option<Result<(), String>> {
    let program = PROGRAM.get()?;
    let kind = if generic { GENERIC } else { NATIVE };
    let (Some(dir), Some(name)) = (out.parent(), out.file_name()) else {
        return Some(Err(format!("{} is no file", out.display())));
    };
    let mut command = Command::new(program);
    command.arg(ARGUMENT).arg(kind).arg(name);
    // It may be named by a descriptor of this process, which the other one has until it is another program.
    if !dir.as_os_str().is_empty() {
        command.current_dir(dir);
    }
    Some(run(command, wasm))
}

fn run(mut command: Command, wasm: &[u8]) -> Result<(), String> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = |error: io::Error| format!("can't start the compiler: {error}");
    let mut child = command.spawn().map_err(start)?;
    // It reads all of that before it writes anything. One that has ended says why.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(wasm));
    let ended = child.wait_with_output().map_err(start)?;
    if ended.status.success() { Ok(()) } else { Err(why(ended.status, &ended.stderr)) }
}

fn why(status: ExitStatus, said: &[u8]) -> String {
    let said = told(String::from_utf8_lossy(said).trim(), MESSAGE);
    let text = match status.signal() {
        Some(libc::SIGXCPU) => format!("it takes the compiler more than {} s", most(Resource::Cpu, SECONDS)),
        Some(signal) => {
            let gib = BYTES >> 30;
            format!("the compiler died of signal {signal}; it may take {gib} GiB of memory {said}")
        }
        None => said,
    };
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Result<(), String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, &[0; 1 << 20])
    }

    #[test]
    fn whatever_becomes_of_the_compiler_is_said() {
        assert_eq!(sh("cat >/dev/null"), Ok(()));
        let failed = |script| sh(script).unwrap_err();
        assert_eq!(failed("cat >/dev/null; echo no >&2; exit 1"), "no");
        assert_eq!(failed("kill -XCPU $$"), "it takes the compiler more than 600 s");
        let died = "the compiler died of signal 9; it may take 4 GiB of memory";
        assert_eq!(failed("kill -KILL $$"), died);
        assert_eq!(failed("echo LLVM ERROR >&2; kill -KILL $$"), format!("{died} LLVM ERROR"));
        assert!(run(Command::new("/no/such/program"), b"").unwrap_err().starts_with("can't start"));
    }

    #[test]
    fn a_program_that_has_not_said_so_compiles_itself() {
        assert_eq!(compile(false, b"", Path::new("/no/such/file")), None);
    }
}
