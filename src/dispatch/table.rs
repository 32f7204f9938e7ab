//! What the core decides by: replaced whole.

use foldhash::HashMap;

use super::policy::Policy;
use super::unmet::Unmet;
use crate::event::Uid;
use crate::trigger::Routes;

#[derive(Debug, Default)]
pub struct Table {
    pub routes: Routes,
    /// By the trigger's index in `routes`.
    pub policies: Vec<Policy>,
    pub uids: Vec<Uid>,
    /// By the source of a position: what becomes of an event that meets no trigger. Of other sources it settles.
    pub unmet: HashMap<Uid, Unmet>,
}
