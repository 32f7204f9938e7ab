//! What runs guests, and never leaves its thread: an executor, what it offers them to import, and the sandboxes that it
//! made.
//!
//! A call here is one call of WasmEdge's: nothing is allocated and no name is looked up, as the crates' own handles would.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use wasmedge_sys::ffi;

use super::engine::{Ast, Configuration, Fault, created, name};
use super::host::Host;
use super::limits::{Limits, PAGE, Running};
use super::meter;

/// Runs guests in one thread. Not `Send`: WasmEdge keeps a running call's state in thread-local variables.
pub struct Executor {
    pub(super) context: NonNull<ffi::WasmEdge_ExecutorContext>,
    pub(super) store: NonNull<ffi::WasmEdge_StoreContext>,
    /// What the limits import, and what of it guests may.
    host: NonNull<ffi::WasmEdge_ModuleInstanceContext>,
    offered: Host,
    /// The functions of `host` point at it.
    pub(super) running: Rc<Running>,
    _configuration: Arc<Configuration>,
}

impl Executor {
    /// Ends every call once `stopped`.
    pub(super) fn new(configuration: &Arc<Configuration>, stopped: &Arc<AtomicBool>) -> Executor {
        let running = Rc::new(Running::new(stopped.clone()));
        // SAFETY: the configuration outlives the executor. A null statistics context means none. The module of imports
        // outlives all that import from it, and `running` outlives that module.
        unsafe {
            let context = created(ffi::WasmEdge_ExecutorCreate(configuration.0.as_ptr(), ptr::null_mut()));
            let store = created(ffi::WasmEdge_StoreCreate());
            let host = created(ffi::WasmEdge_ModuleInstanceCreate(name(meter::HOST)));
            let (i32, i64) = (ffi::WasmEdge_ValTypeGenI32(), ffi::WasmEdge_ValTypeGenI64());
            offer(host, &*running, meter::TICK, tick, &[i64], &[i64]);
            offer(host, &*running, meter::NOTE, note, &[i32], &[]);
            offer(host, &*running, meter::ROOM, room, &[i32, i32], &[i32]);
            let offered = Host::new(host, &running);
            for module in [host, offered.wasi] {
                let registered =
                    ffi::WasmEdge_ExecutorRegisterImport(context.as_ptr(), store.as_ptr(), module.as_ptr());
                Fault::check(registered).expect("each has a name of its own");
            }
            Executor { context, store, host, offered, running, _configuration: configuration.clone() }
        }
    }
}

pub(super) type HostFunction = unsafe extern "C" fn(
    *mut c_void,
    *const ffi::WasmEdge_CallingFrameContext,
    *const ffi::WasmEdge_Value,
    *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result;

/// # Safety
///
/// `data` must live as long as `module`, and `function` must take it and read and write values of these types.
pub(super) unsafe fn offer<T>(
    module: NonNull<ffi::WasmEdge_ModuleInstanceContext>,
    data: &T,
    called: &str,
    function: HostFunction,
    parameters: &[ffi::WasmEdge_ValType],
    results: &[ffi::WasmEdge_ValType],
) {
    // SAFETY: WasmEdge copies types and name, and `module` owns the function from then on.
    unsafe {
        let ty = ffi::WasmEdge_FunctionTypeCreate(
            parameters.as_ptr(),
            parameters.len() as u32,
            results.as_ptr(),
            results.len() as u32,
        );
        let data = ptr::from_ref(data).cast_mut().cast();
        let function = created(ffi::WasmEdge_FunctionInstanceCreate(ty, Some(function), data, 0));
        ffi::WasmEdge_FunctionTypeDelete(ty);
        ffi::WasmEdge_ModuleInstanceAddFunction(module.as_ptr(), name(called), function.as_ptr());
    }
}

unsafe extern "C" fn tick(
    running: *mut c_void,
    _: *const ffi::WasmEdge_CallingFrameContext,
    arguments: *const ffi::WasmEdge_Value,
    results: *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result {
    // SAFETY: `offer` was given what outlives the call, which is in its thread, and the types say what there is.
    unsafe {
        let running = &*running.cast::<Running>();
        match running.tick(ffi::WasmEdge_ValueGetI64(*arguments)) {
            Ok(fuel) => {
                *results = ffi::WasmEdge_ValueGenI64(fuel);
                Fault::NONE
            }
            Err(stop) => Fault::of_stop(stop),
        }
    }
}

unsafe extern "C" fn note(
    running: *mut c_void,
    _: *const ffi::WasmEdge_CallingFrameContext,
    arguments: *const ffi::WasmEdge_Value,
    _: *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result {
    // SAFETY: as in `tick`.
    unsafe { (*running.cast::<Running>()).note(ffi::WasmEdge_ValueGetI32(*arguments)) };
    Fault::NONE
}

unsafe extern "C" fn room(
    running: *mut c_void,
    _: *const ffi::WasmEdge_CallingFrameContext,
    arguments: *const ffi::WasmEdge_Value,
    results: *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result {
    // SAFETY: as in `tick`.
    unsafe {
        let [pages, more] = [0, 1].map(|n| ffi::WasmEdge_ValueGetI32(*arguments.add(n)) as u32);
        let room = (*running.cast::<Running>()).room(pages, more);
        *results = ffi::WasmEdge_ValueGenI32(room.into());
    }
    Fault::NONE
}

impl Drop for Executor {
    fn drop(&mut self) {
        // SAFETY: sandboxes hold an `Rc` of it, so nobody uses it any more.
        unsafe {
            ffi::WasmEdge_ExecutorDelete(self.context.as_ptr());
            ffi::WasmEdge_ModuleInstanceDelete(self.host.as_ptr());
            ffi::WasmEdge_ModuleInstanceDelete(self.offered.wasi.as_ptr());
            ffi::WasmEdge_StoreDelete(self.store.as_ptr());
        }
    }
}

/// A module instantiated: a memory and functions to call.
pub(super) struct Sandbox {
    instance: NonNull<ffi::WasmEdge_ModuleInstanceContext>,
    /// Null if the module exports none.
    memory: *mut ffi::WasmEdge_MemoryInstanceContext,
    /// Null if the module was not rewritten.
    fuel: *mut ffi::WasmEdge_GlobalInstanceContext,
    functions: Vec<NonNull<ffi::WasmEdge_FunctionInstanceContext>>,
    executor: Rc<Executor>,
    _ast: Arc<Ast>,
}

/// A mutable global of the sandbox that found it, and what it was then.
pub(super) struct Global {
    place: NonNull<ffi::WasmEdge_GlobalInstanceContext>,
    value: ffi::WasmEdge_Value,
}

/// An exported function of the sandbox that found it.
#[derive(Clone, Copy)]
pub(super) struct Export(usize);

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
                fuel: ffi::WasmEdge_ModuleInstanceFindGlobal(instance, name(meter::FUEL)),
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

    /// What is called from now on is one call to the limits: it began at `now`.
    pub(super) fn begin(&mut self, limits: &Limits, now: Instant) {
        let fuel = self.executor.running.begin(limits, now);
        if !self.fuel.is_null() {
            // SAFETY: the global lives as long as the instance, and is an i64.
            unsafe { ffi::WasmEdge_GlobalInstanceSetValue(self.fuel, ffi::WasmEdge_ValueGenI64(fuel)) };
        }
    }

    /// The fuel that was used since then.
    pub(super) fn fuel_used(&self) -> u64 {
        if self.fuel.is_null() {
            return 0;
        }
        // SAFETY: as above.
        let left = unsafe { ffi::WasmEdge_ValueGetI64(ffi::WasmEdge_GlobalInstanceGetValue(self.fuel)) };
        self.executor.running.used(left).unsigned_abs()
    }

    pub(super) fn running(&self) -> &Running {
        &self.executor.running
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

    /// The guest's mutable globals, in their order. None if the module was not rewritten.
    pub(super) fn globals(&self) -> Vec<Global> {
        let find = |number: usize| {
            let called = format!("{}{number}", meter::GLOBAL);
            // SAFETY: the global found lives as long as the instance.
            unsafe {
                let place = ffi::WasmEdge_ModuleInstanceFindGlobal(self.instance.as_ptr(), name(&called));
                let place = NonNull::new(place)?;
                Some(Global { place, value: ffi::WasmEdge_GlobalInstanceGetValue(place.as_ptr()) })
            }
        };
        (0..).map_while(find).collect()
    }

    /// They get the values again that they had.
    pub(super) fn set_globals(&mut self, globals: &[Global]) {
        for global in globals {
            // SAFETY: it is a global of this very instance, and a value that it had; a reference is to what lives as long.
            unsafe { ffi::WasmEdge_GlobalInstanceSetValue(global.place.as_ptr(), global.value) };
        }
    }

    /// The guest's bytes; `None`: they are not all within its memory. The base is asked for anew each time, because a
    /// growth may move it.
    pub(super) fn bytes(&self, address: u32, len: u32) -> Option<&[u8]> {
        let start = self.locate(address, len)?;
        // SAFETY: `locate` checked the range, and the memory changes through `&mut self` only.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), len as usize) })
    }

    /// All its bytes, to be written to.
    pub(super) fn memory(&mut self) -> &mut [u8] {
        let len = self.memory_bytes();
        let Ok(len) = usize::try_from(len) else { return &mut [] };
        if len == 0 {
            return &mut [];
        }
        // SAFETY: the memory has these bytes, which nothing else looks at while `self` is borrowed.
        unsafe {
            let start = ffi::WasmEdge_MemoryInstanceGetPointer(self.memory, 0, 1);
            std::slice::from_raw_parts_mut(created(start).as_ptr(), len)
        }
    }

    /// Writes into the guest's memory; `None`: the range is not within it, and nothing was written.
    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Option<()> {
        let start = self.locate(address, u32::try_from(bytes.len()).ok()?)?;
        // SAFETY: `locate` checked the range; `bytes` can't be within it while `self` is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
        Some(())
    }

    /// How much memory it has.
    pub(super) fn memory_bytes(&self) -> u64 {
        if self.memory.is_null() {
            return 0;
        }
        // SAFETY: the memory lives as long as the instance.
        u64::from(unsafe { ffi::WasmEdge_MemoryInstanceGetPageSize(self.memory) }) * PAGE
    }

    fn locate(&self, address: u32, len: u32) -> Option<NonNull<u8>> {
        if u64::from(address) + u64::from(len) > self.memory_bytes() {
            return None;
        }
        if len == 0 {
            return Some(NonNull::dangling());
        }
        // SAFETY: there is a memory, for it has bytes, and the range is within it.
        NonNull::new(unsafe { ffi::WasmEdge_MemoryInstanceGetPointer(self.memory, address, len) })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // SAFETY: its functions and memory are reachable through it only, and it goes before its executor.
        unsafe { ffi::WasmEdge_ModuleInstanceDelete(self.instance.as_ptr()) }
    }
}
