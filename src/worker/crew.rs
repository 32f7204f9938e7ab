//! The executors' threads: each with its functions' instances made before there is anything for it to do.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::backlog::Work;
use super::chatter::Chatter;
use super::deployment::Deployment;
use super::desk::{Desk, Seat};
use super::dispatcher::WINDOW;
use super::executor::{Done, Executor};
use super::spares::Spares;
use super::tasks;
use crate::function::{self, Engine, Pool};
use crate::telemetry::metrics::Metrics;

#[derive(Debug)]
pub(super) struct Crew {
    pub(super) jobs: Vec<Sender<Work>>,
    pub(super) done: Receiver<Done>,
    /// They end when the jobs' senders are dropped.
    pub(super) threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// `count` of them. Returns when each is ready, or why one is not.
    pub(super) fn begin(
        count: usize,
        engine: &Arc<Engine>,
        deployment: &Arc<Deployment>,
        spares: &Arc<Spares>,
        metrics: &Metrics,
    ) -> Result<Crew, String> {
        let (done_sender, done) = bounded(count * 8);
        let (mut jobs, mut threads, mut ready) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            let (jobs_sender, jobs_receiver) = bounded(WINDOW);
            let engine = Arc::clone(engine);
            let (deployment, spares) = (Arc::clone(deployment), Arc::clone(spares));
            let seat = Seat { number, jobs: jobs_receiver, done: done_sender.clone() };
            let busy = metrics.busy();
            let (warmed, warm) = bounded(1);
            threads.push(tasks::thread_with(function::STACK, &format!("executor-{number}"), move || {
                let pool = Pool::new(&engine, deployment.pooled());
                let executor = Executor::new(pool, deployment, Chatter::default());
                let mut executor = executor.sharing(number, count).counted(busy);
                executor.at(Rc::new(Desk::own(seat)), spares);
                let prewarmed = executor.prewarm();
                let failed = prewarmed.is_err();
                let _ = warmed.send(prewarmed);
                if !failed {
                    executor.sit(None);
                }
            }));
            jobs.push(jobs_sender);
            ready.push(warm);
        }
        for warm in ready {
            let prewarmed = warm.recv().map_err(|_| "an executor died while it started".to_owned())?;
            prewarmed.map_err(|e| format!("a function's instance could not be made: {e}"))?;
        }
        Ok(Crew { jobs, done, threads })
    }
}
