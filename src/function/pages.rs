//! Gives back the memory of the compiler once nothing is to be compiled.
//!
//! WasmEdge brings LLVM along. The dynamic loader reads much of it to link it, and a compilation far more, and nothing of
//! it runs while functions do; yet the pages stay resident: two thirds of what an idle worker takes up.

use std::ffi::CStr;
use std::ops::Range;
use std::os::raw::{c_int, c_void};
use std::{ptr, slice};

/// What is linked for compiling, or has the compiler in it. What of these is needed after all comes back by itself.
const LIBRARIES: [&str; 2] = ["libLLVM", "libwasmedge"];

/// Of an ELF file's dynamic section: it has relocations in its code.
const DT_TEXTREL: u64 = 22;
const DT_FLAGS: u64 = 30;
const DF_TEXTREL: u64 = 4;

pub fn give_back() {
    // SAFETY: the callback fits, and is handed no data.
    unsafe { libc::dl_iterate_phdr(Some(give_back_library), ptr::null_mut()) };
    // What a compilation allocated is free by now, but glibc would keep it.
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

unsafe extern "C" fn give_back_library(
    library: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: the loader keeps its description of a library, name and headers for as long as this call.
    let (library, name, headers) = unsafe {
        let library = &*library;
        let headers = slice::from_raw_parts(library.dlpi_phdr, usize::from(library.dlpi_phnum));
        (library, CStr::from_ptr(library.dlpi_name).to_string_lossy(), headers)
    };
    let file = name.rsplit('/').next().unwrap_or_default();
    if LIBRARIES.iter().any(|prefix| file.starts_with(prefix)) && !has_relocated_code(library, headers) {
        for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
            let Range { start, end } = whole_pages(library, header);
            // SAFETY: a private mapping of a file that was never writable, so no page of it differs from the file's;
            // it is read from there again wherever it is used next.
            unsafe { libc::madvise(start as *mut c_void, end.saturating_sub(start), libc::MADV_DONTNEED) };
        }
    }
    0
}

/// Then the loader did write to it. No library of a distribution has that.
fn has_relocated_code(library: &libc::dl_phdr_info, headers: &[libc::Elf64_Phdr]) -> bool {
    let Some(dynamic) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) else { return true };
    let entry = size_of::<[u64; 2]>();
    // SAFETY: the header says where the loaded library has its dynamic section and how long that is.
    let entries = unsafe {
        let first = (library.dlpi_addr + dynamic.p_vaddr) as *const [u64; 2];
        slice::from_raw_parts(first, dynamic.p_memsz as usize / entry)
    };
    entries
        .iter()
        .take_while(|[tag, _]| *tag != 0)
        .any(|&[tag, value]| tag == DT_TEXTREL || (tag == DT_FLAGS && value & DF_TEXTREL != 0))
}

/// The addresses of the pages that are all of this segment.
fn whole_pages(library: &libc::dl_phdr_info, header: &libc::Elf64_Phdr) -> Range<usize> {
    // SAFETY: it takes a number and returns one.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let start = (library.dlpi_addr + header.p_vaddr) as usize;
    start.next_multiple_of(page)..(start + header.p_memsz as usize) / page * page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_file_pages() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn the_compiler_is_given_back_and_works_again() {
        let directory = tempfile::tempdir().unwrap();
        let wasm = wat::parse_str("(module)").unwrap();
        let compile = |name: &str| {
            let configuration = super::super::engine::Configuration::new();
            super::super::engine::compile(&configuration, &wasm, &directory.path().join(name)).unwrap();
        };
        compile("before.so");
        let before = resident_file_pages();
        give_back();
        let after = resident_file_pages();
        assert!(after < before, "{after} kB of files are resident and were {before}");
        compile("after.so");
    }
}
