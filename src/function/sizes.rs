//! What of a module may be how large. A byte of a file becomes hundreds in an instance, or a millisecond of compiling: a file
//! that may be 64 MiB is no limit on either.

use wasmparser::types::TypesRef;
use wasmparser::{ElementItems, Operator, Parser, Payload};

/// Of all segments that tables are filled from, 16 bytes of each instance and ten times that once.
const ELEMENTS: u64 = 65_536;
/// A few hundred bytes of each instance, each of them.
const GLOBALS: u64 = 10_000;
const EXPORTS: u64 = 10_000;
/// The compiler compares each with all that came before.
const TYPES: u64 = 10_000;
/// Imported ones, too: half a millisecond each for the compiler, and 8 KiB.
const FUNCTIONS: u64 = 100_000;
/// The compiler's time and memory grow with its square, and its stack with it.
const NESTED_LOOPS: u64 = 500;

/// Everything that there is too much of in a valid module, besides memory and tables.
pub(super) fn violations(types: TypesRef<'_>, wasm: &[u8]) -> Vec<String> {
    let found = Found::of(wasm);
    let mut violations = Vec::new();
    for (count, what, limit) in [
        (found.elements, "elements in segments", ELEMENTS),
        (types.global_count().into(), "globals", GLOBALS),
        (types.core_exports().map_or(0, |exports| exports.count() as u64), "exports", EXPORTS),
        (types.core_type_count_in_module().into(), "types", TYPES),
        (types.function_count().into(), "functions", FUNCTIONS),
        (found.nested_loops, "loops within each other", NESTED_LOOPS),
    ] {
        if count > limit {
            violations.push(format!("it has {count} {what}; the limit is {limit}"));
        }
    }
    violations
}

/// What can be seen in the module itself alone.
#[derive(Default)]
struct Found {
    elements: u64,
    nested_loops: u64,
}

impl Found {
    fn of(wasm: &[u8]) -> Found {
        let mut found = Found::default();
        for payload in Parser::new(0).parse_all(wasm).filter_map(Result::ok) {
            match payload {
                Payload::ElementSection(section) => {
                    let segments = section.into_iter().filter_map(Result::ok);
                    found.elements += segments.map(|segment| count(&segment.items)).sum::<u64>();
                }
                Payload::CodeSectionEntry(body) => {
                    found.look(body.get_operators_reader().into_iter().flatten().filter_map(Result::ok));
                }
                _ => {}
            }
        }
        found
    }

    fn look<'a>(&mut self, operators: impl Iterator<Item = Operator<'a>>) {
        // Of each open block: is it a loop?
        let mut open = Vec::new();
        let mut loops = 0;
        for operator in operators {
            match operator {
                Operator::Loop { .. } => {
                    open.push(true);
                    loops += 1;
                    self.nested_loops = self.nested_loops.max(loops);
                }
                Operator::Block { .. } | Operator::If { .. } => open.push(false),
                Operator::End => loops -= u64::from(open.pop().unwrap_or(false)),
                _ => {}
            }
        }
    }
}

fn count(items: &ElementItems<'_>) -> u64 {
    match items {
        ElementItems::Functions(functions) => functions.count().into(),
        ElementItems::Expressions(_, expressions) => expressions.count().into(),
    }
}
