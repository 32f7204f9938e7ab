//! Runs a module as it is and with its limits, by the interpreter or natively, and tells whether that makes a difference.

use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use wasmedge_sys::ffi;

use super::super::cache::Code;
use super::super::engine::{Ast, Engine, Fault, name};
use super::super::limits::Limits;
use super::super::sandbox::Executor;
use super::{DEPTH, FUEL, rewrite};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Interpreted,
    Native,
}

/// Floats are their bits. Of a reference only whether it is null: what it points at differs from instance to instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
    Function { null: bool },
    Host { null: bool },
}

/// What a module did: at its start, at each call, and what it left in memory and in its exported globals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trace {
    pub start: Result<(), Fault>,
    pub calls: Vec<Result<Vec<Value>, Fault>>,
    pub memory: Vec<u8>,
    pub globals: Vec<Value>,
}

impl Trace {
    /// What ended it.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.start.err().or_else(|| self.calls.last().and_then(|call| call.as_ref().err().copied()))
    }
}

/// What was metered of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metered {
    pub fuel: Vec<u64>,
    pub depth: Option<Value>,
    pub too_deep: bool,
    pub growth_refused: bool,
}

pub(super) type Call<'a> = (&'a str, Vec<Value>);

fn engine() -> Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    let start = || Engine::start(&tempfile::tempdir().unwrap().keep()).unwrap();
    ENGINE.get_or_init(start).clone()
}

fn load(engine: &Engine, wasm: &[u8], how: How) -> Ast {
    match how {
        How::Native => engine.fetch("", Code::Plain(wasm)).unwrap().ast,
        How::Interpreted => {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), wasm).unwrap();
            Ast::load(&engine.configuration, file.path()).unwrap()
        }
    }
}

/// Runs a module until one of the calls fails. `globals`: those whose values are wanted.
pub(super) fn run(
    wasm: &[u8],
    how: How,
    fuel: Option<u64>,
    calls: &[Call<'_>],
    globals: &[String],
) -> (Trace, Metered) {
    let engine = engine();
    let executor = engine.executor();
    let limits = Limits { fuel, timeout: Duration::from_secs(600), ..Limits::default() };
    executor.running.begin(&limits, Instant::now());
    let mut trace = Trace { start: Ok(()), calls: Vec::new(), memory: Vec::new(), globals: Vec::new() };
    let mut metered = Metered { fuel: Vec::new(), depth: None, too_deep: false, growth_refused: false };
    match Guest::new(&executor, load(&engine, wasm, how)) {
        Err(fault) => trace.start = Err(fault),
        Ok(guest) => {
            for (function, arguments) in calls {
                guest.refuel(executor.running.begin(&limits, Instant::now()));
                trace.calls.push(guest.call(function, arguments));
                let left = guest.global(FUEL);
                metered.fuel.extend(left.map(|left| match left {
                    Value::I64(left) => executor.running.used(left) as u64,
                    other => panic!("fuel is {other:?}"),
                }));
                if trace.calls.last().is_some_and(Result::is_err) {
                    break;
                }
            }
            trace.memory = guest.memory();
            trace.globals = globals.iter().map(|global| guest.global(global).unwrap()).collect();
            metered.depth = guest.global(DEPTH);
        }
    }
    metered.too_deep = executor.running.too_deep();
    metered.growth_refused = executor.running.growth_refused();
    (trace, metered)
}

/// Runs both, and asserts that the limits change nothing but that there are some.
pub(super) fn compare(wasm: &[u8], how: How, calls: &[Call<'_>]) -> (Trace, Metered) {
    let globals = exported_globals(wasm);
    let (plain, _) = run(wasm, how, None, calls, &globals);
    let (trace, metered) = run(&rewrite(wasm).unwrap(), how, None, calls, &globals);
    assert_eq!(plain, trace, "{how:?}: first as it is, then with limits");
    if trace.start.is_ok() && trace.calls.iter().all(Result::is_ok) {
        assert_eq!(metered.depth, Some(Value::I32(0)), "what was called has ended");
    }
    (trace, metered)
}

pub(super) fn exported_globals(wasm: &[u8]) -> Vec<String> {
    exports(wasm, wasmparser::ExternalKind::Global)
}

pub(super) fn exports(wasm: &[u8], kind: wasmparser::ExternalKind) -> Vec<String> {
    let mut names = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let wasmparser::Payload::ExportSection(section) = payload.unwrap() {
            let exports = section.into_iter().map(Result::unwrap).filter(|export| export.kind == kind);
            names.extend(exports.map(|export| export.name.to_owned()));
        }
    }
    names
}

struct Guest {
    instance: NonNull<ffi::WasmEdge_ModuleInstanceContext>,
    executor: Rc<Executor>,
    _ast: Ast,
}

impl Guest {
    fn new(executor: &Rc<Executor>, ast: Ast) -> Result<Guest, Fault> {
        let mut instance = ptr::null_mut();
        // SAFETY: all contexts are alive and in this thread.
        Fault::check(unsafe {
            ffi::WasmEdge_ExecutorInstantiate(
                executor.context.as_ptr(),
                &raw mut instance,
                executor.store.as_ptr(),
                ast.0.as_ptr(),
            )
        })?;
        Ok(Guest { instance: NonNull::new(instance).unwrap(), executor: executor.clone(), _ast: ast })
    }

    fn refuel(&self, fuel: i64) {
        // SAFETY: the global found lives as long as the instance.
        unsafe {
            let global = ffi::WasmEdge_ModuleInstanceFindGlobal(self.instance.as_ptr(), name(FUEL));
            if !global.is_null() {
                ffi::WasmEdge_GlobalInstanceSetValue(global, ffi::WasmEdge_ValueGenI64(fuel));
            }
        }
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Result<Vec<Value>, Fault> {
        // SAFETY: what is found lives as long as the instance; there is room for all results.
        unsafe {
            let found = ffi::WasmEdge_ModuleInstanceFindFunction(self.instance.as_ptr(), name(function));
            let ty = ffi::WasmEdge_FunctionInstanceGetFunctionType(found);
            let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_engine()).collect();
            let count = ffi::WasmEdge_FunctionTypeGetReturnsLength(ty);
            let mut results = vec![ffi::WasmEdge_ValueGenI64(0); count as usize];
            Fault::check(ffi::WasmEdge_ExecutorInvoke(
                self.executor.context.as_ptr(),
                found,
                arguments.as_ptr(),
                arguments.len() as u32,
                results.as_mut_ptr(),
                count,
            ))?;
            Ok(results.into_iter().map(Value::of_engine).collect())
        }
    }

    fn memory(&self) -> Vec<u8> {
        // SAFETY: as above; the slice is within the memory and copied before anything runs.
        unsafe {
            let memory = ffi::WasmEdge_ModuleInstanceFindMemory(self.instance.as_ptr(), name("memory"));
            if memory.is_null() {
                return Vec::new();
            }
            let len = ffi::WasmEdge_MemoryInstanceGetPageSize(memory) * 65_536;
            if len == 0 {
                return Vec::new();
            }
            let start = ffi::WasmEdge_MemoryInstanceGetPointer(memory, 0, len);
            std::slice::from_raw_parts(start, len as usize).to_vec()
        }
    }

    fn global(&self, global: &str) -> Option<Value> {
        // SAFETY: as above.
        unsafe {
            let found = ffi::WasmEdge_ModuleInstanceFindGlobal(self.instance.as_ptr(), name(global));
            (!found.is_null()).then(|| Value::of_engine(ffi::WasmEdge_GlobalInstanceGetValue(found)))
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // SAFETY: nobody else knows it.
        unsafe { ffi::WasmEdge_ModuleInstanceDelete(self.instance.as_ptr()) }
    }
}

impl Value {
    pub(super) fn of_type(ty: wasmparser::ValType, bits: u128) -> Value {
        match ty {
            wasmparser::ValType::I32 => Value::I32(bits as i32),
            wasmparser::ValType::I64 => Value::I64(bits as i64),
            wasmparser::ValType::F32 => Value::F32(bits as u32),
            wasmparser::ValType::F64 => Value::F64(bits as u64),
            wasmparser::ValType::V128 => Value::V128(bits),
            wasmparser::ValType::Ref(ty) if ty.is_func_ref() => Value::Function { null: true },
            wasmparser::ValType::Ref(_) => Value::Host { null: true },
        }
    }

    fn to_engine(self) -> ffi::WasmEdge_Value {
        // SAFETY: values are plain data; the references are null.
        unsafe {
            match self {
                Value::I32(value) => ffi::WasmEdge_ValueGenI32(value),
                Value::I64(value) => ffi::WasmEdge_ValueGenI64(value),
                Value::F32(bits) => ffi::WasmEdge_ValueGenF32(f32::from_bits(bits)),
                Value::F64(bits) => ffi::WasmEdge_ValueGenF64(f64::from_bits(bits)),
                Value::V128(bits) => ffi::WasmEdge_ValueGenV128(bits as i128),
                Value::Function { .. } => ffi::WasmEdge_ValueGenFuncRef(ptr::null()),
                Value::Host { .. } => ffi::WasmEdge_ValueGenExternRef(ptr::null_mut()),
            }
        }
    }

    fn of_engine(value: ffi::WasmEdge_Value) -> Value {
        // SAFETY: the value says its type, and each is read as what it is.
        unsafe {
            let ty = value.Type;
            if ffi::WasmEdge_ValTypeIsI32(ty) {
                Value::I32(ffi::WasmEdge_ValueGetI32(value))
            } else if ffi::WasmEdge_ValTypeIsI64(ty) {
                Value::I64(ffi::WasmEdge_ValueGetI64(value))
            } else if ffi::WasmEdge_ValTypeIsF32(ty) {
                Value::F32(ffi::WasmEdge_ValueGetF32(value).to_bits())
            } else if ffi::WasmEdge_ValTypeIsF64(ty) {
                Value::F64(ffi::WasmEdge_ValueGetF64(value).to_bits())
            } else if ffi::WasmEdge_ValTypeIsV128(ty) {
                Value::V128(ffi::WasmEdge_ValueGetV128(value) as u128)
            } else if ffi::WasmEdge_ValTypeIsFuncRef(ty) {
                Value::Function { null: ffi::WasmEdge_ValueGetFuncRef(value).is_null() }
            } else {
                Value::Host { null: ffi::WasmEdge_ValueGetExternRef(value).is_null() }
            }
        }
    }
}
