//! One exchange on a connection that carries several: what is the same over HTTP/2 and HTTP/3.
//!
//! Promise: no more of a body is delivered than the reader granted; a body that is small and there goes together with its head;
//! what is told of an upload is told once. Used by `h2` and `h3`, which know how bytes come and go. Not here: resets, windows.

use std::collections::VecDeque;
use std::task::Context;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_core::{Class, StreamId};
use forebay_reactor::Timer;
use http::{HeaderMap, StatusCode};

use crate::error::{Code, Failure, Phase};
use crate::message::Message;
use crate::outgoing::{Outgoing, Pipe};
use crate::pool::Pool;
use crate::request::{Aim, is_trailer};
use crate::sink::{ConnectionNumber, Head, RequestId};
use crate::timeouts::OnWire;

/// Parts of a body that are gathered to go as one record with the head, in bytes. As for HTTP/1.1.
const GATHER: usize = 64 * 1024;
/// Parts below this are copied together, in bytes, so that small frames cost no more than what they carry. A guess.
const SMALL: usize = 4 * 1024;

/// What the timer waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wait {
    Nothing,
    Expect,
    Send,
    Head,
    Body,
}

/// A final head, and over which connection it came.
pub(crate) struct Final {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body_length: Option<u64>,
    pub(crate) connection: ConnectionNumber,
    /// The connection had answered before.
    pub(crate) reused: bool,
}

/// Whether all was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Finish {
    /// The reader has not granted enough, or our side of a tunnel is open.
    NotYet,
    /// Yes.
    Told,
    /// Yes, and of the upload the rest is of no use.
    Cut,
}

/// One exchange.
#[expect(clippy::struct_excessive_bools, reason = "each is true from some moment on, in any order")]
pub(crate) struct Carried {
    pub(crate) request: RequestId,
    /// What the core calls it.
    pub(crate) id: StreamId,
    upload: Option<Outgoing>,
    aim: Aim,
    /// The body waits for 100.
    expects: bool,
    informational: bool,
    limits: OnWire,
    /// Until it was delivered.
    head: Option<Head>,
    /// The final head came.
    headed: bool,
    /// Received, not delivered.
    parts: VecDeque<Bytes>,
    /// The last of them, while it is small.
    tail: BytesMut,
    gathered: usize,
    /// The response came whole, with these trailers.
    whole: bool,
    trailers: Option<HeaderMap>,
    /// A tunnel is open.
    tunnel: bool,
    /// Heads before the final one.
    interim: u32,
    /// Credit at the start; delivered.
    credit: u64,
    delivered: u64,
    wait: Wait,
}

impl Carried {
    pub(crate) fn new(request: RequestId, id: StreamId, message: Message, pool: &Pool) -> Self {
        let Message { upload, aim, expects, informational, limits, .. } = message;
        Self {
            request,
            id,
            upload,
            aim,
            expects,
            informational,
            limits,
            head: None,
            headed: false,
            parts: VecDeque::new(),
            tail: BytesMut::new(),
            gathered: 0,
            whole: false,
            trailers: None,
            tunnel: false,
            interim: 0,
            credit: pool.credit_of(request) as u64,
            delivered: 0,
            wait: Wait::Nothing,
        }
    }

    /// Whether its caller may have been told of a head.
    pub(crate) fn is_headed(&self) -> bool {
        self.headed
    }

    /// Whether anything of a response came for it.
    pub(crate) fn has_begun(&self) -> bool {
        self.headed || self.interim > 0
    }

    /// Whether the response came whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Bytes that came, whether they were delivered or not.
    pub(crate) fn received(&self) -> u64 {
        self.gathered as u64 + self.delivered
    }

    /// Bytes of those that its reader took, as far as it said, and a lump that it may have taken without a word: it grants in
    /// lumps of up to half its first credit, of which no more than `window` counts.
    pub(crate) fn taken(&self, pool: &Pool, window: u32) -> u64 {
        let left = pool.credit_of(self.request) as u64;
        // What it granted beyond the window is as good as taken, too.
        let owed = (self.credit - self.credit / 2).min(u64::from(window));
        (left + self.delivered).saturating_sub(owed).min(self.delivered)
    }

    /// Bytes that could be delivered beyond those that wait; `None`: even of those some must wait.
    pub(crate) fn room(&self, pool: &Pool) -> Option<usize> {
        pool.credit_of(self.request).checked_sub(self.gathered)
    }

    /// Whether its body must wait for its head to leave: what was taken of it cannot be sent again.
    pub(crate) fn is_gated(&self) -> bool {
        self.upload.as_ref().is_some_and(|upload| !upload.is_kept())
    }

    /// Its head is with the peer: the body may follow, unless it waits for something else.
    pub(crate) fn head_left(&mut self) {
        if let Some(upload) = &mut self.upload
            && !self.expects
            && self.aim == Aim::Exchange
        {
            upload.open();
        }
    }

    /// Sends what there is room for.
    pub(crate) fn send<P: Pipe>(&mut self, cx: &mut Context<'_>, to: &mut P, pool: &Pool, moved: &mut bool) {
        let Some(upload) = &mut self.upload else { return };
        let done = upload.poll(cx, to, moved);
        upload.tell(pool, self.request);
        if done.is_ready() {
            // If it failed, the response says why.
            self.upload = None;
            pool.reached(self.request, if self.headed { Phase::Body } else { Phase::Head });
        }
    }

    /// The peer wants no more of the request.
    pub(crate) fn stop_sending(&mut self, pool: &Pool) {
        if let Some(mut upload) = self.upload.take() {
            upload.stop(pool, self.request);
            pool.reached(self.request, if self.headed { Phase::Body } else { Phase::Head });
        }
    }

    /// A head before the final one came.
    pub(crate) fn interim(&mut self, pool: &Pool, status: StatusCode, fields: &HeaderMap) {
        self.interim += 1;
        if status == StatusCode::CONTINUE
            && self.expects
            && let Some(upload) = &mut self.upload
        {
            upload.open();
        }
        if self.informational {
            pool.shared.sink.informational(self.request, status, fields);
        }
    }

    /// How many of those came.
    pub(crate) fn interims(&self) -> u32 {
        self.interim
    }

    /// The final head came.
    pub(crate) fn head(&mut self, pool: &Pool, head: Final) {
        let (queued, waited) = pool.head_arrived(self.request, self.id, head.status);
        self.headed = true;
        self.tunnel = self.aim != Aim::Exchange && head.status.is_success();
        if let Some(upload) = &mut self.upload {
            if self.tunnel {
                pool.clocks_tunnel(self.request);
                upload.open();
            } else if head.status.as_u16() >= 300 || !upload.is_open() {
                // Of an error no server wants the rest, and a body that was held back will not be asked for any more.
                upload.stop(pool, self.request);
            }
        }
        self.head = Some(Head {
            status: head.status,
            reason: Some(Bytes::new()),
            fields: head.fields,
            connection: head.connection,
            reused: head.reused,
            queued,
            waited,
            body_length: head.body_length,
            tunnel: self.tunnel,
        });
    }

    /// A part of the body came.
    pub(crate) fn part(&mut self, part: Bytes) {
        self.gathered += part.len();
        if part.len() < SMALL {
            self.tail.extend_from_slice(&part);
            return;
        }
        self.close_tail();
        self.parts.push_back(part);
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.parts.push_back(self.tail.split().freeze());
        }
    }

    /// The response is whole, with these trailers.
    pub(crate) fn ended(&mut self, pool: &Pool, trailers: Option<HeaderMap>) {
        self.whole = true;
        if self.tunnel {
            self.deliver(pool, true);
            pool.shared.sink.peer_ended(self.request);
        } else if let Some(mut trailers) = trailers {
            // Fields that may not be trailers are dropped (row B06).
            let others: Vec<_> = trailers.keys().filter(|name| !is_trailer(name)).cloned().collect();
            for name in others {
                trailers.remove(name);
            }
            self.trailers = Some(trailers).filter(|t| !t.is_empty());
        }
    }

    /// Everything came: tells the caller, if the reader granted enough. `last`: the connection is over.
    pub(crate) fn finish(&mut self, pool: &Pool, last: bool) -> Finish {
        let sink = &pool.shared.sink;
        let open = self.tunnel && self.upload.is_some();
        if !last && (open || self.gathered > pool.credit_of(self.request)) {
            return Finish::NotYet;
        }
        let mut finish = Finish::Told;
        if let Some(mut upload) = self.upload.take() {
            // The answer did not wait for it, and nobody needs the rest.
            upload.stop(pool, self.request);
            finish = Finish::Cut;
        }
        self.close_tail();
        if let Some(head) = self.head.take() {
            if self.gathered <= GATHER && self.trailers.is_none() && !self.tunnel {
                sink.response(self.request, &head, self.parts.make_contiguous());
                return finish;
            }
            sink.head(self.request, &head);
        }
        for part in self.parts.drain(..) {
            pool.take_credit(self.request, part.len());
            sink.data(self.request, part);
        }
        sink.end(self.request, self.trailers.as_ref());
        finish
    }

    /// Gives the head and as many bytes as the reader granted; `all`: and the rest.
    pub(crate) fn deliver(&mut self, pool: &Pool, all: bool) {
        let sink = &pool.shared.sink;
        if let Some(head) = self.head.take() {
            sink.head(self.request, &head);
        }
        if !self.headed {
            return;
        }
        self.close_tail();
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

    /// While the body goes out the peer must take some of it in each `body_idle_timeout`; once all is sent, the head must
    /// come within `headers_timeout`; then the body without a gap, as long as its reader is ready for more. `moved`: something was
    /// sent or came since this was last asked. What is returned ran out.
    pub(crate) fn wait_on(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        pool: &Pool,
        moved: bool,
    ) -> Option<Failure> {
        let (wait, limit) = match &self.upload {
            _ if self.tunnel => (Wait::Nothing, None),
            Some(upload) if !self.headed && !upload.is_open() && self.expects => (Wait::Expect, self.limits.expect),
            // The producer's time is not the peer's.
            Some(upload) if !self.headed && upload.is_waiting() => (Wait::Nothing, None),
            Some(_) if !self.headed => (Wait::Send, self.limits.body_idle),
            _ if !self.headed => (Wait::Head, self.limits.headers),
            _ if self.gathered > 0 || pool.credit_of(self.request) == 0 => (Wait::Nothing, None),
            _ => (Wait::Body, self.limits.body_idle),
        };
        if wait != self.wait || (moved && !matches!(wait, Wait::Head | Wait::Expect)) {
            self.wait = wait;
            match limit {
                Some(limit) => timer.reset(pool.shared.handle.now() + limit),
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
        Some(timed_out(code, phase, class, limit))
    }
}

fn timed_out(code: Code, phase: Phase, class: Class, limit: Option<Duration>) -> Failure {
    let ms = limit.map_or(0, |l| u32::try_from(l.as_millis()).unwrap_or(u32::MAX));
    Failure::new(code, phase, class, &format!("nothing within {ms} ms")).with_number(ms)
}
