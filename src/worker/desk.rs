//! An executor's desk: the work that it has in hand, and the seat at which it takes work from the loop.
//!
//! A call that takes long keeps its executor, and must not keep the others waiting: the executor lends its seat to a spare
//! one, with what lies on the desk, in the middle of the call. When the call is over it works on, and calls the seat back.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::backlog::Work;
use super::deployment::Deployment;
use super::executor::{Attempted, Done, Job};
use super::permit::Permit;

/// Where work comes from, and where its results go.
#[derive(Clone, Debug)]
pub struct Seat {
    pub number: usize,
    pub jobs: Receiver<Work>,
    pub done: Sender<Done>,
}

/// A seat that is lent.
#[derive(Debug)]
pub struct Loan {
    pub seat: Seat,
    /// What lay on the desk.
    pub work: Option<Work>,
    /// Disconnected when the seat is called back.
    pub recalled: Receiver<()>,
}

/// What became of a call for somebody to take the seat.
pub enum Lent {
    Taken,
    /// Nobody is free to take it.
    Nobody(Loan),
}

#[derive(Default)]
pub struct Desk(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    seat: Option<Seat>,
    tenure: Tenure,
    /// What is in hand and not begun.
    waiting: VecDeque<Job>,
    deployment: Option<Arc<Deployment>>,
    permit: Option<Permit>,
    done: Vec<Attempted>,
}

#[derive(Default)]
enum Tenure {
    /// It is its own. Dropping the sender calls it back from whoever has it.
    #[default]
    Own,
    Away {
        _recall: Sender<()>,
    },
    /// It is somebody else's.
    Borrowed(Receiver<()>),
    /// And somebody else has it now.
    PassedOn,
}

impl Desk {
    pub fn own(seat: Seat) -> Desk {
        let desk = Desk::default();
        desk.0.borrow_mut().seat = Some(seat);
        desk
    }

    /// Sits down at a seat that is lent. Returns the work that comes with it.
    pub fn borrow(&self, loan: Loan) -> Option<Work> {
        let mut desk = self.0.borrow_mut();
        (desk.seat, desk.tenure) = (Some(loan.seat), Tenure::Borrowed(loan.recalled));
        loan.work
    }

    pub fn put(&self, work: Work) {
        let mut desk = self.0.borrow_mut();
        desk.waiting.extend(work.jobs);
        (desk.deployment, desk.permit) = (Some(work.deployment), work.permit);
    }

    pub fn next(&self) -> Option<Job> {
        self.0.borrow_mut().waiting.pop_front()
    }

    pub fn note(&self, attempted: Attempted) {
        self.0.borrow_mut().done.push(attempted);
    }

    /// Hands in what has been done. False: the loop is gone.
    pub fn hand_in(&self) -> bool {
        let (done, sender) = {
            let mut desk = self.0.borrow_mut();
            let is_over = desk.waiting.is_empty();
            let permit = if is_over { desk.permit.take() } else { None };
            let seat = desk.seat.as_ref().expect("work is done at a seat");
            let (executor, sender) = (seat.number, seat.done.clone());
            (Done { executor, attempts: std::mem::take(&mut desk.done), permit }, sender)
        };
        done.attempts.is_empty() && done.permit.is_none() || sender.send(done).is_ok()
    }

    /// In the middle of a call that takes long: `lend` may find somebody to take the seat. True: the call need not ask
    /// again.
    pub fn lend(&self, lend: impl FnOnce(Loan) -> Lent) -> bool {
        let mut desk = self.0.borrow_mut();
        let desk = &mut *desk;
        let (recall, recalled) = match &desk.tenure {
            Tenure::Away { .. } | Tenure::PassedOn => return true,
            Tenure::Own => {
                let (recall, recalled) = bounded(0);
                (Some(recall), recalled)
            }
            Tenure::Borrowed(recalled) => (None, recalled.clone()),
        };
        let Some(seat) = desk.seat.clone() else { return true };
        desk.hand_in_now(&seat);
        let work = desk.others();
        match lend(Loan { seat, work, recalled }) {
            Lent::Taken => {
                desk.tenure = match recall {
                    Some(recall) => Tenure::Away { _recall: recall },
                    None => Tenure::PassedOn,
                };
                true
            }
            Lent::Nobody(loan) => {
                desk.waiting.extend(loan.work.into_iter().flat_map(|work| work.jobs));
                false
            }
        }
    }

    /// Has it a seat to take work at, once it is done with what it has? A seat of its own that was lent is called back.
    pub fn resume(&self) -> bool {
        let mut desk = self.0.borrow_mut();
        match desk.tenure {
            Tenure::Away { .. } => desk.tenure = Tenure::Own,
            Tenure::PassedOn => return false,
            Tenure::Own | Tenure::Borrowed(_) => {}
        }
        true
    }

    pub fn seat(&self) -> Seat {
        self.0.borrow().seat.clone().expect("asked for by who sits there")
    }

    /// Disconnected once the seat is called back; `None`: it is its own.
    pub fn recalled(&self) -> Option<Receiver<()>> {
        match &self.0.borrow().tenure {
            Tenure::Borrowed(recalled) => Some(recalled.clone()),
            _ => None,
        }
    }
}

impl Inner {
    /// What others wait for, if there is room for it: nobody waits for the loop in the middle of a call.
    fn hand_in_now(&mut self, seat: &Seat) {
        if self.done.is_empty() {
            return;
        }
        let attempts = std::mem::take(&mut self.done);
        let done = Done { executor: seat.number, attempts, permit: None };
        if let Err(error) = seat.done.try_send(done) {
            self.done = error.into_inner().attempts;
        }
    }

    /// What may run while the call goes on: not what follows it, nor what needs its permit.
    fn others(&mut self) -> Option<Work> {
        if self.permit.is_some() {
            return None;
        }
        let following = self.waiting.iter().take_while(|job| job.follows).count();
        let jobs: Vec<Job> = self.waiting.drain(following..).collect();
        let deployment = self.deployment.clone().filter(|_| !jobs.is_empty())?;
        Some(Work { deployment, jobs, permit: None })
    }
}
