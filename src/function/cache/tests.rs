//! Native code that is shared, damaged, foreign, portable or too much.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::sealed::{self, Unfit};
use super::target::Target;
use super::turn::Turn;
use super::{Cache, Code, Fetched, NativeCode, Origin, Step, room};
use crate::function::engine::Configuration;

fn wasm(answer: i32) -> Vec<u8> {
    wat::parse_str(format!(r#"(module (func (export "f") (result i32) (i32.const {answer})))"#)).unwrap()
}

fn name(number: u8) -> String {
    format!("{}.so", blake3::hash(&[number]).to_hex())
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a sealed file holds besides the library.
fn sealed(dir: &std::path::Path, features: &str, library: &[u8]) -> std::path::PathBuf {
    let path = dir.join("sealed");
    fs::write(&path, library).unwrap();
    sealed::seal(&path, &Target::portable_with(features)).unwrap();
    path
}

#[test]
fn portable_code_runs_where_all_that_it_needs_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = sealed(dir.path(), "+sse2,+bmi2,-avx512f", b"code");
    let open = |features| sealed::open(&path, &Target::portable_with(features)).map(|file| file.is_some());
    assert_eq!(open("+sse2,+bmi2,-avx512f"), Ok(true));
    assert_eq!(open("+avx512f,+bmi2,+sse2"), Ok(true), "it has more");
    assert_eq!(open("+sse2,-bmi2"), Err(Unfit::Lacks("bmi2".into())));
    assert_eq!(open(""), Err(Unfit::Lacks("bmi2, sse2".into())));
    assert_eq!(open("+bmi,+sse22"), Err(Unfit::Lacks("bmi2, sse2".into())), "names are compared whole");
}

#[test]
fn no_part_of_a_sealed_file_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::portable_with("+sse2");
    let path = sealed(dir.path(), "+sse2", b"some library");
    let whole = fs::read(&path).unwrap();
    assert!(sealed::open(&path, &target).unwrap().is_some());
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert_eq!(sealed::open(&path, &target).map(drop), Err(Unfit::Damaged), "{len}");
    }
    for at in 0..whole.len() {
        let mut other = whole.clone();
        other[at] ^= 1;
        fs::write(&path, &other).unwrap();
        assert_eq!(sealed::open(&path, &target).map(drop), Err(Unfit::Damaged), "{at}");
    }
}

#[test]
fn names_say_for_whom_and_of_what() {
    let (wasm, native, portable) = (wasm(1), Target::native(), Target::portable_with("+a"));
    let (plain, metered) = (Code::Plain(&wasm), Code::Metered(&wasm));
    let names = [native.name(plain), native.name(metered), portable.name(plain), portable.name(metered)];
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), 4);
    // One file, whatever it needs: that stands in it.
    assert_eq!(names[2], Target::portable_with("+b").name(plain));
}

#[test]
fn a_turn_is_one_s_own_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (name, other) = (name(1), name(2));
    let first = Turn::take(dir.path(), &name, || panic!("nobody has it")).unwrap();
    let beside = Turn::take(dir.path(), &other, || panic!("nobody has that")).unwrap();
    let lock = File::open(dir.path().join(room::lock(&name))).unwrap();
    assert!(flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err());
    let (waits, waiting) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| Turn::take(dir.path(), &name, || waits.send(()).unwrap()).unwrap());
        waiting.recv().unwrap();
        assert!(!second.is_finished());
        drop(first);
        let _second = second.join().unwrap();
        assert_eq!(names(dir.path()).len(), 2, "the lock is there again, with another file");
    });
    drop(beside);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn what_a_killed_compilation_left_is_removed_by_the_next_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (mine, other) = (room::unfinished(&name(1)), room::unfinished(&name(2)));
    let object = format!("{}.0123456789.o", mine.trim_end_matches(".so"));
    let stale = room::lock(&name(3));
    for file in [&mine, &other, &object, &stale, "readme.txt"] {
        fs::write(dir.path().join(file), "x").unwrap();
    }
    drop(Turn::take(dir.path(), &name(1), || {}).unwrap());
    let mut left = vec![other.clone(), stale, "readme.txt".to_owned()];
    left.sort();
    assert_eq!(names(dir.path()), left);

    let old = SystemTime::now() - Duration::from_secs(7_200);
    File::options().write(true).open(dir.path().join(&other)).unwrap().set_modified(old).unwrap();
    let _held = Turn::take(dir.path(), &name(4), || {}).unwrap();
    room::sweep(dir.path());
    assert_eq!(names(dir.path()), [room::lock(&name(4)), "readme.txt".to_owned()]);
}

#[test]
fn room_is_made_by_what_was_not_used_for_longest() {
    let dir = tempfile::tempdir().unwrap();
    let put = |number: u8, age: u64| {
        let path = dir.path().join(name(number));
        fs::write(&path, [0; 100]).unwrap();
        let used = SystemTime::now() - Duration::from_secs(age);
        File::options().write(true).open(&path).unwrap().set_modified(used).unwrap();
        path
    };
    let paths: Vec<_> = (0..6).map(|number| put(number, 1_000 - u64::from(number))).collect();
    let strange = dir.path().join("somebody-s.so");
    fs::write(&strange, [0; 1_000]).unwrap();
    let left = || (0..6).filter(|at| paths[*at].exists()).collect::<Vec<_>>();

    room::make(dir.path(), 600, |_| false);
    assert_eq!(left(), [0, 1, 2, 3, 4, 5]);
    // The first is loaded here, the second is being loaded elsewhere.
    let elsewhere = File::open(&paths[1]).unwrap();
    flock(&elsewhere, FlockOperation::LockShared).unwrap();
    room::make(dir.path(), 400, |loaded| *loaded == name(0));
    assert_eq!(left(), [0, 1, 4, 5]);
    assert_eq!(room::kept(dir.path()), super::Kept { files: 4, bytes: 400 });
    drop(elsewhere);
    room::make(dir.path(), 0, |loaded| *loaded == name(0));
    assert_eq!(left(), [0]);
    assert!(strange.exists(), "what is not of the cache is not touched");
}

#[test]
fn of_a_cache_that_is_too_small_what_is_loaded_stays() {
    let dir = tempfile::tempdir().unwrap();
    let code = NativeCode { max_bytes: 1, ..NativeCode::within(dir.path()) };
    let cache = Cache::open(&code).unwrap();
    let configuration = Configuration::new();
    let fetch = |answer| {
        let wasm = wasm(answer);
        let Fetched { ast, origin } = cache.fetch(&configuration, Code::Plain(&wasm), &|_| {}).unwrap();
        (ast, matches!(origin, Origin::Compiled(_)))
    };
    let (first, compiled) = fetch(1);
    assert!(compiled);
    let (second, compiled) = fetch(2);
    assert!(compiled && names(dir.path()).len() == 2);
    assert!(!fetch(1).1, "it has stayed");
    drop(first);
    let (_third, _) = fetch(3);
    assert_eq!(names(dir.path()).len(), 2);
    assert!(!fetch(2).1 && fetch(1).1);
    drop(second);
}

#[test]
fn what_two_want_at_once_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let wasm = wasm(7);
    let steps = std::sync::Mutex::new(Vec::new());
    // Each opens the directory for itself, as processes do.
    let fetch = || {
        let cache = Cache::open(&NativeCode::within(dir.path())).unwrap();
        let watch = |step| steps.lock().unwrap().push(step);
        cache.fetch(&Configuration::new(), Code::Plain(&wasm), &watch).unwrap().origin
    };
    let origins: Vec<Origin> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(fetch)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let cached = origins.iter().filter(|origin| **origin == Origin::Cached).count();
    let compiled = origins.iter().filter(|origin| matches!(origin, Origin::Compiled(_))).count();
    assert_eq!((cached, compiled), (7, 1));
    assert_eq!(steps.into_inner().unwrap().iter().filter(|step| **step == Step::Compiling).count(), 1);
    assert_eq!(names(dir.path()).len(), 1);
}

#[test]
fn a_file_that_is_no_cache_s_own_is_replaced_and_what_it_points_at_stays() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&NativeCode::within(&dir.path().join("aot"))).unwrap();
    let configuration = Configuration::new();
    let wasm = wasm(3);
    let fetch = || cache.fetch(&configuration, Code::Plain(&wasm), &|_| {}).unwrap().origin;
    assert!(matches!(fetch(), Origin::Compiled(_)));
    let path = dir.path().join("aot").join(&names(&dir.path().join("aot"))[0]);
    let elsewhere = dir.path().join("elsewhere.so");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(fetch(), Origin::Replaced(_)), "a link");
    assert!(elsewhere.exists() && fs::symlink_metadata(&path).unwrap().is_file());
    for mode in [0o664, 0o646] {
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        assert!(matches!(fetch(), Origin::Replaced(_)), "{mode:o}");
        assert_eq!(fetch(), Origin::Cached);
    }
}

#[test]
fn where_nothing_can_be_written_what_is_there_is_used_and_what_is_missing_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Cache::open(&NativeCode::within(dir.path())).unwrap();
    let fetch = |cache: &Cache, wasm: &[u8]| {
        let fetched = cache.fetch(&Configuration::new(), Code::Plain(wasm), &|_| {});
        fetched.map(|fetched| fetched.origin).map_err(|error| error.to_string())
    };
    let (one, other) = (wasm(1), wasm(2));
    assert!(matches!(fetch(&open(), &one), Ok(Origin::Compiled(_))));
    let mut cache = open();
    cache.place.writable = false;
    assert_eq!(fetch(&cache, &one), Ok(Origin::Cached));
    let said = fetch(&cache, &other).unwrap_err();
    let shown = dir.path().display();
    assert!(
        said.starts_with(&format!("its native code is not in {shown}, where nothing can be written")),
        "{said}"
    );

    let path = dir.path().join(&names(dir.path())[0]);
    let code = fs::read(&path).unwrap();
    fs::write(&path, &code[..code.len() / 2]).unwrap();
    let said = fetch(&cache, &one).unwrap_err();
    assert!(said.starts_with(&format!("its native code in {shown} is damaged, where")), "{said}");
    assert_eq!(names(dir.path()).len(), 1, "nothing is done about it here");
}

#[test]
fn code_for_every_processor_is_used_where_there_is_none_for_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let native = NativeCode::within(dir.path());
    let Some(target) = Target::portable() else { panic!("LLVM is a library of its own here") };
    assert!(target.needs().split(',').count() > 1, "{}", target.needs());
    let fetch = |code: &NativeCode, wasm: &[u8]| {
        let cache = Cache::open(code).unwrap();
        let fetched = cache.fetch(&Configuration::new(), Code::Metered(wasm), &|_| {});
        fetched.unwrap().origin == Origin::Cached
    };
    let portable = NativeCode { portable: true, ..native.clone() };
    let (one, other) = (wasm(1), wasm(2));
    assert!(!fetch(&portable, &one) && fetch(&portable, &one) && fetch(&native, &one));
    assert!(!fetch(&native, &other) && !fetch(&portable, &other), "that for this one is not for all");
    // As if it had been made on a larger machine.
    let path = dir.path().join(target.name(Code::Metered(&one)));
    let library = fs::read(&path).unwrap();
    fs::write(&path, &library).unwrap();
    sealed::seal(&path, &Target::portable_with("+quantum,+sse2")).unwrap();
    assert!(!fetch(&native, &one), "it is compiled for this one");
}
