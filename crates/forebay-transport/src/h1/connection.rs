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

use forebay_core::{Class, StreamId};
use forebay_reactor::Timer;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};

use super::reading::Reading;
use super::sending::Current;
use super::tunnel::Tunnel;
use super::waiting::Waiting;
use crate::body::RequestBody;
use crate::connection::{Interrupted, Link, Order};
use crate::error::{Code, Failure, Phase, is_breach, is_reset, is_violation};
use crate::io::{Io, Watch};
use crate::pool::{Broken, Ended, Pool};
use crate::sink::RequestId;
use crate::upload::Upload;

/// Smallest read buffer that hyper accepts, in bytes.
const MIN_BUFFER: usize = 8 * 1024;

pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>>>;

/// A connection that is up.
pub(crate) struct H1 {
    hyper: http1::Connection<Io, RequestBody>,
    /// Set when `hyper` resolved: it must not be polled again.
    pub(super) over: Option<Result<(), hyper::Error>>,
    send: http1::SendRequest<RequestBody>,
    pub(super) watch: Rc<Watch>,
    pub(super) timer: Timer,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Idle,
    Head(Waiting),
    Body(Box<Reading>),
    Ending(RequestId, StreamId),
    /// The peer agreed to one: hyper has no more part in it.
    Tunnel(RequestId, StreamId, Option<Rc<Upload>>),
}

/// What became of the connection.
pub(crate) enum Done {
    /// It is gone, and the pool knows.
    Gone,
    /// It goes on as a tunnel.
    Tunnel,
}

/// What a step came to.
pub(super) enum Step {
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
        Ok(Self { hyper, over: None, send, watch, timer: pool.shared.handle.timer(), stage: Stage::Idle })
    }

    /// Goes on until nothing moves.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Poll<Done> {
        loop {
            if link.order() == Order::Close {
                return Poll::Ready(Done::Gone);
            }
            let step = match &self.stage {
                Stage::Idle => self.idle(cx, pool, link),
                Stage::Head(_) => self.head(cx, pool, link),
                Stage::Body(_) => self.body(cx, pool, link),
                Stage::Ending(request, stream) => {
                    let (request, stream) = (*request, *stream);
                    self.ending(cx, pool, link, request, stream)
                }
                Stage::Tunnel(..) => return Poll::Ready(Done::Tunnel),
            };
            match step {
                Step::Again => {}
                Step::Wait => return Poll::Pending,
                Step::Gone => return Poll::Ready(Done::Gone),
            }
        }
    }

    /// What a panic of ours interrupted.
    pub(crate) fn interrupted(&self) -> Interrupted {
        match &self.stage {
            Stage::Idle => Interrupted::Nothing,
            Stage::Head(w) => {
                Interrupted::Open { request: w.current.request, stream: w.current.stream, answered: false }
            }
            Stage::Body(r) => {
                Interrupted::Open { request: r.current.request, stream: r.current.stream, answered: r.head.is_none() }
            }
            Stage::Ending(request, stream) => Interrupted::Told { request: *request, stream: *stream },
            Stage::Tunnel(request, stream, _) => {
                Interrupted::Open { request: *request, stream: *stream, answered: true }
            }
        }
    }

    /// What hyper leaves: the bytes that came behind the head are the tunnel's first.
    pub(crate) fn into_tunnel(self) -> Option<Tunnel> {
        let Stage::Tunnel(request, stream, upload) = self.stage else { return None };
        let parts = self.hyper.into_parts();
        Some(Tunnel::new(request, stream, upload, parts.io, parts.read_buf))
    }

    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
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
        let begun = pool.begin(request, link, |head, exchange| Current::new(stream, head, exchange, pool, &self.watch));
        let Some((current, message)) = begun else {
            return Step::Again;
        };
        self.watch.begin(message.method() == Method::HEAD, current.aim);
        let answer = Box::pin(self.send.try_send_request(message));
        self.stage = Stage::Head(Waiting { current, answer, awaits: None });
        Step::Again
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

    /// The exchange that is under way failed, and the connection with it.
    pub(super) fn fail(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, failure: Failure) -> Step {
        let (request, stream, received) = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Head(Waiting { current, .. }) => (current.request, current.stream, current.received),
            Stage::Body(reading) => (reading.current.request, reading.current.stream, 0),
            Stage::Idle | Stage::Ending(..) | Stage::Tunnel(..) => return Step::Gone,
        };
        let ended = match failure.code {
            code if code.is_breach() => Ended::Violation,
            Code::HeadersTimeout | Code::BodyTimeout | Code::WriteTimeout => Ended::ByUs,
            _ => Ended::ByPeer,
        };
        let started = self.watch.received() > received;
        pool.failed(link, Broken { request, stream, failure, ended, reused: link.is_reused(), started });
        Step::Gone
    }
}

/// Who ended a connection on which nothing was under way, and how.
pub(super) fn ended_by(error: &hyper::Error) -> Ended {
    if is_violation(error) {
        Ended::Violation
    } else if is_reset(error) {
        Ended::Reset
    } else {
        Ended::ByPeer
    }
}

pub(super) fn set(timer: &mut Timer, pool: &Pool, after: Option<Duration>) {
    match after {
        Some(after) => timer.reset(pool.shared.handle.now() + after),
        None => timer.clear(),
    }
}

pub(super) fn timed_out(code: Code, phase: Phase, class: Class, limit: Option<Duration>) -> Failure {
    let ms = limit.map_or(0, |l| u32::try_from(l.as_millis()).unwrap_or(u32::MAX));
    Failure::new(code, phase, class, &format!("nothing within {ms} ms")).with_number(ms)
}
