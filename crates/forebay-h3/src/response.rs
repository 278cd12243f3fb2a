//! The response on a request's stream (RFC 9114, sections 4.1 and 7.1), read as it comes.
//!
//! ```text
//!        +--1xx--+
//!        v       |
//!   Interim -----+--final head--> Body --HEADERS--> Trailed
//!      |                           |  \              |
//!      |                           |   2xx to CONNECT: Tunnel
//!     FIN: malformed              FIN: complete if the announced length came
//! ```
//!
//! Promise: a section is kept only if its announced length is within the bound, and only until it is whole; of any other frame
//! nothing is kept. A body is handed out as it came, without a copy, and never more of it than was announced. After the first
//! fault nothing is read. Used by whoever owns the stream; not here: timers, resets, credit.

mod length;

use bytes::{Buf, Bytes};
use http::{HeaderMap, StatusCode};

use self::length::announced;
use crate::budget::Budget;
use crate::error::{Code, Error};
use crate::fields::{Bounds, Place, section};
use crate::frame::{Head, HeadReader, Kind, TRUNCATED};

/// How large the parts of one response may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// A head, of a 1xx too. Default: 64 KiB and 100 fields (the bounds of the hostile upstream rows, as all that follow).
    pub head: Bounds,
    /// Trailers. Default: 16 KiB and 100 fields.
    pub trailers: Bounds,
    /// Heads before the final one. Default: 100.
    pub interim: u32,
    /// Their bytes together, counted as those of a head. Default: 64 KiB.
    pub interim_bytes: usize,
    /// DATA frames of no bytes. Default: 100.
    pub empty_data: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Bounds { bytes: 64 * 1024, fields: 100 },
            trailers: Bounds { bytes: 16 * 1024, fields: 100 },
            interim: 100,
            interim_bytes: 64 * 1024,
            empty_data: 100,
        }
    }
}

/// What a response answers, as far as it matters to its framing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Answers {
    /// Any request but these.
    #[default]
    Request,
    /// HEAD: there is no body, whatever the fields say.
    Head,
    /// CONNECT, extended or not: after 2xx there is a tunnel.
    Connect,
}

/// What came.
#[derive(Debug)]
pub enum Event {
    /// A head before the final one, 100 to 199 but not 101.
    Interim {
        /// Status.
        status: StatusCode,
        /// Fields.
        fields: HeaderMap,
    },
    /// The final head: once.
    Head {
        /// Status, 200 to 999.
        status: StatusCode,
        /// Fields.
        fields: HeaderMap,
        /// The length that it announces, in bytes; of an answer to HEAD or a 304 that of the body that was left out.
        length: Option<u64>,
        /// The stream is a tunnel from here on.
        tunnel: bool,
    },
    /// A part of the body, or of what comes through the tunnel; never empty.
    Data(Bytes),
    /// Trailers: at most once, after all parts.
    Trailers(HeaderMap),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// The final head has not come.
    Interim,
    /// Of the body this much must still come; `None`: up to FIN.
    Body { left: Option<u64> },
    /// No more frames that mean something.
    Trailed,
    /// Only DATA.
    Tunnel,
    /// FIN came, in order.
    Finished,
    /// Nothing more is read.
    Failed(Error),
}

#[derive(Debug)]
enum Frame {
    Between(HeadReader),
    Section { len: usize, kept: Vec<u8> },
    Data { left: u64 },
    Skip { left: u64 },
}

const BETWEEN: Frame = Frame::Between(HeadReader::NEW);

/// Reads one response.
#[derive(Debug)]
pub struct ResponseReader {
    answers: Answers,
    limits: Limits,
    phase: Phase,
    frame: Frame,
    interim: u32,
    interim_bytes: usize,
    empty_data: u32,
}

impl ResponseReader {
    /// For the stream of a request.
    #[must_use]
    pub fn new(answers: Answers, limits: Limits) -> Self {
        Self { answers, limits, phase: Phase::Interim, frame: BETWEEN, interim: 0, interim_bytes: 0, empty_data: 0 }
    }

    /// Bytes came: takes them from the front of `input` up to the next event. `None`: all of them.
    ///
    /// # Errors
    /// The peer is at fault; the error says whether the stream ends or the connection. It is the same from then on.
    pub fn receive(&mut self, input: &mut Bytes, budget: &mut Budget) -> Result<Option<Event>, Error> {
        if let Phase::Failed(error) = self.phase {
            return Err(error);
        }
        self.advance(input, budget).inspect_err(|error| self.fail(*error))
    }

    /// FIN came, after all bytes.
    ///
    /// # Errors
    /// The response is not whole: of the stream, or, within a frame, of the connection.
    pub fn finish(&mut self) -> Result<(), Error> {
        let result = match (&self.frame, self.phase) {
            (_, Phase::Failed(error)) => Err(error),
            (Frame::Between(head), _) if head.is_open() => Err(TRUNCATED),
            (Frame::Section { .. } | Frame::Data { .. } | Frame::Skip { .. }, _) => Err(TRUNCATED),
            (_, Phase::Interim) => Err(Error::malformed("the stream ended before the head")),
            (_, Phase::Body { left: Some(1..) }) => Err(SHORT),
            (_, Phase::Body { .. } | Phase::Trailed | Phase::Tunnel | Phase::Finished) => Ok(()),
        };
        match result {
            Ok(()) => self.phase = Phase::Finished,
            Err(error) => self.fail(error),
        }
        result
    }

    /// Whether the response is whole: by FIN, by its announced length (which is 0 where there can be no body), or by its trailers. A
    /// reset does it no harm then.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Finished | Phase::Trailed | Phase::Body { left: Some(0) })
    }

    /// Whether the final head came.
    #[must_use]
    pub const fn is_headed(&self) -> bool {
        matches!(self.phase, Phase::Body { .. } | Phase::Trailed | Phase::Tunnel | Phase::Finished)
    }

    /// Bytes of a section that are kept until it is whole: at most the bound on it.
    #[must_use]
    pub const fn kept(&self) -> usize {
        match &self.frame {
            Frame::Section { kept, .. } => kept.len(),
            Frame::Between(_) | Frame::Data { .. } | Frame::Skip { .. } => 0,
        }
    }

    fn fail(&mut self, error: Error) {
        self.phase = Phase::Failed(error);
        self.frame = BETWEEN;
    }

    fn advance(&mut self, input: &mut Bytes, budget: &mut Budget) -> Result<Option<Event>, Error> {
        loop {
            match &mut self.frame {
                Frame::Between(reader) => {
                    let mut bytes = &input[..];
                    let head = reader.take(&mut bytes);
                    let taken = input.len() - bytes.len();
                    input.advance(taken);
                    let Some(head) = head else { return Ok(None) };
                    self.begin(head, budget)?;
                }
                Frame::Section { len, kept } => {
                    let missing = *len - kept.len();
                    if input.len() < missing {
                        kept.extend_from_slice(input);
                        input.clear();
                        return Ok(None);
                    }
                    let rest = input.split_to(missing);
                    let mut kept = std::mem::take(kept);
                    self.frame = BETWEEN;
                    budget.allow();
                    if kept.is_empty() {
                        return self.section(&rest).map(Some);
                    }
                    kept.extend_from_slice(&rest);
                    return self.section(&kept).map(Some);
                }
                Frame::Data { left } => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let part = input.split_to(at_most(*left, input.len()));
                    *left -= part.len() as u64;
                    if *left == 0 {
                        self.frame = BETWEEN;
                    }
                    if let Phase::Body { left: Some(left) } = &mut self.phase {
                        *left -= part.len() as u64;
                    }
                    return Ok(Some(Event::Data(part)));
                }
                Frame::Skip { left } => {
                    let skipped = at_most(*left, input.len());
                    input.advance(skipped);
                    *left -= skipped as u64;
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.frame = BETWEEN;
                }
            }
        }
    }

    /// The head of a frame came: whether it may come now, and is within the bounds.
    fn begin(&mut self, Head { kind, len }: Head, budget: &mut Budget) -> Result<(), Error> {
        self.frame = match kind {
            Kind::Data => self.data(len, budget)?,
            Kind::Headers => {
                let bounds = match self.phase {
                    Phase::Interim => self.limits.head,
                    Phase::Body { .. } => self.limits.trailers,
                    _ => return Err(unexpected("HEADERS after the trailers, or in a tunnel")),
                };
                // Written without waste, a section is never longer than it counts.
                let len = usize::try_from(len).ok().filter(|len| *len <= bounds.bytes).ok_or(ANNOUNCED_TOO_LARGE)?;
                Frame::Section { len, kept: Vec::new() }
            }
            Kind::Unknown => {
                budget.spend()?;
                if len == 0 { BETWEEN } else { Frame::Skip { left: len } }
            }
            // We allowed none (section 7.2.5).
            Kind::PushPromise => return Err(Error::connection(Code::ID_ERROR, "a push that was not allowed")),
            Kind::CancelPush
            | Kind::Settings
            | Kind::GoAway
            | Kind::MaxPushId
            | Kind::PriorityUpdate
            | Kind::OfHttp2 => return Err(unexpected("a frame that has no place on a request's stream")),
        };
        Ok(())
    }

    fn data(&mut self, len: u64, budget: &mut Budget) -> Result<Frame, Error> {
        match self.phase {
            Phase::Body { left: Some(left) } if len > left => return Err(LONG),
            Phase::Body { .. } | Phase::Tunnel => {}
            Phase::Interim => return Err(unexpected("DATA before the head")),
            Phase::Trailed | Phase::Finished | Phase::Failed(_) => return Err(unexpected("DATA after the trailers")),
        }
        if len > 0 {
            budget.allow();
            return Ok(Frame::Data { left: len });
        }
        budget.spend()?;
        self.empty_data += 1;
        if self.empty_data > self.limits.empty_data {
            return Err(Error::flood("too many DATA frames of no bytes"));
        }
        Ok(BETWEEN)
    }

    fn section(&mut self, coded: &[u8]) -> Result<Event, Error> {
        if let Phase::Body { left } = self.phase {
            if left.is_some_and(|left| left > 0) {
                return Err(SHORT);
            }
            let trailers = section(coded, Place::Trailers, self.limits.trailers)?;
            self.phase = Phase::Trailed;
            return Ok(Event::Trailers(trailers.fields));
        }
        let head = section(coded, Place::Head, self.limits.head)?;
        let Some(status) = head.status else { return Err(Error::malformed("a response without :status")) };
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::malformed("101, which HTTP/3 does not have"));
        }
        let tunnel = self.answers == Answers::Connect && status.is_success();
        // What a tunnel carries has no length (RFC 9110, section 9.3.6).
        let length = if tunnel { None } else { announced(status, &head.fields)? };
        if status.is_informational() {
            self.interim += 1;
            self.interim_bytes += head.size;
            if self.interim > self.limits.interim || self.interim_bytes > self.limits.interim_bytes {
                return Err(Error::stream_flood("too many interim responses"));
            }
            return Ok(Event::Interim { status, fields: head.fields });
        }
        let is_bodiless =
            self.answers == Answers::Head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        self.phase = match (tunnel, is_bodiless) {
            (true, _) => Phase::Tunnel,
            (false, true) => Phase::Body { left: Some(0) },
            (false, false) => Phase::Body { left: length },
        };
        Ok(Event::Head { status, fields: head.fields, length, tunnel })
    }
}

const SHORT: Error = Error::malformed("the body is shorter than its announced length");
const LONG: Error = Error::malformed("the body is longer than its announced length, or there can be none");
const ANNOUNCED_TOO_LARGE: Error =
    Error::too_large("the head or the trailers are announced to be larger than the limit");

const fn unexpected(text: &'static str) -> Error {
    Error::connection(Code::FRAME_UNEXPECTED, text)
}

fn at_most(left: u64, len: usize) -> usize {
    usize::try_from(left).map_or(len, |left| left.min(len))
}
