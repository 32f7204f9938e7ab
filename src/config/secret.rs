//! Secrets: named in files, kept outside them, and never shown.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

const MAX_BYTES: u64 = 64 << 10;

/// A secret's value. It is shown as `***`; only [`expose`](Self::expose) gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    pub fn new(value: impl Into<Box<str>>) -> Secret {
        Secret(value.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
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
        let value = match std::fs::File::open(&path) {
            Ok(file) => {
                let mut value = String::new();
                let read = file.take(MAX_BYTES + 1).read_to_string(&mut value);
                read.map_err(|error| {
                    format!("the secret '{self}' can't be read from {}: {error}", path.display())
                })?;
                if value.len() as u64 > MAX_BYTES {
                    return Err(format!("the secret in {} is larger than {MAX_BYTES} bytes", path.display()));
                }
                value
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let variable = self.variable();
                env(&variable).ok_or_else(|| {
                    format!("the secret '{self}' is neither in {} nor in {variable}", path.display())
                })?
            }
            Err(error) => {
                return Err(format!("the secret '{self}' can't be read from {}: {error}", path.display()));
            }
        };
        let value = value.strip_suffix('\n').unwrap_or(&value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() {
            return Err(format!("the secret '{self}' is empty"));
        }
        Ok(Secret::new(value))
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
