//! What operators cost, and where it is charged. A unit is about a nanosecond or less.

use wasmparser::{BinaryReaderError, FunctionBody, Operator};

/// Of every function, for its call.
const ENTRY: u64 = 2;
/// Of every turn of a loop.
const TURN: u64 = 1;
/// A function that calls nothing and is no dearer leaves looking at the fuel to whoever called it.
const LEAF: u64 = 64;

/// Of one page of memory that was added: the system makes it when it is touched.
pub(super) const PAGE_BITS: u32 = 12;
/// So many bytes of a bulk operation are one unit, as a power of two.
pub(super) const BYTES_BITS: u32 = 4;

/// What an operator does that no number known beforehand pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bulk {
    /// The operand on top is a number of bytes.
    Bytes,
    /// The operand on top is a number of a table's elements.
    Elements,
    /// It is a number of pages of memory, and they may be refused.
    Growth,
}

pub(super) fn bulk(operator: &Operator<'_>) -> Option<Bulk> {
    Some(match operator {
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => {
            Bulk::Bytes
        }
        Operator::TableCopy { .. }
        | Operator::TableFill { .. }
        | Operator::TableInit { .. }
        | Operator::TableGrow { .. } => Bulk::Elements,
        Operator::MemoryGrow { .. } => Bulk::Growth,
        _ => return None,
    })
}

fn cost(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::Block { .. } | Operator::Loop { .. } | Operator::Else | Operator::End | Operator::Nop => 0,
        Operator::Call { .. } => 4,
        Operator::CallIndirect { .. } => 8,
        Operator::I32DivS
        | Operator::I32DivU
        | Operator::I32RemS
        | Operator::I32RemU
        | Operator::I64DivS
        | Operator::I64DivU
        | Operator::I64RemS
        | Operator::I64RemU
        | Operator::F32Div
        | Operator::F64Div
        | Operator::F32Sqrt
        | Operator::F64Sqrt => 8,
        operator if bulk(operator).is_some() => 32,
        _ => 1,
    }
}

/// What a function pays.
pub(super) struct Charges {
    /// At its entry: everything outside loops.
    pub entry: u64,
    /// At each turn of its loops, in the order in which they begin: everything in it, but not in a loop inside.
    pub loops: Vec<u64>,
    /// The charge at the entry need not look whether fuel is left.
    pub leaf: bool,
}

pub(super) fn charges(function: &FunctionBody<'_>) -> Result<Charges, BinaryReaderError> {
    let mut charges = Charges { entry: ENTRY, loops: Vec::new(), leaf: true };
    // Of each open block, the loop that pays for it.
    let mut open: Vec<Option<usize>> = vec![None];
    for operator in function.get_operators_reader()? {
        let operator = operator?;
        let payer = open.last().copied().flatten();
        match payer {
            None => charges.entry += cost(&operator),
            Some(turn) => charges.loops[turn] += cost(&operator),
        }
        match operator {
            Operator::Loop { .. } => {
                open.push(Some(charges.loops.len()));
                charges.loops.push(TURN);
            }
            Operator::Block { .. } | Operator::If { .. } => open.push(payer),
            Operator::End => {
                open.pop();
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } => charges.leaf = false,
            _ => {}
        }
    }
    charges.leaf &= charges.loops.is_empty() && charges.entry <= LEAF;
    Ok(charges)
}
