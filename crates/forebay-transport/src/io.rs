//! The bytes of one connection as hyper reads and writes them, in clear or through TLS; metered, and with a note of what
//! passed.
//!
//! Promise: what the meter stops never reaches hyper; the fault does, as the error of a read. What came before an error is
//! read before it: a peer that answers and then closes or resets is heard, also while we still write. hyper's buffers are
//! never cleared before they are filled (clearing costs more than the copy).

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::h1::{Bounds, Fault, Meter};
use crate::request::Aim;
use crate::wire::{Wire, is_end};

/// What passed through a connection.
pub(crate) struct Watch {
    written: Cell<u64>,
    received: Cell<u64>,
    /// Bytes wait that the peer does not take.
    blocked: Cell<bool>,
    meter: RefCell<Meter>,
}

impl Watch {
    fn new(bounds: Bounds) -> Rc<Self> {
        Rc::new(Self {
            written: Cell::new(0),
            received: Cell::new(0),
            blocked: Cell::new(false),
            meter: RefCell::new(Meter::new(bounds)),
        })
    }

    /// A request is about to be sent; `bodiless`: with HEAD.
    pub(crate) fn begin(&self, bodiless: bool, aim: Aim) {
        self.meter.borrow_mut().begin(bodiless, aim);
    }

    /// What the meter found.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.meter.borrow().fault()
    }

    /// Bytes that left.
    pub(crate) fn written(&self) -> u64 {
        self.written.get()
    }

    /// Bytes that came.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Whether all that hyper had to write has left: it writes as long as the peer takes it.
    pub(crate) fn is_flushed(&self) -> bool {
        !self.blocked.get()
    }

    /// Bytes have come: those that may pass.
    fn pass<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.received.set(self.received.get() + bytes.len() as u64);
        let good = self.meter.borrow_mut().pass(bytes);
        &bytes[..good]
    }
}

/// The bytes of one connection.
pub(crate) struct Io {
    wire: Wire,
    watch: Rc<Watch>,
    /// A write that failed: the peer reads no more, what it said before is read first.
    unwritable: Option<ErrorKind>,
    /// An error that what came before it is read before.
    pending: Option<io::Error>,
}

impl Io {
    pub(crate) fn on(wire: Wire, bounds: Bounds) -> Self {
        Self { wire, watch: Watch::new(bounds), unwritable: None, pending: None }
    }

    pub(crate) fn watch(&self) -> Rc<Watch> {
        self.watch.clone()
    }

    /// The peer is to see a reset when it is dropped, not an end in order.
    pub(crate) fn reset_on_drop(&self) {
        self.wire.reset_on_drop();
    }

    /// Reads once, at most `room` bytes; how many were put, and whether any came.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        mut sink: impl FnMut(&[u8]),
    ) -> Poll<io::Result<(usize, bool)>> {
        let watch = &*self.watch;
        let (mut put, mut any) = (0, false);
        let mut take = |bytes: &[u8]| {
            let passed = watch.pass(bytes);
            sink(passed);
            (put, any) = (passed.len(), !bytes.is_empty());
        };
        let overhead = || io::Error::other(Fault::TlsOverhead);
        ready!(self.wire.poll_take(cx, room, watch.received(), &mut self.pending, overhead, &mut take))?;
        Poll::Ready(Ok((put, any)))
    }

    fn give_up(&mut self, kind: ErrorKind) {
        self.unwritable = Some(kind);
        self.watch.blocked.set(false);
    }

    /// Reads once, at most `room` bytes; gives how many. 0: the end.
    pub(crate) fn take(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        sink: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if let Some(fault) = self.watch.fault() {
            return Poll::Ready(Err(io::Error::other(fault)));
        }
        if let Some(error) = self.pending.take() {
            return Poll::Ready(Err(error));
        }
        let (put, any) = ready!(self.read(cx, room, sink))?;
        if put > 0 {
            return Poll::Ready(Ok(put));
        }
        if let Some(fault) = self.watch.fault() {
            return Poll::Ready(Err(io::Error::other(fault)));
        }
        debug_assert!(!any, "bytes pass, or there is a fault");
        match self.unwritable {
            // The failed write has used the error up that this read would have had.
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Poll::Ready(Ok(0)),
        }
    }

    /// A connection that takes no more bytes may still have an answer for us: what is written is dropped, not counted.
    fn wrote(&mut self, result: Poll<io::Result<usize>>, offered: usize) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => {
                self.watch.blocked.set(true);
                Poll::Pending
            }
            Poll::Ready(Ok(n)) => {
                self.watch.written.set(self.watch.written.get() + n as u64);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) if is_end(error.kind()) => {
                self.give_up(error.kind());
                Poll::Ready(Ok(offered))
            }
            other @ Poll::Ready(_) => other,
        }
    }
}

impl Read for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let room = buf.remaining();
        this.take(cx, room, |bytes| buf.put_slice(bytes)).map_ok(drop)
    }
}

impl Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.unwritable.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = self.wire.poll_write(cx, bytes);
        self.wrote(result, bytes.len())
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = || slices.iter().map(|s| s.len()).sum();
        if self.unwritable.is_some() {
            return Poll::Ready(Ok(offered()));
        }
        let result = self.wire.poll_write_vectored(cx, slices);
        self.wrote(result, offered())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unwritable.is_some() {
            return Poll::Ready(Ok(()));
        }
        match self.wire.poll_flush(cx) {
            Poll::Ready(Err(error)) if is_end(error.kind()) => {
                self.give_up(error.kind());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(result) => {
                self.watch.blocked.set(false);
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.watch.blocked.set(true);
                Poll::Pending
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_shutdown(cx)
    }
}

// Elsewhere a reset takes with it what was not read.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::task::Waker;
    use std::time::Duration;

    use forebay_reactor::{Clock, ConnectOptions, Reactor, Stream};
    use hyper::rt::ReadBuf as HyperBuf;

    use super::*;

    const BOUNDS: Bounds = Bounds { head_bytes: 64 * 1024, head_fields: 100 };

    /// Reads once what is there: the bytes, or the error.
    fn read(reactor: &Reactor, io: &mut Io) -> io::Result<Vec<u8>> {
        let mut space = [0; 256];
        let mut buf = HyperBuf::new(&mut space);
        for _ in 0..1_000 {
            let cx = &mut Context::from_waker(Waker::noop());
            if let Poll::Ready(result) = Pin::new(&mut *io).poll_read(cx, buf.unfilled()) {
                return result.map(|()| buf.filled().to_vec());
            }
            reactor.select(Some(Duration::from_millis(20)));
        }
        panic!("nothing came");
    }

    /// What the peer said before it reset the connection is heard although our write meets the reset first; and the end is
    /// the reset, not a FIN, though the failed write has used the socket's error up.
    #[test]
    fn an_answer_before_a_reset_outlives_a_failed_write() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let reactor = Reactor::new(Clock::System).unwrap();
        let handle = reactor.handle();
        let stream = Stream::connect(&handle, listener.local_addr().unwrap(), &ConnectOptions::default()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let connected = Rc::new(RefCell::new(None));
        let slot = connected.clone();
        handle.spawn(async move {
            poll_fn(|cx| stream.poll_connected(cx)).await.unwrap();
            *slot.borrow_mut() = Some(stream);
        });
        while connected.borrow().is_none() {
            reactor.turn(Some(Duration::from_millis(5)));
        }
        let mut io = Io::on(Wire::Clear(connected.take().unwrap()), BOUNDS);
        let watch = io.watch();
        watch.begin(false, Aim::Exchange);

        let answer = b"HTTP/1.1 413 Too Large\r\n\r\n";
        peer.write_all(answer).unwrap();
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        // The reactor has not looked since: only the write can know.
        let cx = &mut Context::from_waker(Waker::noop());
        let mut refused = 0;
        while io.unwritable.is_none() {
            refused = watch.written();
            assert!(matches!(Write::poll_write(Pin::new(&mut io), cx, b"more"), Poll::Ready(Ok(4))));
        }
        assert_eq!(watch.written(), refused, "what nobody takes is not counted");
        assert!(matches!(Write::poll_write(Pin::new(&mut io), cx, b"more"), Poll::Ready(Ok(4))));
        assert!(matches!(Write::poll_flush(Pin::new(&mut io), cx), Poll::Ready(Ok(()))));

        assert_eq!(read(&reactor, &mut io).unwrap(), answer);
        assert!(is_end(read(&reactor, &mut io).unwrap_err().kind()), "no orderly end");
    }
}
