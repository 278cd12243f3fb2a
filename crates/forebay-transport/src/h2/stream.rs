//! One exchange on an HTTP/2 connection: request out, head and body in.
//!
//! Promise: everything that the peer sent within its window is taken at once, so that the end is known as soon as it is there;
//! no more of it is delivered than the reader granted, and the window opens only as the reader takes it, but for what a reader
//! may owe. A body that is small and there goes together with its head. Used by `connection`. Not here: what the pool is told.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_core::{Class, StreamId};
use forebay_reactor::Timer;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode};

use super::fields::{Refused, check, length};
use super::io::Watch;
use super::message::Message;
use super::upload::Upload;
use crate::error::{Code, Failure, Lost, Phase, h2_stream_failure};
use crate::pool::Pool;
use crate::request::{Aim, is_trailer};
use crate::sink::{ConnectionNumber, Head, RequestId};
use crate::timeouts::OnWire;

/// Parts of a body that are gathered to go as one record with the head, in bytes. As for HTTP/1.1.
const GATHER: usize = 64 * 1024;
/// Parts below this are copied together, in bytes, so that small frames cost no more than what they carry. A guess.
const SMALL: usize = 4 * 1024;
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

/// What the timer waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wait {
    Nothing,
    Expect,
    Send,
    Head,
    Body,
}

/// What of a message the exchange keeps.
type Watched = (Option<Upload>, Aim, bool, bool, OnWire);

/// The head of a message, and what the exchange keeps.
pub(super) fn split(message: Message) -> (Request<()>, Watched) {
    let Message { head, upload, aim, expects, informational, limits } = message;
    (head, (upload, aim, expects, informational, limits))
}

/// One exchange.
#[expect(clippy::struct_excessive_bools, reason = "each is true from some moment on, in any order")]
pub(super) struct Stream {
    pub(super) request: RequestId,
    /// What the core calls it.
    pub(super) id: StreamId,
    /// What the peer calls it.
    pub(super) number: u32,
    to: SendStream<Bytes>,
    upload: Option<Upload>,
    aim: Aim,
    /// The body waits for 100.
    expects: bool,
    informational: bool,
    limits: OnWire,
    answer: Option<ResponseFuture>,
    from: Option<RecvStream>,
    /// Until it was delivered.
    head: Option<Head>,
    /// The final head came.
    headed: bool,
    /// Received, not delivered.
    parts: VecDeque<Bytes>,
    /// The last of them, while it is small.
    tail: BytesMut,
    gathered: usize,
    /// Every byte of the body came.
    drained: bool,
    /// The response came whole, with these trailers.
    whole: bool,
    trailers: Option<HeaderMap>,
    /// A tunnel is open.
    tunnel: bool,
    interim: u32,
    interim_bytes: usize,
    /// Credit at the start; delivered; of that, given back to the peer's window.
    credit: u64,
    delivered: u64,
    released: u64,
    wait: Wait,
    /// Bytes that had come on the connection when it was sent.
    received: u64,
}

impl Stream {
    pub(super) fn new(
        request: RequestId,
        id: StreamId,
        answer: ResponseFuture,
        to: SendStream<Bytes>,
        (upload, aim, expects, informational, limits): Watched,
        around: &Around<'_>,
    ) -> Self {
        Self {
            request,
            id,
            number: to.stream_id().as_u32(),
            to,
            upload,
            aim,
            expects,
            informational,
            limits,
            answer: Some(answer),
            from: None,
            head: None,
            headed: false,
            parts: VecDeque::new(),
            tail: BytesMut::new(),
            gathered: 0,
            drained: false,
            whole: false,
            trailers: None,
            tunnel: false,
            interim: 0,
            interim_bytes: 0,
            credit: around.pool.credit_of(request) as u64,
            delivered: 0,
            released: 0,
            wait: Wait::Nothing,
            received: around.watch.received(),
        }
    }

    /// Whether its caller may have been told of a head.
    pub(super) fn is_headed(&self) -> bool {
        self.headed
    }

    /// Whether anything of a response came for it.
    pub(super) fn has_begun(&self) -> bool {
        self.headed || self.interim > 0
    }

    /// Tells the peer that nobody wants it any more.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.to.send_reset(reason);
    }

    /// Whether its body must wait for its head to leave: what was taken of it cannot be sent again.
    pub(super) fn is_gated(&self) -> bool {
        self.upload.as_ref().is_some_and(|upload| !upload.is_kept())
    }

    /// Its head is with the peer: the body may follow, unless it waits for something else.
    pub(super) fn head_left(&mut self) {
        if let Some(upload) = &mut self.upload
            && !self.expects
            && self.aim == Aim::Exchange
        {
            upload.open();
        }
    }

    /// Goes on until nothing moves.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, timer: &mut Timer, around: &Around<'_>) -> Option<End> {
        let before = self.gathered as u64 + self.delivered;
        if let Err(end) = self.receive(cx, around) {
            self.deliver(around, false);
            return Some(end);
        }
        let mut moved = false;
        self.send(cx, around, &mut moved);
        if self.whole && self.finish(around) {
            return Some(End::Whole);
        }
        if self.headed {
            self.deliver(around, around.lost.is_some() && self.whole);
            self.release(around);
        }
        if let Some(lost) = around.lost {
            let culprit = around.watch.last_stream() == self.number;
            let failure = lost.failure(self.headed, culprit);
            return Some(End::Failed { failure, reset: None, silent: false });
        }
        moved |= self.gathered as u64 + self.delivered > before;
        self.wait_on(cx, timer, around, moved)
    }

    fn send(&mut self, cx: &mut Context<'_>, around: &Around<'_>, moved: &mut bool) {
        let Some(upload) = &mut self.upload else { return };
        let done = upload.poll(cx, &mut self.to, moved);
        upload.tell(around.pool, self.request);
        if done.is_ready() {
            // If it failed, the response says why.
            self.upload = None;
            around.pool.reached(self.request, if self.headed { Phase::Body } else { Phase::Head });
        }
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
                    self.gathered += part.len();
                    if part.len() < SMALL {
                        self.tail.extend_from_slice(&part);
                        continue;
                    }
                    if !self.tail.is_empty() {
                        self.parts.push_back(self.tail.split().freeze());
                    }
                    self.parts.push_back(part);
                }
                Poll::Ready(Some(Err(error))) => return Err(self.failed(error)),
                Poll::Ready(None) => self.drained = true,
            }
        }
        if self.whole {
            return Ok(());
        }
        match from.poll_trailers(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(trailers)) => {
                self.whole = true;
                if self.tunnel {
                    self.deliver(around, true);
                    around.pool.shared.sink.peer_ended(self.request);
                } else if let Some(mut trailers) = trailers {
                    around.watch.allow();
                    check(&trailers, MAX_TRAILER_BYTES, MAX_TRAILERS).map_err(|r| self.refused(r))?;
                    // Fields that may not be trailers are dropped (row B06).
                    let others: Vec<_> = trailers.keys().filter(|name| !is_trailer(name)).cloned().collect();
                    for name in others {
                        trailers.remove(name);
                    }
                    self.trailers = Some(trailers).filter(|t| !t.is_empty());
                }
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
                    self.interim += 1;
                    self.interim_bytes += interim_size(&interim, around).map_err(|r| refusal(r, false))?;
                    if self.interim > MAX_INTERIM || self.interim_bytes > MAX_INTERIM_BYTES {
                        let text = "too many interim responses";
                        return Err(refused(Code::Flood, text, false));
                    }
                    if interim.status() == StatusCode::CONTINUE
                        && self.expects
                        && let Some(upload) = &mut self.upload
                    {
                        upload.open();
                    }
                    if self.informational {
                        around.pool.shared.sink.informational(self.request, interim.status(), interim.headers());
                    }
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
        let (queued, waited) = around.pool.head_arrived(self.request, self.id, parts.status);
        self.headed = true;
        self.tunnel = self.aim != Aim::Exchange && parts.status.is_success();
        if let Some(upload) = &mut self.upload {
            if self.tunnel {
                around.pool.clocks_tunnel(self.request);
                upload.open();
            } else if parts.status.as_u16() >= 300 || !upload.is_open() {
                // Of an error no server wants the rest, and a body that was held back will not be asked for any more.
                upload.stop(around.pool, self.request);
            }
        }
        self.from = Some(body);
        self.head = Some(Head {
            status: parts.status,
            reason: Some(Bytes::new()),
            fields: parts.headers,
            connection: around.number,
            reused: around.answered,
            queued,
            waited,
            body_length,
            tunnel: self.tunnel,
        });
        Ok(())
    }

    fn failed(&self, error: h2::Error) -> End {
        failed(error, self.headed)
    }

    fn refused(&self, refused: Refused) -> End {
        refusal(refused, self.headed)
    }

    /// Everything came: tells the caller, if the reader granted enough. Whether it did.
    fn finish(&mut self, around: &Around<'_>) -> bool {
        let sink = &around.pool.shared.sink;
        if self.tunnel && self.upload.is_some() && around.lost.is_none() {
            // Our side is still open.
            return false;
        }
        let fits = self.gathered <= around.pool.credit_of(self.request) || around.lost.is_some();
        if !fits {
            return false;
        }
        if let Some(mut upload) = self.upload.take() {
            // The answer did not wait for it, and nobody needs the rest.
            upload.stop(around.pool, self.request);
            self.to.send_reset(Reason::CANCEL);
        }
        if !self.tail.is_empty() {
            self.parts.push_back(self.tail.split().freeze());
        }
        if let Some(head) = self.head.take() {
            if self.gathered <= GATHER && self.trailers.is_none() && !self.tunnel {
                sink.response(self.request, &head, self.parts.make_contiguous());
                return true;
            }
            sink.head(self.request, &head);
        }
        for part in self.parts.drain(..) {
            around.pool.take_credit(self.request, part.len());
            sink.data(self.request, part);
        }
        sink.end(self.request, self.trailers.as_ref());
        true
    }

    /// Gives the head and as many bytes as the reader granted; `all`: and the rest.
    fn deliver(&mut self, around: &Around<'_>, all: bool) {
        let (pool, sink) = (around.pool, &around.pool.shared.sink);
        if let Some(head) = self.head.take() {
            sink.head(self.request, &head);
        }
        if self.parts.is_empty() && self.tail.is_empty() || !self.headed {
            return;
        }
        if !self.tail.is_empty() {
            self.parts.push_back(self.tail.split().freeze());
        }
        while let Some(mut part) = self.parts.pop_front() {
            let granted = if all { part.len() } else { pool.take_credit(self.request, part.len()) };
            let rest = part.split_off(granted);
            if !part.is_empty() {
                self.gathered -= part.len();
                self.delivered += part.len() as u64;
                sink.data(self.request, part);
            }
            if !rest.is_empty() {
                self.parts.push_front(rest);
                return;
            }
        }
    }

    /// Opens the window by what the reader took. It grants in lumps of up to half its first credit, so up to a lump that it may
    /// have taken without a word counts as taken: else many readers that owe a little each would hold the connection's window shut.
    fn release(&mut self, around: &Around<'_>) {
        let Some(from) = &mut self.from else { return };
        let left = around.pool.credit_of(self.request) as u64;
        // What it granted beyond the window is as good as taken, too.
        let owed = (self.credit - self.credit / 2).min(u64::from(around.window));
        let taken = (left + self.delivered).saturating_sub(owed).min(self.delivered);
        let more = usize::try_from(taken.saturating_sub(self.released)).unwrap_or(0);
        if more > 0 && from.flow_control().release_capacity(more).is_ok() {
            self.released = taken;
        }
    }

    /// While the body goes out the peer must take some of it in each `body_idle_timeout`; once all is sent, the head must
    /// come within `headers_timeout`; then the body without a gap, as long as its reader is ready for more.
    fn wait_on(&mut self, cx: &mut Context<'_>, timer: &mut Timer, around: &Around<'_>, moved: bool) -> Option<End> {
        let (wait, limit) = match &self.upload {
            _ if self.tunnel => (Wait::Nothing, None),
            Some(upload) if !self.headed && !upload.is_open() && self.expects => (Wait::Expect, self.limits.expect),
            // The producer's time is not the peer's.
            Some(upload) if !self.headed && upload.is_waiting() => (Wait::Nothing, None),
            Some(_) if !self.headed => (Wait::Send, self.limits.body_idle),
            _ if !self.headed => (Wait::Head, self.limits.headers),
            _ if self.gathered > 0 || around.pool.credit_of(self.request) == 0 => (Wait::Nothing, None),
            _ => (Wait::Body, self.limits.body_idle),
        };
        if wait != self.wait || (moved && !matches!(wait, Wait::Head | Wait::Expect)) {
            self.wait = wait;
            match limit {
                Some(limit) => timer.reset(around.pool.shared.handle.now() + limit),
                None => timer.clear(),
            }
        }
        if wait == Wait::Nothing || limit.is_none() || timer.poll(cx).is_pending() {
            return None;
        }
        if wait == Wait::Expect {
            // It waited long enough.
            if let Some(upload) = &mut self.upload {
                upload.open();
            }
            cx.waker().wake_by_ref();
            return None;
        }
        let (code, phase, class) = match wait {
            Wait::Send => (Code::WriteTimeout, Phase::Send, Class::Maybe),
            Wait::Head | Wait::Expect | Wait::Nothing => (Code::HeadersTimeout, Phase::Head, Class::Maybe),
            Wait::Body => (Code::BodyTimeout, Phase::Body, Class::Never),
        };
        let silent = around.watch.received() == self.received;
        Some(End::Failed { failure: timed_out(code, phase, class, limit), reset: Some(Reason::CANCEL), silent })
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

fn timed_out(code: Code, phase: Phase, class: Class, limit: Option<Duration>) -> Failure {
    let ms = limit.map_or(0, |l| u32::try_from(l.as_millis()).unwrap_or(u32::MAX));
    Failure::new(code, phase, class, &format!("nothing within {ms} ms")).with_number(ms)
}
