//! How a connection begins: HTTP/2 with its preface, said by a client that knows it beforehand, or anything else, which is
//! HTTP/1.1.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A stream of which what was read to know its version is read again.
#[derive(Debug)]
pub(super) struct Opened<S> {
    read: [u8; PREFACE.len()],
    /// What there is of it, and how much has been given out.
    filled: usize,
    given: usize,
    stream: S,
}

/// `None`: it ended without a word.
pub(super) async fn open<S: AsyncRead + Unpin>(mut stream: S) -> Result<Option<(Version, Opened<S>)>> {
    let mut read = [0; PREFACE.len()];
    let mut filled = 0;
    while filled < PREFACE.len() && read[..filled] == PREFACE[..filled] {
        match stream.read(&mut read[filled..]).await? {
            0 if filled == 0 => return Ok(None),
            0 => break,
            count => filled += count,
        }
    }
    let version = if read == *PREFACE { Version::Two } else { Version::One };
    Ok(Some((version, Opened { read, filled, given: 0, stream })))
}

impl<S: AsyncRead + Unpin> AsyncRead for Opened<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.given < this.filled && buf.remaining() > 0 {
            let count = (this.filled - this.given).min(buf.remaining());
            buf.put_slice(&this.read[this.given..this.given + count]);
            this.given += count;
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opened<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// The version, and all that can be read, of a stream that sends `bytes` in two parts.
    async fn opened(bytes: &[u8], cut: usize) -> Option<(Version, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(1024);
        let sends = async {
            client.write_all(&bytes[..cut]).await.unwrap();
            tokio::task::yield_now().await;
            client.write_all(&bytes[cut..]).await.unwrap();
            drop(client);
        };
        let reads = async {
            let (version, mut opened) = open(server).await.unwrap()?;
            let mut all = Vec::new();
            opened.read_to_end(&mut all).await.unwrap();
            Some((version, all))
        };
        tokio::join!(sends, reads).1
    }

    #[tokio::test]
    async fn the_preface_is_http_2_and_anything_else_is_not() {
        let two = [PREFACE.as_slice(), b"frames"].concat();
        let cases: [(&[u8], Version); 5] = [
            (&two, Version::Two),
            (PREFACE, Version::Two),
            (&PREFACE[..23], Version::One),
            (b"POST / HTTP/1.1\r\nhost: x\r\n\r\n", Version::One),
            (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", Version::One),
        ];
        for (bytes, version) in cases {
            for cut in 0..=bytes.len() {
                assert_eq!(opened(bytes, cut).await, Some((version, bytes.to_vec())), "{cut}");
            }
        }
        assert_eq!(opened(b"", 0).await, None);
    }
}
