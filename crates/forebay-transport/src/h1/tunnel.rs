//! A connection after 101, or after 2xx to CONNECT: bytes both ways, as they come.
//!
//! Promise: what came behind the head comes first; no more is delivered than the reader granted, no more is kept than the
//! producer's window; each side ends on its own. An end without order (a reset, TLS without `close_notify`) is a failure.
//! No time-out of ours runs. Used by `connection` of the crate.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use forebay_core::{Class, StreamId};
use hyper::rt::Write as _;

use crate::connection::{Interrupted, Link, Order};
use crate::error::{Code, Failure, Phase};
use crate::io::Io;
use crate::pool::{Broken, Ended, Pool};
use crate::sink::RequestId;
use crate::upload::{Part, Upload};

/// Bytes that one read takes at most. A guess: a record of the boundary holds twice as much.
const READ: usize = 64 * 1024;

/// Reads of one poll, so that a peer that is always ready leaves the others their turn. A guess: 1 MiB.
const READS: usize = 16;

/// An open tunnel.
pub(crate) struct Tunnel {
    request: RequestId,
    stream: StreamId,
    io: Io,
    /// Came with the head.
    early: Bytes,
    upload: Option<Rc<Upload>>,
    /// Taken from the producer, not written.
    part: Bytes,
    written: u64,
    inward: Side,
    /// Whether the peer ended its side.
    peer_ended: bool,
}

/// How far our side is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Open,
    Ending,
    Ended,
}

impl Tunnel {
    pub(super) fn new(request: RequestId, stream: StreamId, upload: Option<Rc<Upload>>, io: Io, early: Bytes) -> Self {
        if let Some(upload) = &upload {
            upload.open();
        }
        let (part, inward) = (Bytes::new(), Side::Open);
        Self { request, stream, io, early, upload, part, written: 0, inward, peer_ended: false }
    }

    /// What a panic of ours interrupted.
    pub(crate) fn interrupted(&self) -> Interrupted {
        Interrupted::Open { request: self.request, stream: self.stream, answered: true }
    }

    /// Moves what can be moved. Ready: the connection is gone and the pool knows.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Poll<()> {
        if link.order() == Order::Close {
            // Nothing in a tunnel tells a whole message from one that was cut.
            self.io.reset_on_drop();
            return Poll::Ready(());
        }
        let moved = self.outward(cx, pool).and_then(|()| self.inward(cx, pool));
        if let Err(error) = moved {
            let reset = error.kind() != io::ErrorKind::UnexpectedEof;
            let failure = Failure::new(Code::BodyIncomplete, Phase::Body, Class::Never, &error.to_string());
            let ended = if reset { Ended::Reset } else { Ended::ByPeer };
            let (request, stream) = (self.request, self.stream);
            pool.failed(link, Broken { request, stream, failure, ended, reused: link.is_reused(), started: true });
            return Poll::Ready(());
        }
        if !self.peer_ended || self.inward != Side::Ended {
            return Poll::Pending;
        }
        pool.shared.sink.end(self.request, None);
        pool.finished(link, self.request, self.stream, Some(Ended::ByUs));
        Poll::Ready(())
    }

    /// From the peer to the reader, as far as that granted.
    fn outward(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>) -> io::Result<()> {
        for _ in 0..READS {
            if self.peer_ended {
                return Ok(());
            }
            let room = pool.credit_of(self.request).min(READ);
            if room == 0 {
                return Ok(());
            }
            let part = if self.early.is_empty() {
                let mut bytes = BytesMut::new();
                match self.io.take(cx, room, |part| bytes.extend_from_slice(part)) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(result) => result?,
                };
                bytes.freeze()
            } else {
                self.early.split_to(room.min(self.early.len()))
            };
            if part.is_empty() {
                self.peer_ended = true;
                pool.shared.sink.peer_ended(self.request);
            } else {
                pool.take_credit(self.request, part.len());
                pool.shared.sink.data(self.request, part);
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// From the producer to the peer.
    fn inward(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>) -> io::Result<()> {
        match self.poll_inward(cx) {
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if let Some(upload) = &self.upload {
            let news = upload.tell(self.written);
            if news > 0 {
                pool.shared.sink.taken(self.request, news);
            }
        }
        Ok(())
    }

    fn poll_inward(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.inward {
                Side::Ended => return Poll::Ready(Ok(())),
                Side::Ending => {
                    ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
                    self.inward = Side::Ended;
                }
                Side::Open if self.part.is_empty() => {
                    let next = match &self.upload {
                        Some(upload) => upload.poll_part(),
                        // Nobody produces anything: our side ends with the peer's.
                        None if self.peer_ended => Poll::Ready(None),
                        None => Poll::Pending,
                    };
                    match next {
                        Poll::Ready(Some(Part::Data(part))) => self.part = part,
                        Poll::Ready(Some(Part::Trailers(_))) => {}
                        Poll::Ready(None) => {
                            self.inward = Side::Ending;
                        }
                        Poll::Pending => {
                            return Pin::new(&mut self.io).poll_flush(cx);
                        }
                    }
                }
                Side::Open => {
                    let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.part))?;
                    if count == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.part.advance(count);
                    self.written += count as u64;
                }
            }
        }
    }
}
