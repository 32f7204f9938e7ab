//! What others want of the loop: that it stops, that it goes on with another set, and how it is.

use std::time::Instant;

use super::{Dispatcher, Draining, REPORT_INTERVAL, Request, Status};
use crate::dispatch::{Input, Traffic};
use crate::time::unix_nanos;

impl Dispatcher {
    pub(super) fn answer(&mut self, request: Request) {
        match request {
            Request::Drain { deadline } => {
                let now = Instant::now();
                self.draining =
                    Some(Draining { deadline: now + deadline, report_due: now + REPORT_INTERVAL });
                self.inputs.push(Input::Drain);
                self.streams.recall(now + deadline, &mut self.inputs);
            }
            // The next start is under it.
            Request::Reload { .. } if self.draining.is_some() => {}
            Request::Reload { deployment, table, answer } => {
                // What the core says next is of the new table: it hands over when it has taken all inputs in.
                self.deployment = deployment;
                self.inputs.push(Input::Reloaded { table });
                self.budgets.follow(&self.deployment);
                self.budgets.tell(self.clock, unix_nanos(), &mut self.inputs);
                let _ = answer.try_send(());
            }
            Request::Status { answer } => {
                let status = Status {
                    counts: self.core.counts(),
                    events: self.core.events_in_flight(),
                    deliveries: self.core.deliveries_in_flight(),
                    held: self.core.held(),
                    parked: self.core.parked(),
                    traffic: self.traffic(),
                    budgets: self.budgets.told(&self.deployment),
                    draining: self.draining.is_some(),
                };
                // Who asked may have gone.
                let _ = answer.try_send(status);
            }
        }
    }

    fn traffic(&self) -> Vec<(String, Traffic)> {
        let named = |traffic: Traffic| {
            let trigger = self.deployment.triggers.get(traffic.trigger as usize)?;
            (trigger.is_limited || traffic.is_waited_for()).then(|| (trigger.name.clone(), traffic))
        };
        self.core.traffic().filter_map(named).collect()
    }
}
