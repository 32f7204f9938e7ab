//! Jobs that no executor has yet, each under the deployment that was in force when the core gave it out: in their order,
//! but that those of a function which may not run more often at a time let the others go first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::deployment::Deployment;
use super::executor::Job;
use super::permit::{Permit, Permits};

/// Jobs for one executor.
#[derive(Debug)]
pub struct Work {
    pub deployment: Arc<Deployment>,
    pub jobs: Vec<Job>,
    /// Held until all of them have ended: they are of one function, which needs it.
    pub permit: Option<Permit>,
}

#[derive(Debug, Default)]
pub struct Backlog {
    /// More than one only while a reload is waited for, or permits are.
    stretches: VecDeque<Stretch>,
    len: usize,
}

/// What was given out under one deployment.
#[derive(Debug)]
struct Stretch {
    deployment: Arc<Deployment>,
    jobs: VecDeque<Job>,
    /// Of functions that need permits, by their index.
    limited: BTreeMap<usize, VecDeque<Job>>,
}

impl Backlog {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn push(&mut self, deployment: &Arc<Deployment>, job: Job) {
        self.len += 1;
        let is_last = |stretch: &Stretch| Arc::ptr_eq(&stretch.deployment, deployment);
        if !self.stretches.back().is_some_and(is_last) {
            let deployment = Arc::clone(deployment);
            self.stretches.push_back(Stretch { deployment, jobs: VecDeque::new(), limited: BTreeMap::new() });
        }
        let stretch = self.stretches.back_mut().expect("there is one now");
        let function = deployment.triggers[job.trigger as usize].function();
        match function.filter(|&function| deployment.functions[function].permits.is_some()) {
            None => stretch.jobs.push_back(job),
            Some(function) => stretch.limited.entry(function).or_default().push_back(job),
        }
    }

    /// The next `count` at most, but for a run, which stays together. What is taken is of one deployment. `None`: there is
    /// nothing that may run now.
    pub fn take(&mut self, count: usize) -> Option<Work> {
        while self.stretches.len() > 1 && self.stretches.front().is_some_and(Stretch::is_empty) {
            self.stretches.pop_front();
        }
        let work = self.stretches.iter_mut().find_map(|stretch| stretch.take(count))?;
        self.len -= work.jobs.len();
        Some(work)
    }
}

impl Stretch {
    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.limited.is_empty()
    }

    fn take(&mut self, count: usize) -> Option<Work> {
        // No more of these are here than may run, or little more: they are not for ever in the way of others.
        self.take_limited().or_else(|| self.take_free(count))
    }

    /// One delivery, or one run.
    fn take_limited(&mut self) -> Option<Work> {
        let permits = |function: usize| self.deployment.functions[function].permits.as_ref();
        let (function, permit) = self
            .limited
            .keys()
            .find_map(|&function| Some((function, permits(function).and_then(Permits::take)?)))?;
        let jobs = self.limited.get_mut(&function)?;
        let taken = first(jobs, 1);
        if jobs.is_empty() {
            self.limited.remove(&function);
        }
        Some(Work { deployment: Arc::clone(&self.deployment), jobs: taken, permit: Some(permit) })
    }

    fn take_free(&mut self, count: usize) -> Option<Work> {
        if self.jobs.is_empty() {
            return None;
        }
        let jobs = first(&mut self.jobs, count);
        Some(Work { deployment: Arc::clone(&self.deployment), jobs, permit: None })
    }
}

/// So many, and what follows the last of them.
fn first(jobs: &mut VecDeque<Job>, count: usize) -> Vec<Job> {
    let mut count = count.min(jobs.len());
    while jobs.get(count).is_some_and(|job| job.follows) {
        count += 1;
    }
    jobs.drain(..count).collect()
}

/// For the courier, one run each: what follows another goes with it.
pub(super) fn push_errand(errands: &mut Vec<Work>, deployment: &Arc<Deployment>, job: Job) {
    match errands.last_mut() {
        Some(last) if job.follows => last.jobs.push(job),
        _ => errands.push(Work { deployment: Arc::clone(deployment), jobs: vec![job], permit: None }),
    }
}
