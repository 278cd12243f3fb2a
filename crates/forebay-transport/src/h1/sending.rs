//! The request on its way out: when its body may go, how much of it has left, and what it waits for.
//!
//! ```text
//!   Head --a byte left--> (Continue --100, time-out-->) Body --taken and flushed--> Answer
//! ```
//!
//! Promise: no byte of a produced body leaves before one of the head has, so that until then a lost connection costs nothing;
//! with `Expect` none leaves before 100, or its time-out. What is told as taken is no more than has left. Used by
//! `connection`, `waiting` and `responding`. Not here: the body itself (`upload`).

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_core::{Class, StreamId};
use http::header::{HOST, HeaderValue, UPGRADE};
use http::{HeaderMap, Request, StatusCode};

use crate::body::{RequestBody, Sending};
use crate::error::{Code, Failure, Phase};
use crate::exchange::Exchange;
use crate::io::Watch;
use crate::pool::Pool;
use crate::request::{Aim, Content};
use crate::sink::RequestId;
use crate::timeouts::OnWire;
use crate::upload::Upload;

/// Most bytes that the head of a request has beyond its method, path and fields: version, line ends, framing, `host`, `expect`.
const HEAD_SLACK: u64 = 512;

/// Most bytes that frame a chunk: 16 digits, two line ends.
const CHUNK_SLACK: u64 = 20;

/// 1xx that came. hyper wants what it calls to be shared between threads.
type Notices = Arc<Mutex<Vec<(StatusCode, HeaderMap)>>>;

/// What the request waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Awaits {
    /// The peer, to take bytes.
    Room,
    /// Its producer.
    Producer,
    /// 100.
    Continue,
    /// The final head: all was sent.
    Answer,
}

/// The request that the connection is at.
#[expect(clippy::struct_excessive_bools, reason = "each is true up to or from some moment on, in any order")]
pub(super) struct Current {
    pub(super) request: RequestId,
    pub(super) stream: StreamId,
    pub(super) aim: Aim,
    /// What an upgrade asks for.
    protocol: Option<HeaderValue>,
    /// What goes into a tunnel.
    pub(super) inward: Option<Rc<Upload>>,
    pub(super) timeouts: OnWire,
    /// Bytes on the wire before this request.
    pub(super) before: u64,
    /// Bytes that had come before this request.
    pub(super) received: u64,
    /// Bytes on the wire when this was last asked.
    marked: u64,
    pub(super) sending: Sending,
    /// Most bytes that its head has.
    head_bytes: u64,
    /// Its producer hears what has left.
    tells: bool,
    /// The body waits for 100.
    held: bool,
    opened: bool,
    notices: Option<Notices>,
    /// The caller wants to know of 1xx.
    informs: bool,
}

impl Current {
    /// What of `exchange` goes to the wire, and how to watch it.
    pub(super) fn new(
        stream: StreamId,
        head: Request<()>,
        exchange: &Exchange,
        pool: &Pool,
        watch: &Watch,
    ) -> (Self, Request<RequestBody>) {
        let submission = &exchange.submission;
        let waits = submission.expects();
        let tells = exchange.upload.is_some();
        let upload = match (&submission.body, &exchange.upload) {
            // Only a produced body can be held back.
            (Content::Whole(bytes), None) if waits => {
                let upload = Upload::new(Some(bytes.len() as u64), bytes.len());
                // As long as it is announced, and within its window.
                let _ = upload.push(bytes.clone(), true, None);
                Some(Rc::new(upload))
            }
            (_, upload) => upload.clone(),
        };
        let mut message = submission.to_h1(head, upload.as_ref(), &pool.config.authority);
        let notices = (waits || submission.informational).then(|| {
            let notices = Notices::default();
            let theirs = notices.clone();
            hyper::ext::on_informational(&mut message, move |response| {
                let notice = (response.status(), response.headers().clone());
                theirs.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
            });
            notices
        });
        let sending = message.body().sending();
        let head_bytes = sending.stream().map_or(0, |_| {
            let host = message.headers().get(HOST).map_or(0, http::HeaderValue::len);
            (submission.method.len() + submission.path.len() + 2 * submission.fields.len() + host) as u64 + HEAD_SLACK
        });
        let before = watch.written();
        let current = Self {
            request: submission.id,
            stream,
            aim: submission.aim,
            protocol: if submission.aim == Aim::Upgrade { message.headers().get(UPGRADE).cloned() } else { None },
            inward: if submission.aim == Aim::Exchange { None } else { exchange.upload.clone() },
            timeouts: OnWire::of(submission.timeouts.as_deref(), &pool.config),
            before,
            received: watch.received(),
            marked: before,
            sending,
            head_bytes,
            tells,
            held: waits,
            opened: false,
            notices,
            informs: submission.informational,
        };
        (current, message)
    }

    /// hyper was driven: lets the body go on, and tells what has left. True: hyper has to be driven again.
    pub(super) fn advance(&mut self, pool: &Pool, watch: &Watch) -> bool {
        if self.notices.is_some() {
            self.hear(pool);
        }
        let Some(upload) = self.sending.stream() else {
            return false;
        };
        let written = watch.written() - self.before;
        let opens = !self.opened && !self.held && written > 0;
        if opens {
            self.opened = true;
            upload.open();
        }
        if self.tells {
            let (passed, parts) = upload.passed();
            let framing = self.head_bytes + parts * CHUNK_SLACK;
            let left = if watch.is_flushed() { passed } else { written.saturating_sub(framing) };
            let news = upload.tell(left);
            if news > 0 {
                pool.shared.sink.taken(self.request, news);
            }
        }
        opens
    }

    /// What came of 1xx.
    fn hear(&mut self, pool: &Pool) {
        let Some(notices) = &self.notices else { return };
        let came = std::mem::take(&mut *notices.lock().unwrap_or_else(PoisonError::into_inner));
        for (status, fields) in came {
            self.held = self.held && status != StatusCode::CONTINUE;
            if self.informs {
                pool.shared.sink.informational(self.request, status, &fields);
            }
        }
    }

    /// The body waits for 100 no longer.
    pub(super) fn release(&mut self) {
        self.held = false;
    }

    /// Whether a final head with `status` and `fields` opens a tunnel. An error: it opens one that was not asked for.
    pub(super) fn opens_tunnel(&self, status: StatusCode, fields: &HeaderMap) -> Result<bool, Failure> {
        match self.aim {
            Aim::Exchange => Ok(false),
            Aim::Connect => Ok(status.is_success()),
            Aim::Upgrade if status != StatusCode::SWITCHING_PROTOCOLS => Ok(false),
            Aim::Upgrade => {
                let granted = fields.get(UPGRADE).map(HeaderValue::as_bytes).unwrap_or_default();
                let asked = self.protocol.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
                let text = "101 with another protocol than was asked for";
                let other = || Failure::new(Code::UnexpectedUpgrade, Phase::Head, Class::Never, text);
                granted.eq_ignore_ascii_case(asked).then_some(true).ok_or_else(other)
            }
        }
    }

    /// The final response makes the rest of the body useless. A produced one is told so.
    pub(super) fn stop(&mut self, pool: &Pool) {
        if let Some(upload) = self.sending.stream().or(self.inward.as_ref())
            && !(upload.is_drained() || upload.is_stopped())
        {
            upload.stop();
            if self.tells {
                pool.shared.sink.stopped(self.request);
            }
        }
    }

    /// Whether the final head with `status` stops the upload: of an error no server wants the rest, and a body that was held
    /// back will not be asked for any more.
    pub(super) fn ends_with(&self, status: StatusCode) -> bool {
        self.held || status.as_u16() >= 300
    }

    /// Nothing more of it goes out.
    pub(super) fn is_stopped(&self) -> bool {
        self.sending.stream().is_some_and(|upload| upload.is_stopped())
    }

    pub(super) fn awaits(&self, watch: &Watch) -> Awaits {
        if !watch.is_flushed() {
            Awaits::Room
        } else if self.sending.is_taken() {
            Awaits::Answer
        } else if self.held {
            Awaits::Continue
        } else {
            match self.sending.stream() {
                Some(upload) if upload.is_waiting() => Awaits::Producer,
                _ => Awaits::Room,
            }
        }
    }

    /// Whether the peer took bytes since this was last asked.
    pub(super) fn has_moved(&mut self, watch: &Watch) -> bool {
        let written = watch.written();
        std::mem::replace(&mut self.marked, written) != written
    }

    /// How long that may take.
    pub(super) fn limit(&self, awaits: Awaits) -> Option<Duration> {
        match awaits {
            Awaits::Room => self.timeouts.body_idle,
            Awaits::Producer => None,
            Awaits::Continue => self.timeouts.expect.or(self.timeouts.headers),
            Awaits::Answer => self.timeouts.headers,
        }
    }
}
