//! What HTTP runs over: a socket in clear or through TLS, with one way to read and write both.
//!
//! Promise: buffers of the caller are never cleared before they are filled; what TLS decrypted before an error is read before it.
//! Used by `io` (HTTP/1.1) and `h2`. Not here: what passes (meters), who opens it (`dial`).

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use forebay_reactor::Stream;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_rustls::client::TlsStream;

use crate::counted::Counted;

/// Plain text that one read through TLS takes at most, in bytes: a TLS record.
const TLS_READ: usize = 16 * 1024;

/// Bytes on the wire that TLS may need beyond plain text in any case: handshake, tickets, key updates. Source: the bound on
/// framing overhead of the hostile upstream rows.
const TLS_FREE_OVERHEAD: u64 = 1024 * 1024;

/// Bytes on the wire for each byte of plain text beyond that. A guess: a record of one byte has 22 of overhead.
const TLS_OVERHEAD_RATIO: u64 = 32;

thread_local! {
    static TLS_SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; TLS_READ].into_boxed_slice());
}

/// The bytes of one connection.
pub(crate) enum Wire {
    Clear(Stream),
    Tls(Box<TlsStream<Counted>>),
}

impl Wire {
    /// The peer is to see a reset when it is dropped, not an end in order.
    pub(crate) fn reset_on_drop(&self) {
        match self {
            Self::Clear(stream) => stream.reset_on_drop(),
            Self::Tls(stream) => stream.get_ref().0.stream().reset_on_drop(),
        }
    }

    /// Reads once, up to `room` bytes, and shows them to `take`; none: the end. `received`: bytes of plain text so far;
    /// `overhead`: the error of a peer whose TLS outweighs them; `pending`: an error that what came before it is read before.
    pub(crate) fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        received: u64,
        pending: &mut Option<io::Error>,
        overhead: impl FnOnce() -> io::Error,
        mut take: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => stream.poll_scratch(cx, room, take),
            Self::Tls(stream) => TLS_SCRATCH.with_borrow_mut(|scratch| {
                let scratch = &mut scratch[..room.min(TLS_READ)];
                let mut read = ReadBuf::new(scratch);
                let result = Pin::new(&mut **stream).poll_read(cx, &mut read);
                let length = read.filled().len();
                let (counted, session) = stream.get_mut();
                if counted.count().saturating_sub(TLS_FREE_OVERHEAD) / TLS_OVERHEAD_RATIO > received {
                    return Poll::Ready(Err(overhead()));
                }
                match ready!(result) {
                    Ok(()) => take(&scratch[..length]),
                    // What was decrypted before the record that is at fault.
                    Err(error) => match io::Read::read(&mut session.reader(), scratch) {
                        Ok(n) if n > 0 => {
                            take(&scratch[..n]);
                            *pending = Some(error);
                        }
                        _ => return Poll::Ready(Err(error)),
                    },
                }
                Poll::Ready(Ok(()))
            }),
        }
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(stream) => hyper::rt::Write::poll_write(Pin::new(stream), cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    pub(crate) fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(stream) => hyper::rt::Write::is_write_vectored(stream),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(stream) => hyper::rt::Write::poll_write_vectored(Pin::new(stream), cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => hyper::rt::Write::poll_flush(Pin::new(stream), cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => hyper::rt::Write::poll_shutdown(Pin::new(stream), cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Whether an error of a write means that the peer takes no more: what it said before is read first.
pub(crate) fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}
