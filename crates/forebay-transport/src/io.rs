//! The bytes of one connection as hyper reads and writes them, in clear or through TLS; with a note of what passed.
//!
//! Promise: hyper's buffers are never cleared before they are filled (clearing costs more than the copy).

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use forebay_reactor::Stream;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_rustls::client::TlsStream;

/// Plain text that one read through TLS takes at most, in bytes: a TLS record.
const TLS_READ: usize = 16 * 1024;

thread_local! {
    static TLS_SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; TLS_READ].into_boxed_slice());
}

/// What passed through a connection.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    written: Cell<u64>,
    received: Cell<u64>,
    flushed: Cell<u64>,
}

impl Watch {
    /// Bytes that left.
    pub(crate) fn written(&self) -> u64 {
        self.written.get()
    }

    /// Bytes that came.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Whether all that hyper had to write has left: it flushes when its buffer is empty.
    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed.get() == self.written.get()
    }
}

/// The bytes of one connection.
pub(crate) struct Io {
    wire: Wire,
    watch: Rc<Watch>,
}

enum Wire {
    Clear(Stream),
    Tls(Box<TlsStream<Stream>>),
}

impl Io {
    pub(crate) fn clear(stream: Stream) -> Self {
        Self {
            wire: Wire::Clear(stream),
            watch: Rc::default(),
        }
    }

    pub(crate) fn tls(stream: TlsStream<Stream>) -> Self {
        Self {
            wire: Wire::Tls(Box::new(stream)),
            watch: Rc::default(),
        }
    }

    pub(crate) fn watch(&self) -> Rc<Watch> {
        self.watch.clone()
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = &result {
            self.watch.written.set(self.watch.written.get() + *n as u64);
        }
        result
    }
}

impl Read for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let room = buf.remaining();
        let mut put = |bytes: &[u8]| {
            this.watch.received.set(this.watch.received.get() + bytes.len() as u64);
            buf.put_slice(bytes);
        };
        match &mut this.wire {
            Wire::Clear(stream) => stream.poll_scratch(cx, room, put),
            Wire::Tls(stream) => TLS_SCRATCH.with_borrow_mut(|scratch| {
                let wanted = room.min(scratch.len());
                let mut read = ReadBuf::new(&mut scratch[..wanted]);
                ready!(Pin::new(stream).poll_read(cx, &mut read))?;
                put(read.filled());
                Poll::Ready(Ok(()))
            }),
        }
    }
}

impl Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = match &mut self.wire {
            Wire::Clear(stream) => Write::poll_write(Pin::new(stream), cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Clear(stream) => Write::is_write_vectored(stream),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = match &mut self.wire {
            Wire::Clear(stream) => Write::poll_write_vectored(Pin::new(stream), cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        };
        self.wrote(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.wire {
            Wire::Clear(stream) => Write::poll_flush(Pin::new(stream), cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        if flushed.is_ready() {
            self.watch.flushed.set(self.watch.written.get());
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Clear(stream) => Write::poll_shutdown(Pin::new(stream), cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
