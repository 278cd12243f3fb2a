//! One exchange on an HTTP/3 connection: request out, head and body in.
//!
//! Promise: no more of a body is read than the reader granted and a little beyond, to see its end; QUIC opens the stream's window as it
//! is read. What is dropped before its end is reset both ways with a code of HTTP/3. A response with all of its length is complete
//! though its end never comes; until the connection, the peer or a limit says so its trailers may. Used by `connection`. Not here: what the
//! pool is told.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use forebay_core::StreamId;
use forebay_h3::{Answers, Bounds, Budget, Code, Error, Event, Limits, ResponseReader, Scope};
use forebay_reactor::Timer;
use http::{HeaderMap, Method};
use quinn::{ConnectionError, ReadError, RecvStream};

use super::out::Out;
use crate::carried::{Carried, Final, Finish};
use crate::error::{Failure, Lost, h3_reset, h3_stream_fault};
use crate::message::Message;
use crate::pool::Pool;
use crate::quic::code;
use crate::request::Aim;
use crate::sink::{ConnectionNumber, RequestId};

/// Bytes that are read beyond what the reader granted: the end of a body, or its trailers, may be there.
const AHEAD: usize = 4 * 1024;
/// Bytes in one piece, as QUIC gives them: what one packet carries. Source: quinn's upper bound of MTU discovery.
const PIECE: usize = 1_452;
/// Pieces that are taken at once: a lock each time.
const PIECES: usize = 16;

/// What an exchange sees of its connection.
pub(super) struct Around<'a> {
    pub(super) pool: &'a Pool,
    pub(super) number: ConnectionNumber,
    /// The connection had answered before.
    pub(super) answered: bool,
    /// The connection is over, for this reason; and by the fault of which stream, if any.
    pub(super) lost: Option<(&'a Lost, Option<u64>)>,
}

/// How an exchange ended.
pub(super) enum End {
    /// Complete; its caller was told.
    Whole,
    Failed {
        failure: Failure,
        /// It took too long.
        timed_out: bool,
    },
    /// With its connection.
    Lost(ConnectionError),
    /// With its connection, which this stream broke.
    Fault(Error),
}

/// One exchange.
pub(super) struct Stream {
    pub(super) carried: Carried,
    /// What the peer calls it.
    pub(super) number: u64,
    out: Out,
    from: RecvStream,
    /// There is nothing more to read.
    drained: bool,
    reader: ResponseReader,
    trailers: Option<HeaderMap>,
    /// The head has left.
    left: bool,
}

impl Stream {
    pub(super) fn new(
        (request, id): (RequestId, StreamId),
        (out, from): (Out, RecvStream),
        message: Message,
        pool: &Pool,
    ) -> Self {
        let answers = match (message.aim, message.head.method()) {
            (Aim::Connect | Aim::Upgrade, _) => Answers::Connect,
            (Aim::Exchange, &Method::HEAD) => Answers::Head,
            (Aim::Exchange, _) => Answers::Request,
        };
        let config = &pool.config;
        let head = Bounds { bytes: config.max_head_size, fields: config.max_head_fields };
        let reader = ResponseReader::new(answers, Limits { head, ..Limits::default() });
        let carried = Carried::new(request, id, message, pool);
        Self { carried, number: out.number(), out, from, drained: false, reader, trailers: None, left: false }
    }

    /// Whether QUIC has any of it.
    pub(super) fn has_left(&self) -> bool {
        self.out.has_left()
    }

    /// Tells the peer that nobody wants it any more.
    pub(super) fn reset(&mut self, reason: Code) {
        self.out.reset(reason);
        if !self.drained {
            self.drained = true;
            // It fails only where the stream is over.
            let _ = self.from.stop(code(reason.0));
        }
    }

    /// Goes on until nothing moves.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        budget: &mut Budget,
        around: &Around<'_>,
    ) -> Option<End> {
        let pool = around.pool;
        let before = self.carried.received();
        if let Err(end) = self.receive(cx, budget, around) {
            self.carried.deliver(pool, false);
            return Some(end);
        }
        if around.lost.is_some_and(|(_, culprit)| culprit != Some(self.number)) && self.reader.is_complete() {
            self.complete(pool);
        }
        let mut moved = false;
        self.send(cx, pool, &mut moved);
        if self.carried.is_whole() {
            let finish = self.carried.finish(pool, around.lost.is_some());
            if finish == Finish::Cut {
                self.out.reset(Code::REQUEST_CANCELLED);
            }
            if finish != Finish::NotYet {
                return Some(End::Whole);
            }
        }
        if self.carried.is_headed() {
            self.carried.deliver(pool, around.lost.is_some() && self.carried.is_whole());
        }
        if let Some((lost, culprit)) = around.lost {
            let failure = lost.failure(self.carried.is_headed(), culprit == Some(self.number));
            return Some(End::Failed { failure, timed_out: false });
        }
        moved |= self.carried.received() > before;
        let failure = self.carried.wait_on(cx, timer, pool, moved)?;
        self.reset(Code::REQUEST_CANCELLED);
        if self.reader.is_complete() {
            // Only its end did not come.
            self.complete(pool);
            self.carried.finish(pool, true);
            return Some(End::Whole);
        }
        Some(End::Failed { failure, timed_out: true })
    }

    /// The response is complete, whether or not its end came.
    fn complete(&mut self, pool: &Pool) {
        if !self.carried.is_whole() {
            self.drained = true;
            self.carried.ended(pool, self.trailers.take());
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, pool: &Pool, moved: &mut bool) {
        if self.out.flush(cx, moved).is_ready() && !self.left {
            self.left = true;
            self.carried.head_left();
        }
        self.carried.send(cx, &mut self.out, pool, moved);
        let _ = self.out.flush(cx, moved);
        if self.out.is_stopped() {
            self.carried.stop_sending(pool);
        }
    }

    fn receive(&mut self, cx: &mut Context<'_>, budget: &mut Budget, around: &Around<'_>) -> Result<(), End> {
        while !self.drained {
            let room = match self.carried.room(around.pool) {
                _ if around.lost.is_some() => usize::MAX,
                Some(room) => room.saturating_add(AHEAD),
                None => return Ok(()),
            };
            let mut pieces = [const { Bytes::new() }; PIECES];
            let count = (room / PIECE).clamp(1, PIECES);
            let polled = pin!(self.from.read_chunks(&mut pieces[..count])).poll(cx);
            let read = match polled {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(Some(read))) => read,
                Poll::Ready(Ok(None)) => {
                    self.drained = true;
                    self.reader.finish().map_err(|fault| self.at_fault(fault))?;
                    self.complete(around.pool);
                    return Ok(());
                }
                Poll::Ready(Err(ReadError::Reset(_))) if self.reader.is_complete() => {
                    self.complete(around.pool);
                    return Ok(());
                }
                Poll::Ready(Err(ReadError::Reset(reason))) => {
                    self.drained = true;
                    let failure = h3_reset(reason.into_inner(), self.carried.is_headed());
                    return Err(End::Failed { failure, timed_out: false });
                }
                // That it is over is known then; whether the response is complete counts.
                Poll::Ready(Err(ReadError::ConnectionLost(_))) if around.lost.is_some() => return Ok(()),
                Poll::Ready(Err(ReadError::ConnectionLost(error))) => return Err(End::Lost(error)),
                Poll::Ready(Err(_)) => return Err(End::Lost(ConnectionError::LocallyClosed)),
            };
            for piece in &mut pieces[..read] {
                while let Some(event) = self.reader.receive(piece, budget).map_err(|fault| self.at_fault(fault))? {
                    self.take(event, around);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event, around: &Around<'_>) {
        match event {
            Event::Interim { status, fields } => self.carried.interim(around.pool, status, &fields),
            Event::Head { status, fields, length, .. } => {
                let (connection, reused) = (around.number, around.answered);
                let head = Final { status, fields, body_length: length, connection, reused };
                self.carried.head(around.pool, head);
            }
            Event::Data(part) => self.carried.part(part),
            Event::Trailers(trailers) => self.trailers = Some(trailers),
        }
    }

    /// The message is wrong: the stream ends, or the connection does.
    fn at_fault(&mut self, fault: Error) -> End {
        match fault.scope {
            Scope::Connection => End::Fault(fault),
            Scope::Stream => {
                self.reset(fault.code);
                End::Failed { failure: h3_stream_fault(&fault, self.carried.is_headed()), timed_out: false }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reset(Code::REQUEST_CANCELLED);
    }
}
