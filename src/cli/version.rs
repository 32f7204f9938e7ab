//! `weir version`.

use clap::Args;

use super::exit::Outcome;
use super::out::print;

#[derive(Debug, Args)]
pub struct Version {
    /// Also the versions of the engine and the clients inside, and what it was built for
    #[arg(short, long)]
    verbose: bool,
}

impl Version {
    pub fn main(&self) -> Outcome {
        print(format_args!("weir {}\n", env!("CARGO_PKG_VERSION")))?;
        if !self.verbose {
            return Ok(());
        }
        let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
        let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
        print(format_args!(
            "wasmedge {}\nlibrdkafka {librdkafka}\nguest-abi 1\nbuilt-for {system} {processor}\n",
            crate::function::Engine::version()
        ))
    }
}
