//! Where the things stand that are added to a module: after its own of their kind, so that none of them moves but its
//! functions, which make room for three imports.

use std::collections::BTreeMap;

use super::survey::Survey;

pub(super) struct Layout {
    pub types: Types,
    pub tick: u32,
    pub note: u32,
    pub room: u32,
    pub functions: Added,
    pub fuel: u32,
    pub depth: u32,
}

pub(super) struct Types {
    /// `(i64) -> i64`
    pub tick: u32,
    /// `(i32) -> ()`
    pub note: u32,
    /// `(i32, i32) -> i32`
    pub room: u32,
    /// `() -> ()`
    pub refill: u32,
    /// `(i32) -> i32`
    pub length: u32,
    /// Of blocks without parameters that have the results of a type which is no type of a single result.
    pub blocks: BTreeMap<u32, u32>,
}

/// The functions that are added.
pub(super) struct Added {
    /// `() -> ()`: asks the host for fuel.
    pub refill: u32,
    /// `(i32) -> i32`: pays for so many bytes, or elements, and returns their number.
    pub bytes: u32,
    pub elements: u32,
    /// `(i32) -> i32`: as `memory.grow`.
    pub grow: u32,
}

pub(super) const IMPORTS: u32 = 3;
/// Besides those of blocks.
const TYPES: u32 = 5;

impl Layout {
    /// `counted`: the bodies that are put into a block of their own.
    pub(super) fn of(survey: &Survey, counted: &[bool]) -> Layout {
        let first_type = survey.types.len() as u32;
        let mut blocks = BTreeMap::new();
        for (body, _) in counted.iter().enumerate().filter(|(_, counted)| **counted) {
            let ty = survey.type_of_body(body);
            if survey.types[ty as usize].results().len() > 1 {
                let next = first_type + TYPES + blocks.len() as u32;
                blocks.entry(ty).or_insert(next);
            }
        }
        let first_function = survey.functions.len() as u32 + IMPORTS;
        Layout {
            types: Types {
                tick: first_type,
                note: first_type + 1,
                room: first_type + 2,
                refill: first_type + 3,
                length: first_type + 4,
                blocks,
            },
            tick: survey.imported,
            note: survey.imported + 1,
            room: survey.imported + 2,
            functions: Added {
                refill: first_function,
                bytes: first_function + 1,
                elements: first_function + 2,
                grow: first_function + 3,
            },
            fuel: survey.globals,
            depth: survey.globals + 1,
        }
    }
}
