//! A subscriber of a few lines: answers every request with 202, and counts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use weir::worker::tasks;

pub(crate) struct Subscriber {
    pub(crate) address: SocketAddr,
    seen: Arc<AtomicUsize>,
}

impl Subscriber {
    pub(crate) fn start() -> Subscriber {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&seen);
        // They end with the process.
        drop(tasks::thread("subscriber", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&counts);
                drop(tasks::thread("subscriber", move || serve(stream, &seen)));
            }
        }));
        Subscriber { address, seen }
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::Acquire)
    }
}

fn serve(stream: TcpStream, seen: &AtomicUsize) {
    stream.set_nodelay(true).expect("a TCP connection");
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if !stream.read_line(&mut line).is_ok_and(|read| read > 0) {
                return;
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().expect("a length");
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        seen.fetch_add(1, Ordering::Release);
        if stream.get_mut().write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}
