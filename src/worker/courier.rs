//! The courier: carries deliveries to HTTP subscribers, thousands at a time, on the few threads of the runtime. What it has
//! in hand only waits for answers, so it keeps no executor busy. The core says how much that may be.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::Sender;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use tokio::sync::mpsc;

use super::backlog::Work;
use super::deployment::{Deployment, Remote, Trigger};
use super::executor::{Attempted, HOPS, Job, Measured};
use super::reply;
use super::report::{self, Refused, report};
use super::tasks;
use crate::client::{Bounds, Client, Failure as Unanswered, Limits, Trust};
use crate::config::{Format, Reach, Settings};
use crate::dispatch::{Outcome, Reason};
use crate::event::binary::{Message, encode_http};
use crate::event::{Event, Uid, Value, mode, structured};
use crate::function::Failure;
use crate::telemetry::trace::Context;

/// Destinations whose authorities differ have connections of their own; so many kinds are kept.
const TRUSTS: usize = 64;

#[derive(Debug)]
pub struct Courier {
    limits: Limits,
    max_answer: usize,
    reach: Arc<Reach>,
    /// By the authorities that are trusted beside the system's.
    clients: Mutex<HashMap<Option<Arc<str>>, Client>>,
    done: Sender<Attempted>,
}

impl Courier {
    pub fn new(settings: &Settings, done: Sender<Attempted>) -> Arc<Courier> {
        let limits = Limits {
            connect: settings.deliver_connect_timeout,
            idle: settings.deliver_idle_connections as usize,
            idle_time: settings.deliver_idle_time,
        };
        let (allow, deny) = (settings.deliver_allow.clone(), settings.deliver_deny.clone());
        Arc::new(Courier {
            limits,
            max_answer: usize::try_from(settings.deliver_max_answer.0).unwrap_or(usize::MAX),
            reach: Arc::new(Reach { allow, deny }),
            clients: Mutex::default(),
            done,
        })
    }

    /// Until nothing more can come.
    pub async fn run(self: Arc<Courier>, mut work: mpsc::UnboundedReceiver<Work>) {
        while let Some(work) = work.recv().await {
            tasks::task(Arc::clone(&self).carry(work));
        }
    }

    /// One after the other: what follows a failure is not attempted.
    async fn carry(self: Arc<Courier>, work: Work) {
        let Work { deployment, jobs, .. } = work;
        let mut owed = Owed { deployment, jobs: jobs.into(), done: self.done.clone() };
        let mut succeeded = true;
        while let Some(job) = owed.jobs.front() {
            let attempted = if job.follows && !succeeded {
                Attempted::Skipped(job.delivery)
            } else {
                self.deliver(&owed.deployment, job).await
            };
            succeeded = matches!(attempted, Attempted::Over(_, Outcome::Succeeded, _));
            owed.settle(attempted);
        }
    }

    async fn deliver(&self, deployment: &Arc<Deployment>, job: &Job) -> Attempted {
        let trigger = &deployment.triggers[job.trigger as usize];
        let remote = trigger.remote().expect("what a function is to do goes to an executor");
        let delivery = Uid::of_delivery(job.envelope.position, trigger.uid, job.replay);
        let mut measured = Measured::default();
        let mut bytes_in = 0;
        let context = deployment.sampling.map(|sampling| {
            sampling.context(&job.envelope.event(), job.envelope.position, delivery, job.attempt)
        });
        let answer = match request(trigger, remote, job, context.as_ref()) {
            Err(failure) => Err(Refused::from(failure)),
            Ok((request, length)) => {
                bytes_in = length;
                let bounds =
                    Bounds { deadline: remote.timeout, body: self.max_answer, refusal: report::LONGEST_SAID };
                let begun = Instant::now();
                let sent = match self.client(remote) {
                    Ok(client) => client.send(request, bounds).await.map_err(unanswered),
                    Err(failure) => Err(failure),
                };
                measured.wall = begun.elapsed();
                sent.map_err(Refused::from)
            }
        };
        let result = match &answer {
            Err(refused) => Err(refused.clone()),
            Ok(answer) => {
                measured.bytes_out = answer.body.bytes().len();
                reply::read(answer, remote.timeout)
            }
        };
        let outcome = result.as_ref().map_or_else(|refused| refused.failure.outcome, |_| Outcome::Succeeded);
        // Nobody listens to what a dead-letter sink says.
        let result = result.map(|reply| reply.into_iter().filter(|_| !trigger.is_forward).collect());
        Attempted::Over(job.delivery, outcome, report(deployment, job, delivery, &measured, bytes_in, result))
    }

    fn client(&self, remote: &Remote) -> Result<Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let trusted = &remote.endpoint.ca_certs;
        if let Some(client) = clients.get(trusted) {
            return Ok(client.clone());
        }
        let system = Trust::system();
        let trust = trusted.as_ref().map_or(Ok(system.clone()), |pem| system.and(pem));
        let trust = trust.map_err(|bad| Failure {
            outcome: Outcome::Retryable,
            reason: Reason::Connection,
            message: format!("CACerts: {bad}"),
        })?;
        if clients.len() >= TRUSTS {
            clients.clear();
        }
        let client = Client::new(self.limits, Arc::clone(&self.reach), &trust);
        clients.insert(trusted.clone(), client.clone());
        Ok(client)
    }
}

/// What is owed an outcome. Whatever a defect of ours leaves without one has failed.
struct Owed {
    deployment: Arc<Deployment>,
    jobs: VecDeque<Job>,
    done: Sender<Attempted>,
}

impl Owed {
    fn settle(&mut self, attempted: Attempted) {
        self.jobs.pop_front();
        // A loop that is gone asks for nothing any more.
        let _ = self.done.send(attempted);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let Some(job) = self.jobs.pop_front() else { return };
        let trigger = &self.deployment.triggers[job.trigger as usize];
        let delivery = Uid::of_delivery(job.envelope.position, trigger.uid, job.replay);
        let failure = Failure {
            outcome: Outcome::Retryable,
            reason: Reason::Vanished,
            message: "the attempt ended without an outcome: a defect of the worker".to_owned(),
        };
        let report = report(&self.deployment, &job, delivery, &Measured::default(), 0, Err(failure.into()));
        let _ = self.done.send(Attempted::Over(job.delivery, Outcome::Retryable, report));
        for job in self.jobs.drain(..) {
            let _ = self.done.send(Attempted::Skipped(job.delivery));
        }
    }
}

/// What is sent, and how much.
fn request(
    trigger: &Trigger,
    remote: &Remote,
    job: &Job,
    context: Option<&Context>,
) -> Result<(Request<Full<Bytes>>, usize), Failure> {
    let mut event = job.envelope.event();
    // A subscriber may be a broker, this worker's own too: a loop over HTTP ends as one of replies does.
    let hops = report::hops(&event) - 1;
    if hops < 0 {
        return Err(report::looping());
    }
    event.set_extension(HOPS, Value::Integer(hops));
    // A dead letter is handed over as it was.
    if let Some(context) = context.filter(|_| !trigger.is_forward) {
        context.mark(&mut event);
    }
    let binary = match remote.format {
        Format::Binary => binary(&event),
        Format::Json => None,
    };
    let (mut headers, body) = binary.unwrap_or_else(|| in_json(&event));
    headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static("reply"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION"))));
    if let Ok(namespace) = HeaderValue::from_str(trigger.namespace()) {
        headers.insert(HeaderName::from_static("kn-namespace"), namespace);
    }
    if let Some(context) = context {
        let said = [
            ("traceparent", Some(context.traceparent())),
            ("tracestate", context.tracestate().map(str::to_owned)),
        ];
        for (name, value) in said {
            if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    let length = body.len();
    let mut request =
        Request::post(remote.uri.clone()).body(Full::new(body)).expect("a URL that was checked");
    *request.headers_mut() = headers;
    Ok((request, length))
}

/// `None`: something of it can't be said in a header.
fn binary(event: &Event<'_>) -> Option<(HeaderMap, Bytes)> {
    let Message { headers, body } = encode_http(event);
    let mut map = HeaderMap::with_capacity(headers.len() + 6);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        map.insert(name, HeaderValue::from_str(&value).ok()?);
    }
    Some((map, body.map_or_else(Bytes::new, |body| Bytes::copy_from_slice(&body))))
}

fn in_json(event: &Event<'_>) -> (HeaderMap, Bytes) {
    let mut json = Vec::new();
    structured::encode(event, &mut json);
    let content_type = HeaderValue::from_static(mode::STRUCTURED);
    (HeaderMap::from_iter([(hyper::header::CONTENT_TYPE, content_type)]), json.into())
}

fn unanswered(failure: Unanswered) -> Failure {
    let (outcome, reason) = match &failure {
        Unanswered::Denied(_) => (Outcome::Permanent, Reason::Denied),
        Unanswered::Unreachable(_) | Unanswered::Broken(_) => (Outcome::Retryable, Reason::Connection),
        Unanswered::Deadline(_) => (Outcome::TimedOut, Reason::Deadline),
    };
    Failure { outcome, reason, message: failure.to_string() }
}
