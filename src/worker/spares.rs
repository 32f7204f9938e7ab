//! Spare executors: threads that take a seat whose executor is in a long call. They are started when they are needed, as
//! many as may be, and end when nobody has needed them for a while.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select_biased};

use super::chatter::Chatter;
use super::deployment::Deployment;
use super::desk::{Desk, Lent, Loan};
use super::executor::Executor;
use super::tasks;
use crate::function::{self, Engine, Pool, Pooled};
use crate::telemetry::metrics::Metrics;

/// How long one waits to be needed again.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Spares {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    most: usize,
    /// Those that are there, at a seat or not.
    threads: AtomicUsize,
    handles: Mutex<Vec<JoinHandle<()>>>,
    /// Room for none: what is sent is taken by one who waits.
    lend: Sender<Loan>,
    borrow: Receiver<Loan>,
    /// Disconnected when the worker stops.
    closed: Receiver<()>,
}

impl Spares {
    /// They go when the sender is dropped.
    pub fn new(engine: Arc<Engine>, metrics: Arc<Metrics>, most: usize) -> (Arc<Spares>, Sender<()>) {
        let (lend, borrow) = bounded(0);
        let (close, closed) = bounded(0);
        let (threads, handles) = (AtomicUsize::new(0), Mutex::default());
        (Arc::new(Spares { engine, metrics, most, threads, handles, lend, borrow, closed }), close)
    }

    /// Hands a seat to one who waits. Where none does, one is started, for when it is asked for again.
    pub fn lend(self: &Arc<Spares>, loan: Loan) -> Lent {
        match self.lend.try_send(loan) {
            Ok(()) => Lent::Taken,
            Err(TrySendError::Full(loan) | TrySendError::Disconnected(loan)) => {
                self.hire(&loan);
                Lent::Nobody(loan)
            }
        }
    }

    /// Waits until all have gone.
    pub fn join(&self) {
        let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        for handle in handles {
            let _ = handle.join();
        }
    }

    fn hire(self: &Arc<Spares>, loan: &Loan) {
        let one_more = |there| (there < self.most).then_some(there + 1);
        if self.threads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            return;
        }
        let spares = Arc::clone(self);
        let number = loan.seat.number;
        let thread = tasks::thread_with(function::STACK, &format!("spare-{number}"), move || {
            spares.serve();
            spares.threads.fetch_sub(1, Ordering::Relaxed);
        });
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|handle| !handle.is_finished());
        handles.push(thread);
    }

    /// A spare's life.
    fn serve(self: &Arc<Spares>) {
        let nothing = Arc::new(Deployment::default());
        let pool = Pool::new(&self.engine, std::iter::empty::<Pooled>());
        let desk = Rc::new(Desk::default());
        let executor = Executor::new(pool, nothing, Chatter::default());
        let mut executor = executor.counted(self.metrics.busy());
        executor.at(Rc::clone(&desk), Arc::clone(self));
        loop {
            select_biased! {
                recv(self.closed) -> _ => return,
                recv(self.borrow) -> loan => match loan {
                    Ok(loan) => executor.sit(desk.borrow(loan)),
                    Err(_) => return,
                },
                default(IDLE) => return,
            }
        }
    }
}
