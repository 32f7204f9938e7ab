//! Jobs that no executor has yet, in the order in which the core gave them out, each under the deployment that was in force
//! then.

use std::collections::VecDeque;
use std::sync::Arc;

use super::deployment::Deployment;
use super::executor::Job;

/// Jobs for one executor.
#[derive(Debug)]
pub struct Work {
    pub deployment: Arc<Deployment>,
    pub jobs: Vec<Job>,
}

#[derive(Debug, Default)]
pub struct Backlog {
    /// More than one only while a reload is waited for.
    works: VecDeque<(Arc<Deployment>, VecDeque<Job>)>,
    len: usize,
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
        match self.works.back_mut() {
            Some((of, jobs)) if Arc::ptr_eq(of, deployment) => jobs.push_back(job),
            _ => self.works.push_back((Arc::clone(deployment), VecDeque::from([job]))),
        }
    }

    /// The next `count` at most, but for a run, which stays together. What is taken is of one deployment.
    pub fn take(&mut self, count: usize) -> Option<Work> {
        while self.works.len() > 1 && self.works.front().is_some_and(|(_, jobs)| jobs.is_empty()) {
            self.works.pop_front();
        }
        let (deployment, jobs) = self.works.front_mut().filter(|(_, jobs)| !jobs.is_empty())?;
        let mut count = count.min(jobs.len());
        while jobs.get(count).is_some_and(|job| job.follows) {
            count += 1;
        }
        let jobs: Vec<Job> = jobs.drain(..count).collect();
        self.len -= count;
        Some(Work { deployment: Arc::clone(deployment), jobs })
    }
}
