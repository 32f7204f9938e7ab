//! Secrets: named in files, kept outside them, and never shown.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

const MAX_BYTES: u64 = 64 << 10;

/// A secret's value. It is shown as `***`; only [`expose`](Self::expose) gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: Box<str>,
    /// A file, or a variable of the environment; none: nobody knows.
    place: Box<str>,
}

/// What stands before the name of a variable where that of a file could stand.
const OF_ENVIRONMENT: &str = "env:";

impl Secret {
    pub fn new(value: impl Into<Box<str>>) -> Secret {
        Secret { value: value.into(), place: Box::default() }
    }

    pub fn expose(&self) -> &str {
        &self.value
    }

    /// Where it was found, for [`at`](Self::at).
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What stands there now.
    pub fn at(place: &str) -> Result<Secret, String> {
        let value = match place.strip_prefix(OF_ENVIRONMENT) {
            Some(variable) => std::env::var(variable).map_err(|_| format!("{variable} is not set"))?,
            None => read(Path::new(place)).map_err(|error| format!("{place} can't be read: {error}"))?,
        };
        Secret::of(&value, place.into()).ok_or_else(|| format!("{place} is empty"))
    }

    /// Without the end of its line; `None`: nothing is left.
    fn of(value: &str, place: Box<str>) -> Option<Secret> {
        let value = value.strip_suffix('\n').unwrap_or(value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        (!value.is_empty()).then(|| Secret { value: value.into(), place })
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut value = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut value)?;
    let too_large = || std::io::Error::other(format!("it is larger than {MAX_BYTES} bytes"));
    if value.len() as u64 > MAX_BYTES { Err(too_large()) } else { Ok(value) }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Which secret: a name and a key, as a Kubernetes Secret mounted as a directory has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretRef {
    name: String,
    key: String,
}

impl SecretRef {
    /// What [`parse`](Self::parse) takes, white space about it aside; but for its length.
    pub(super) const PATTERN: &str = r"\s*[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_-][A-Za-z0-9_.-]*\s*";

    /// `name/key`. What is no such text may be the secret itself, so nobody is told what it was.
    pub fn parse(text: &str) -> Option<SecretRef> {
        let (name, key) = text.split_once('/')?;
        SecretRef::new(name, key)
    }

    pub fn new(name: &str, key: &str) -> Option<SecretRef> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let good = |part: &str| {
            !part.is_empty() && part.len() <= 253 && part.chars().all(allowed) && !part.starts_with('.')
        };
        (good(name) && good(key)).then(|| SecretRef { name: name.into(), key: key.into() })
    }

    /// Which of its name's.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The file that it is in, if there is one.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.name).join(&self.key)
    }

    /// From `<folder>/<name>/<key>`, else from the environment.
    pub fn resolve(&self, folder: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, String> {
        let path = self.path(folder);
        let (value, place) = match read(&path) {
            Ok(value) => (value, path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let variable = self.variable();
                let value = env(&variable).ok_or_else(|| {
                    format!("the secret '{self}' is neither in {} nor in {variable}", path.display())
                })?;
                (value, format!("{OF_ENVIRONMENT}{variable}"))
            }
            Err(error) => {
                return Err(format!("the secret '{self}' can't be read from {}: {error}", path.display()));
            }
        };
        Secret::of(&value, place.into()).ok_or_else(|| format!("the secret '{self}' is empty"))
    }

    /// `WEIR_SECRET_<NAME>_<KEY>`.
    pub fn variable(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("WEIR_SECRET_{}_{}", self.name, self.key).chars().map(plain).collect()
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_reference_can_not_leave_the_folder() {
        for text in ["http/token", "a.b/c_d-e"] {
            assert!(SecretRef::parse(text).is_some(), "{text}");
        }
        for text in ["", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/.b", "a b/c", "a\0/b"] {
            assert!(SecretRef::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_file_comes_before_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let reference = SecretRef::parse("http/to-ken").unwrap();
        let env = |name: &str| (name == "WEIR_SECRET_HTTP_TO_KEN").then(|| "from-env".to_owned());
        assert_eq!(reference.resolve(folder.path(), &env).unwrap().expose(), "from-env");
        std::fs::create_dir(folder.path().join("http")).unwrap();
        std::fs::write(folder.path().join("http/to-ken"), "from-file\n").unwrap();
        assert_eq!(reference.resolve(folder.path(), &env).unwrap().expose(), "from-file");
        std::fs::write(folder.path().join("http/to-ken"), "\n").unwrap();
        assert!(reference.resolve(folder.path(), &env).unwrap_err().contains("is empty"));
        let other = SecretRef::parse("no/where").unwrap();
        let message = other.resolve(folder.path(), &env).unwrap_err();
        assert!(message.contains("WEIR_SECRET_NO_WHERE"), "{message}");
    }
}
