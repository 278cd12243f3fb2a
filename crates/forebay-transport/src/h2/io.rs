//! The bytes of one connection as the `h2` crate reads and writes them; metered, and with a note of what passed and how it ended.
//!
//! Promise: what the meter stops never reaches the crate; the fault does, as the error of a read. What came before an error is
//! read before it: a peer that answers and then closes or resets is heard, also while we still write.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fault::Fault;
use super::meter::{Counts, Meter, Pass};
use super::traffic::Traffic;
use crate::wire::{Wire, is_end};

/// How reading ended.
#[derive(Clone, Debug)]
pub(crate) enum ReadEnd {
    /// The peer ended its side.
    Closed,
    /// TLS broke.
    Tls(rustls::Error),
    /// The connection broke.
    Io(ErrorKind),
}

/// What passed through a connection.
pub(crate) struct Watch {
    received: Cell<u64>,
    written: Cell<u64>,
    fault: Cell<Option<Fault>>,
    end: RefCell<Option<ReadEnd>>,
    meter: RefCell<Meter>,
    traffic: Rc<Traffic>,
}

impl Watch {
    /// What the meter found.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    /// How reading ended, if it has.
    pub(crate) fn end(&self) -> Option<ReadEnd> {
        self.end.borrow().clone()
    }

    /// Bytes that came.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Bytes that came and left.
    pub(super) fn passed(&self) -> (u64, u64) {
        (self.received.get(), self.written.get())
    }

    pub(super) fn counts(&self) -> Counts {
        *self.meter.borrow().counts()
    }

    /// The stream of the last frame that came.
    pub(crate) fn last_stream(&self) -> u32 {
        self.meter.borrow().stream()
    }

    /// The streams have taken what came: more may come.
    pub(super) fn go_on(&self) {
        self.meter.borrow_mut().go_on();
    }

    /// A frame of an open request came.
    pub(super) fn allow(&self) {
        self.meter.borrow_mut().allow();
    }

    fn note(&self, end: ReadEnd) {
        self.end.borrow_mut().get_or_insert(end);
    }
}

/// The bytes of one connection.
pub(super) struct Io {
    wire: Wire,
    watch: Rc<Watch>,
    /// Read from the wire, for a later go.
    held: BytesMut,
    /// A write that failed: the peer reads no more, what it said before is read first.
    unwritable: Option<ErrorKind>,
    /// An error that what came before it is read before.
    pending: Option<io::Error>,
}

impl Io {
    /// What passes is counted in `traffic` too.
    pub(super) fn on(wire: Wire, traffic: Rc<Traffic>) -> (Self, Rc<Watch>) {
        let watch = Rc::new(Watch {
            received: Cell::new(0),
            written: Cell::new(0),
            fault: Cell::new(None),
            end: RefCell::new(None),
            meter: RefCell::new(Meter::new(traffic.clone())),
            traffic,
        });
        let io = Self { wire, watch: watch.clone(), held: BytesMut::new(), unwritable: None, pending: None };
        (io, watch)
    }

    /// Reads from the wire once: what may go on goes to `buf`, the rest is held.
    fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let (watch, held) = (&*self.watch, &mut self.held);
        let room = buf.remaining();
        let mut any = false;
        let take = |bytes: &[u8]| {
            any = !bytes.is_empty();
            watch.received.set(watch.received.get() + bytes.len() as u64);
            watch.traffic.received.bytes(bytes.len());
            let good = admit(watch, bytes);
            buf.put_slice(&bytes[..good]);
            held.extend_from_slice(&bytes[good..]);
        };
        let overhead = || {
            watch.fault.set(Some(Fault::TlsOverhead));
            io::Error::other(Fault::TlsOverhead)
        };
        ready!(self.wire.poll_take(cx, room, watch.received(), &mut self.pending, overhead, take))?;
        Poll::Ready(Ok(any))
    }

    fn failed(&self, error: io::Error) -> io::Error {
        let end = match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(tls) => ReadEnd::Tls(tls.clone()),
            // What TLS says of an end without `close_notify`: an end, HTTP/2 has its own way to say what is whole.
            None if error.kind() == ErrorKind::UnexpectedEof => ReadEnd::Closed,
            None => ReadEnd::Io(error.kind()),
        };
        self.watch.note(end);
        error
    }

    /// A connection that takes no more bytes may still have an answer for us: what is written is dropped, not counted.
    fn wrote(&mut self, result: Poll<io::Result<usize>>, offered: usize) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Err(error)) if is_end(error.kind()) => {
                self.unwritable = Some(error.kind());
                Poll::Ready(Ok(offered))
            }
            other => other,
        }
    }

    fn count(&self, length: usize) {
        self.watch.written.set(self.watch.written.get() + length as u64);
        self.watch.traffic.sent.bytes(length);
    }
}

/// How many of these bytes may go on now.
fn admit(watch: &Watch, bytes: &[u8]) -> usize {
    match watch.meter.borrow_mut().pass(bytes) {
        Pass::All => bytes.len(),
        Pass::Later(good) => good,
        Pass::Fault(good, fault) => {
            watch.fault.set(Some(fault));
            good
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if this.watch.fault().is_none() {
            if this.watch.meter.borrow().is_full() {
                // The connection is polled again when the streams have taken what came.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !this.held.is_empty() {
                let here = this.held.len().min(buf.remaining());
                let good = admit(&this.watch, &this.held[..here]);
                buf.put_slice(&this.held[..good]);
                this.held.advance(good);
            } else if let Some(error) = this.pending.take() {
                return Poll::Ready(Err(this.failed(error)));
            } else {
                match ready!(this.read(cx, buf)) {
                    Ok(true) => {}
                    Ok(false) => {
                        // The failed write has used the error up that this read would have had.
                        let end = this.unwritable.map_or(ReadEnd::Closed, ReadEnd::Io);
                        this.watch.note(end);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if this.watch.fault().is_some() => return Poll::Ready(Err(error)),
                    Err(error) => return Poll::Ready(Err(this.failed(error))),
                }
            }
        }
        if buf.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        if let Some(fault) = this.watch.fault() {
            return Poll::Ready(Err(io::Error::other(fault)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.unwritable.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = self.wire.poll_write(cx, bytes);
        if let Poll::Ready(Ok(n)) = result {
            self.watch.meter.borrow_mut().sent(&bytes[..n]);
            self.count(n);
        }
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
        let offered = slices.iter().map(|s| s.len()).sum();
        if self.unwritable.is_some() {
            return Poll::Ready(Ok(offered));
        }
        let result = self.wire.poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(n)) = result {
            let mut left = n;
            let mut meter = self.watch.meter.borrow_mut();
            for slice in slices {
                let here = left.min(slice.len());
                meter.sent(&slice[..here]);
                left -= here;
            }
            drop(meter);
            self.count(n);
        }
        self.wrote(result, offered)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unwritable.is_some() {
            return Poll::Ready(Ok(()));
        }
        match self.wire.poll_flush(cx) {
            Poll::Ready(Err(error)) if is_end(error.kind()) => {
                self.unwritable = Some(error.kind());
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_shutdown(cx)
    }
}
