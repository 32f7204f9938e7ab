//! HTTP/2, frame by frame, as no proper client sends it.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::worker::eventually;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GO_AWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) stream: u32,
}

#[derive(Debug)]
pub(super) struct Frames {
    stream: TcpStream,
}

impl Frames {
    /// Says the preface and these settings: (4, 0) never opens a window.
    pub(super) fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Frames {
        // One that has stood still for longer than a beginning may take is cut off.
        eventually("it has begun", || Frames::begin(address, settings).ok())
    }

    fn begin(address: SocketAddr, settings: &[(u16, u32)]) -> Result<Frames> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(PREFACE)?;
        let mut frames = Frames { stream };
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        frames.send(SETTINGS, 0, 0, &payload)?;
        Ok(frames)
    }

    pub(super) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<()> {
        self.stream.write_all(&frame(kind, flags, stream, payload))
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    pub(super) fn next(&mut self) -> Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        self.stream.read_exact(&mut vec![0; length])?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Ok(Frame { kind: head[3], stream })
    }

    /// The next of this kind, others thrown away.
    #[track_caller]
    pub(super) fn find(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().unwrap();
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Reads until the worker ends the connection; true: it said so (GOAWAY).
    pub(super) fn ended(&mut self) -> bool {
        let mut said = false;
        loop {
            match self.next() {
                Ok(frame) => said |= frame.kind == GO_AWAY,
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it is held for ever"),
                Err(_) => return said,
            }
        }
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A block of headers: POST / and these, each as it stands.
pub(super) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    // :method POST, :scheme http, :path /.
    let mut block = vec![0x83, 0x86, 0x84];
    for (name, value) in [(":authority", "x")].iter().chain(headers) {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// In seven bits, and more bytes where that is not enough.
fn length(length: usize, block: &mut Vec<u8>) {
    if length < 127 {
        return block.push(length as u8);
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}
