//! A receiver of usage as OpenMeter publishes its API: `POST /api/v1/events`, a batch of CloudEvents in JSON, answered 204; what is
//! wrong with one refuses the whole batch, 400 and a problem. Of one source and id the first counts. It can lose its
//! acknowledgements, fail, be away or take half.

// Each test binary uses what it needs of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Takes all, and hangs up before it says so.
    Lost,
    Error,
    /// Hangs up on everybody.
    Down,
    /// Takes the first half and fails.
    Half,
    /// Says when to come again.
    Busy,
}

pub(crate) const MOODS: [Mood; 6] = [Mood::Well, Mood::Lost, Mood::Error, Mood::Down, Mood::Half, Mood::Busy];

#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) mood: Mood,
    /// The token that it wants.
    pub(crate) token: Option<String>,
    /// An event about this one is refused.
    pub(crate) poison: Option<String>,
    /// By source and id: the first of each.
    pub(crate) first: BTreeMap<(String, String), Value>,
    /// In the order in which they came.
    pub(crate) order: Vec<String>,
    pub(crate) received: usize,
    pub(crate) batches: Vec<usize>,
    pub(crate) requests: usize,
    /// What no receiver of this API would have taken.
    pub(crate) wrong: Vec<String>,
}

impl Receiver {
    pub(crate) fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared {
            mood: Mood::Well,
            token: None,
            poison: None,
            first: BTreeMap::new(),
            order: Vec::new(),
            received: 0,
            batches: Vec::new(),
            requests: 0,
            wrong: Vec::new(),
        }));
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || stream.map(|stream| serve(stream, &shared)));
            }
        });
        Receiver { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/v1/events", self.address)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }
}

/// Until the connection ends.
fn serve(stream: TcpStream, shared: &Mutex<Shared>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (head, body) = request(&mut reader)?;
        let mut state = shared.lock().unwrap();
        state.requests += 1;
        let answer = state.take(&head, &body);
        drop(state);
        let (status, more) = answer?;
        let (headers, text) = match status {
            204 => ("", ""),
            400 => ("content-type: application/problem+json\r\n", r#"{"title":"Bad Request","status":400}"#),
            _ => (more, "no"),
        };
        // A 204 has no body and no length.
        let length =
            if status == 204 { String::new() } else { format!("content-length: {}\r\n", text.len()) };
        let answer = format!("HTTP/1.1 {status} Said\r\n{headers}{length}\r\n{text}");
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(Vec<String>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length =
        head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

impl Shared {
    /// `None`: it hangs up.
    fn take(&mut self, head: &[String], body: &[u8]) -> Option<(u16, &'static str)> {
        if self.mood == Mood::Down {
            return None;
        }
        let header = |name: &str| {
            head.iter().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let mut wrong = |what: String| self.wrong.push(what);
        if head[0] != "POST /api/v1/events HTTP/1.1" {
            wrong(head[0].clone());
        }
        if header("content-type").as_deref() != Some("application/cloudevents-batch+json") {
            wrong(format!("{head:?}"));
        }
        let wanted = self.token.as_ref().map(|token| format!("Bearer {token}"));
        if header("authorization") != wanted {
            return Some((401, ""));
        }
        let Ok(Value::Array(events)) = serde_json::from_slice(body) else {
            wrong("the body is no batch".to_owned());
            return Some((400, ""));
        };
        for event in &events {
            let text = |name: &str| event[name].as_str().is_some_and(|text| !text.is_empty());
            let is_one = event["specversion"] == "1.0"
                && ["id", "source", "type", "subject", "time"].into_iter().all(text)
                && event["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok()
                && event["data"].is_object();
            if !is_one {
                self.wrong.push(event.to_string());
                return Some((400, ""));
            }
            if self.poison.is_some() && event["data"]["event_id"].as_str() == self.poison.as_deref() {
                return Some((400, ""));
            }
        }
        let taken = match self.mood {
            Mood::Error | Mood::Busy | Mood::Down => 0,
            Mood::Half => events.len() / 2,
            Mood::Well | Mood::Lost => events.len(),
        };
        for event in &events[..taken] {
            let name = |name: &str| event[name].as_str().unwrap().to_owned();
            self.received += 1;
            let key = (name("source"), name("id"));
            match self.first.get(&key) {
                None => {
                    self.order.push(name("id"));
                    self.first.insert(key, event.clone());
                }
                // Of an attempt that is made again the first counts; a sum is what it is.
                Some(first) if name("type").contains("rollup") && first != event => {
                    self.wrong.push(format!("{first} and {event}"));
                }
                Some(_) => {}
            }
        }
        match self.mood {
            Mood::Well => {
                self.batches.push(events.len());
                Some((204, ""))
            }
            Mood::Lost | Mood::Down => None,
            Mood::Error | Mood::Half => Some((500, "")),
            Mood::Busy => Some((429, "retry-after: 0\r\n")),
        }
    }
}
