//! What native code is for. WasmEdge compiles for the processor that it runs on. What it calls a generic binary is not for
//! any processor either: it leaves out what is particular to the model, and still uses every feature that the processor
//! has. So such code runs where all of these are, and that can be told: the compiler says which it uses.

use std::collections::BTreeSet;
use std::env::consts::{ARCH, OS};
use std::fs;

use super::super::engine::{self, Configuration};
use super::super::meter;
use super::{Code, FORMAT};

pub(super) struct Target {
    /// All that its code depends on, besides the module.
    identity: String,
    /// What the compiler uses; `None`: its identity says it.
    features: Option<BTreeSet<String>>,
}

impl Target {
    /// This kind of processor.
    pub(super) fn native() -> Target {
        Target { identity: format!("{}\n{}", engine::version(), processor()), features: None }
    }

    /// Every processor with the features of this one; `None`: they can't be told.
    pub(super) fn portable() -> Option<Target> {
        Some(Target::portable_with(engine::compiler_features()?.as_str()))
    }

    /// `features` as LLVM has them: `+bmi2,-avx512f`.
    pub(super) fn portable_with(features: &str) -> Target {
        let used = features.split(',').filter_map(|feature| feature.trim().strip_prefix('+'));
        Target {
            identity: format!("{}\nportable {ARCH} {OS}", engine::version()),
            features: Some(used.map(str::to_owned).collect()),
        }
    }

    pub(super) fn configuration(&self) -> Configuration {
        if self.features.is_some() { Configuration::generic() } else { Configuration::new() }
    }

    /// Of the file with that code.
    pub(super) fn name(&self, code: Code<'_>) -> String {
        let (how, wasm) = match code {
            Code::Plain(wasm) => ("plain".to_owned(), wasm),
            Code::Metered(wasm) => (format!("meter {}", meter::VERSION), wasm),
        };
        let mut hasher = blake3::Hasher::new();
        for part in [FORMAT.as_bytes(), self.identity.as_bytes(), how.as_bytes(), wasm] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        format!("{}.so", hasher.finalize().to_hex())
    }

    /// What its code needs of a processor.
    pub(super) fn needs(&self) -> String {
        self.features.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(",")
    }

    /// What is needed and not here.
    pub(super) fn lacks(&self, needs: &str) -> Option<String> {
        let has = |feature: &&str| self.features.as_ref().is_some_and(|features| features.contains(*feature));
        let lacks: Vec<&str> =
            needs.split(',').filter(|feature| !feature.is_empty() && !has(feature)).collect();
        (!lacks.is_empty()).then(|| lacks.join(", "))
    }
}

/// The processor's model and features, as the system names them. Of the first processor: they are alike in what matters.
fn processor() -> String {
    const TELLING: [&str; 10] = [
        "vendor_id",
        "cpu family",
        "model",
        "model name",
        "flags",
        "Features",
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
    ];
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let first = info.split("\n\n").next().unwrap_or_default();
    let telling = first
        .lines()
        .filter(|line| line.split_once(':').is_some_and(|(key, _)| TELLING.contains(&key.trim_end())));
    [ARCH, OS].into_iter().chain(telling).collect::<Vec<_>>().join("\n")
}
