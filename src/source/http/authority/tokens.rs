//! Static tokens: whose each is, read anew when the files behind them change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::config::SecretRef;

/// How often their files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where each is kept, and the setting that says so.
#[derive(Debug, Default)]
pub struct Kept {
    pub references: Vec<(&'static str, SecretRef)>,
    pub secrets_dir: PathBuf,
}

/// Only digests are held: comparing them tells nothing about the tokens.
#[derive(Debug, Default)]
pub struct Tokens {
    kept: Kept,
    held: RwLock<Arc<[Held]>>,
    /// What went wrong at the last look: said once.
    wrong: Mutex<Option<String>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Held {
    name: Arc<str>,
    digest: blake3::Hash,
}

impl Kept {
    /// All of them, or the reason why not.
    fn read(&self) -> Result<Vec<Held>, String> {
        let read = |(setting, reference): &(&str, SecretRef)| {
            let secret = reference.resolve(&self.secrets_dir, &|name| std::env::var(name).ok());
            let secret = secret.map_err(|reason| format!("{setting}: {reason}"))?;
            Ok(Held { name: Arc::from(reference.key()), digest: blake3::hash(secret.expose().as_bytes()) })
        };
        self.references.iter().map(read).collect()
    }
}

impl Tokens {
    pub fn open(kept: Kept) -> Result<Tokens, String> {
        let held = RwLock::new(kept.read()?.into());
        Ok(Tokens { kept, held, wrong: Mutex::default() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.references.is_empty()
    }

    /// Whose it is. All of them are compared, so that the time taken tells nothing.
    pub(super) fn of(&self, digest: &blake3::Hash) -> Option<Arc<str>> {
        let held = Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner));
        let found = held.iter().filter(|held| held.digest == *digest);
        found.fold(None, |found, held| found.or(Some(&held.name))).cloned()
    }

    /// Looks after them for ever.
    pub(super) async fn keep(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let tokens = Arc::clone(self);
            let _ = tokio::task::spawn_blocking(move || tokens.look()).await;
        }
    }

    /// They change together or not at all: where one can't be read, those that there are go on.
    fn look(&self) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        match self.kept.read() {
            Ok(now) => {
                *wrong = None;
                if **self.held.read().unwrap_or_else(PoisonError::into_inner) != *now {
                    *self.held.write().unwrap_or_else(PoisonError::into_inner) = now.into();
                    tracing::info!("the tokens of those who post were read anew");
                }
            }
            Err(reason) => {
                if wrong.as_ref() != Some(&reason) {
                    tracing::error!(%reason, "a token can't be read: those that there are go on");
                    *wrong = Some(reason);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_change_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("http")).unwrap();
        let write =
            |name: &str, token: &str| std::fs::write(folder.path().join("http").join(name), token).unwrap();
        let references =
            ["http/shop", "http/bank"].map(|text| ("http.tokens", SecretRef::parse(text).unwrap())).to_vec();
        let kept = || Kept { references: references.clone(), secrets_dir: folder.path().into() };
        write("shop", "s1");
        assert!(Tokens::open(kept()).unwrap_err().contains("http/bank"), "one is missing");
        write("bank", "b1");
        let tokens = Tokens::open(kept()).unwrap();
        let of = |token: &str| tokens.of(&blake3::hash(token.as_bytes())).map(|name| name.to_string());
        assert_eq!((of("s1").as_deref(), of("b1").as_deref(), of("s2")), (Some("shop"), Some("bank"), None));
        write("shop", "s2");
        std::fs::remove_file(folder.path().join("http/bank")).unwrap();
        tokens.look();
        assert_eq!((of("s1").as_deref(), of("s2")), (Some("shop"), None), "one is gone");
        write("bank", "");
        tokens.look();
        assert_eq!((of("b1").as_deref(), of("s2")), (Some("bank"), None), "one is empty");
        write("bank", "b2");
        tokens.look();
        assert_eq!((of("s2").as_deref(), of("b2").as_deref(), of("s1")), (Some("shop"), Some("bank"), None));
    }
}
