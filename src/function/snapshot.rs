//! What an instance was before its first event.

use super::sandbox::{Global, Sandbox};

pub(super) struct Snapshot {
    /// Without the zeros at its end.
    memory: Box<[u8]>,
    /// With them.
    len: usize,
    globals: Vec<Global>,
}

impl Snapshot {
    pub(super) fn of(sandbox: &mut Sandbox) -> Snapshot {
        let globals = sandbox.globals();
        let memory = sandbox.memory();
        let zeros = memory.iter().rev().take_while(|byte| **byte == 0).count();
        Snapshot { len: memory.len(), memory: memory[..memory.len() - zeros].into(), globals }
    }

    /// Makes the sandbox that again. `false`: it can't, because its memory grew, and no memory shrinks.
    pub(super) fn restore(&self, sandbox: &mut Sandbox) -> bool {
        let memory = sandbox.memory();
        if memory.len() != self.len {
            return false;
        }
        let (used, zeros) = memory.split_at_mut(self.memory.len());
        used.copy_from_slice(&self.memory);
        zeros.fill(0);
        sandbox.set_globals(&self.globals);
        true
    }
}
