//! One durable consumer, as it is asked for messages and answered.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use async_nats::{Client, Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

use super::held::{Answer, Came, Held};

/// Whoever asks has not the pin.
const UNPINNED: StatusCode = StatusCode::PIN_ID_MISMATCH;
/// How long a request for messages stands, and how often NATS says meanwhile that it does.
const EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Answers that are sent together: the last one is acknowledged, and with it those before it.
const TOGETHER: usize = 1024;
/// What is under way may take up so much, or twice what one message may: less than what a server keeps for a client before it cuts
/// it off.
const BYTES: usize = 32 << 20;
/// What stands around a payload.
const AROUND: usize = 64 << 10;
/// How long to wait before answers that were not acknowledged are sent again.
const AGAIN: Duration = Duration::from_millis(200);
/// Of those who ask by a pin, the one group that there is.
pub(super) const GROUP: &str = "weir";

pub(super) type Confirmed = Result<(), String>;

pub(super) struct Line {
    client: Client,
    /// Where messages are asked for.
    request: String,
    inbox: String,
    /// What comes of requests of earlier rounds is of no interest.
    round: u64,
    pub(super) subscriber: Subscriber,
    /// Only who has the pin is given anything.
    pinned: Option<Pinned>,
    /// What is under way may take up so much, or twice what one message may.
    pub(super) bytes: usize,
    /// As many were asked for and have not come.
    asked: usize,
    /// What these may take up.
    asked_bytes: usize,
    /// When it was last heard of what was asked for.
    heard: Instant,
    /// So many may be under way.
    most: usize,
    /// How long NATS waits for an answer.
    ack_wait: Duration,
    pub(super) held: Held,
    /// Done, and not answered for.
    unsaid: VecDeque<u64>,
    /// Answered for, until NATS says that it has heard.
    pub(super) confirming: Option<Confirming>,
    again: Option<Instant>,
    /// When it is looked for what takes long.
    touch_due: Instant,
}

/// How a pin is kept: by asking.
struct Pinned {
    /// How long it lasts when nobody asks by it.
    lasts: Duration,
    id: Option<String>,
    /// When it has to be asked by again, whether there is room or not.
    due: Instant,
}

pub(super) struct Confirming {
    sequences: Vec<u64>,
    pub(super) answer: Pin<Box<dyn Future<Output = Confirmed> + Send>>,
}

/// What has come.
pub(super) enum Heard {
    Message(Message),
    /// No message.
    Word,
    /// Another has the pin.
    Unpinned,
    /// Nobody answers for the consumer any more.
    Gone(String),
}

impl Line {
    pub(super) async fn open(
        client: &Client,
        stream: &str,
        durable: &str,
        most: usize,
    ) -> Result<Line, String> {
        let inbox = client.new_inbox();
        let subscriber = client.subscribe(format!("{inbox}.*")).await.map_err(|error| error.to_string())?;
        Ok(Line {
            client: client.clone(),
            request: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"),
            inbox,
            round: 0,
            subscriber,
            pinned: None,
            bytes: BYTES,
            asked: 0,
            asked_bytes: 0,
            heard: Instant::now(),
            most,
            ack_wait: Duration::from_secs(30),
            held: Held::new(),
            unsaid: VecDeque::new(),
            confirming: None,
            again: None,
            touch_due: Instant::now(),
        })
    }

    /// NATS waits for so long for an answer.
    pub(super) fn waits(&mut self, ack_wait: Duration) {
        if ack_wait != self.ack_wait {
            // It may be much shorter than what was thought.
            (self.ack_wait, self.touch_due) = (ack_wait, Instant::now());
        }
    }

    /// It is asked by a pin, which lasts for so long.
    pub(super) fn by_pin(&mut self, lasts: Duration) {
        self.pinned = Some(Pinned { lasts, id: None, due: Instant::now() });
    }

    /// From here on it is asked by this one, or by none until there is one.
    pub(super) fn repin(&mut self, id: Option<String>) {
        if let Some(pinned) = &mut self.pinned {
            pinned.id = id;
            if pinned.id.is_none() {
                self.round += 1;
                (self.asked, self.asked_bytes) = (0, 0);
            }
        }
    }

    /// Keeps the pin though nothing more is wanted.
    pub(super) async fn stay(&mut self, now: Instant) {
        let Some(Pinned { lasts, id: Some(id), due }) = &mut self.pinned else { return };
        if now < *due {
            return;
        }
        *due = now + *lasts / 3;
        // No message is so small.
        let request = format!(
            "{{\"batch\":1,\"max_bytes\":1,\"expires\":{},\"group\":\"{GROUP}\",\"id\":\"{id}\"}}",
            (*lasts / 3).as_nanos()
        );
        let inbox = format!("{}.stay{}", self.inbox, self.round);
        let _ = self.client.publish_with_reply(self.request.clone(), inbox, request.into()).await;
    }

    /// What was asked for is not to come any more.
    pub(super) fn forget_asked(&mut self) {
        (self.asked, self.asked_bytes) = (0, 0);
        if let Some(Confirming { sequences, .. }) = self.confirming.take() {
            self.unsaid.extend(sequences);
        }
        self.again = None;
    }

    /// Nothing that came so far is there any more.
    pub(super) fn begin_again(&mut self) {
        (self.held, self.asked, self.asked_bytes, self.confirming) = (Held::new(), 0, 0, None);
        self.unsaid.clear();
    }

    /// For as many messages as there is room for; or, where all have to come, for so many, whatever they take up.
    pub(super) async fn ask(&mut self, now: Instant, all: Option<usize>) {
        if self.asked > 0 && now.saturating_duration_since(self.heard) > HEARTBEAT * 3 {
            (self.asked, self.asked_bytes) = (0, 0);
        }
        let most = all.unwrap_or(self.most);
        let room = most.saturating_sub(self.held.under_way() + self.asked);
        // Not for each one that is done.
        if room == 0 || self.asked * 2 > most {
            return;
        }
        let most_bytes = self.bytes.max(2 * (self.client.server_info().max_payload + AROUND));
        let bytes = most_bytes.saturating_sub(self.held.bytes() + self.asked_bytes);
        // One that is larger than what is asked for would not come at all.
        if all.is_none() && bytes < most_bytes / 2 {
            return;
        }
        let within = if all.is_none() { format!(",\"max_bytes\":{bytes}") } else { String::new() };
        let expires = self.pinned.as_ref().map_or(EXPIRES, |pinned| pinned.lasts / 3);
        let by_pin = match &mut self.pinned {
            None => String::new(),
            Some(pinned) => {
                pinned.due = now + expires;
                let id = pinned.id.as_ref().map(|id| format!(",\"id\":\"{id}\"")).unwrap_or_default();
                format!(",\"group\":\"{GROUP}\"{id}")
            }
        };
        let request = format!(
            "{{\"batch\":{room},\"expires\":{},\"idle_heartbeat\":{}{within}{by_pin}}}",
            expires.as_nanos(),
            HEARTBEAT.min(expires / 3).as_nanos()
        );
        let inbox = format!("{}.{}", self.inbox, self.round);
        let sent = self.client.publish_with_reply(self.request.clone(), inbox, request.into()).await;
        // A client that is closed says so elsewhere.
        if sent.is_ok() {
            (self.asked, self.asked_bytes, self.heard) = (self.asked + room, self.asked_bytes + bytes, now);
        }
    }

    /// What has come on the subscription.
    pub(super) fn hear(&mut self, message: Option<Message>, now: Instant) -> Heard {
        let Some(message) = message else { return Heard::Gone("the connection is closed".to_owned()) };
        self.heard = now;
        let status = match message.status {
            None | Some(StatusCode::OK) => {
                self.came_of_asked(1, message.length);
                return Heard::Message(message);
            }
            Some(StatusCode::IDLE_HEARTBEAT) => return Heard::Word,
            Some(status) => status,
        };
        // Of an earlier round, or of a request that was to keep a pin.
        let (asked, round) = (message.subject.rsplit('.').next().unwrap_or_default(), self.round.to_string());
        if asked != round {
            let is_lost = status == UNPINNED && asked.strip_prefix("stay") == Some(round.as_str());
            return if is_lost { Heard::Unpinned } else { Heard::Word };
        }
        // A request is over. How many of it are not to come, it says itself.
        let left = |name: &str| {
            let value = message.headers.as_ref().and_then(|headers| headers.get(name));
            value.and_then(|value| value.as_str().parse().ok())
        };
        let (count, bytes) = (left("Nats-Pending-Messages"), left("Nats-Pending-Bytes"));
        self.came_of_asked(count.unwrap_or(self.asked), bytes.unwrap_or(0));
        let why = message.description.unwrap_or_default();
        match status {
            UNPINNED => Heard::Unpinned,
            StatusCode::NO_RESPONDERS => Heard::Gone("nobody answers for it".to_owned()),
            _ if why.contains("Deleted") => Heard::Gone("it was deleted".to_owned()),
            _ => Heard::Word,
        }
    }

    /// So much is not to come any more.
    fn came_of_asked(&mut self, count: usize, bytes: usize) {
        self.asked = self.asked.saturating_sub(count);
        self.asked_bytes = if self.asked == 0 { 0 } else { self.asked_bytes.saturating_sub(bytes) };
    }

    /// Everything that is done is answered for, and the server knows.
    pub(super) fn is_answered(&self) -> bool {
        self.unsaid.is_empty() && self.confirming.is_none()
    }

    /// One that came for nobody: another may have it soon.
    pub(super) async fn decline(&mut self, reply: Subject, wait: Duration) {
        let delay = format!("-NAK {{\"delay\":{}}}", wait.as_nanos());
        let _ = self.client.publish(reply, delay.into()).await;
    }

    /// One that is there already.
    pub(super) fn ready(&mut self) -> Option<Message> {
        self.subscriber.next().now_or_never().flatten()
    }

    /// Is it new? One that is done already is answered for again.
    pub(super) fn came(&mut self, sequence: u64, sent: (Subject, usize), now: Instant) -> bool {
        match self.held.came(sequence, sent, now) {
            Came::New => return true,
            Came::UnderWay => {}
            Came::Done(_) => self.unsaid.push_back(sequence),
        }
        false
    }

    pub(super) fn done(&mut self, sequence: u64, answer: Answer) {
        if self.held.done(sequence, answer) {
            self.unsaid.push_back(sequence);
        }
    }

    /// Another may have it, when it is time.
    pub(super) async fn release(&mut self, sequence: u64, wait: Duration) {
        if let Some(reply) = self.held.release(sequence) {
            let delay = format!("-NAK {{\"delay\":{}}}", wait.as_nanos());
            let _ = self.client.publish(reply, delay.into()).await;
        }
    }

    /// Sends what is not said, where nothing said before is waited for.
    pub(super) async fn answer(&mut self, now: Instant) {
        if self.confirming.is_some() || self.unsaid.is_empty() || self.again.is_some_and(|again| again > now)
        {
            return;
        }
        self.again = None;
        let count = self.unsaid.len().min(TOGETHER);
        let sequences: Vec<u64> = self.unsaid.drain(..count).collect();
        let mut answers =
            sequences.iter().filter_map(|sequence| self.held.answer(*sequence)).collect::<Vec<_>>();
        let Some((reply, answer)) = answers.pop() else { return };
        for (reply, answer) in answers {
            // One that does not go out is sent again with the last.
            let _ = self.client.publish(reply, payload(answer)).await;
        }
        let client = self.client.clone();
        let answer = async move {
            let heard = client.request(reply, payload(answer)).await;
            heard.map(drop).map_err(|error| error.to_string())
        };
        self.confirming = Some(Confirming { sequences, answer: Box::pin(answer) });
    }

    /// NATS has what was said, or not: then it is said again.
    pub(super) fn confirmed(&mut self, heard: &Confirmed, now: Instant) {
        let Some(Confirming { sequences, .. }) = self.confirming.take() else { return };
        match heard {
            Ok(()) => self.held.acknowledged(&sequences),
            Err(_) => {
                self.unsaid.extend(sequences);
                self.again = Some(now + AGAIN);
            }
        }
    }

    /// Says of what takes long that it is being worked on.
    pub(super) async fn touch(&mut self, now: Instant) {
        if now < self.touch_due {
            return;
        }
        self.touch_due = now + self.ack_wait / 6;
        for reply in self.held.untouched(self.ack_wait / 3, now) {
            let _ = self.client.publish(reply, Bytes::from_static(b"+WPI")).await;
        }
    }

    /// What is not done is others' at once.
    pub(super) async fn give_back(&mut self) {
        for reply in self.held.give_back() {
            let _ = self.client.publish(reply, Bytes::from_static(b"-NAK")).await;
        }
    }

    /// Everything that is done is answered for, or it takes too long.
    pub(super) async fn finish(&mut self, by: Instant) {
        while !self.unsaid.is_empty() || self.confirming.is_some() {
            let now = Instant::now();
            if now >= by {
                return tracing::warn!(
                    messages = self.unsaid.len(),
                    "NATS has not taken the last answers: it hands these out again"
                );
            }
            self.answer(now).await;
            let Some(confirming) = &mut self.confirming else {
                tokio::time::sleep(AGAIN / 10).await;
                continue;
            };
            let heard = tokio::time::timeout_at(by.into(), confirming.answer.as_mut()).await;
            self.confirmed(&heard.unwrap_or_else(|_| Err("it takes too long".to_owned())), Instant::now());
        }
    }

    /// When it has to be looked after though nothing happens.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let mut due = self.touch_due.min(now + HEARTBEAT);
        if let Some(again) = self.again.filter(|_| !self.unsaid.is_empty()) {
            due = due.min(again);
        }
        due
    }
}

/// What NATS says when something has come back to it.
pub(super) async fn confirmation(confirming: &mut Option<Confirming>) -> Confirmed {
    match confirming {
        Some(confirming) => confirming.answer.as_mut().await,
        None => std::future::pending().await,
    }
}

fn payload(answer: Answer) -> Bytes {
    Bytes::from_static(match answer {
        Answer::Ack => b"+ACK",
        Answer::Term => b"+TERM",
    })
}
