//! Billing; and what must be true when nothing is left to happen.

use std::collections::BTreeSet;

use weir::event::Uid;
use weir::journal;

use super::super::truth::broken;
use super::World;
use super::truth::{Duty, Fate, Place, uid_of};

impl World {
    pub(super) fn bill(&mut self) {
        let Some(life) = &self.life else { return };
        let mut entries = Vec::new();
        let read = journal::read(&life.store.journal, |entry| entries.push(Some(entry.charge())));
        let totals = read.unwrap_or_else(|error| broken("the journal does not add up", &error.to_string()));
        if totals.entries != entries.len() as u64 {
            broken("the journal does not add up", &format!("{totals:?} of {}", entries.len()));
        }
        self.billing.receive(&entries);
    }

    /// Is all done that anybody waits for?
    pub(super) fn is_at_rest(&self) -> bool {
        let Some(life) = &self.life else { return false };
        let end = self.truth.at.last_key_value().map_or(0, |(last, _)| last + 1);
        let is_over = |place| matches!(place, Place::Over | Place::Queue);
        self.publications.is_empty()
            && !life.stopping
            && life.is_flushed()
            && life.untold == 0
            && life.inbox.is_empty()
            && life.core.is_idle()
            && life.core.parked() == 0
            && self.truth.letters() == 0
            && self.truth.events.values().all(|known| !known.promised || known.offset.is_some())
            && self.truth.settled.watermark == end
            && self.truth.fates.values().all(|fate| fate.perhaps.is_none() && is_over(fate.place))
    }

    pub(super) fn at_rest(&mut self) {
        if !self.is_at_rest() {
            self.lost();
        }
        self.nothing_in_memory();
        self.bill();
        self.billed();
        self.little_on_disk();
        self.totals.billed_again += self.billing.repeats;
        self.totals.pauses += self.life().core.counts().pauses;
    }

    /// Says what there still is to do, where nothing happens any more.
    fn lost(&self) -> ! {
        let promised =
            |(_, known): &(&String, &super::events::Known)| known.promised && known.offset.is_none();
        if let Some((id, _)) = self.truth.events.iter().find(promised) {
            broken("lost", &format!("{id}, which was acknowledged"));
        }
        let open = |(_, fate): &(&Duty, &Fate)| !matches!(fate.place, Place::Over | Place::Queue);
        if let Some((duty, fate)) = self.truth.fates.iter().find(open) {
            broken("stuck", &format!("{duty:?}: {fate:?}"));
        }
        broken(
            "stuck",
            &format!("settled {:?}, to be acknowledged {:?}", self.truth.settled, self.publications),
        )
    }

    fn nothing_in_memory(&mut self) {
        let life = self.life();
        let core = &life.core;
        let left = [
            ("events", core.events_in_flight()),
            ("deliveries", core.deliveries_in_flight()),
            ("held", core.held()),
            ("parked", core.parked()),
            ("running", core.running()),
            ("lanes", core.lanes()),
            ("bytes", core.bytes()),
            ("jobs", life.jobs.len()),
            ("fetching", life.fetching.len()),
            ("parking", life.parking.len()),
        ];
        if let Some((what, count)) = left.iter().find(|(_, count)| *count > 0) {
            broken("left in memory", &format!("{what}: {count}"));
        }
        if let Some(left) = core.traffic().find(|left| left.running + left.waiting + left.parked > 0) {
            broken("left in memory", &format!("traffic: {left:?}"));
        }
        if !core.has_room() {
            broken("no room", "where nothing is left");
        }
    }

    /// Billing has counted each attempt that any end rests on, and none that was not made.
    fn billed(&self) {
        let counted = self.billing.counted();
        let is_whole = self.life.as_ref().is_some_and(|life| life.store.journal.first() == 0);
        for (&duty, fate) in self.truth.fates.iter().filter(|_| is_whole) {
            for attempt in 1..=fate.attempts {
                if !counted.contains(&Uid::of_charge(uid_of(duty), attempt)) {
                    broken("not billed", &format!("attempt {attempt} of {duty:?}: {fate:?}"));
                }
            }
        }
        let made: BTreeSet<Uid> =
            self.truth.made.keys().map(|&(duty, attempt)| Uid::of_charge(uid_of(duty), attempt)).collect();
        if let Some(charge) = counted.difference(&made).next() {
            broken("billed wrongly", &format!("{charge}, an attempt that was never made"));
        }
    }

    /// All is done, and its disk has come back.
    fn little_on_disk(&mut self) {
        let most = self.volume_bytes;
        let life = self.life.as_ref().expect("it is alive");
        let logs = [
            (&life.store.queue, &mut self.totals.queues_dropped),
            (&life.store.parking, &mut self.totals.parkings_dropped),
            (&life.store.dead_letters, &mut self.totals.letters_dropped),
        ];
        for (log, dropped) in logs {
            *dropped += u64::from(log.first() > 0);
            if log.volumes_held() > 2 || log.bytes() > 3 * most {
                let what = format!("{} bytes of {} in {}", log.bytes(), log.name(), log.volumes_held());
                broken("disk not given back", &what);
            }
        }
        if life.archive.is_full() {
            broken("full for ever", &format!("{} bytes", life.archive.bytes()));
        }
    }
}
