//! One HTTP/1.1 connection: hyper's, driven by one future that also sends the requests and reads the answers, so that
//! an exchange needs no hand-off between tasks.
//!
//! ```text
//!            open                 final head             last byte            sent and read whole
//!   Idle ------------> Head ------------------> Body ---------------> Ending ---------------------> Idle
//!     \                  \                        \                      \
//!      +------------------+------------------------+----------------------+--> Gone (told to the pool once)
//! ```
//!
//! Promise: one exchange at a time, no pipelining; whatever ends the connection costs that exchange only. What the pool
//! should do about it is the core's to say. Used by `connection`. Not here: how bytes move (`io`), what failed (`error`).

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, StreamId};
use forebay_reactor::Timer;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};

use super::fields::{closes, keep_alive_hint};
use super::reading::Reading;
use crate::body::{RequestBody, Sending};
use crate::connection::{Interrupted, Link, Order};
use crate::error::{Code, Failure, Phase, h1_body_failure, h1_head_failure, is_breach, is_reset, is_violation};
use crate::io::{Io, Watch};
use crate::pool::{Broken, Ended, Pool};
use crate::sink::{Head, RequestId};

/// Parts of a body that are gathered to go as one record with the head, in bytes. Beyond it the head goes at once.
/// A guess: a head and this still fit a sixteenth of the smallest slab.
const GATHER: usize = 64 * 1024;

/// Smallest read buffer that hyper accepts, in bytes.
const MIN_BUFFER: usize = 8 * 1024;

type Answer = Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>>>;

/// A connection that is up.
pub(crate) struct H1 {
    hyper: http1::Connection<Io, RequestBody>,
    /// Set when `hyper` resolved: it must not be polled again.
    over: Option<Result<(), hyper::Error>>,
    send: http1::SendRequest<RequestBody>,
    watch: Rc<Watch>,
    timer: Timer,
    stage: Stage,
    /// Whether a response came over it before.
    answered: bool,
}

enum Stage {
    Idle,
    Head(Waiting),
    Body(Box<Reading>),
    Ending(RequestId, StreamId),
}

struct Waiting {
    request: RequestId,
    stream: StreamId,
    answer: Answer,
    /// Bytes on the wire before this request.
    before: u64,
    /// Bytes that had come before this request.
    received: u64,
    /// Bytes on the wire when the timer was last set.
    marked: u64,
    /// Whether hyper took the whole body.
    sending: Sending,
    /// Whether the request was sent whole.
    sent: bool,
}

/// What a step came to.
enum Step {
    Again,
    Wait,
    Gone,
}

impl H1 {
    /// Prepares hyper on `io`.
    pub(crate) async fn start(pool: &Pool, io: Io) -> Result<Self, hyper::Error> {
        let watch = io.watch();
        let config = &pool.config;
        let (send, hyper) = http1::Builder::new()
            .max_headers(config.max_head_fields)
            .max_header_size(config.max_head_size)
            .max_buf_size(config.body_buffer.max(config.max_head_size).max(MIN_BUFFER))
            .handshake(io)
            .await?;
        Ok(Self {
            hyper,
            over: None,
            send,
            watch,
            timer: pool.shared.handle.timer(),
            stage: Stage::Idle,
            answered: false,
        })
    }

    /// Goes on until nothing moves. Ready: the connection is gone and the pool knows.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Poll<()> {
        loop {
            if link.order() == Order::Close {
                return Poll::Ready(());
            }
            let step = match &self.stage {
                Stage::Idle => self.idle(cx, pool, link),
                Stage::Head(_) => self.head(cx, pool, link),
                Stage::Body(_) => self.body(cx, pool, link),
                Stage::Ending(request, stream) => {
                    let (request, stream) = (*request, *stream);
                    self.ending(cx, pool, link, request, stream)
                }
            };
            match step {
                Step::Again => {}
                Step::Wait => return Poll::Pending,
                Step::Gone => return Poll::Ready(()),
            }
        }
    }

    /// What a panic of ours interrupted.
    pub(crate) fn interrupted(&self) -> Interrupted {
        match &self.stage {
            Stage::Idle => Interrupted::Nothing,
            Stage::Head(w) => Interrupted::Open { request: w.request, stream: w.stream, answered: false },
            Stage::Body(r) => Interrupted::Open { request: r.request, stream: r.stream, answered: r.head.is_none() },
            Stage::Ending(request, stream) => Interrupted::Told { request: *request, stream: *stream },
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.over.is_none()
            && let Poll::Ready(result) = Pin::new(&mut self.hyper).poll(cx)
        {
            self.over = Some(result);
        }
    }

    /// hyper reads first: an end or a stray byte that is there by now must not meet the next request.
    fn idle(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Step {
        self.drive(cx);
        if let Some(result) = &self.over {
            // Stray bytes answer nobody.
            pool.lost_idle(link, result.as_ref().map_or_else(ended_by, |()| Ended::ByPeer));
            return Step::Gone;
        }
        let Some((request, stream)) = link.take_next() else {
            return Step::Wait;
        };
        let message =
            pool.begin(request, link, |head, e| e.submission.to_h1(head, e.upload.as_ref(), &pool.config.authority));
        let Some(message) = message else {
            return Step::Again;
        };
        self.watch.begin(message.method() == Method::HEAD);
        let sending = message.body().sending();
        let (before, received) = (self.watch.written(), self.watch.received());
        let answer = Box::pin(self.send.try_send_request(message));
        self.stage =
            Stage::Head(Waiting { request, stream, answer, before, received, marked: before, sending, sent: false });
        Step::Again
    }

    fn head(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Step {
        self.drive(cx);
        let Stage::Head(waiting) = &mut self.stage else {
            return Step::Again;
        };
        match waiting.answer.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => {
                let (request, stream) = (waiting.request, waiting.stream);
                self.arrived(pool, link, request, stream, response);
                Step::Again
            }
            Poll::Ready(Err(error)) => {
                let written = error.message().is_none() && self.watch.written() > waiting.before;
                let (request, stream) = (waiting.request, waiting.stream);
                if !written && !error.error().is_user() {
                    pool.lost_unwritten(link, Some(stream), ended_by(error.error()));
                } else {
                    let failure = h1_head_failure(&error.into_error(), written);
                    self.fail(pool, link, request, stream, failure);
                }
                Step::Gone
            }
            Poll::Pending if self.over.is_some() => {
                let (request, stream) = (waiting.request, waiting.stream);
                let failure = Failure::new(Code::ConnectionClosed, Phase::Head, Class::Maybe, "connection closed");
                self.fail(pool, link, request, stream, failure);
                Step::Gone
            }
            Poll::Pending => self.wait_for_head(cx, pool, link),
        }
    }

    /// While the body goes out the peer must take some of it in each `body_idle_timeout`; once all is sent, the head must
    /// come within `headers_timeout`.
    fn wait_for_head(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Step {
        let Stage::Head(waiting) = &mut self.stage else {
            return Step::Again;
        };
        let written = self.watch.written();
        let sent = waiting.sending.is_taken() && self.watch.is_flushed();
        if sent && !waiting.sent {
            waiting.sent = true;
            set(&mut self.timer, pool, pool.config.headers_timeout);
        } else if !sent && (written != waiting.marked || self.timer.deadline().is_none()) {
            set(&mut self.timer, pool, pool.config.body_idle_timeout);
        }
        waiting.marked = written;
        if self.timer.poll(cx).is_pending() {
            return Step::Wait;
        }
        let (code, phase, limit) = if waiting.sent {
            (Code::HeadersTimeout, Phase::Head, pool.config.headers_timeout)
        } else {
            (Code::WriteTimeout, Phase::Send, pool.config.body_idle_timeout)
        };
        let failure = timed_out(code, phase, Class::Maybe, limit);
        let (request, stream) = (waiting.request, waiting.stream);
        self.fail(pool, link, request, stream, failure);
        Step::Gone
    }

    fn arrived(
        &mut self,
        pool: &Rc<Pool>,
        link: &Rc<Link>,
        request: RequestId,
        stream: StreamId,
        response: Response<Incoming>,
    ) {
        let (parts, body) = response.into_parts();
        let (queued, waited) = pool.head_arrived(request, stream, parts.status);
        if closes(parts.version, &parts.headers) {
            pool.peer_closes(link);
        }
        if let Some(hint) = keep_alive_hint(&parts.headers) {
            pool.keep_alive_hint(link, hint);
        }
        let reason = parts.extensions.get::<hyper::ext::ReasonPhrase>().map(|r| Bytes::copy_from_slice(r.as_bytes()));
        let body_length = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let head = Head {
            status: parts.status,
            reason,
            fields: parts.headers,
            connection: link.number,
            reused: self.answered,
            queued,
            waited,
            body_length,
            tunnel: false,
        };
        set(&mut self.timer, pool, pool.config.body_idle_timeout);
        self.stage = Stage::Body(Box::new(Reading::new(request, stream, head, body)));
    }

    fn body(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Step {
        let mut driven = false;
        let mut moved = false;
        loop {
            let Stage::Body(reading) = &mut self.stage else {
                return Step::Again;
            };
            if reading.unsent() {
                reading.deliver(pool);
            }
            if (reading.whole || reading.body.is_end_stream()) && !reading.unsent() {
                let ending = Stage::Ending(reading.request, reading.stream);
                if let Stage::Body(reading) = std::mem::replace(&mut self.stage, ending) {
                    reading.finish(pool);
                }
                return Step::Again;
            }
            if reading.is_full(pool) {
                break;
            }
            match Pin::new(&mut reading.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    driven = false;
                    moved = true;
                    if let Ok(part) = frame.into_data()
                        && !part.is_empty()
                    {
                        reading.push(part);
                        if reading.head.is_none() || reading.gathered() > GATHER {
                            reading.deliver(pool);
                        }
                    }
                }
                Poll::Ready(None) => reading.whole = true,
                Poll::Ready(Some(Err(error))) => {
                    let failure = h1_body_failure(&error);
                    let (request, stream) = (reading.request, reading.stream);
                    reading.deliver(pool);
                    self.fail(pool, link, request, stream, failure);
                    return Step::Gone;
                }
                Poll::Pending if driven => break,
                Poll::Pending => {
                    self.drive(cx);
                    driven = true;
                }
            }
        }
        self.wait_for_body(cx, pool, link, moved)
    }

    /// The clock runs while we are ready to read; a reader that stopped does not count against the peer.
    fn wait_for_body(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>, moved: bool) -> Step {
        let Stage::Body(reading) = &mut self.stage else {
            return Step::Again;
        };
        reading.deliver(pool);
        if reading.is_full(pool) {
            self.timer.clear();
            return Step::Wait;
        }
        if moved || self.timer.deadline().is_none() {
            set(&mut self.timer, pool, pool.config.body_idle_timeout);
        }
        if self.timer.poll(cx).is_pending() {
            return Step::Wait;
        }
        let failure = timed_out(Code::BodyTimeout, Phase::Body, Class::Never, pool.config.body_idle_timeout);
        let (request, stream) = (reading.request, reading.stream);
        self.fail(pool, link, request, stream, failure);
        Step::Gone
    }

    /// The response is whole and delivered. Reusable only if hyper says so at once: then the request was sent whole too.
    fn ending(
        &mut self,
        cx: &mut Context<'_>,
        pool: &Rc<Pool>,
        link: &Rc<Link>,
        request: RequestId,
        stream: StreamId,
    ) -> Step {
        self.timer.clear();
        self.drive(cx);
        let ended = match (self.watch.fault(), &self.over) {
            // What follows a whole response harms nobody but the connection.
            (Some(fault), _) if is_breach(fault) => Ended::Violation,
            (Some(_), _) | (None, Some(_)) => Ended::ByPeer,
            (None, None) => match self.send.poll_ready(cx) {
                Poll::Ready(Ok(())) => {
                    self.stage = Stage::Idle;
                    self.answered = true;
                    link.answer();
                    pool.finished(link, request, stream, None);
                    return Step::Again;
                }
                Poll::Ready(Err(_)) => Ended::ByPeer,
                Poll::Pending => Ended::ByUs,
            },
        };
        pool.finished(link, request, stream, Some(ended));
        Step::Gone
    }

    fn fail(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, request: RequestId, stream: StreamId, failure: Failure) {
        let received = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Head(waiting) => waiting.received,
            Stage::Idle | Stage::Body(_) | Stage::Ending(..) => 0,
        };
        let ended = match failure.code {
            code if code.is_breach() => Ended::Violation,
            Code::HeadersTimeout | Code::BodyTimeout | Code::WriteTimeout => Ended::ByUs,
            _ => Ended::ByPeer,
        };
        let started = self.watch.received() > received;
        pool.failed(link, Broken { request, stream, failure, ended, reused: self.answered, started });
    }
}

/// Who ended a connection on which nothing was under way, and how.
fn ended_by(error: &hyper::Error) -> Ended {
    if is_violation(error) {
        Ended::Violation
    } else if is_reset(error) {
        Ended::Reset
    } else {
        Ended::ByPeer
    }
}

fn set(timer: &mut Timer, pool: &Pool, after: Option<Duration>) {
    match after {
        Some(after) => timer.reset(pool.shared.handle.now() + after),
        None => timer.clear(),
    }
}

fn timed_out(code: Code, phase: Phase, class: Class, limit: Option<Duration>) -> Failure {
    let ms = limit.map_or(0, |l| u32::try_from(l.as_millis()).unwrap_or(u32::MAX));
    Failure::new(code, phase, class, &format!("nothing within {ms} ms")).with_number(ms)
}
