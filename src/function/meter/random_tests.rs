//! Any valid module, rewritten, is valid and does the same.

use proptest::collection::vec;
use proptest::prelude::*;
use wasm_smith::Config;
use wasmparser::{ExternalKind, Parser, Payload, ValType};

use super::super::limits::Stop;
use super::machine_tests::{Call, How, Value, exported_globals, exports, run};
use super::{rewrite, validate};

/// Enough for most, and ended soon.
const FUEL: u64 = 2_000_000;

/// What WebAssembly 2.0 has, small enough to run. Not-a-number has one form, or a compiler may choose another.
fn config() -> Config {
    Config {
        allow_start_export: true,
        bulk_memory_enabled: true,
        canonicalize_nans: true,
        export_everything: true,
        generate_custom_sections: true,
        // Few of what stands before the code, or nothing random is left for that.
        max_data_segments: 3,
        max_element_segments: 5,
        max_elements: 10,
        max_funcs: 12,
        max_globals: 8,
        max_imports: 0,
        max_memories: 1,
        max_memory32_bytes: 16 << 16,
        max_table_elements: 1_000,
        max_tables: 3,
        max_types: 12,
        min_funcs: 1,
        multi_value_enabled: true,
        reference_types_enabled: true,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        simd_enabled: true,
        compact_imports_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

fn module(config: Config, bytes: &[u8]) -> Option<Vec<u8>> {
    let module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(bytes)).ok()?;
    let wasm = module.to_bytes();
    validate(&wasm).is_ok().then_some(wasm)
}

/// Of each exported function, in the order of the exports, the types of its parameters.
fn parameters(wasm: &[u8]) -> Vec<Vec<ValType>> {
    let (mut types, mut functions, mut exported) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                types = section.into_iter_err_on_gc_types().map(|ty| ty.unwrap().params().to_vec()).collect();
            }
            Payload::FunctionSection(section) => {
                functions = section.into_iter().map(Result::unwrap).collect()
            }
            Payload::ExportSection(section) => {
                let exports = section.into_iter().map(Result::unwrap);
                exported =
                    exports.filter(|e| e.kind == ExternalKind::Func).map(|e| e.index as usize).collect();
            }
            _ => {}
        }
    }
    exported.into_iter().map(|function| types[functions[function] as usize].clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_module_with_whatever_imports_is_valid_when_rewritten(bytes in vec(any::<u8>(), 0..4096)) {
        let config = Config { export_everything: false, max_imports: 10, min_funcs: 0, ..config() };
        if let Some(wasm) = module(config, &bytes) {
            rewrite(&wasm).unwrap();
        }
    }

    #[test]
    fn a_module_does_the_same_when_rewritten(
        bytes in vec(any::<u8>(), 1_000..16_000),
        bits in vec(any::<u128>(), 1..8),
        disallow_traps: bool,
    ) {
        let Some(wasm) = module(Config { disallow_traps, ..config() }, &bytes) else { return Ok(()) };
        let rewritten = rewrite(&wasm).unwrap();
        let globals = exported_globals(&wasm);
        let mut bits = bits.iter().cycle();
        for (function, types) in exports(&wasm, ExternalKind::Func).iter().zip(parameters(&wasm)) {
            let arguments = types.into_iter().map(|ty| Value::of_type(ty, *bits.next().unwrap())).collect();
            let call: Call<'_> = (function, arguments);
            // The second time with what the first one left.
            let calls = [call.clone(), call];
            let (limited, metered) = run(&rewritten, How::Interpreted, Some(FUEL), &calls, &globals);
            let again = run(&rewritten, How::Interpreted, Some(FUEL), &calls, &globals);
            prop_assert_eq!(&again, &(limited.clone(), metered.clone()), "the same twice");
            let stopped = limited.fault().is_some_and(|fault| fault.stop() == Some(Stop::Fuel));
            if limited.fault().is_none() {
                prop_assert_eq!(metered.depth, Some(Value::I32(0)));
            }
            // And the plain one has no limit on its memory.
            if !stopped && !metered.too_deep && !metered.growth_refused {
                let (plain, _) = run(&wasm, How::Interpreted, None, &calls, &globals);
                prop_assert_eq!(plain, limited, "{}", function);
            }
        }
    }
}
