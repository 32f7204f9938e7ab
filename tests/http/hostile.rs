//! Clients that are slow, many or hostile: held or cut off, counted, while others are served and memory stays flat.

use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::frames::{self, Frames, frame};
use super::*;

/// What the process has in memory now, in KiB.
fn resident(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn descriptors(running: &Running) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", running.id())).unwrap().count()
}

/// Held by the test that opens thousands of connections: this process has the other end of each, and descriptors for
/// one such test at a time.
static THOUSANDS: Mutex<()> = Mutex::new(());

fn raise_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    limit.maximum.unwrap_or(u64::MAX)
}

/// Still open, and nothing has come.
fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// That many connections: a third says nothing, a third is in the middle of a head, a third has had an answer.
fn idle(running: &Running, count: usize) -> Vec<TcpStream> {
    let body = event("idle");
    let whole = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/cloudevents+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let open = |number: usize| {
        let mut stream = TcpStream::connect(running.http()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap(),
            _ => {
                // Of one that had to make room there is none, or a part of it.
                let asked = stream.write_all(whole.as_bytes());
                if let Ok(head) = asked.and_then(|()| head(&mut stream)) {
                    assert!(head.starts_with("HTTP/1.1 202"), "{head}");
                    assert!(head.to_ascii_lowercase().contains("content-length: 0\r\n"), "{head}");
                }
            }
        }
        stream
    };
    (0..count).map(open).collect()
}

/// An answer to the end of its head, however many pieces it comes in.
fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[test]
fn ten_thousand_idle_connections_are_held_and_take_little() {
    const MANY: usize = 10_000;
    let _alone = THOUSANDS.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(raise_descriptors() > MANY as u64 + 1_000, "the process may not have so many descriptors");
    let (_home, running) = worker(&["http.max-connections=11000", "http.header-timeout=10m"]);
    drop(idle(&running, 300));
    let before = resident(&running);
    let mut held = idle(&running, MANY);
    for n in 0..20 {
        assert_eq!(post_event(&running, &format!("beside-{n}")).status, 202);
    }
    let grown = resident(&running).saturating_sub(before);
    assert!(descriptors(&running) >= MANY, "{}", descriptors(&running));
    assert_eq!(held.iter_mut().map(is_open).filter(|open| *open).count(), MANY);
    // Some 16 KiB each, where a head has begun.
    assert!(grown < 24 * MANY as u64, "{grown} KiB for {MANY}");
    println!("{MANY} idle connections: {} B each", grown * 1024 / MANY as u64);
    drop(held);
    eventually("all are let go", || (descriptors(&running) < 1_000).then_some(()));
}

#[test]
fn ten_thousand_idle_connections_make_room_where_there_is_little() {
    const MANY: usize = 10_000;
    let _alone = THOUSANDS.lock().unwrap_or_else(PoisonError::into_inner);
    raise_descriptors();
    let (_home, running) = worker(&["http.max-connections=100", "http.header-timeout=10m"]);
    let mut all = idle(&running, MANY);
    // Whoever comes is served, though nobody leaves.
    for n in 0..20 {
        assert_eq!(post_event(&running, &format!("beside-{n}")).status, 202);
    }
    eventually("the oldest were closed", || {
        let open = all.iter_mut().map(is_open).filter(|open| *open).count();
        (open <= 100).then_some(())
    });
    assert!(descriptors(&running) < 1_000);
}

/// 20 connections with 100 requests each, of which no body ends.
#[test]
fn bodies_that_stall_on_many_streams_are_408_and_give_their_slots_back() {
    let (_home, running) = worker(&["http.request-timeout=500ms"]);
    served(&running, "before");
    let before = resident(&running);
    let block = frames::block(&[STRUCTURED]);
    let mut stalled: Vec<Frames> = (0..20).map(|_| Frames::open(running.http(), &[])).collect();
    for client in &mut stalled {
        for stream in (1..200).step_by(2) {
            client.send(frames::HEADERS, frames::END_HEADERS, stream, &block).unwrap();
            client.send(frames::DATA, 0, stream, b"{\"specversion\"").unwrap();
        }
    }
    let mut answered = 0;
    for client in &mut stalled {
        for _ in (1..200).step_by(2) {
            client.find(frames::HEADERS);
            answered += 1;
        }
    }
    assert_eq!(answered, 2_000);
    served(&running, "after");
    let grown = resident(&running).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB");
}

/// It never opens a window, so no answer's body can be sent to it.
#[test]
fn who_opens_no_window_is_cut_off() {
    let (_home, running) =
        worker(&["http.max-connections=1", "http.header-timeout=2s", "http.request-timeout=2s"]);
    let mut deaf = Frames::open(running.http(), &[(4, 0)]);
    let block = frames::block(&[STRUCTURED]);
    for stream in (1..200).step_by(2) {
        deaf.send(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, stream, &block).unwrap();
    }
    assert!(deaf.ended(), "it is asked to leave, then cut off");
    served(&running, "1");
}

#[test]
fn beginnings_and_heads_that_stall_are_cut_off_with_http_2_too() {
    let (_home, running) =
        worker(&["http.max-connections=1", "http.header-timeout=2s", "http.request-timeout=2s"]);
    let mut slow = TcpStream::connect(running.http()).unwrap();
    slow.write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    let mut half = Frames::open(running.http(), &[]);
    let whole = frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::block(&[STRUCTURED]));
    half.raw(&whole[..whole.len() - 1]).unwrap();
    half.ended();
    served(&running, "1");
}

/// CVE-2023-44487: requests that are taken back at once, so that no limit of streams holds them.
#[test]
fn rapid_resets_end_the_connection() {
    let (home, running) = worker(&[]);
    assert_eq!(post_event(&running, "before").status, 202);
    let before = resident(&running);
    let block = frames::block(&[STRUCTURED]);
    for _ in 0..10 {
        let mut hasty = Frames::open(running.http(), &[]);
        let mut flood = Vec::new();
        for stream in (1..20_000).step_by(2) {
            flood.extend(frame(frames::HEADERS, frames::END_HEADERS, stream, &block));
            flood.extend(frame(frames::RESET, 0, stream, &8_u32.to_be_bytes()));
        }
        // It may end while much of it is still to be sent.
        let _ = hasty.raw(&flood);
        hasty.ended();
    }
    let grown = resident(&running).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB");
    assert_eq!(post_event(&running, "after").status, 202);
    ran(&home, "default/all", &["after", "before"]);
}

/// CVE-2024-27316: a head that never ends.
#[test]
fn endless_continuations_end_the_connection() {
    let (_home, running) = worker(&[]);
    let mut endless = Frames::open(running.http(), &[]);
    endless.send(frames::HEADERS, 0, 1, &frames::block(&[])).unwrap();
    let more: Vec<u8> = (0..100)
        .flat_map(|n| {
            let name = format!("x-{n}");
            [&[0, name.len() as u8], name.as_bytes(), b"\x01a"].concat()
        })
        .collect();
    let mut sent = 0_u32;
    while sent < 100_000 && endless.send(frames::CONTINUATION, 0, 1, &more).is_ok() {
        sent += 1;
    }
    assert!(sent < 100_000, "all of it was taken");
    assert_eq!(post_event(&running, "after").status, 202);
}

/// Pings and settings each want an answer; it reads none.
#[test]
fn questions_without_end_are_not_answered_without_end() {
    let (_home, running) =
        worker(&["http.max-connections=1", "http.header-timeout=2s", "http.request-timeout=2s"]);
    let mut deaf = Frames::open(running.http(), &[]);
    let questions =
        [frame(frames::PING, 0, 0, b"12345678"), frame(frames::SETTINGS, 0, 0, &[])].concat().repeat(1_000);
    let before = resident(&running);
    let error = eventually("it is cut off", || deaf.raw(&questions).err());
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error:?}");
    let grown = resident(&running).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB");
    served(&running, "1");
}
