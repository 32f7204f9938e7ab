//! What is done with a request's events before it is answered: they are stored (202), or they are run, and whoever sent
//! them learns how that went.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::direct::{Answer, Direct, Failed};
use super::intake::Intake;
use super::refusal::Refusal;
use crate::dispatch::Outcome;
use crate::event::mode::{self, Mode};
use crate::event::{Uid, binary, record, structured};

#[derive(Debug)]
pub enum Reception {
    Stored(Intake),
    /// Several replies go to the broker, and so by way of the queue.
    Direct(Direct, Intake),
}

/// What a sender is told of events that are taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Accepted,
    /// The one reply that there is, as a record.
    Reply(Vec<u8>),
}

impl Reception {
    pub(super) async fn take(
        &self,
        broker: Uid,
        records: Vec<Vec<u8>>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Taken, Refusal> {
        match self {
            Reception::Stored(intake) => intake.store(broker, records, Some(slot)).await?,
            Reception::Direct(direct, intake) => match direct.ask(broker, records, slot).await? {
                Answer::Done(mut replies) => match replies.len() {
                    0 => {}
                    1 => return Ok(Taken::Reply(replies.remove(0))),
                    // The sender holds its events until then, and makes these again if need be.
                    _ => intake.store(broker, replies, None).await?,
                },
                Answer::Failed(failed) => return Err(failed.into()),
                Answer::NotNow { why, wait } => {
                    return Err(Refusal::later(StatusCode::SERVICE_UNAVAILABLE, why, wait));
                }
            },
        }
        Ok(Taken::Accepted)
    }

    /// What is said of a request that takes too long.
    pub(super) fn late(&self) -> Refusal {
        let reason = match self {
            Reception::Stored(_) => {
                "not durable within http.request-timeout, though it may be yet: send it again unchanged"
            }
            Reception::Direct(..) => {
                "not done within http.request-timeout, though it may be yet: send it again unchanged"
            }
        };
        Refusal::later(StatusCode::SERVICE_UNAVAILABLE, reason, Duration::from_secs(1))
    }
}

impl Taken {
    /// A reply goes out in the mode in which the request came.
    pub(super) fn into_response(self, mode: Mode) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        let Taken::Reply(record) = self else {
            *response.status_mut() = StatusCode::ACCEPTED;
            return response;
        };
        let reply = record::decode(&record).expect("the worker encoded it");
        if mode != Mode::Binary {
            let mut json = Vec::with_capacity(512);
            structured::encode(&reply, &mut json);
            *response.body_mut() = Full::from(json);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(mode::STRUCTURED));
            return response;
        }
        let message = binary::encode_http(&reply);
        for (name, value) in message.headers {
            let name = HeaderName::try_from(name).expect("attributes are named in lower case and digits");
            let value = HeaderValue::try_from(&*value).expect("values are encoded");
            response.headers_mut().insert(name, value);
        }
        *response.body_mut() = Full::from(message.body.unwrap_or_default().into_owned());
        response
    }
}

/// The status says whether it is worth sending again: to a Knative source 422 is not, the others are.
impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Refusal {
        let Failed { trigger, outcome, reason, message, retry_after } = failed;
        let status = match outcome {
            Outcome::Permanent => StatusCode::UNPROCESSABLE_ENTITY,
            Outcome::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Outcome::Trapped => StatusCode::INTERNAL_SERVER_ERROR,
            Outcome::Retryable | Outcome::Succeeded => StatusCode::SERVICE_UNAVAILABLE,
        };
        let about = [("kne-weiroutcome", outcome.as_str()), ("kne-weirreason", reason.as_str())];
        let message = format!("{trigger}: {outcome} ({reason}): {message}");
        match retry_after {
            Some(wait) => Refusal::later(status, message, wait),
            None => Refusal::new(status, message),
        }
        .about(about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Reason;
    use crate::event::{Data, Event, Value};

    fn reply() -> Vec<u8> {
        let mut event = Event {
            id: "1".into(),
            source: "/functions/f".into(),
            ty: "é done".into(),
            subject: None,
            time: None,
            dataschema: None,
            datacontenttype: Some("application/json".into()),
            extensions: vec![],
            data: Some(Data::Json("{\"a\":1}".into())),
        };
        event.set_extension("partitionkey", Value::String("k".into()));
        let mut bytes = Vec::new();
        record::encode(&event, &mut bytes);
        bytes
    }

    #[test]
    fn a_reply_comes_in_the_mode_of_the_request() {
        let header = |response: &Response<Full<Bytes>>, name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let binary = Taken::Reply(reply()).into_response(Mode::Binary);
        assert_eq!(binary.status(), StatusCode::OK);
        assert_eq!(header(&binary, "content-type").as_deref(), Some("application/json"));
        assert_eq!(header(&binary, "ce-type").as_deref(), Some("%C3%A9%20done"));
        assert_eq!(header(&binary, "ce-partitionkey").as_deref(), Some("k"));
        for mode in [Mode::Structured, Mode::Batch] {
            let whole = Taken::Reply(reply()).into_response(mode);
            assert_eq!(header(&whole, "content-type").as_deref(), Some(mode::STRUCTURED));
            assert_eq!(header(&whole, "ce-type"), None);
        }
        assert_eq!(Taken::Accepted.into_response(Mode::Binary).status(), StatusCode::ACCEPTED);
    }

    #[test]
    fn only_what_can_t_succeed_later_is_not_to_be_sent_again() {
        let retried = |status: u16| matches!(status, 404 | 408 | 409 | 429 | 500..);
        for &outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Succeeded) {
            let (trigger, message) = ("default/t".to_owned(), "no".to_owned());
            let retry_after = Some(std::time::Duration::from_secs(7));
            let failed = Failed { trigger, outcome, reason: Reason::Guest, message, retry_after };
            let response = Refusal::from(failed).into_response();
            assert_eq!(response.headers()["retry-after"], "7");
            assert_eq!(retried(response.status().as_u16()), outcome.retries(), "{outcome}");
            assert_eq!(response.headers()["kne-weiroutcome"], outcome.as_str());
        }
    }
}
