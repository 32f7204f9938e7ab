//! Posts events over HTTP/1.1, written by hand so that the machine is the worker's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use weir::worker::tasks;

use super::sample;

/// Events `0..events` in batches, over so many connections at once.
pub(crate) fn publish(to: SocketAddr, events: usize, batch: usize, connections: usize) {
    let threads = (0..connections).map(|connection| {
        tasks::thread("publisher", move || {
            let mut stream = BufReader::new(TcpStream::connect(to).expect("the worker listens"));
            stream.get_ref().set_nodelay(true).expect("a TCP connection");
            for first in (connection * batch..events).step_by(connections * batch) {
                post(&mut stream, first..events.min(first + batch));
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().for_each(|thread| thread.join().expect("every event is accepted"));
}

fn post(stream: &mut BufReader<TcpStream>, numbers: std::ops::Range<usize>) {
    let (kind, body) = if numbers.len() == 1 {
        ("application/cloudevents+json", sample::json(numbers.start))
    } else {
        let events: Vec<_> = numbers.map(sample::json).collect();
        ("application/cloudevents-batch+json", format!("[{}]", events.join(",")))
    };
    let head = format!(
        "POST / HTTP/1.1\r\nhost: bench\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all((head + &body).as_bytes()).expect("the worker reads");
    let mut status = String::new();
    stream.read_line(&mut status).expect("the worker answers");
    assert!(status.starts_with("HTTP/1.1 202"), "{status}");
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
}
