//! One warm sandbox: an event's bytes in, an answer's bytes out, one call each.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::abi;
use super::failure::Failure;
use super::limits::Limits;
use super::module::Module;
use super::panic;
use super::sandbox::{Executor, Export, Sandbox};
use crate::dispatch::Reason;

/// What failed a call must be dropped: the guest's heap may be corrupt, even if its next call seems to work.
pub struct Instance {
    sandbox: Sandbox,
    buffer: Export,
    handle: Export,
    /// Where the guest takes inputs of up to `room` bytes.
    address: u32,
    room: Option<u32>,
    /// Address and length of the last output; within memory.
    output: (u32, u32),
    limits: Limits,
}

impl Instance {
    pub fn new(module: &Module, executor: &Rc<Executor>) -> Result<Instance, Failure> {
        let mut sandbox = module.sandbox(executor)?;
        let find = |sandbox: &mut Sandbox, name: &str| {
            sandbox.find(name).unwrap_or_else(|| unreachable!("{name} was found when the module was loaded"))
        };
        let buffer = find(&mut sandbox, abi::BUFFER);
        let handle = find(&mut sandbox, abi::HANDLE);
        let limits = module.limits();
        Ok(Instance { sandbox, buffer, handle, address: 0, room: None, output: (0, 0), limits })
    }

    /// Has the guest answer one event: its time began at `now`. The answer is then at [`output`](Self::output).
    pub fn call(&mut self, input: &[u8], now: Instant) -> Result<(), Failure> {
        let len = u32::try_from(input.len()).map_err(|_| {
            Failure::permanent(Reason::BadBuffer, "the event is larger than a guest's memory".into())
        })?;
        self.sandbox.begin(&self.limits, now);
        if self.room.is_none_or(|room| len > room) {
            self.address = self.guest(self.buffer, len)? as u32;
            self.room = Some(len);
        }
        self.sandbox.write(self.address, input).ok_or_else(|| {
            let message =
                format!("weir_buffer({len}) returned {}: that is not all within memory", self.address);
            Failure::permanent(Reason::BadBuffer, message)
        })?;
        let packed = self.guest(self.handle, len)?;
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

    fn guest(&mut self, function: Export, argument: u32) -> Result<u64, Failure> {
        self.sandbox
            .call(function, [argument])
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

    /// What the last successful call answered.
    pub fn output(&self) -> &[u8] {
        let (address, len) = self.output;
        self.sandbox.bytes(address, len).expect("checked in call, and a memory never shrinks")
    }
}

/// Instances stay in the thread of their executor; a module goes anywhere.
const _: () = {
    const fn anywhere<T: Send + Sync>() {}
    anywhere::<Arc<Module>>();
};
