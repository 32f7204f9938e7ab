//! Whether files stand still. They are read where they look otherwise than they did, and the same twice in a row: who looks
//! while somebody writes sees them move.

use crate::config::Fingerprint;

#[derive(Debug)]
pub struct Stillness {
    /// What they looked like when they were read.
    read: Fingerprint,
    /// They can't have been written since then and look the same.
    is_certain: bool,
    /// What they looked like last, if otherwise.
    moving: Option<Fingerprint>,
}

impl Stillness {
    pub fn of(read: Fingerprint, is_certain: bool) -> Stillness {
        let is_certain = is_certain && read.is_certain();
        Stillness { read, is_certain, moving: None }
    }

    /// Are they to be read, as they look now?
    pub fn look(&mut self, now: Fingerprint) -> bool {
        if now == self.read {
            self.moving = None;
            return !self.is_certain;
        }
        let still = self.moving.as_ref() == Some(&now);
        self.moving = Some(now);
        still
    }

    /// They changed while they were read.
    pub fn doubt(&mut self) {
        self.is_certain = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    struct Files(tempfile::TempDir);

    impl Files {
        fn write(&self, text: &str) {
            fs::write(self.path(), text).unwrap();
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("documents.yaml")
        }

        fn fingerprint(&self) -> Fingerprint {
            Fingerprint::of(&[self.path()], &[])
        }
    }

    #[test]
    fn what_is_half_written_is_not_read_and_what_is_finished_is_read_once_it_stands_still() {
        let files = Files(tempfile::tempdir().unwrap());
        let mut stillness = Stillness::of(files.fingerprint(), true);
        assert!(!stillness.look(files.fingerprint()), "it was not there, and is not");
        for half in ["kind: Tri", "kind: Trigger\nmeta", "kind: Trigger\nmetadata: {name"] {
            files.write(half);
            assert!(!stillness.look(files.fingerprint()), "{half:?} is just being written");
        }
        files.write("kind: Trigger\nmetadata: {name: one}\n");
        assert!(!stillness.look(files.fingerprint()));
        assert!(stillness.look(files.fingerprint()), "it stands still");
        assert!(stillness.look(files.fingerprint()), "it has not been read yet");

        // Just written, it may be written again within the same tick of the disk's clock.
        stillness = Stillness::of(files.fingerprint(), true);
        assert!(stillness.look(files.fingerprint()));
        fs::remove_file(files.path()).unwrap();
        assert!(!stillness.look(files.fingerprint()), "editors take a file away and put it back");
        files.write("kind: Trigger\nmetadata: {name: two}\n");
        assert!(!stillness.look(files.fingerprint()));
    }

    #[test]
    fn what_could_not_be_read_is_read_again_as_it_stands() {
        let nothing = Fingerprint::of(&["/nowhere".into()], &[]);
        let again = || Fingerprint::of(&["/nowhere".into()], &[]);
        assert!(!Stillness::of(nothing.clone(), true).look(again()));
        assert!(Stillness::of(nothing.clone(), false).look(again()));
        let mut stillness = Stillness::of(nothing, true);
        stillness.doubt();
        assert!(stillness.look(again()));
    }
}
