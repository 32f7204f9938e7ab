//! The body of a function, with charges and the depth of its calls; and the bodies that are added.

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{BlockType, Function, InstructionSink, ValType};
use wasmparser::{FunctionBody, Operator};

use super::cost::{self, Bulk};
use super::layout::Layout;
use super::rewriter::Rewriter;
use super::{DEPTH_LIMIT, NO_GROWTH, TOO_DEEP};

/// A block with the results of a function, and what a call of that adds to the depth.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub block: BlockType,
    pub frame: u32,
}

/// A function that counts its depth has all its body in one block: what would leave the function leaves the block.
pub(super) fn rewrite(
    rewriter: &mut Rewriter<'_>,
    body: &FunctionBody<'_>,
    counted: Option<Counted>,
) -> Result<Function, Error> {
    let mut function = rewriter.new_function_with_parsed_locals(body)?;
    let charges = cost::charges(body)?;
    charge(&mut function.instructions(), &rewriter.layout, charges.entry, !charges.leaf);
    if let Some(Counted { block, frame }) = counted {
        deeper(&mut function.instructions(), &rewriter.layout, frame);
        function.instructions().block(block);
    }
    let mut loops = charges.loops.into_iter();
    let mut open = 0;
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        match operator {
            Operator::Block { .. } | Operator::If { .. } | Operator::Loop { .. } => open += 1,
            // The last one of all closes the function.
            Operator::End if open > 0 => open -= 1,
            Operator::End => {
                if let Some(Counted { frame, .. }) = counted {
                    function.instructions().end();
                    back(&mut function.instructions(), &rewriter.layout, frame);
                }
            }
            Operator::Return if counted.is_some() => {
                function.instructions().br(open);
                continue;
            }
            _ => {}
        }
        let added = &rewriter.layout.functions;
        match cost::bulk(&operator) {
            None => {}
            Some(Bulk::Bytes) => _ = function.instructions().call(added.bytes),
            Some(Bulk::Elements) => _ = function.instructions().call(added.elements),
            Some(Bulk::Growth) => {
                function.instructions().call(added.grow);
                continue;
            }
        }
        let is_loop = matches!(operator, Operator::Loop { .. });
        function.instruction(&rewriter.instruction(operator)?);
        if is_loop {
            let turn = loops.next().expect("the charges are of this body");
            charge(&mut function.instructions(), &rewriter.layout, turn, true);
        }
    }
    Ok(function)
}

fn charge(code: &mut InstructionSink<'_>, layout: &Layout, units: u64, look: bool) {
    code.global_get(layout.fuel).i64_const(units as i64).i64_sub().global_set(layout.fuel);
    if look {
        look_at_fuel(code, layout);
    }
}

fn look_at_fuel(code: &mut InstructionSink<'_>, layout: &Layout) {
    code.global_get(layout.fuel).i64_const(0).i64_lt_s();
    code.if_(BlockType::Empty).call(layout.functions.refill).end();
}

fn deeper(code: &mut InstructionSink<'_>, layout: &Layout, frame: u32) {
    code.global_get(layout.depth).i32_const(frame as i32).i32_add().global_set(layout.depth);
    code.global_get(layout.depth).i32_const(DEPTH_LIMIT as i32).i32_gt_u();
    code.if_(BlockType::Empty).i32_const(TOO_DEEP).call(layout.note).unreachable().end();
}

fn back(code: &mut InstructionSink<'_>, layout: &Layout, frame: u32) {
    code.global_get(layout.depth).i32_const(frame as i32).i32_sub().global_set(layout.depth);
}

pub(super) fn refill(layout: &Layout) -> Function {
    let mut function = Function::new([]);
    function.instructions().global_get(layout.fuel).call(layout.tick).global_set(layout.fuel).end();
    function
}

/// Pays for as many units as its argument has, shifted by `bits`, and returns that.
pub(super) fn by_length(layout: &Layout, bits: u32) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.global_get(layout.fuel);
    code.local_get(0).i64_extend_i32_u().i64_const(bits.into()).i64_shr_u();
    code.i64_sub().global_set(layout.fuel);
    look_at_fuel(&mut code, layout);
    code.local_get(0).end();
    function
}

/// Grows the memory where the host has room, pays for what that gave, and has the host know if it gave nothing.
pub(super) fn grow(layout: &Layout, has_memory: bool) -> Function {
    if !has_memory {
        let mut function = Function::new([]);
        function.instructions().unreachable().end();
        return function;
    }
    let (pages, before) = (0, 1);
    let mut function = Function::new([(1, ValType::I32)]);
    let mut code = function.instructions();
    code.memory_size(0).local_get(pages).call(layout.room);
    code.if_(BlockType::Result(ValType::I32)).local_get(pages).memory_grow(0).else_().i32_const(-1).end();
    code.local_tee(before).i32_const(-1).i32_eq();
    code.if_(BlockType::Empty).i32_const(NO_GROWTH).call(layout.note).else_();
    code.global_get(layout.fuel);
    code.local_get(pages).i64_extend_i32_u().i64_const(cost::PAGE_BITS.into()).i64_shl();
    code.i64_sub().global_set(layout.fuel);
    look_at_fuel(&mut code, layout);
    code.end().local_get(before).end();
    function
}
