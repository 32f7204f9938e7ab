//! The command line.

pub mod bar;
pub mod build;
pub mod check;
pub mod cost;
pub mod dlq;
pub mod documents;
pub mod exit;
pub mod explain;
pub mod format;
pub mod input;
pub mod interrupt;
pub mod invoke;
pub mod journal;
pub mod lag;
pub mod new;
pub mod options;
pub mod out;
pub mod outbox;
pub mod post;
pub mod produce;
mod produce_nats;
pub mod publish;
pub mod run;
pub mod schema;
pub mod setup;
pub mod status;
pub mod stored;
pub mod style;
pub mod table;
pub mod tap;
pub mod test;
mod usage_stream;
mod usage_tally;
mod usage_topic;
pub mod version;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// An event-driven stream-processing worker: CloudEvents in, warm WasmEdge functions, exact costs out.
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100, after_help = FIRST_STEPS)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  weir new function NAME --lang rust a function of your own, with its trigger and tests
  weir check                         look through triggers/ and weir.yaml for mistakes
  weir run                           serve a broker on http://127.0.0.1:8080
  weir publish --type order.created --data '{\"order_id\": \"1\", \"amount\": 12000, \"currency\": \"EUR\"}'
  weir explain --type order.created  which triggers that would meet, and why
  weir journal                       what each event did
  weir cost                          what that cost
  weir dlq list                      what could not be done

Exit codes:
   0  all is well
   1  it failed
  64  the command was called wrongly
  78  the configuration is wrong";

const COMPLETIONS: &str = "\
Examples:
  weir completions bash > ~/.local/share/bash-completion/completions/weir
  weir completions zsh > ~/.zfunc/_weir                  with ~/.zfunc in $fpath
  weir completions fish > ~/.config/fish/completions/weir.fish";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the worker: accept events, run functions, until SIGTERM
    Run(run::Run),
    /// Look for mistakes in triggers, functions and settings; run nothing
    Check(check::Check),
    /// Say which triggers an event meets, and why: every clause, the delivery it gets
    Explain(explain::Explain),
    /// Write a new function: a project that builds, runs and has tests
    New(new::New),
    /// Compile the functions beforehand, as for an image: workers then find them
    Build(build::Build),
    /// Run the tests that stand beside the triggers, with the real functions
    Test(test::TestOf),
    /// Send events to a worker or any CloudEvents endpoint
    Publish(publish::Publish),
    /// Look at the records of a Kafka source, as events with their triggers, and leave no trace
    Tap(tap::Tap),
    /// Make the topics that Kafka's sources and sinks need, or say which those are
    Setup(setup::Setup),
    /// Show how far each Kafka source is behind, and what is parked
    Lag(lag::Lag),
    /// Call one function with one event, without a worker
    Invoke(invoke::Invoke),
    /// Show what events have cost, by trigger, function, tenant, outcome, cause or hour
    Cost(cost::CostOf),
    /// Show what each attempt did; verify, dump or rescue the journal of it
    Journal(journal::Show),
    /// Look at dead letters, deliver them again, drop them
    Dlq(dlq::Dlq),
    /// Show what the running worker has done since its start; fail if none runs
    Status(status::StatusOf),
    /// Print the JSON Schemas of documents and settings, for editors
    Schema(schema::Print),
    /// Print the script that completes weir's commands in a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Whose script
        shell: clap_complete::Shell,
    },
    /// Print the version, with --verbose those of what weir is made of
    Version(version::Version),
}

/// Reads the arguments of the process, runs the command and says how it ended.
pub fn main() -> ExitCode {
    if let Some(code) = crate::function::compile_apart() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version that were asked for are no mistakes.
            let code = if error.use_stderr() { 64 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    exit::code(match cli.command {
        Command::Run(run) => run.main(),
        Command::Check(check) => check.main(),
        Command::Explain(explain) => explain.main(),
        Command::New(new) => new.main(),
        Command::Build(build) => build.main(),
        Command::Test(test) => test.main(),
        Command::Publish(publish) => publish.main(),
        Command::Tap(tap) => tap.main(),
        Command::Setup(setup) => setup.main(),
        Command::Lag(lag) => lag.main(),
        Command::Invoke(invoke) => invoke.main(),
        Command::Cost(cost) => cost.main(),
        Command::Journal(show) => show.main(),
        Command::Dlq(dlq) => dlq.main(),
        Command::Status(status) => status.main(),
        Command::Schema(schema) => schema.main(),
        Command::Completions { shell } => {
            // Into memory first: on a closed pipe it would panic.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "weir", &mut script);
            out::print(String::from_utf8_lossy(&script))
        }
        Command::Version(version) => version.main(),
    })
}
