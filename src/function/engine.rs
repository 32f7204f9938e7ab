//! WasmEdge's C interface made safe, and [`Engine`], which a process starts before anything else of this folder.
//!
//! The crates' own handles are blanket `Send + Sync`, whatever WasmEdge promises; these types say what is true. All
//! `unsafe` of this folder is here, in `sandbox.rs` (what stays in its thread), in `host.rs` (what guests call), in `guard.rs`,
//! in `pages.rs` and in `address_space.rs`.

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{mem, ptr};

use wasmedge_sys::ffi;

use super::cache::{Cache, CacheError, Code, Fetched, Kept, NativeCode, Step};
use super::limits::Stop;
use super::sandbox::Executor;
use super::{compiler, guard};
use crate::dispatch::Reason;

/// What WasmEdge lets a memory grow to, in pages of 64 KiB: all that there can be. The limit is each function's own, and
/// written into it.
const MEMORY_PAGES: u32 = 65_536;

/// WasmEdge, ready for guests that trap.
pub struct Engine {
    pub(super) configuration: Arc<Configuration>,
    pub(super) cache: Cache,
    watch: Watch,
    stopped: Arc<AtomicBool>,
}

/// Is told what takes long, and for which function.
pub type Watch = Box<dyn Fn(&str, Step) + Send + Sync>;

impl Engine {
    /// Opens the cache and, once per process, puts up the fault guard. Nothing may replace the handlers of SIGSEGV, SIGBUS
    /// and SIGFPE afterwards.
    pub fn start(cache_dir: &Path) -> Result<Arc<Engine>, StartError> {
        Engine::start_with(&NativeCode::within(cache_dir), Box::new(|_, _| {}))
    }

    pub fn start_with(code: &NativeCode, watch: Watch) -> Result<Arc<Engine>, StartError> {
        let cache = Cache::open(code).map_err(StartError::Cache)?;
        let configuration = Arc::new(Configuration::new());
        guard::raise(&configuration, &cache)?;
        Ok(Arc::new(Engine { configuration, cache, watch, stopped: Arc::default() }))
    }

    /// The native code of a function.
    pub(super) fn fetch(&self, name: &str, code: Code<'_>) -> Result<Fetched, CacheError> {
        self.cache.fetch(&self.configuration, code, &|step| (self.watch)(name, step))
    }

    /// What native code there is on disk.
    pub fn kept(&self) -> Kept {
        self.cache.kept()
    }

    /// WasmEdge's.
    pub fn version() -> String {
        version()
    }

    pub fn executor(&self) -> Rc<Executor> {
        Rc::new(Executor::new(&self.configuration, &self.stopped))
    }

    /// Ends all calls that run, in a moment, and all that come. There is no way back.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("stopped", &self.stopped).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub enum StartError {
    Cache(CacheError),
    Guard(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Cache(error) => error.fmt(f),
            StartError::Guard(why) => write!(f, "WasmEdge's fault guard can't be put up: {why}"),
        }
    }
}

impl std::error::Error for StartError {}

/// WasmEdge's error code. Its upper eight bits are a category: 0 is the engine's own, 1 is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault(u32);

impl Fault {
    pub(super) const NONE: ffi::WasmEdge_Result = ffi::WasmEdge_Result { Code: 0 };
    const OURS: u32 = ffi::WasmEdge_ErrCategory_UserLevelError << 24;

    /// What a function of the host returns to end the call.
    pub(super) fn of_stop(stop: Stop) -> ffi::WasmEdge_Result {
        ffi::WasmEdge_Result { Code: Fault::OURS | stop as u32 }
    }

    pub(super) fn stop(self) -> Option<Stop> {
        Stop::ALL.into_iter().find(|stop| self.0 == Fault::OURS | *stop as u32)
    }

    pub(super) fn check(result: ffi::WasmEdge_Result) -> Result<(), Fault> {
        if result.Code == 0 { Ok(()) } else { Err(Fault(result.Code)) }
    }

    /// The trap that this is; `None`: it is no trap of a guest.
    pub(super) fn trap(self) -> Option<Reason> {
        Some(match self.0 {
            ffi::WasmEdge_ErrCode_Unreachable => Reason::Unreachable,
            ffi::WasmEdge_ErrCode_DivideByZero
            | ffi::WasmEdge_ErrCode_IntegerOverflow
            | ffi::WasmEdge_ErrCode_InvalidConvToInt => Reason::Division,
            ffi::WasmEdge_ErrCode_MemoryOutOfBounds
            | ffi::WasmEdge_ErrCode_TableOutOfBounds
            | ffi::WasmEdge_ErrCode_DataSegDoesNotFit
            | ffi::WasmEdge_ErrCode_ElemSegDoesNotFit => Reason::Bounds,
            ffi::WasmEdge_ErrCode_UninitializedElement
            | ffi::WasmEdge_ErrCode_UndefinedElement
            | ffi::WasmEdge_ErrCode_IndirectCallTypeMismatch => Reason::IndirectCall,
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: for any code WasmEdge returns a string that lives as long as the library.
        let message =
            unsafe { CStr::from_ptr(ffi::WasmEdge_ResultGetMessage(ffi::WasmEdge_Result { Code: self.0 })) };
        write!(f, "{} (WasmEdge code {:#x})", message.to_string_lossy(), self.0)
    }
}

/// Has WasmEdge log nothing.
pub(super) fn quiet() {
    // SAFETY: no precondition.
    unsafe { ffi::WasmEdge_LogOff() };
}

pub(super) fn version() -> String {
    // SAFETY: a string that lives as long as the library.
    unsafe { CStr::from_ptr(ffi::WasmEdge_VersionGet()) }.to_string_lossy().into_owned()
}

/// A name for a call that reads it at once and keeps nothing.
pub(super) fn name(text: &str) -> ffi::WasmEdge_String {
    ffi::WasmEdge_String { Length: text.len() as u32, Buf: text.as_ptr().cast() }
}

fn c_path(path: &Path) -> Result<CString, Fault> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Fault(ffi::WasmEdge_ErrCode_IllegalPath))
}

pub(super) fn created<T>(pointer: *mut T) -> NonNull<T> {
    NonNull::new(pointer).expect("WasmEdge is out of memory")
}

pub(super) struct Configuration(pub(super) NonNull<ffi::WasmEdge_ConfigureContext>);

// SAFETY: written in `new` only; WasmEdge reads it under a lock of its own.
unsafe impl Send for Configuration {}
// SAFETY: as above.
unsafe impl Sync for Configuration {}

impl Configuration {
    pub(super) fn new() -> Configuration {
        // SAFETY: the context is fresh and not shared yet.
        unsafe {
            let context = created(ffi::WasmEdge_ConfigureCreate());
            ffi::WasmEdge_ConfigureSetMaxMemoryPage(context.as_ptr(), MEMORY_PAGES);
            ffi::WasmEdge_ConfigureCompilerSetOptimizationLevel(
                context.as_ptr(),
                ffi::WasmEdge_CompilerOptimizationLevel_O3,
            );
            ffi::WasmEdge_ConfigureCompilerSetOutputFormat(
                context.as_ptr(),
                ffi::WasmEdge_CompilerOutputFormat_Native,
            );
            Configuration(context)
        }
    }

    /// Of code that is particular to no model of a processor. It uses all features that this one has.
    pub(super) fn generic() -> Configuration {
        let configuration = Configuration::new();
        // SAFETY: as in `new`.
        unsafe { ffi::WasmEdge_ConfigureCompilerSetGenericBinary(configuration.0.as_ptr(), true) };
        configuration
    }
}

/// What the compiler uses of this processor, as LLVM has it: `+bmi2,-avx512f`. `None` where LLVM is hidden within WasmEdge.
pub(super) fn compiler_features() -> Option<String> {
    static FEATURES: OnceLock<Option<String>> = OnceLock::new();
    let ask = || {
        // SAFETY: a name that ends with a zero byte.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"LLVMGetHostCPUFeatures".as_ptr()) };
        let found = NonNull::new(found)?;
        // SAFETY: LLVM's C interface has had this one without arguments, returning a string that is the caller's, since it
        // has it. It is asked once, and the string kept.
        let features = unsafe {
            let ask: unsafe extern "C" fn() -> *const c_char = mem::transmute(found.as_ptr());
            NonNull::new(ask().cast_mut()).map(|text| CStr::from_ptr(text.as_ptr()))
        };
        features.map(|text| text.to_string_lossy().into_owned()).filter(|text| !text.is_empty())
    };
    FEATURES.get_or_init(ask).clone()
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: executors hold an `Arc` of it, so nobody uses it any more.
        unsafe { ffi::WasmEdge_ConfigureDelete(self.0.as_ptr()) }
    }
}

/// Compiles a valid module to native code: seconds. One at a time, because of what it takes, and because the linker within
/// WasmEdge has global state.
pub(super) fn compile(configuration: &Configuration, wasm: &[u8], out: &Path) -> Result<(), String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the configuration is alive, and only read.
    let generic = unsafe { ffi::WasmEdge_ConfigureCompilerIsGenericBinary(configuration.0.as_ptr()) };
    match compiler::compile(generic, wasm, out) {
        Some(compiled) => compiled,
        None => compile_here(configuration, wasm, out).map_err(|fault| fault.to_string()),
    }
}

/// In this process, whatever that does to it. Not in two threads at once.
pub(super) fn compile_here(configuration: &Configuration, wasm: &[u8], out: &Path) -> Result<(), Fault> {
    let out = c_path(out)?;
    let bytes = ffi::WasmEdge_Bytes { Length: wasm.len() as u32, Buf: wasm.as_ptr() };
    // SAFETY: the compiler lives for this call, which reads `bytes` and `out` and keeps neither.
    unsafe {
        let compiler = created(ffi::WasmEdge_CompilerCreate(configuration.0.as_ptr()));
        let result = ffi::WasmEdge_CompilerCompileFromBytes(compiler.as_ptr(), bytes, out.as_ptr());
        ffi::WasmEdge_CompilerDelete(compiler.as_ptr());
        Fault::check(result)
    }
}

/// A module, loaded and validated; and the file of the cache that it is from.
pub(super) struct Ast(pub(super) NonNull<ffi::WasmEdge_ASTModuleContext>, Option<Arc<str>>);

// SAFETY: nothing changes it after validation; instantiation, from any number of threads, only reads it.
unsafe impl Send for Ast {}
// SAFETY: as above.
unsafe impl Sync for Ast {}

impl Ast {
    pub(super) fn load(configuration: &Configuration, path: &Path) -> Result<Ast, Fault> {
        let path = c_path(path)?;
        let mut module = ptr::null_mut();
        // SAFETY: loader and validator live for their one call; `module` is ours once parsing succeeded.
        unsafe {
            let loader = created(ffi::WasmEdge_LoaderCreate(configuration.0.as_ptr()));
            let parsed = ffi::WasmEdge_LoaderParseFromFile(loader.as_ptr(), &raw mut module, path.as_ptr());
            ffi::WasmEdge_LoaderDelete(loader.as_ptr());
            Fault::check(parsed)?;
            let ast = Ast(created(module), None);
            let validator = created(ffi::WasmEdge_ValidatorCreate(configuration.0.as_ptr()));
            let valid = ffi::WasmEdge_ValidatorValidate(validator.as_ptr(), module);
            ffi::WasmEdge_ValidatorDelete(validator.as_ptr());
            Fault::check(valid).map(|()| ast)
        }
    }

    pub(super) fn named(self, name: Arc<str>) -> Ast {
        let mut ast = self;
        ast.1 = Some(name);
        ast
    }
}

impl Drop for Ast {
    fn drop(&mut self) {
        // SAFETY: sandboxes hold an `Arc` of it, so nobody uses it any more.
        unsafe { ffi::WasmEdge_ASTModuleDelete(self.0.as_ptr()) }
    }
}
