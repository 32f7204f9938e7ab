//! Posts events over HTTP/1.1, written by hand so that the machine is the worker's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use weir::worker::tasks;

use super::sample;

#[derive(Clone, Copy)]
pub(crate) enum Form {
    Binary,
    Structured,
    Batch(usize),
}

impl Form {
    /// Events of a request.
    pub(crate) fn events(self) -> usize {
        match self {
            Form::Binary | Form::Structured => 1,
            Form::Batch(events) => events,
        }
    }

    /// What comes after the first lines of the head, and the body.
    fn message(self, numbers: Range<usize>) -> (String, String) {
        match self {
            Form::Structured => {
                ("content-type: application/cloudevents+json\r\n".to_owned(), sample::json(numbers.start))
            }
            Form::Batch(_) => {
                let events: Vec<_> = numbers.map(sample::json).collect();
                let kind = "content-type: application/cloudevents-batch+json\r\n";
                (kind.to_owned(), format!("[{}]", events.join(",")))
            }
            Form::Binary => {
                let json = sample::json(numbers.start);
                let event = weir::event::structured::decode(json.as_bytes()).expect("the sample is an event");
                let message = weir::event::binary::encode_http(&event);
                let lines = message.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
                let body = message.body.as_deref().unwrap_or_default();
                (lines.collect(), String::from_utf8_lossy(body).into_owned())
            }
        }
    }
}

/// Events `0..events`, over so many connections at once, each answered with that status. Returns how long each answer took.
pub(crate) fn publish(
    to: SocketAddr,
    events: usize,
    form: Form,
    connections: usize,
    status: u16,
) -> Vec<Duration> {
    let batch = form.events();
    let threads = (0..connections).map(|connection| {
        tasks::thread("publisher", move || {
            let mut stream = BufReader::new(TcpStream::connect(to).expect("the worker listens"));
            stream.get_ref().set_nodelay(true).expect("a TCP connection");
            let firsts = (connection * batch..events).step_by(connections * batch);
            firsts
                .map(|first| post(&mut stream, form, first..events.min(first + batch), status))
                .collect::<Vec<_>>()
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().flat_map(|thread| thread.join().expect("every event is accepted")).collect()
}

fn post(stream: &mut BufReader<TcpStream>, form: Form, numbers: Range<usize>, wanted: u16) -> Duration {
    let (more, body) = form.message(numbers);
    let head = format!("POST / HTTP/1.1\r\nhost: bench\r\n{more}content-length: {}\r\n\r\n", body.len());
    let begun = Instant::now();
    stream.get_mut().write_all((head + &body).as_bytes()).expect("the worker reads");
    let mut status = String::new();
    stream.read_line(&mut status).expect("the worker answers");
    assert!(status.starts_with(&format!("HTTP/1.1 {wanted}")), "{status}");
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("the worker answers");
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().expect("a length"),
            Some(_) => {}
            None => break,
        }
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).expect("the worker answers");
    begun.elapsed()
}
