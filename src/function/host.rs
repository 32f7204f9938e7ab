//! What guests import, as WasmEdge calls it: arguments to numbers, the guest's memory to a slice, an end to a code.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::rc::Rc;
use std::slice;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use wasmedge_sys::ffi;
use wasmparser::ValType;

use super::engine::{Fault, created, name};
use super::import::Import;
use super::limits::{PAGE, Running, Stop};
use super::memory::Memory;
use super::wasi::{Function, World};
use super::{meter, sandbox, wasi, weir};

/// What the guests of one thread may import, besides what their limits do.
pub(super) struct Host {
    /// The module of WASI, deleted by who registered it.
    pub wasi: NonNull<ffi::WasmEdge_ModuleInstanceContext>,
    /// The modules' functions point at these.
    _offered: Box<[Offered]>,
}

/// A function that guests may call, and what it knows.
struct Offered {
    import: Import,
    running: Rc<Running>,
}

impl Host {
    /// Adds the functions of the module `weir` to `own`.
    ///
    /// # Safety
    ///
    /// It must be kept as long as `own` and `wasi` are.
    pub(super) unsafe fn new(
        own: NonNull<ffi::WasmEdge_ModuleInstanceContext>,
        running: &Rc<Running>,
    ) -> Host {
        let offered = Import::all().map(|import| Offered { import, running: Rc::clone(running) });
        let offered: Box<[Offered]> = offered.collect();
        // SAFETY: WasmEdge copies the name; what is offered is kept, at its address, as long as the modules.
        unsafe {
            let wasi = created(ffi::WasmEdge_ModuleInstanceCreate(name(wasi::MODULE)));
            for one in &offered {
                let module = if one.import.module() == wasi::MODULE { wasi } else { own };
                let types = |types: &[ValType]| types.iter().copied().map(ty).collect::<Vec<_>>();
                let (parameters, results) = (types(one.import.parameters()), types(one.import.results()));
                sandbox::offer(module, one, one.import.name(), called, &parameters, &results);
            }
            Host { wasi, _offered: offered }
        }
    }
}

/// Nothing that is offered has other types than these two.
fn ty(ty: ValType) -> ffi::WasmEdge_ValType {
    // SAFETY: no precondition.
    unsafe { if ty == ValType::I64 { ffi::WasmEdge_ValTypeGenI64() } else { ffi::WasmEdge_ValTypeGenI32() } }
}

unsafe extern "C" fn called(
    offered: *mut c_void,
    frame: *const ffi::WasmEdge_CallingFrameContext,
    arguments: *const ffi::WasmEdge_Value,
    results: *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result {
    // SAFETY: `offer` was given what outlives the call, which is in its thread. The types say how many values there are, and
    // WasmEdge checks them when it links. Memory and globals are those of the instance that calls: while this runs it does
    // not, so nothing else reads or writes them, and nothing here calls it.
    unsafe {
        let Offered { import, running } = &*offered.cast::<Offered>();
        let mut given = [0; Function::PARAMETERS];
        for (n, ty) in import.parameters().iter().enumerate() {
            let argument = *arguments.add(n);
            given[n] = if *ty == ValType::I64 {
                ffi::WasmEdge_ValueGetI64(argument) as u64
            } else {
                u64::from(ffi::WasmEdge_ValueGetI32(argument) as u32)
            };
        }
        let mut memory = Memory(all_of(ffi::WasmEdge_CallingFrameGetMemoryInstance(frame, 0)));
        let module = ffi::WasmEdge_CallingFrameGetModuleInstance(frame);
        match answer(*import, &given, &mut memory, &Machine { running, module }) {
            Ok(answer) => {
                match import.results() {
                    [ValType::I64] => *results = ffi::WasmEdge_ValueGenI64(answer),
                    [_] => *results = ffi::WasmEdge_ValueGenI32(answer as i32),
                    _ => {}
                }
                Fault::NONE
            }
            Err(stop) => Fault::of_stop(stop),
        }
    }
}

/// # Safety
///
/// The memory, if it is one, must live and neither change nor be read otherwise as long as the slice does.
unsafe fn all_of<'m>(memory: *mut ffi::WasmEdge_MemoryInstanceContext) -> &'m mut [u8] {
    if memory.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's. The pages follow each other, and the first byte is asked for only if there is one.
    unsafe {
        match ffi::WasmEdge_MemoryInstanceGetPageSize(memory) {
            0 => &mut [],
            pages => {
                let first = created(ffi::WasmEdge_MemoryInstanceGetPointer(memory, 0, 1));
                slice::from_raw_parts_mut(first.as_ptr(), pages as usize * PAGE as usize)
            }
        }
    }
}

fn answer(
    import: Import,
    given: &[u64; Function::PARAMETERS],
    memory: &mut Memory<'_>,
    machine: &Machine<'_>,
) -> Result<i64, Stop> {
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| given[n] as u32);
    let answered = machine.running.with_process(|process| {
        let answered = match import {
            Import::Log => weir::log(process, memory, machine, [a, b, c]).map(|()| 0),
            Import::Config => weir::config(process, memory, machine, [a, b, c, d]),
            Import::Wasi(function) => {
                wasi::call(function, given, process, memory, machine).map(|errno| errno as i64)
            }
        };
        answered.inspect_err(|_| process.ended_in = import.name())
    });
    // What imports something has a process; a panic here would take the worker with it.
    answered.unwrap_or(Err(Stop::Engine))
}

/// The machine that this is, for an instance that runs.
struct Machine<'r> {
    running: &'r Running,
    module: *const ffi::WasmEdge_ModuleInstanceContext,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl World for Machine<'_> {
    fn realtime(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(nanos).unwrap_or_default()
    }

    /// Since a moment of ours: what the machine has been doing before is nobody's business.
    fn monotonic(&self) -> u64 {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        // Runtimes take zero for a clock that is not there.
        nanos(BEGAN.get_or_init(Instant::now).elapsed()).saturating_add(1_000_000_000)
    }

    fn random(&self, bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
    }

    fn charge(&self, units: u64) -> Result<(), Stop> {
        // SAFETY: the instance is the one that calls; its limits gave it this global, an i64.
        unsafe {
            let fuel = ffi::WasmEdge_ModuleInstanceFindGlobal(self.module, name(meter::FUEL));
            if fuel.is_null() {
                return Ok(());
            }
            let set = |left| ffi::WasmEdge_GlobalInstanceSetValue(fuel, ffi::WasmEdge_ValueGenI64(left));
            let left = ffi::WasmEdge_ValueGetI64(ffi::WasmEdge_GlobalInstanceGetValue(fuel));
            let left = left.saturating_sub_unsigned(units);
            set(left);
            if left < 0 {
                set(self.running.tick(left)?);
            }
        }
        Ok(())
    }
}
