//! A good function beside the hostile ones: its one instance stays warm and answers right.

use std::sync::Arc;

use weir::event::Uid;
use weir::function::{Answer, Limits, Module, Pool, answer};

use crate::{ONLY, guests};

pub(crate) struct Neighbour(Pool);

impl Neighbour {
    pub(crate) fn module() -> Arc<Module> {
        Module::load(&guests::engine(), "payment", &guests::payment(), Limits::default()).unwrap()
    }

    pub(crate) fn new() -> Neighbour {
        let mut pool = Pool::new(&guests::engine(), [Neighbour::module()]);
        pool.prewarm().unwrap();
        Neighbour(pool)
    }

    /// After `what`.
    #[track_caller]
    pub(crate) fn answers(&mut self, what: &str) {
        let called = self.0.call(ONLY, &guests::order("A7", "12500"));
        assert!(!called.cold, "after {what}");
        match answer::read(called.result.unwrap(), "payment", Uid(1)) {
            Ok(Answer::Replies(replies)) => assert_eq!(replies[0].ty, "order.flagged", "after {what}"),
            other => panic!("after {what}: {other:?}"),
        }
    }
}
