//! A partition of which nothing comes. NATS pins a worker with a message alone, and what is parked may be due long before there is
//! one: so whoever is to have it says that it has it, waits until others have heard that, and reads what is parked without a pin. The
//! next message brings one.

use std::time::{Duration, Instant};

use super::partition::{Done, LOOK, PATIENCE, Partition, Phase};
use super::tenure::{Said, Tenure};
use crate::event::Epoch;

/// How long others get to hear that it is had here: a beat, and some more.
const HEARS: Duration = Duration::from_secs(2);

impl Partition {
    /// It is this worker's, nobody says that they have it, and nothing comes of it: is anything parked?
    pub(super) fn look_for_parked(&mut self, now: Instant) {
        let may = self.phase == Phase::Out && self.is_free() && self.is_ready;
        if !may || self.is_asking || now < self.idle_due {
            return;
        }
        (self.is_asking, self.idle_due) = (true, now + LOOK);
        let (context, durable, shelf) = (self.context.clone(), self.durable.clone(), self.shelf.clone());
        self.doings.push(Box::pin(async move {
            let asked = async {
                if shelf.is_empty().await? {
                    return Ok(None);
                }
                let stream = durable.stream(&context).await.map_err(|unfit| unfit.to_string())?;
                let info = durable.info(&stream).await.map_err(|unfit| unfit.to_string())?;
                Ok(info.filter(|info| info.num_pending == 0).map(|info| Said::of(&info)))
            };
            let asked = tokio::time::timeout(PATIENCE, asked).await;
            Done::Idle(asked.unwrap_or_else(|_| Err("NATS does not answer".to_owned())))
        }));
    }

    pub(super) fn is_idle(&mut self, said: Result<Option<Said>, String>, now: Instant) {
        self.is_asking = false;
        let said = match said {
            Ok(said) => said.filter(|said| said.unacknowledged == 0),
            Err(why) => {
                return self.say(format!("what is parked of partition {}: {why}", self.number), now);
            }
        };
        if let Some(said) = said.filter(|_| self.phase == Phase::Out && self.is_free()) {
            (self.phase, self.is_pinned, self.reached) = (Phase::Gated, false, said.reached);
            self.epoch = Epoch(self.epoch.0 + 1);
            self.tenure = Some(Tenure::of_idle(said));
            self.load(HEARS);
        }
    }

    /// Another says that it has what was to be had here without a pin.
    pub(super) fn is_contested(&self) -> bool {
        !self.is_free() && self.tenure.as_ref().is_some_and(|tenure| tenure.pin.is_empty())
    }

    /// The first message brings the pin, if nobody has had one since.
    pub(super) fn adopt(&mut self, pin: &str, delivery: u64) {
        let Some(tenure) = &mut self.tenure else { return };
        let begins = tenure.pin.is_empty() && tenure.is_next(delivery);
        if begins && matches!(self.phase, Phase::Gated | Phase::Ours) {
            pin.clone_into(&mut tenure.pin);
            self.line.repin(Some(pin.to_owned()));
            self.is_pinned = true;
        }
    }
}
