//! One exchange on an HTTP/2 connection: request out, head and body in.
//!
//! Promise: everything that the peer sent within its window is taken at once, so that the end is known as soon as it is there;
//! no more of it is delivered than the reader granted, and the window opens only as the reader takes it, but for what a reader
//! may owe. A body that is small and there goes together with its head. Used by `connection`. Not here: what the pool is told.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use forebay_core::{Class, StreamId};
use forebay_reactor::Timer;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode};

use super::fields::{Refused, check, length};
use super::io::Watch;
use crate::carried::{Carried, Final, Finish};
use crate::error::{Code, Failure, Lost, Phase, h2_stream_failure};
use crate::message::Message;
use crate::outgoing::Pipe;
use crate::pool::Pool;
use crate::sink::{ConnectionNumber, RequestId};

/// Heads before the final one. Source: the bounds of the hostile upstream rows.
const MAX_INTERIM: u32 = 100;
/// Their bytes together. Source: the same.
const MAX_INTERIM_BYTES: usize = 64 * 1024;
/// Trailers of one body, in bytes. Source: the same.
const MAX_TRAILER_BYTES: usize = 16 * 1024;
/// Trailers of one body. Source: the same.
const MAX_TRAILERS: usize = 100;

/// What an exchange sees of its connection.
pub(super) struct Around<'a> {
    pub(super) pool: &'a Pool,
    pub(super) number: ConnectionNumber,
    pub(super) watch: &'a Watch,
    /// The connection had answered before.
    pub(super) answered: bool,
    /// Bytes that the peer may send ahead on a stream, as it was told.
    pub(super) window: u32,
    /// The connection is over, for this reason.
    pub(super) lost: Option<&'a Lost>,
}

/// How an exchange ended.
pub(super) enum End {
    /// Complete; its caller was told.
    Whole,
    Failed {
        failure: Failure,
        /// What the peer is to be told.
        reset: Option<Reason>,
        /// Nothing had come on the connection since it was sent.
        silent: bool,
    },
    /// With its connection, which the `h2` crate gives up for this.
    Connection(h2::Error),
}

/// The head of a message as the `h2` crate wants it.
pub(super) fn head_of(message: &mut Message) -> Request<()> {
    let mut head = std::mem::take(&mut message.head);
    if let Some(protocol) = message.protocol.as_ref().and_then(|protocol| protocol.to_str().ok()) {
        head.extensions_mut().insert(h2::ext::Protocol::from(protocol));
    }
    head
}

/// One exchange.
pub(super) struct Stream {
    pub(super) carried: Carried,
    /// What the peer calls it.
    pub(super) number: u32,
    to: SendStream<Bytes>,
    answer: Option<ResponseFuture>,
    from: Option<RecvStream>,
    /// Every byte of the body came.
    drained: bool,
    interim_bytes: usize,
    /// Bytes given back to the peer's window.
    released: u64,
    /// Bytes that had come on the connection when it was sent.
    received: u64,
}

impl Stream {
    pub(super) fn new(
        (request, id): (RequestId, StreamId),
        answer: ResponseFuture,
        to: SendStream<Bytes>,
        message: Message,
        around: &Around<'_>,
    ) -> Self {
        Self {
            carried: Carried::new(request, id, message, around.pool),
            number: to.stream_id().as_u32(),
            to,
            answer: Some(answer),
            from: None,
            drained: false,
            interim_bytes: 0,
            released: 0,
            received: around.watch.received(),
        }
    }

    /// Tells the peer that nobody wants it any more.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.to.send_reset(reason);
    }

    /// Goes on until nothing moves.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, timer: &mut Timer, around: &Around<'_>) -> Option<End> {
        let pool = around.pool;
        let before = self.carried.received();
        if let Err(end) = self.receive(cx, around) {
            self.carried.deliver(pool, false);
            return Some(end);
        }
        let mut moved = false;
        self.carried.send(cx, &mut self.to, pool, &mut moved);
        if self.carried.is_whole() {
            let finish = self.carried.finish(pool, around.lost.is_some());
            if finish == Finish::Cut {
                self.to.send_reset(Reason::CANCEL);
            }
            if finish != Finish::NotYet {
                return Some(End::Whole);
            }
        }
        if self.carried.is_headed() {
            self.carried.deliver(pool, around.lost.is_some() && self.carried.is_whole());
            self.release(around);
        }
        if let Some(lost) = around.lost {
            let culprit = around.watch.last_stream() == self.number;
            let failure = lost.failure(self.carried.is_headed(), culprit);
            return Some(End::Failed { failure, reset: None, silent: false });
        }
        moved |= self.carried.received() > before;
        let failure = self.carried.wait_on(cx, timer, pool, moved)?;
        let silent = around.watch.received() == self.received;
        Some(End::Failed { failure, reset: Some(Reason::CANCEL), silent })
    }

    fn receive(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Result<(), End> {
        if self.answer.is_some() {
            self.receive_head(cx, around)?;
        }
        let Some(from) = &mut self.from else { return Ok(()) };
        while !self.drained {
            match from.poll_data(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(Ok(part))) => {
                    around.watch.allow();
                    self.carried.part(part);
                }
                Poll::Ready(Some(Err(error))) => return Err(self.failed(error)),
                Poll::Ready(None) => self.drained = true,
            }
        }
        if self.carried.is_whole() {
            return Ok(());
        }
        match from.poll_trailers(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(trailers)) => {
                if let Some(trailers) = &trailers {
                    around.watch.allow();
                    check(trailers, MAX_TRAILER_BYTES, MAX_TRAILERS).map_err(|r| self.refused(r))?;
                }
                self.carried.ended(around.pool, trailers);
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(self.failed(error)),
        }
    }

    fn receive_head(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Result<(), End> {
        let Some(answer) = &mut self.answer else { return Ok(()) };
        loop {
            match answer.poll_informational(cx) {
                Poll::Ready(Some(Ok(interim))) => {
                    around.watch.allow();
                    self.interim_bytes += interim_size(&interim, around).map_err(|r| refusal(r, false))?;
                    if self.carried.interims() >= MAX_INTERIM || self.interim_bytes > MAX_INTERIM_BYTES {
                        let text = "too many interim responses";
                        return Err(refused(Code::Flood, text, false));
                    }
                    self.carried.interim(around.pool, interim.status(), interim.headers());
                }
                Poll::Ready(Some(Err(error))) => return Err(failed(error, false)),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        let response = match Pin::new(answer).poll(cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Err(error)) => return Err(failed(error, false)),
            Poll::Ready(Ok(response)) => response,
        };
        around.watch.allow();
        self.answer = None;
        let (parts, body) = response.into_parts();
        let config = &around.pool.config;
        let body_length = check(&parts.headers, config.max_head_size, config.max_head_fields)
            .and_then(|_| length(parts.status, &parts.headers))
            .map_err(|r| refusal(r, false))?;
        self.from = Some(body);
        let (status, fields) = (parts.status, parts.headers);
        let (connection, reused) = (around.number, around.answered);
        self.carried.head(around.pool, Final { status, fields, body_length, connection, reused });
        Ok(())
    }

    fn failed(&self, error: h2::Error) -> End {
        failed(error, self.carried.is_headed())
    }

    fn refused(&self, refused: Refused) -> End {
        refusal(refused, self.carried.is_headed())
    }

    /// Opens the window by what the reader took. It grants in lumps of up to half its first credit, so up to a lump that it may
    /// have taken without a word counts as taken: else many readers that owe a little each would hold the connection's window shut.
    fn release(&mut self, around: &Around<'_>) {
        let Some(from) = &mut self.from else { return };
        let taken = self.carried.taken(around.pool, around.window);
        let more = usize::try_from(taken.saturating_sub(self.released)).unwrap_or(0);
        if more > 0 && from.flow_control().release_capacity(more).is_ok() {
            self.released = taken;
        }
    }
}

/// What a head before the final one weighs.
fn interim_size(interim: &Response<()>, around: &Around<'_>) -> Result<usize, Refused> {
    if interim.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refused::Malformed("101 is not for HTTP/2"));
    }
    let config = &around.pool.config;
    let fields: &HeaderMap = interim.headers();
    let bytes = check(fields, config.max_head_size, config.max_head_fields)?;
    length(interim.status(), fields)?;
    Ok(bytes)
}

fn failed(error: h2::Error, headed: bool) -> End {
    match h2_stream_failure(&error, headed) {
        Some(failure) => End::Failed { failure, reset: None, silent: false },
        None => End::Connection(error),
    }
}

fn refusal(why: Refused, headed: bool) -> End {
    match why {
        Refused::TooLarge => {
            refused(Code::HeadersTooLarge, "the head or the trailers are larger than the limit", headed)
        }
        Refused::Malformed(text) => refused(Code::ResponseMalformed, text, headed),
    }
}

/// The peer's message is at fault: its stream is reset.
fn refused(code: Code, text: &str, headed: bool) -> End {
    let phase = if headed { Phase::Body } else { Phase::Head };
    let failure = Failure::new(code, phase, Class::Never, text);
    End::Failed { failure, reset: Some(Reason::PROTOCOL_ERROR), silent: false }
}

impl Pipe for SendStream<Bytes> {
    type Error = h2::Error;

    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Option<Result<usize, h2::Error>>> {
        self.reserve_capacity(wanted);
        self.poll_capacity(cx)
    }

    fn give(&mut self, part: Bytes, end: bool) -> Result<(), h2::Error> {
        self.send_data(part, end)
    }

    fn give_trailers(&mut self, trailers: HeaderMap) -> Result<(), h2::Error> {
        self.send_trailers(trailers)
    }
}
