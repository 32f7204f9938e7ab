//! The simulation finds defects: each of the defects in `tests/mutations/` is planted in a copy of the sources, one at a
//! time, and the simulation must fail there. That it passes without them is seen first.
//!
//! Each takes a build. Ten are tried, and which ten, the sources decide: every change looks at others, and the same tree
//! always at the same. `WEIR_DEFECTS=all` tries each of them, as `make soak` does.
//!
//! The copy is a package of its own, of the modules that the simulation is about: quick to build, ten times over.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the simulation is about. Its other modules stay behind, and with them what takes long to build.
const MODULES: &str = "\
//! The modules that the simulation is about.
pub mod dispatch;
pub mod event;
pub mod journal;
pub mod money;
pub mod sink { pub mod dead_letter; pub mod letter_filter; pub mod parcel; pub mod parking; pub mod queue; }
pub mod source { pub mod queue; }
pub mod store;
pub mod time;
pub mod trigger;
pub mod worker { pub mod archive; pub mod attempt; mod beside; pub mod letters; pub mod query; pub mod queue_uid; pub mod recovery; }
";

/// Of the dependencies, those that these modules have.
const DEPENDENCIES: [&str; 14] = [
    "base64",
    "blake3",
    "bytes",
    "clap",
    "cloudevents-sdk",
    "crossbeam-channel",
    "foldhash",
    "jiff",
    "serde",
    "serde_json",
    "slab",
    "sled",
    "strsim",
    "tracing",
];

/// Worlds that must pass without a defect.
const SOUND: &str = "2000";
/// Worlds tried for each defect, until one fails; most need but a few.
const TRIED: &str = "20000";

/// So many defects are tried, unless all are asked for.
const PLANTED: usize = 10;

/// A defect: what it is, and the lines that it puts in the place of others.
#[derive(Debug)]
struct Mutation {
    name: String,
    file: PathBuf,
    find: String,
    replace: String,
}

impl Mutation {
    /// Its file: a line that says what is wrong, the source's path, the lines there are, and those that stand there
    /// instead, each part after a line of dashes.
    fn read(path: &Path) -> Mutation {
        let text = fs::read_to_string(path).expect("a mutation can be read");
        let parts: Vec<&str> = text.split("\n---\n").collect();
        let [_, file, find, replace] = parts[..] else { panic!("{} has not four parts", path.display()) };
        Mutation {
            name: path.file_stem().expect("it is a file").to_string_lossy().into_owned(),
            file: PathBuf::from(file.trim()),
            find: find.trim_end().to_owned(),
            replace: replace.trim_end().to_owned(),
        }
    }

    fn all() -> Vec<Mutation> {
        let directory = root().join("tests/mutations");
        let entries = fs::read_dir(directory).expect("mutations can be listed");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
        paths.sort();
        paths.iter().map(|path| Mutation::read(path)).collect()
    }

    /// Those that are tried.
    fn chosen() -> Vec<Mutation> {
        let mut mutations = Mutation::all();
        assert!(mutations.len() >= PLANTED, "there are ten defects at least");
        if std::env::var("WEIR_DEFECTS").is_ok_and(|which| which == "all") {
            return mutations;
        }
        let mut sources = DefaultHasher::new();
        for mutation in &mutations {
            fs::read(root().join(&mutation.file)).expect("the source is there").hash(&mut sources);
        }
        mutations.sort_by_key(|mutation| {
            let mut order = sources.clone();
            mutation.name.hash(&mut order);
            order.finish()
        });
        mutations.truncate(PLANTED);
        mutations
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a directory can be made");
        for entry in fs::read_dir(from).expect("sources can be listed") {
            let entry = entry.expect("sources can be listed");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap_or_else(|error| panic!("can't copy {}: {error}", from.display()));
    }
}

/// The package with the copy.
struct Copy {
    directory: PathBuf,
}

impl Copy {
    fn make() -> Copy {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutations");
        let _ = fs::remove_dir_all(directory.join("src"));
        let _ = fs::remove_dir_all(directory.join("tests"));
        copy(&root().join("src"), &directory.join("src"));
        copy(&root().join("tests/simulation"), &directory.join("tests/simulation"));
        copy(&root().join("tests/simulation.rs"), &directory.join("tests/simulation.rs"));
        copy(&root().join("Cargo.lock"), &directory.join("Cargo.lock"));
        fs::write(directory.join("src/lib.rs"), MODULES).expect("the copy can be written");
        fs::remove_file(directory.join("src/main.rs")).expect("the copy can be written");
        fs::write(directory.join("Cargo.toml"), manifest()).expect("the copy can be written");
        Copy { directory }
    }

    /// Builds the simulation and runs so many worlds of it.
    fn run(&self, worlds: &str) -> Output {
        Command::new(env!("CARGO"))
            .args(["test", "--offline", "--quiet", "--test", "simulation"])
            .current_dir(&self.directory)
            .env("WEIR_SEEDS", worlds)
            .env_remove("WEIR_SEED")
            .env_remove("WEIR_SOAK_SECONDS")
            .env("CARGO_TARGET_DIR", self.directory.join("target"))
            .env("RUSTFLAGS", "--allow warnings")
            // What is built here is built again and again, with a few lines changed.
            .env("CARGO_INCREMENTAL", "1")
            .output()
            .expect("cargo can be run")
    }
}

/// The lines of our own manifest that the copy needs.
fn manifest() -> String {
    let ours = fs::read_to_string(root().join("Cargo.toml")).expect("our own manifest can be read");
    let mut manifest = String::from(
        "[workspace]\n[package]\nname = \"weir\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n[dependencies]\n",
    );
    for name in DEPENDENCIES {
        let line = ours.lines().find(|line| line.starts_with(&format!("{name} =")));
        writeln!(manifest, "{}", line.unwrap_or_else(|| panic!("{name} is no dependency")))
            .expect("text grows");
    }
    manifest + "[profile.dev]\nopt-level = 1\ndebug = false\n[profile.dev.package.\"*\"]\nopt-level = 1\n"
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_defect_has_its_place() {
    for Mutation { name, file, find, .. } in Mutation::all() {
        let source = fs::read_to_string(root().join(&file)).expect("the source is there");
        let found = source.matches(&find).count();
        assert_eq!(found, 1, "{name}: its lines stand {found} times in {}", file.display());
    }
}

#[test]
fn the_simulation_finds_planted_defects() {
    let mutations = Mutation::chosen();
    let copy = Copy::make();
    let sound = copy.run(SOUND);
    assert!(sound.status.success(), "the simulation fails without a defect:\n{}", text(&sound));
    let mut missed = Vec::new();
    for mutation in &mutations {
        let path = copy.directory.join(&mutation.file);
        let source = fs::read_to_string(&path).expect("the source is there");
        fs::write(&path, source.replacen(&mutation.find, &mutation.replace, 1))
            .expect("the copy can be written");
        let output = copy.run(TRIED);
        fs::write(&path, source).expect("the copy can be written");
        let text = text(&output);
        assert!(!text.contains("could not compile"), "{} does not compile:\n{text}", mutation.name);
        // What was found stands below where it was, and below what a known world is about.
        let mut said = text.lines().skip_while(|line| !line.contains("panicked at")).skip(1);
        let said = said.find(|line| !line.ends_with("again")).unwrap_or(&text);
        println!("{}: {}", mutation.name, if output.status.success() { "NOT FOUND" } else { said });
        if output.status.success() {
            missed.push(&mutation.name);
        }
    }
    assert!(missed.is_empty(), "the simulation does not find {missed:?}");
}
