//! What runs guests, and never leaves its thread: an executor and the sandboxes that it made.
//!
//! A call here is one call of WasmEdge's: nothing is allocated and no name is looked up, as the crates' own handles would.

use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;

use wasmedge_sys::ffi;

use super::engine::{Ast, Configuration, Fault, created, name};

/// Runs guests in one thread. Not `Send`: WasmEdge keeps a running call's state in thread-local variables.
pub struct Executor {
    pub(super) context: NonNull<ffi::WasmEdge_ExecutorContext>,
    pub(super) store: NonNull<ffi::WasmEdge_StoreContext>,
    _configuration: Arc<Configuration>,
}

impl Executor {
    pub(super) fn new(configuration: &Arc<Configuration>) -> Executor {
        // SAFETY: the configuration outlives the executor. A null statistics context means none.
        unsafe {
            Executor {
                context: created(ffi::WasmEdge_ExecutorCreate(configuration.0.as_ptr(), ptr::null_mut())),
                store: created(ffi::WasmEdge_StoreCreate()),
                _configuration: configuration.clone(),
            }
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // SAFETY: sandboxes hold an `Rc` of it, so nobody uses it any more.
        unsafe {
            ffi::WasmEdge_ExecutorDelete(self.context.as_ptr());
            ffi::WasmEdge_StoreDelete(self.store.as_ptr());
        }
    }
}

/// A module instantiated: a memory and functions to call.
pub(super) struct Sandbox {
    instance: NonNull<ffi::WasmEdge_ModuleInstanceContext>,
    /// Null if the module exports none.
    memory: *mut ffi::WasmEdge_MemoryInstanceContext,
    functions: Vec<NonNull<ffi::WasmEdge_FunctionInstanceContext>>,
    executor: Rc<Executor>,
    _ast: Arc<Ast>,
}

/// An exported function of the sandbox that found it.
#[derive(Clone, Copy)]
pub(super) struct Export(usize);

const PAGE: u64 = 65_536;

impl Sandbox {
    /// Runs the module's start function, if it has one.
    pub(super) fn new(executor: &Rc<Executor>, ast: &Arc<Ast>) -> Result<Sandbox, Fault> {
        let mut instance = ptr::null_mut();
        // SAFETY: all contexts are alive, and this is the executor's thread, because it is not `Send`.
        unsafe {
            Fault::check(ffi::WasmEdge_ExecutorInstantiate(
                executor.context.as_ptr(),
                &raw mut instance,
                executor.store.as_ptr(),
                ast.0.as_ptr(),
            ))?;
            Ok(Sandbox {
                memory: ffi::WasmEdge_ModuleInstanceFindMemory(instance, name("memory")),
                instance: created(instance),
                functions: Vec::new(),
                executor: executor.clone(),
                _ast: ast.clone(),
            })
        }
    }

    pub(super) fn find(&mut self, export: &str) -> Option<Export> {
        // SAFETY: the function found lives as long as the instance.
        let found = unsafe { ffi::WasmEdge_ModuleInstanceFindFunction(self.instance.as_ptr(), name(export)) };
        self.functions.push(NonNull::new(found)?);
        Some(Export(self.functions.len() - 1))
    }

    /// An exported global's value, as its 64 lower bits.
    pub(super) fn global(&self, export: &str) -> Option<i64> {
        // SAFETY: the global found lives as long as the instance; a value of any type has at least these bits.
        unsafe {
            let found = ffi::WasmEdge_ModuleInstanceFindGlobal(self.instance.as_ptr(), name(export));
            let found = NonNull::new(found)?;
            Some(ffi::WasmEdge_ValueGetI64(ffi::WasmEdge_GlobalInstanceGetValue(found.as_ptr())))
        }
    }

    /// The result's 64 lower bits; 0 if the function has none. WasmEdge checks the arguments against the function's type.
    pub(super) fn call<const N: usize>(&mut self, export: Export, arguments: [u32; N]) -> Result<u64, Fault> {
        let function = self.functions[export.0];
        // SAFETY: instance and executor are alive and in their thread; there is room for the one result, which is plain
        // data and valid before the call, so that a function without result leaves it as it was.
        unsafe {
            let arguments = arguments.map(|a| ffi::WasmEdge_ValueGenI32(a as i32));
            let mut result = ffi::WasmEdge_ValueGenI64(0);
            Fault::check(ffi::WasmEdge_ExecutorInvoke(
                self.executor.context.as_ptr(),
                function.as_ptr(),
                arguments.as_ptr(),
                N as u32,
                &raw mut result,
                1,
            ))?;
            Ok(ffi::WasmEdge_ValueGetI64(result) as u64)
        }
    }

    /// The guest's bytes; `None`: they are not all within its memory. The base is asked for anew each time, because a
    /// growth may move it.
    pub(super) fn bytes(&self, address: u32, len: u32) -> Option<&[u8]> {
        let start = self.locate(address, len)?;
        // SAFETY: `locate` checked the range, and the memory changes through `&mut self` only.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), len as usize) })
    }

    /// Writes into the guest's memory; `None`: the range is not within it, and nothing was written.
    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Option<()> {
        let start = self.locate(address, u32::try_from(bytes.len()).ok()?)?;
        // SAFETY: `locate` checked the range; `bytes` can't be within it while `self` is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
        Some(())
    }

    fn locate(&self, address: u32, len: u32) -> Option<NonNull<u8>> {
        if self.memory.is_null() {
            return None;
        }
        // SAFETY: the memory lives as long as the instance.
        let pages = unsafe { ffi::WasmEdge_MemoryInstanceGetPageSize(self.memory) };
        if u64::from(address) + u64::from(len) > u64::from(pages) * PAGE {
            return None;
        }
        if len == 0 {
            return Some(NonNull::dangling());
        }
        // SAFETY: as above, and the range is within the memory.
        NonNull::new(unsafe { ffi::WasmEdge_MemoryInstanceGetPointer(self.memory, address, len) })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // SAFETY: its functions and memory are reachable through it only, and it goes before its executor.
        unsafe { ffi::WasmEdge_ModuleInstanceDelete(self.instance.as_ptr()) }
    }
}
