//! Modules that are too large to be written down, and answers that are.

/// The text of a handler that answers with these bytes.
pub(crate) fn answering(answer: &[u8]) -> String {
    let data: String = answer.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let pages = 2 + answer.len() / 65_536;
    format!(
        r#"(module (memory (export "memory") {pages}) (data (i32.const 65536) "{data}")
        (global (export "weir_abi") i32 (i32.const 1))
        (func (export "weir_buffer") (param i32) (result i32) (i32.const 1024))
        (func (export "weir_handle") (param i32) (result i64) (i64.const {})))"#,
        1_u64 << 48 | answer.len() as u64
    )
}

/// A handler that does `handle`, in a module with something more.
fn module(handle: &str, more: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 1) (global (export "weir_abi") i32 (i32.const 1))
        (func (export "weir_buffer") (param i32) (result i32) (i32.const 1024))
        (func $handle (export "weir_handle") (param $len i32) (result i64) {handle}) {more})"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// With a section behind all others.
fn with_section(number: u8, content: &[u8]) -> Vec<u8> {
    [module("(i64.const 0)", ""), vec![number], leb(content.len()), content.to_vec()].concat()
}

pub(crate) fn large_frames() -> Vec<u8> {
    let each = |text: fn(usize) -> String| (0..4_000).map(text).collect::<String>();
    let handle = format!(
        "(local {}) {} (i64.add (call $handle (local.get $len)) (i64.const 1)) {}",
        "v128 ".repeat(4_000),
        each(|n| format!("(local.set {} (v128.load (i32.const {n})))", n + 1)),
        each(|n| format!("(v128.store (i32.const {n}) (local.get {}))", n + 1)),
    );
    module(&handle, "")
}

pub(crate) fn hundred_megabytes() -> Vec<u8> {
    with_section(0, &[&[4][..], b"huge", &vec![0; 100 << 20]].concat())
}

pub(crate) fn large_custom_section() -> Vec<u8> {
    with_section(0, &[&[4][..], b"huge", &vec![0; 50 << 20]].concat())
}

/// Says that function 4,000,000,000 is called as 70,000 bytes that are not there.
pub(crate) fn lying_names() -> Vec<u8> {
    with_section(0, b"\x04name\x01\x0a\x01\x80\xd0\xac\xf3\x0e\xf0\xa2\x04oops")
}

/// Says that it has four thousand million types.
pub(crate) fn lying_count() -> Vec<u8> {
    b"\0asm\x01\0\0\0\x01\x05\xff\xff\xff\xff\x0f".to_vec()
}

/// The length of its section of types in six bytes.
pub(crate) fn overlong_number() -> Vec<u8> {
    b"\0asm\x01\0\0\0\x01\x81\x80\x80\x80\x80\x00\x00".to_vec()
}

/// Ends in the middle of its code.
pub(crate) fn truncated() -> Vec<u8> {
    let mut wasm = module("(i64.const 0)", "");
    wasm.truncate(wasm.len() - 3);
    wasm
}

pub(crate) fn ten_thousand_parameters() -> Vec<u8> {
    module("(i64.const 0)", &format!("(func (param {}))", "i32 ".repeat(10_000)))
}

pub(crate) fn sixty_thousand_locals() -> Vec<u8> {
    module(&format!("(local {}) (i64.const 0)", "v128 ".repeat(60_000)), "")
}

pub(crate) fn element_bomb() -> Vec<u8> {
    module("(i64.const 0)", &format!("(elem func {})", "$handle ".repeat(65_537)))
}

pub(crate) fn global_bomb() -> Vec<u8> {
    module("(i64.const 0)", &"(global (mut i64) (i64.const 0))".repeat(20_000))
}

pub(crate) fn function_bomb() -> Vec<u8> {
    module("(i64.const 0)", &"(func)".repeat(120_000))
}

pub(crate) fn export_bomb() -> Vec<u8> {
    let exports: String = (0..120_000).map(|n| format!(r#"(export "e{n}" (func $handle))"#)).collect();
    module("(i64.const 0)", &exports)
}

pub(crate) fn type_bomb() -> Vec<u8> {
    module("(i64.const 0)", &"(type (func (param f64)))".repeat(11_000))
}

pub(crate) fn nested_loops() -> Vec<u8> {
    module(&format!("{}{} (i64.const 0)", "(loop ".repeat(501), ")".repeat(501)), "")
}

/// Its one page is written to by two hundred segments.
pub(crate) fn data_bomb() -> Vec<u8> {
    let segment = format!("(data (i32.const 0) \"{}\")", "x".repeat(65_536));
    module("(i64.const 0)", &segment.repeat(200))
}

pub(crate) fn large_branch_table() -> Vec<u8> {
    let table = format!(
        "(loop $out (block $in (br_table {} (local.get $len)))) (i64.const 0)",
        "$in ".repeat(50_000)
    );
    module(&table, "")
}

pub(crate) fn names_of_a_hundred_kilobytes() -> Vec<u8> {
    let name = "\\1b[31m".repeat(19_000);
    let imports: String = (0..9).map(|n| format!(r#"(import "{name}" "{n}{name}" (func))"#)).collect();
    wat::parse_str(format!("(module {imports})")).unwrap()
}

pub(crate) fn exports_of_the_host() -> Vec<u8> {
    let exports: String =
        (0..10_000).map(|n| format!("(export \"weir.{n}\\1b[31m\" (func $handle))")).collect();
    module("(i64.const 0)", &exports)
}

// ---- answers ---------------------------------------------------------------------------------------------------------

fn reply(more: &str) -> Vec<u8> {
    format!(r#"{{"specversion":"1.0","type":"t"{more}}}"#).into_bytes()
}

/// A reply of so many bytes.
fn of_size(bytes: usize) -> Vec<u8> {
    let rest = reply(r#","data":"""#).len();
    reply(&format!(r#","data":"{}""#, "x".repeat(bytes - rest)))
}

pub(crate) fn megabyte() -> Vec<u8> {
    of_size(1 << 20)
}

pub(crate) fn megabyte_and_one() -> Vec<u8> {
    of_size((1 << 20) + 1)
}

pub(crate) fn long_string() -> Vec<u8> {
    format!("\"{}\"", "\\u001b".repeat(170_000)).into_bytes()
}

pub(crate) fn long_error() -> Vec<u8> {
    format!(r#"{{"error":"{}"}}"#, "x".repeat(1_000_000)).into_bytes()
}

pub(crate) fn long_message() -> Vec<u8> {
    let [code, message] = ["c", "\\u001b[31m"].map(|piece| piece.repeat(50_000));
    format!(r#"{{"error":{{"retry":false,"code":"{code}","message":"{message}"}}}}"#).into_bytes()
}

pub(crate) fn nested_arrays() -> Vec<u8> {
    "[".repeat(100_000).into_bytes()
}

pub(crate) fn nested_data() -> Vec<u8> {
    reply(&format!(r#","data":{}{}"#, "[".repeat(100_000), "]".repeat(100_000)))
}

pub(crate) fn nested_objects() -> Vec<u8> {
    reply(&format!(r#","data":{}1{}"#, r#"{"a":"#.repeat(100_000), "}".repeat(100_000)))
}

pub(crate) fn many_replies() -> Vec<u8> {
    let reply = String::from_utf8(reply("")).unwrap();
    format!("[{reply}{}]", format!(",{reply}").repeat(10_000)).into_bytes()
}

pub(crate) fn many_extensions() -> Vec<u8> {
    let extensions: String = (0..20_000).map(|n| format!(r#","e{n}":1"#)).collect();
    reply(&extensions)
}

pub(crate) fn as_many_extensions_as_there_may_be() -> Vec<u8> {
    let extensions: String = (0..256).map(|n| format!(r#","e{n}":1"#)).collect();
    reply(&extensions)
}

pub(crate) fn long_name() -> Vec<u8> {
    reply(&format!(r#","{}":1"#, "\\u001b".repeat(60_000)))
}

pub(crate) fn long_type() -> Vec<u8> {
    format!(r#"{{"specversion":"1.0","type":"{}"}}"#, "t".repeat(70_000)).into_bytes()
}

pub(crate) fn nothing_but_space() -> Vec<u8> {
    vec![b' '; 1 << 20]
}

pub(crate) fn not_utf8() -> Vec<u8> {
    b"{\"specversion\":\"1.0\",\"type\":\"\xed\xa0\x80\"}".to_vec()
}
