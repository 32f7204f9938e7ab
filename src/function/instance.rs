//! One warm sandbox: an event's bytes in, an answer's bytes out, one call each.

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::abi;
use super::failure::Failure;
use super::limits::Limits;
use super::log::Log;
use super::module::Module;
use super::panic;
use super::sandbox::{Executor, Export, Sandbox};
use super::snapshot::Snapshot;
use super::upkeep::Isolation;
use super::wasi::Process;
use crate::dispatch::Reason;

/// The buffer that is asked for before the first event of an instance that is set back: as large as most events are.
const READY: u32 = 16 << 10;

/// What failed a call must be dropped: the guest's heap may be corrupt, even if its next call seems to work.
pub struct Instance {
    sandbox: Sandbox,
    entry: Entry,
    /// Address and length of the last output; within memory.
    output: (u32, u32),
    /// Of what imports something, while it is not called.
    process: Option<Box<Process>>,
    limits: Limits,
    isolation: Isolation,
    /// What to restore between events.
    before: Option<Snapshot>,
    used: bool,
}

/// Where an event goes in.
#[derive(Clone, Copy)]
enum Entry {
    Handler {
        buffer: Export,
        handle: Export,
        /// Where the guest takes inputs of up to `room` bytes.
        address: u32,
        room: Option<u32>,
    },
    Command {
        start: Export,
    },
}

impl Instance {
    pub fn new(module: &Module, executor: &Rc<Executor>, isolation: Isolation) -> Result<Instance, Failure> {
        let (mut sandbox, process) = module.sandbox(executor)?;
        let find = |sandbox: &mut Sandbox, name: &str| {
            sandbox.find(name).unwrap_or_else(|| unreachable!("{name} was found when the module was loaded"))
        };
        let entry = if module.is_command() {
            Entry::Command { start: find(&mut sandbox, abi::START) }
        } else {
            let buffer = find(&mut sandbox, abi::BUFFER);
            let handle = find(&mut sandbox, abi::HANDLE);
            Entry::Handler { buffer, handle, address: 0, room: None }
        };
        let resets = isolation == Isolation::Reset && module.is_restorable() && !module.is_command();
        let limits = module.limits();
        let mut instance = Instance {
            sandbox,
            entry,
            output: (0, 0),
            process,
            limits,
            isolation,
            before: None,
            used: false,
        };
        if resets {
            if !instance.make_ready() {
                // What failed is not used; this one fails at its event, and says so.
                let unready = Instance::new(module, executor, Isolation::Fresh)?;
                return Ok(Instance { isolation, ..unready });
            }
            instance.before = Some(Snapshot::of(&mut instance.sandbox));
        }
        Ok(instance)
    }

    /// Most guests' memory grows for their first buffer, and one that grows with each event could never be set back.
    fn make_ready(&mut self) -> bool {
        let Entry::Handler { buffer, .. } = self.entry else { return true };
        self.sandbox.begin(&self.limits.at_start(), Instant::now());
        if let Some(process) = self.process.take() {
            self.sandbox.running().seat(process);
        }
        let asked = self.guest(buffer, [READY]);
        self.process = self.sandbox.running().unseat();
        asked.is_ok()
    }

    /// It takes no event but its first.
    pub fn is_for_one(&self) -> bool {
        match (self.entry, self.isolation) {
            (Entry::Command { .. }, _) | (_, Isolation::Fresh) => true,
            (_, Isolation::Warm) => false,
            (_, Isolation::Reset) => self.before.is_none(),
        }
    }

    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Makes it what its next event is to find. `false`: nothing makes it that again.
    pub fn renew(&mut self) -> bool {
        if !self.used || self.isolation == Isolation::Warm && !self.is_for_one() {
            return true;
        }
        let Some(before) = &self.before else { return false };
        if !before.restore(&mut self.sandbox) {
            return false;
        }
        // The guest's allocator knows nothing of the buffer any more.
        if let Entry::Handler { room, .. } = &mut self.entry {
            *room = None;
        }
        (self.output, self.used) = ((0, 0), false);
        true
    }

    /// Has the guest answer one event: its time began at `now`. The answer is then at [`output`](Self::output).
    pub fn call(&mut self, input: &[u8], now: Instant) -> Result<(), Failure> {
        self.used = true;
        self.sandbox.begin(&self.limits, now);
        let Some(mut process) = self.process.take() else { return self.enter(input) };
        match self.entry {
            Entry::Handler { .. } => process.begin(),
            Entry::Command { .. } => process.begin_command(input, self.limits.output),
        }
        self.sandbox.running().seat(process);
        let entered = self.enter(input);
        self.process = self.sandbox.running().unseat();
        self.process.as_mut().expect("it was seated").end();
        entered
    }

    fn enter(&mut self, input: &[u8]) -> Result<(), Failure> {
        match self.entry {
            Entry::Handler { buffer, handle, .. } => self.handle(buffer, handle, input),
            Entry::Command { start } => self.run(start),
        }
    }

    fn handle(&mut self, buffer: Export, handle: Export, input: &[u8]) -> Result<(), Failure> {
        let len = u32::try_from(input.len()).map_err(|_| {
            Failure::permanent(Reason::BadBuffer, "the event is larger than a guest's memory".into())
        })?;
        let address = self.make_room(buffer, len)?;
        self.sandbox.write(address, input).ok_or_else(|| {
            let message = format!("weir_buffer({len}) returned {address}: that is not all within memory");
            Failure::permanent(Reason::BadBuffer, message)
        })?;
        let packed = self.guest(handle, [len])?;
        let (address, len) = ((packed >> 32) as u32, packed as u32);
        if len > self.limits.output {
            let message = format!("an output of {len} bytes; the limit is {}", self.limits.output);
            return Err(Failure::permanent(Reason::Output, message));
        }
        // Nothing has no place: the address of an empty output is not looked at.
        self.output = if len == 0 { (0, 0) } else { (address, len) };
        if self.sandbox.bytes(self.output.0, self.output.1).is_none() {
            let message = format!("an output of {len} bytes at {address}: that is not all within memory");
            return Err(Failure::permanent(Reason::BadOutput, message));
        }
        Ok(())
    }

    /// Where the guest takes an input of that length.
    fn make_room(&mut self, buffer: Export, len: u32) -> Result<u32, Failure> {
        match self.entry {
            Entry::Handler { address, room: Some(room), .. } if len <= room => Ok(address),
            _ => {
                let made = self.guest(buffer, [len])? as u32;
                if let Entry::Handler { address, room, .. } = &mut self.entry {
                    (*address, *room) = (made, Some(len));
                }
                Ok(made)
            }
        }
    }

    /// A command ends by coming to its end, or by an exit without complaint.
    fn run(&mut self, start: Export) -> Result<(), Failure> {
        let ended = self.guest(start, []);
        let exit = self.sandbox.running().with_process(|process| process.exit()).flatten();
        if exit == Some(0) { Ok(()) } else { ended.map(|_| ()) }
    }

    fn guest<const N: usize>(&mut self, function: Export, arguments: [u32; N]) -> Result<u64, Failure> {
        self.sandbox
            .call(function, arguments)
            .map_err(|fault| Failure::of_call(fault, self.sandbox.running(), &self.limits))
            .map_err(|failure| panic::explained(failure, &self.sandbox))
    }

    /// What the last call took, whether it succeeded or not.
    pub fn fuel_used(&self) -> u64 {
        self.sandbox.fuel_used()
    }

    pub fn memory_bytes(&self) -> u64 {
        self.sandbox.memory_bytes()
    }

    /// What it had to say in its last call, and before the first while it started.
    pub fn take_log(&mut self) -> Log {
        self.process
            .as_mut()
            .map(|process| mem::replace(&mut process.log, Log::within(self.limits.log)))
            .unwrap_or_default()
    }

    /// What the last successful call answered.
    pub fn output(&self) -> &[u8] {
        if let (Entry::Command { .. }, Some(process)) = (self.entry, &self.process) {
            return process.answer();
        }
        let (address, len) = self.output;
        self.sandbox.bytes(address, len).expect("checked in call, and a memory never shrinks")
    }
}

/// Instances stay in the thread of their executor; a module goes anywhere.
const _: () = {
    const fn anywhere<T: Send + Sync>() {}
    anywhere::<Arc<Module>>();
};
