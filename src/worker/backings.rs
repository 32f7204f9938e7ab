//! Where the events of brokers live that are not in the worker's queue; other places when documents change.

use std::sync::{Arc, PoisonError, RwLock};

use super::outlets::Outlets;
use crate::event::Uid;
use crate::sink::parcel::Outlet;

#[derive(Clone, Debug, Default)]
pub struct Backings(Arc<RwLock<Outlets>>);

impl Backings {
    pub fn new(outlets: Outlets) -> Backings {
        Backings(Arc::new(RwLock::new(outlets)))
    }

    pub fn of(&self, broker: Uid) -> Option<Arc<Outlet>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(broker).cloned()
    }

    pub fn replace(&self, outlets: Outlets) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = outlets;
    }
}
