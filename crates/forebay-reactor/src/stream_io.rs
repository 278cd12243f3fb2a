//! The IO traits of hyper and of tokio over a [`Stream`].
//!
//! Promises: a caller's buffer is never cleared before it is filled; both traits behave alike.
//! Used by hyper (H1), h2 and tokio-rustls. Not here: readiness and system calls (`stream`).

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::ReadBufCursor;
use tokio::io::ReadBuf;

use crate::stream::Stream;

/// As many slices as any system takes in one call, so that a short write of no more than these means a full socket.
/// Source: POSIX, `_XOPEN_IOV_MAX`.
const SLICES_AT_ONCE: usize = 16;

impl Stream {
    /// Reads up to `room` bytes into the scratch buffer of the reactor and hands them to `put`; none at the end of the stream.
    ///
    /// # Errors
    /// The system's own.
    pub fn poll_scratch(&self, cx: &Context<'_>, room: usize, put: impl FnOnce(&[u8])) -> Poll<io::Result<()>> {
        let mut scratch = self.local.scratch.borrow_mut();
        let wanted = room.min(scratch.len());
        if wanted == 0 {
            return Poll::Ready(Ok(()));
        }
        let got = ready!(self.poll_read_with(cx, wanted, |mut socket| socket.read(&mut scratch[..wanted])))?;
        put(&scratch[..got]);
        Poll::Ready(Ok(()))
    }

    fn poll_write_one(&self, cx: &Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, from.len(), |mut socket| socket.write(from))
    }

    fn poll_write_slices(&self, cx: &Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let offered = if from.len() > SLICES_AT_ONCE { 0 } else { from.iter().map(|slice| slice.len()).sum() };
        self.poll_write_with(cx, offered, |mut socket| socket.write_vectored(from))
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.poll_scratch(cx, into.remaining(), |bytes| into.put_slice(bytes))
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_one(cx, from)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown_write())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, from)
    }
}

impl tokio::io::AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if into.initialized().len() < into.capacity() {
            return self.poll_scratch(cx, into.remaining(), |bytes| into.put_slice(bytes));
        }
        // Initialised throughout, as rustls' buffer is: nothing to clear, so nothing to copy.
        let room = into.initialize_unfilled();
        if room.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let got = ready!(self.poll_read_with(cx, room.len(), |mut socket| socket.read(room)))?;
        into.advance(got);
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_one(cx, from)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown_write())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, from)
    }
}
