//! The fault guard: keeps WasmEdge's handlers of SIGSEGV, SIGBUS and SIGFPE installed for good.
//!
//! WasmEdge installs and removes them around every outermost call, counting calls for the whole process. With two
//! threads that races, and then one guest's trap kills the worker. So one thread calls a guest function that never
//! returns: the count never falls to zero, and every other call is spared six system calls. And the handlers run
//! on the thread's alternate stack (Rust gives each of its threads one), because after endless recursion there is no other.

use std::ffi::c_void;
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{mem, ptr, thread};

use wasmedge_sys::ffi;

use super::cache::{Cache, Code};
use super::engine::{self, Ast, Configuration, Fault, StartError, name};
use super::sandbox::{Executor, Sandbox};

/// `(module (import "g" "park" (func)) (func (export "go") call 0))`
const PARKER: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x04\x01\x60\0\0\
    \x02\x0a\x01\x01g\x04park\0\0\
    \x03\x02\x01\0\
    \x07\x06\x01\x02go\0\x01\
    \x0a\x06\x01\x04\0\x10\0\x0b";

const SIGNALS: [i32; 3] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE];

/// Puts the guard up; does nothing if it is up already.
pub(super) fn raise(configuration: &Arc<Configuration>, cache: &Cache) -> Result<(), StartError> {
    static RAISED: Mutex<bool> = Mutex::new(false);
    let mut raised = RAISED.lock().unwrap_or_else(PoisonError::into_inner);
    if *raised {
        return Ok(());
    }
    // Every trap would log a line.
    engine::quiet();

    let parker = cache.fetch(configuration, Code::Plain(PARKER), &|_| {});
    let ast = Arc::new(parker.map_err(|error| StartError::Guard(error.to_string()))?.ast);
    let before = SIGNALS.map(|signal| action(signal).sa_sigaction);
    let (parked, wait) = sync_channel(1);
    let configuration = configuration.clone();
    thread::Builder::new()
        .name("fault-guard".into())
        .stack_size(256 << 10)
        .spawn(move || {
            let fault = stand(&configuration, &ast, &parked);
            let _ = parked.send(Err(fault));
        })
        .map_err(|error| StartError::Guard(format!("no thread: {error}")))?;
    match wait.recv() {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => return Err(StartError::Guard(fault.to_string())),
        Err(_) => return Err(StartError::Guard("its thread ended".into())),
    }
    for (signal, before) in SIGNALS.into_iter().zip(before) {
        let mut action = action(signal);
        if action.sa_sigaction == before {
            return Err(StartError::Guard(format!("WasmEdge installed no handler of signal {signal}")));
        }
        action.sa_flags |= libc::SA_ONSTACK;
        // SAFETY: the handler is WasmEdge's own, which does not care what stack it runs on.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }
    *raised = true;
    Ok(())
}

fn action(signal: i32) -> libc::sigaction {
    // SAFETY: `sigaction` is plain data, and only read into.
    unsafe {
        let mut action = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut action);
        action
    }
}

type Parked = SyncSender<Result<(), Fault>>;

/// Calls the guest that calls [`park`]. Returns only if that fails.
fn stand(configuration: &Arc<Configuration>, ast: &Arc<Ast>, parked: &Parked) -> Fault {
    let executor = Rc::new(Executor::new(configuration, &Arc::default()));
    // SAFETY: the function belongs to the module, which is never deleted; `parked` outlives the only call that is handed it.
    let registered = unsafe {
        let no_arguments = ffi::WasmEdge_FunctionTypeCreate(ptr::null(), 0, ptr::null(), 0);
        let data = ptr::from_ref(parked).cast_mut().cast();
        let function = ffi::WasmEdge_FunctionInstanceCreate(no_arguments, Some(park), data, 0);
        ffi::WasmEdge_FunctionTypeDelete(no_arguments);
        let module = ffi::WasmEdge_ModuleInstanceCreate(name("g"));
        ffi::WasmEdge_ModuleInstanceAddFunction(module, name("park"), function);
        ffi::WasmEdge_ExecutorRegisterImport(executor.context.as_ptr(), executor.store.as_ptr(), module)
    };
    let call = || {
        Fault::check(registered)?;
        let mut sandbox = Sandbox::new(&executor, ast)?;
        let go = sandbox.find("go").expect("PARKER exports it");
        sandbox.call(go, [])
    };
    call().expect_err("park never returns")
}

unsafe extern "C" fn park(
    parked: *mut c_void,
    _: *const ffi::WasmEdge_CallingFrameContext,
    _: *const ffi::WasmEdge_Value,
    _: *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result {
    // SAFETY: `stand` gave it, and waits.
    let parked = unsafe { &*parked.cast::<Parked>() };
    let _ = parked.send(Ok(()));
    loop {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parker_is_what_it_says() {
        let text = r#"(module (import "g" "park" (func)) (func (export "go") call 0))"#;
        assert_eq!(PARKER, wat::parse_str(text).unwrap());
    }
}
