//! Guest ABI 1, as far as a module can be checked for it before anything of it runs.

use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{Operator, Parser, Payload, ValType, Validator};

use super::module::Problem;
use super::{import, meter, sizes};
use crate::event::invalid::shown;

pub(super) const VERSION: i64 = 1;
pub(super) const ABI: &str = "weir_abi";
pub(super) const BUFFER: &str = "weir_buffer";
pub(super) const HANDLE: &str = "weir_handle";
pub(super) const INITIALIZE: &str = "_initialize";
pub(super) const START: &str = "_start";

/// Elements of all tables together, 16 bytes each.
const TABLE_ELEMENTS: u64 = 65_536;
/// How a module wants to be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// A program: each event is one run of it.
    pub command: bool,
    /// It imports something of the host's.
    pub imports: bool,
    /// What its memory begins with.
    pub pages: u32,
    /// All that an event may leave behind is in its memory and its globals: no table or segment ever changes.
    pub restorable: bool,
}

/// `pages`: the limit of its memory.
pub(super) fn check(wasm: &[u8], pages: u32) -> Result<Shape, Problem> {
    if let Some(what) = not_a_module(wasm) {
        return Err(Problem::NotAModule(what));
    }
    // What WebAssembly 2.0 has not is refused: tail calls, threads, several memories, exceptions.
    let mut validator = Validator::new_with_features(meter::FEATURES);
    let types = validator.validate_all(wasm).map_err(|error| Problem::Invalid(error.to_string()))?;
    let types = types.as_ref();
    let exported = |export| types.core_exports().into_iter().flatten().any(|(name, _)| name == export);
    let shape = Shape {
        command: exported(START) && !exported(HANDLE),
        imports: types.core_imports().is_some_and(|mut imports| imports.next().is_some()),
        pages: if types.memory_count() > 0 { types.memory_at(0).initial as u32 } else { 0 },
        restorable: !some_operator(wasm, changes_tables),
    };
    let mut violations = import::refusals(types);
    violations.extend(exports(types, shape));
    violations.extend(sizes(types, wasm, pages));
    violations.extend(sizes::violations(types, wasm));
    if violations.is_empty() { Ok(shape) } else { Err(Problem::Abi(violations)) }
}

/// What the file is instead of a core module.
fn not_a_module(bytes: &[u8]) -> Option<String> {
    if Parser::is_core_wasm(bytes) {
        return None;
    }
    if Parser::is_component(bytes) {
        return Some("a component: functions are core modules, as built for wasm32-unknown-unknown".into());
    }
    let text = bytes.trim_ascii_start();
    if text.is_empty() {
        return Some("empty".into());
    }
    if text.starts_with(b"(module") || text.starts_with(b";;") || text.starts_with(b"(;") {
        return Some("WebAssembly text: translate it with wat2wasm first".into());
    }
    let first: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Some(format!("no WebAssembly: it begins with the bytes {} instead of 00 61 73 6d", first.join(" ")))
}

fn exports(types: TypesRef<'_>, shape: Shape) -> Vec<String> {
    let mut violations = Vec::new();
    let (mut memory, mut abi, mut buffer, mut handle) = (false, false, false, false);
    let mut hosts = 0;
    for (name, entity) in types.core_exports().into_iter().flatten() {
        let wanted = match name {
            "memory" => {
                memory = true;
                "a memory"
            }
            ABI => {
                abi = true;
                "a global of type i32 or a function () -> (i32)"
            }
            BUFFER => {
                buffer = true;
                "a function (i32) -> (i32)"
            }
            HANDLE => {
                handle = true;
                "a function (i32) -> (i64)"
            }
            INITIALIZE => "a function () -> ()",
            START if shape.command => "a function () -> ()",
            _ if name.starts_with("weir.") => {
                hosts += 1;
                if hosts <= import::NAMED {
                    let name = shown(name);
                    violations
                        .push(format!("it exports `{name}`: names that begin with `weir.` are the host's"));
                }
                continue;
            }
            _ => continue,
        };
        let is = describe(types, entity);
        if !wanted.split(" or ").any(|one| one == is) {
            violations.push(format!("its export `{name}` is {is}; it must be {wanted}"));
        }
    }
    if hosts > import::NAMED {
        violations.push(format!("{} more of its exports begin with `weir.`", hosts - import::NAMED));
    }
    let commanded = shape.command;
    let needed = [
        (memory, "memory", "a memory"),
        (abi || commanded, ABI, "a global of type i32 or a function () -> (i32), either of them 1"),
        (buffer || commanded, BUFFER, "a function (i32) -> (i32)"),
        (handle || commanded, HANDLE, "a function (i32) -> (i64)"),
    ];
    for (_, name, wanted) in needed.into_iter().filter(|(there, ..)| !there) {
        violations.push(format!("it does not export `{name}`, {wanted}"));
    }
    violations
}

/// What a module's import or export is.
pub(super) fn describe(types: TypesRef<'_>, entity: EntityType) -> String {
    let list = |types: &[ValType]| {
        let names: Vec<String> = types.iter().map(ValType::to_string).collect();
        format!("({})", names.join(", "))
    };
    match entity {
        EntityType::Func(id) | EntityType::FuncExact(id) => {
            let function = types[id].unwrap_func();
            format!("a function {} -> {}", list(function.params()), list(function.results()))
        }
        EntityType::Global(global) => format!("a global of type {}", global.content_type),
        EntityType::Memory(_) => "a memory".into(),
        EntityType::Table(_) => "a table".into(),
        EntityType::Tag(_) => "a tag".into(),
    }
}

/// What an instance takes before it runs, and of tables also while it runs.
fn sizes(types: TypesRef<'_>, wasm: &[u8], pages: u32) -> Vec<String> {
    let mut violations = Vec::new();
    for memory in (0..types.memory_count()).map(|index| types.memory_at(index)) {
        if memory.initial > u64::from(pages) {
            violations.push(format!(
                "its memory begins with {} pages of 64 KiB; the limit is {pages}",
                memory.initial
            ));
        }
    }
    let grows = some_operator(wasm, |operator| matches!(operator, Operator::TableGrow { .. }));
    let elements =
        (0..types.table_count()).map(|index| types.table_at(index)).map(|table| match table.maximum {
            _ if !grows => table.initial,
            Some(maximum) => maximum,
            None => u64::MAX,
        });
    if elements.fold(0, u64::saturating_add) > TABLE_ELEMENTS {
        let how = if grows { "can grow" } else { "begin" };
        violations.push(format!("its tables {how} beyond {TABLE_ELEMENTS} elements in all"));
    }
    violations
}

/// Of a valid module.
fn some_operator(wasm: &[u8], is: fn(&Operator<'_>) -> bool) -> bool {
    Parser::new(0).parse_all(wasm).filter_map(Result::ok).any(|payload| {
        let Payload::CodeSectionEntry(body) = payload else { return false };
        let operators = body.get_operators_reader().into_iter().flatten();
        operators.filter_map(Result::ok).any(|operator| is(&operator))
    })
}

/// Or drops segments, after which what is made of them differs.
fn changes_tables(operator: &Operator<'_>) -> bool {
    use Operator::{DataDrop, ElemDrop, TableCopy, TableFill, TableGrow, TableInit, TableSet};
    matches!(
        operator,
        DataDrop { .. }
            | ElemDrop { .. }
            | TableCopy { .. }
            | TableFill { .. }
            | TableGrow { .. }
            | TableInit { .. }
            | TableSet { .. }
    )
}
