//! From a request's first byte to the final head of its response.
//!
//! Promise: each wait has its limit and its code. Used by `connection`. Not here: what the request waits for (`sending`).

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use forebay_core::Class;
use http::Response;
use http::header::CONTENT_LENGTH;
use hyper::body::Incoming;

use super::connection::{Answer, H1, Stage, Step, ended_by, set, timed_out};
use super::fields::{closes, keep_alive_hint};
use super::reading::Reading;
use super::sending::{Awaits, Current};
use crate::connection::Link;
use crate::error::{Code, Failure, Phase, h1_head_failure};
use crate::pool::Pool;
use crate::request::Aim;
use crate::sink::Head;

/// A request without its final head.
pub(super) struct Waiting {
    pub(super) current: Current,
    pub(super) answer: Answer,
    /// What the timer runs for; `None`: it is not set.
    pub(super) awaits: Option<Awaits>,
}

impl H1 {
    pub(super) fn head(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Step {
        self.drive(cx);
        let Stage::Head(waiting) = &mut self.stage else {
            return Step::Again;
        };
        let again = waiting.current.advance(pool, &self.watch);
        match waiting.answer.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => match waiting.current.opens_tunnel(response.status(), response.headers()) {
                Ok(tunnel) => {
                    self.arrived(pool, link, response, tunnel);
                    Step::Again
                }
                Err(failure) => self.fail(pool, link, failure),
            },
            Poll::Ready(Err(error)) => {
                let written = error.message().is_none() && self.watch.written() > waiting.current.before;
                if written || error.error().is_user() {
                    return self.fail(pool, link, h1_head_failure(&error.into_error(), written));
                }
                let stream = waiting.current.stream;
                pool.lost_unwritten(link, Some(stream), ended_by(error.error()));
                Step::Gone
            }
            Poll::Pending if self.over.is_some() => {
                let failure = Failure::new(Code::ConnectionClosed, Phase::Head, Class::Maybe, "connection closed");
                self.fail(pool, link, failure)
            }
            Poll::Pending if again => Step::Again,
            Poll::Pending => self.wait_for_head(cx, pool, link),
        }
    }

    /// While the body goes out the peer must take some of it in each `body_idle_timeout`; once all is sent, the head must
    /// come within `headers_timeout`. Nothing runs while the producer of the body is slow.
    fn wait_for_head(&mut self, cx: &mut Context<'_>, pool: &Rc<Pool>, link: &Rc<Link>) -> Step {
        let Stage::Head(waiting) = &mut self.stage else {
            return Step::Again;
        };
        let current = &mut waiting.current;
        let awaits = current.awaits(&self.watch);
        let moved = current.has_moved(&self.watch);
        if waiting.awaits != Some(awaits) || (moved && awaits == Awaits::Room) {
            if awaits == Awaits::Answer && waiting.awaits.is_some() {
                pool.reached(current.request, Phase::Head);
            }
            waiting.awaits = Some(awaits);
            set(&mut self.timer, pool, current.limit(awaits));
        }
        if self.timer.poll(cx).is_pending() {
            return Step::Wait;
        }
        let limit = current.limit(awaits);
        let failure = match awaits {
            Awaits::Continue if current.timeouts.expect.is_some() => {
                current.release();
                return Step::Again;
            }
            Awaits::Continue | Awaits::Answer => timed_out(Code::HeadersTimeout, Phase::Head, Class::Maybe, limit),
            Awaits::Room | Awaits::Producer => timed_out(Code::WriteTimeout, Phase::Send, Class::Maybe, limit),
        };
        self.fail(pool, link, failure)
    }

    fn arrived(&mut self, pool: &Rc<Pool>, link: &Rc<Link>, response: Response<Incoming>, tunnel: bool) {
        let (parts, body) = response.into_parts();
        let Stage::Head(Waiting { mut current, .. }) = std::mem::replace(&mut self.stage, Stage::Idle) else {
            return;
        };
        let (queued, waited) = pool.head_arrived(current.request, current.stream, parts.status);
        if !tunnel && closes(parts.version, &parts.headers) {
            pool.peer_closes(link);
        }
        if tunnel {
            pool.tunnel_opened(link, current.request);
        } else if let Some(hint) = keep_alive_hint(&parts.headers) {
            pool.keep_alive_hint(link, hint);
        }
        let reason = parts.extensions.get::<hyper::ext::ReasonPhrase>().map(|r| Bytes::copy_from_slice(r.as_bytes()));
        let body_length = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        if !tunnel && (current.aim != Aim::Exchange || current.ends_with(parts.status)) {
            current.stop(pool);
        }
        let head = Head {
            status: parts.status,
            reason,
            fields: parts.headers,
            connection: link.number,
            reused: link.is_reused(),
            queued,
            waited,
            body_length,
            tunnel,
        };
        if tunnel {
            self.timer.clear();
            pool.shared.sink.head(current.request, &head);
            self.stage = Stage::Tunnel(current.request, current.stream, current.inward);
            return;
        }
        set(&mut self.timer, pool, current.timeouts.body_idle);
        self.stage = Stage::Body(Box::new(Reading::new(current, head, body)));
    }
}
