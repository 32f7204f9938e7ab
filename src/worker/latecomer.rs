//! Who is waited for as the worker ends, so that an end that does not come has a name.

use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Debug, Default)]
pub(super) struct Latecomer(Arc<Mutex<String>>);

impl Latecomer {
    pub(super) fn note(&self, name: Option<&str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = name.unwrap_or_default().to_owned();
    }

    pub(super) fn name(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
