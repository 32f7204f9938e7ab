//! The last set that was in force, kept in the data directory: its documents as text, its modules by digest. `weir run
//! --last-good` starts with it where the files have a mistake. There is one at a time, and whole at any moment: the index is
//! renamed into place once all that it names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::set::{Digest, Problems, Set, Wasm};
use crate::config::{Settings, Texts};

/// Of what is written here.
const FORMAT: u32 = 1;
const DIRECTORY: &str = "last-good";
const INDEX: &str = "set.json";
const UNFINISHED: &str = "unfinished";

#[derive(Debug)]
pub struct LastGood {
    directory: PathBuf,
    /// What is known to stand there.
    kept: Option<Digest>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Index {
    format: u32,
    set: String,
    documents: Vec<Document>,
    /// And scripts.
    modules: Vec<Module>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    name: String,
    content: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Module {
    /// As the documents name it.
    path: PathBuf,
    digest: String,
}

impl LastGood {
    pub fn of(data: &Path) -> LastGood {
        LastGood { directory: data.join(DIRECTORY), kept: None }
    }

    /// In the place of the one before.
    pub fn keep(&mut self, set: &Set) -> io::Result<()> {
        if self.kept == Some(set.digest) {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let mut names = BTreeSet::from([INDEX.to_owned()]);
        let mut modules = Vec::new();
        for (path, wasm) in &set.modules {
            let name = file_of(path, &wasm.digest);
            let file = self.directory.join(&name);
            // What is damaged in it shows when it is read.
            if !fs::metadata(&file).is_ok_and(|found| found.len() == wasm.bytes.len() as u64) {
                self.write(&name, &wasm.bytes)?;
            }
            names.insert(name);
            modules.push(Module { path: path.clone(), digest: wasm.digest.whole() });
        }
        let document =
            |(name, content): (&str, &str)| Document { name: name.into(), content: content.into() };
        let documents = set.texts.iter().map(document).collect();
        let index = Index { format: FORMAT, set: set.digest.whole(), documents, modules };
        self.write(INDEX, &serde_json::to_vec_pretty(&index)?)?;
        self.kept = Some(set.digest);
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.directory.join(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(unfinished, self.directory.join(name))?;
        File::open(&self.directory)?.sync_all()
    }

    /// `None`: none has ever been kept here.
    pub fn load(&self, settings: &Settings) -> Result<Option<Set>, Problems> {
        let path = self.directory.join(INDEX);
        let wrong = |path: &Path, why: &dyn std::fmt::Display| vec![format!("{}: {why}", path.display())];
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&path, &error)),
        };
        let index = read(&text).map_err(|why| wrong(&path, &why))?;
        let mut kept = BTreeMap::new();
        for module in index.modules {
            let digest = Digest::parse(&module.digest);
            let digest = digest.ok_or_else(|| wrong(&path, &"a module's digest is none"))?;
            let file = self.directory.join(file_of(&module.path, &digest));
            let wasm = Wasm::of(fs::read(&file).map_err(|error| wrong(&file, &error))?);
            if wasm.digest != digest {
                return Err(wrong(&file, &"it is damaged: its digest is another"));
            }
            kept.insert(module.path, (file, wasm));
        }
        let texts = Texts::of(index.documents.iter().map(|d| (d.name.as_str(), d.content.as_str())));
        let set = Set::kept(texts, kept, settings)?;
        if set.digest.whole() != index.set {
            return Err(wrong(&path, &"it is damaged: its digest is another"));
        }
        Ok(Some(set))
    }
}

/// What it is stays to be seen from its name.
fn file_of(named: &Path, digest: &Digest) -> String {
    let plain = |end: &&str| end.len() <= 16 && end.bytes().all(|b| b.is_ascii_alphanumeric());
    let end = named.extension().and_then(|end| end.to_str()).filter(plain).unwrap_or("file");
    format!("{}.{end}", digest.whole())
}

fn read(text: &[u8]) -> Result<Index, String> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if head.format != FORMAT {
        return Err(format!("its format is {}, and this version reads {FORMAT}", head.format));
    }
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::worker::set::Found;

    fn documents(name: &str, module: &str) -> String {
        format!(
            "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
             subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: f}}}}\n---\n\
             apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: f}}\nspec: {{module: {module}.wasm}}\n"
        )
    }

    struct Home(tempfile::TempDir);

    impl Home {
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn set(&self, name: &str, module: &str) -> Set {
            fs::write(self.path(&format!("{module}.wasm")), module).unwrap();
            fs::write(self.path("d.yaml"), documents(name, module)).unwrap();
            Found::read(&[self.path("d.yaml")], Path::new("secrets")).set(&Settings::defaults()).unwrap()
        }

        fn kept(&self) -> Vec<String> {
            let entries = fs::read_dir(self.path("data/last-good")).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn what_was_kept_is_loaded_without_its_files_and_one_at_a_time_is_kept() {
        let home = Home(tempfile::tempdir().unwrap());
        let data = home.path("data");
        fs::create_dir(&data).unwrap();
        let mut last_good = LastGood::of(&data);
        assert!(last_good.load(&Settings::defaults()).unwrap().is_none());
        for (name, module) in [("one", "m"), ("two", "m"), ("three", "n"), ("three", "n")] {
            let set = home.set(name, module);
            last_good.keep(&set).unwrap();
            let digest = blake3::hash(module.as_bytes()).to_hex().to_string();
            assert_eq!(home.kept(), [format!("{digest}.wasm"), INDEX.to_owned()]);
            fs::remove_file(home.path("d.yaml")).unwrap();
            fs::remove_file(home.path(&format!("{module}.wasm"))).unwrap();
            let found = LastGood::of(&data).load(&Settings::defaults()).unwrap().unwrap();
            assert_eq!((found.digest, found.config.triggers[0].name.as_str()), (set.digest, name));
            assert_eq!(&*found.wasm[0].bytes, module.as_bytes());
        }
        // A kept set may be kept again.
        let set = LastGood::of(&data).load(&Settings::defaults()).unwrap().unwrap();
        LastGood::of(&data).keep(&set).unwrap();
        assert_eq!(LastGood::of(&data).load(&Settings::defaults()).unwrap().unwrap().digest, set.digest);
    }

    #[test]
    fn what_is_half_written_does_not_show_and_what_is_damaged_is_refused() {
        let home = Home(tempfile::tempdir().unwrap());
        let data = home.path("data");
        let mut last_good = LastGood::of(&data);
        let set = home.set("one", "m");
        last_good.keep(&set).unwrap();
        fs::write(data.join("last-good").join(UNFINISHED), "half").unwrap();
        fs::write(data.join("last-good/left.wasm"), "of a set that was not finished").unwrap();
        assert_eq!(LastGood::of(&data).load(&Settings::defaults()).unwrap().unwrap().digest, set.digest);
        last_good.keep(&home.set("two", "m")).unwrap();
        assert_eq!(home.kept().len(), 2);

        let index = data.join("last-good").join(INDEX);
        let whole = fs::read_to_string(&index).unwrap();
        for (from, to, why) in [
            ("\"format\": 1", "\"format\": 2", "its format is 2, and this version reads 1"),
            ("two", "six", "damaged"),
            ("\"set\": ", "", "line 3"),
            ("kind: Trigger", "kind: Tigger", "unknown kind 'Tigger'"),
        ] {
            fs::write(&index, whole.replacen(from, to, 1)).unwrap();
            let problems = last_good.load(&Settings::defaults()).unwrap_err().join("\n");
            assert!(problems.contains(why), "{problems}");
        }
        fs::write(&index, whole).unwrap();
        let module = data.join("last-good").join(file_of(Path::new("m.wasm"), &set.wasm[0].digest));
        fs::write(&module, "x").unwrap();
        assert!(last_good.load(&Settings::defaults()).unwrap_err()[0].contains("damaged"));
        fs::remove_file(module).unwrap();
        assert!(last_good.load(&Settings::defaults()).is_err());
    }
}
