//! What the host offers to import, with its types, and what to say of an import that it doesn't offer.

use wasmparser::ValType::{I32, I64};
use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{FuncType, ValType};

use super::abi::describe;
use super::wasi::Function;
use super::{wasi, weir};
use crate::event::invalid::shown;

/// Of what is alike, this many are named and the others are counted.
pub(super) const NAMED: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Import {
    Log,
    Config,
    Wasi(Function),
}

impl Import {
    pub(super) fn all() -> impl Iterator<Item = Import> {
        [Import::Log, Import::Config].into_iter().chain(Function::ALL.iter().copied().map(Import::Wasi))
    }

    pub(super) fn module(self) -> &'static str {
        match self {
            Import::Log | Import::Config => weir::MODULE,
            Import::Wasi(_) => wasi::MODULE,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Import::Log => weir::LOG,
            Import::Config => weir::CONFIG,
            Import::Wasi(function) => function.name(),
        }
    }

    pub(super) fn parameters(self) -> &'static [ValType] {
        match self {
            Import::Log => &[I32; 3],
            Import::Config => &[I32; 4],
            Import::Wasi(function) => function.parameters(),
        }
    }

    pub(super) fn results(self) -> &'static [ValType] {
        match self {
            Import::Config => &[I64],
            Import::Log => &[],
            Import::Wasi(function) => function.results(),
        }
    }

    /// What a guest may import.
    fn offered(module: &str, name: &str) -> Option<Import> {
        match module {
            weir::MODULE => [Import::Log, Import::Config].into_iter().find(|import| import.name() == name),
            wasi::MODULE => Function::named(name).map(Import::Wasi),
            _ => None,
        }
    }

    fn is(self, types: TypesRef<'_>, entity: EntityType) -> bool {
        let EntityType::Func(id) = entity else { return false };
        *types[id].unwrap_func() == FuncType::new(self.parameters().to_vec(), self.results().to_vec())
    }

    fn wanted(self) -> String {
        let list = |types: &[ValType]| types.iter().map(ValType::to_string).collect::<Vec<_>>().join(", ");
        format!("a function ({}) -> ({})", list(self.parameters()), list(self.results()))
    }
}

/// Everything that a module imports and can't have, each as a sentence about "it".
pub(super) fn refusals(types: TypesRef<'_>) -> Vec<String> {
    let mut unknown = Vec::new();
    let (mut not_weir, mut not_preview_1, mut older) = (Vec::new(), Vec::new(), Vec::new());
    let mut mistyped = Vec::new();
    for (module, name, entity) in types.core_imports().into_iter().flatten() {
        let called = format!("`{}.{}`", shown(module), shown(name));
        match Import::offered(module, name) {
            Some(import) if import.is(types, entity) => {}
            Some(import) => mistyped.push(format!(
                "its import {called} is {}; it must be {}",
                describe(types, entity),
                import.wanted()
            )),
            None if module == weir::MODULE => not_weir.push(called),
            None if module == wasi::MODULE => not_preview_1.push(called),
            None if module == "wasi_unstable" => older.push(called),
            None => unknown.push(called),
        }
    }
    let more = mistyped.len().saturating_sub(NAMED);
    mistyped.truncate(NAMED);
    if more > 0 {
        mistyped.push(format!("{more} more of its imports are of another type than what is there"));
    }
    let offered = "there is `weir.log`, `weir.config` and WASI preview 1";
    let kinds = [
        (unknown, format!("nothing of that is there to import ({offered})")),
        (not_weir, "the host offers `weir.log` and `weir.config` there, and nothing else".to_owned()),
        (not_preview_1, "that is not preview 1".to_owned()),
        (older, "that is WASI before preview 1: build it for wasm32-wasip1".to_owned()),
    ];
    let refused = kinds.into_iter().filter(|(names, _)| !names.is_empty());
    refused.map(|(names, why)| format!("it imports {}; {why}", list(&names))).chain(mistyped).collect()
}

fn list(names: &[String]) -> String {
    let (named, more) = names.split_at(names.len().min(NAMED));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    format!("{}{more}", named.join(", "))
}
