//! What goes wrong: kills, stops, a disk that fails or is full; and dead letters that someone asks for.

use weir::dispatch::Input;
use weir::store::simulated::Fault as DiskFault;

use super::super::scenario::Fault;
use super::life::Ask;
use super::{Happens, World};

impl World {
    pub(super) fn fault(&mut self) {
        let possible = [
            Fault::Crash,
            Fault::Drain,
            Fault::FailingWrites,
            Fault::FullDisk,
            Fault::Replays,
            Fault::Replays,
            Fault::Drops,
            Fault::Reloads,
            Fault::Reloads,
            Fault::Budgets,
        ];
        let possible: Vec<Fault> = possible.into_iter().filter(|&fault| self.has(fault)).collect();
        if possible.is_empty() || self.life.is_none() {
            return;
        }
        match self.dice.pick(&possible) {
            Fault::Crash => self.crash(),
            Fault::Drain if !self.life().stopping => self.stop(),
            Fault::Drain => {}
            Fault::FailingWrites => {
                let (after, durable) = (self.dice.within(0..12), self.dice.chance(50));
                let lasting = self.dice.chance(30);
                self.disk.fail(DiskFault { after, durable, lasting });
                self.soon(5_000..200_000, Happens::Mend);
            }
            Fault::FullDisk => {
                self.totals.full_disks += 1;
                let room = self.dice.within(0..2_000);
                self.disk.set_capacity(Some(self.disk.bytes() + room));
                self.soon(5_000..200_000, Happens::Mend);
            }
            Fault::Replays => self.asks(Ask::Replay),
            Fault::Reloads => self.reload(),
            Fault::Budgets => self.spend(),
            _ => self.asks(Ask::Drop),
        }
    }

    /// A budget is used up, or more of it is given.
    fn spend(&mut self) {
        let now = self.moment();
        if let Some((trigger, time)) = self.plan.spends(&mut self.dice) {
            self.totals.spent += 1;
            let until = time.map(|time| now.after(time));
            self.life().inbox.push(Input::Spent { trigger, until });
            self.plan_step();
        }
    }

    fn asks(&mut self, ask: Ask) {
        // Of a worker that stops, its console is still there; of one whose scribe has ended, not.
        if self.life().closed.is_none() {
            self.life().asks.push(ask);
            self.plan_group();
        }
    }

    pub(super) fn mend(&mut self) {
        self.disk.mend();
        self.disk.set_capacity(None);
    }

    pub(super) fn clean_up(&mut self) {
        if self.is_at_rest() {
            return;
        }
        if self.life.is_some() && self.truth.letters() > 0 {
            self.asks(Ask::DropAll);
        }
        self.soon(self.patience(50_000), Happens::CleanUp);
    }
}
