//! `weir version`.

use clap::Args;

use super::exit::Outcome;

#[derive(Debug, Args)]
pub struct Version {
    /// Also the versions of the engine, the stores and the clients inside
    #[arg(short, long)]
    verbose: bool,
}

impl Version {
    pub fn main(&self) -> Outcome {
        anstream::println!("weir {}", env!("CARGO_PKG_VERSION"));
        if self.verbose {
            let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
            anstream::println!("wasmedge {}", crate::function::Engine::version());
            anstream::println!("librdkafka {librdkafka}");
            anstream::println!("guest-abi 1");
        }
        Ok(())
    }
}
