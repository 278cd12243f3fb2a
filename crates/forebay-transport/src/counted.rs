//! A stream that counts the bytes that it read, below TLS.
//!
//! Used by `io`, which compares them with the plain text. Not here: what is too many.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use forebay_reactor::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream and what came over it.
pub(crate) struct Counted {
    stream: Stream,
    read: u64,
}

impl Counted {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, read: 0 }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Bytes that were read.
    pub(crate) fn count(&self) -> u64 {
        self.read
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let result = AsyncRead::poll_read(Pin::new(&mut self.stream), cx, into);
        self.read += (into.filled().len() - before) as u64;
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.stream), cx)
    }

    fn is_write_vectored(&self) -> bool {
        AsyncWrite::is_write_vectored(&self.stream)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(Pin::new(&mut self.stream), cx, slices)
    }
}
