//! The brokers that events can be posted to. Others take their place when documents change.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::event::Uid;

#[derive(Debug, Default)]
pub struct Names {
    /// By "namespace/name".
    pub paths: HashMap<String, Uid>,
    /// Those whose events do not live in the worker's own queue.
    pub elsewhere: HashSet<Uid>,
}

#[derive(Clone, Debug, Default)]
pub struct Brokers(Arc<RwLock<Arc<Names>>>);

impl Brokers {
    pub fn new(names: Names) -> Brokers {
        Brokers(Arc::new(RwLock::new(Arc::new(names))))
    }

    pub fn names(&self) -> Arc<Names> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, names: Names) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
    }
}
