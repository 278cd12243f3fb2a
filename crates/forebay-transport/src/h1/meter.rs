//! Watches the bytes of responses before hyper reads them, and stops them where hyper and httparse would be too lenient.
//!
//! ```text
//!   Idle --begin--> Head --interim--> Head
//!    ^               |
//!    |               +--> Length, Chunks, Close --last byte--+
//!    +-------------------------------------------------------+
//!   any --fault--> Failed
//! ```
//!
//! Promise: bytes pass as they are, up to the first fault and never beyond. Cheap: a line of a head is looked at once, the
//! bytes of a body are counted. Pure, no I/O. Used by `io`. Not here: the grammar of names and values (httparse), what a
//! fault means to callers (`error`).

use super::chunks::{Chunks, Passed};
use super::fault::Fault;
use super::head::{Announced, Framing, Head};
use crate::request::Aim;

/// Interim responses for one request. Source: the bounds of the hostile upstream rows.
const MAX_INTERIM: u32 = 100;
/// Their heads together, in bytes. Source: the same.
const MAX_INTERIM_BYTES: usize = 64 * 1024;
/// Trailers of one body, in bytes. Source: the same.
const MAX_TRAILER_BYTES: usize = 16 * 1024;
/// Trailers of one body. Source: the same.
const MAX_TRAILERS: usize = 100;

/// What a peer may send at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of a head.
    pub(crate) head_bytes: usize,
    /// Fields of a head.
    pub(crate) head_fields: usize,
}

/// The meter of one connection.
pub(crate) struct Meter {
    bounds: Bounds,
    state: State,
    head: Head,
    chunks: Chunks,
    /// The request was a HEAD.
    bodiless: bool,
    /// What it was for.
    aim: Aim,
    interim: u32,
    interim_bytes: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Idle,
    Head,
    Length(u64),
    Chunks,
    Close,
    Failed(Fault),
}

impl Meter {
    pub(crate) const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: State::Idle,
            head: Head::new(),
            chunks: Chunks::new(),
            bodiless: false,
            aim: Aim::Exchange,
            interim: 0,
            interim_bytes: 0,
        }
    }

    /// A request is about to be sent; `bodiless`: with HEAD.
    pub(crate) fn begin(&mut self, bodiless: bool, aim: Aim) {
        debug_assert!(matches!(self.state, State::Idle | State::Failed(_)), "one request at a time");
        if self.state == State::Idle {
            self.state = State::Head;
            self.bodiless = bodiless;
            self.aim = aim;
            self.interim = 0;
            self.interim_bytes = 0;
            self.head.begin(aim == Aim::Upgrade);
        }
    }

    /// Why bytes were held back.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.state {
            State::Failed(fault) => Some(fault),
            _ => None,
        }
    }

    /// Bytes have come: how many of them may pass. Fewer than all: there is a fault.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                State::Head => match self.head.pass(rest, self.bounds.head_bytes, self.bounds.head_fields) {
                    Ok(None) => return bytes.len(),
                    Ok(Some((used, announced))) => match self.after(announced) {
                        Ok(state) => {
                            self.state = state;
                            at += used;
                        }
                        Err(fault) => return self.fail(fault, at),
                    },
                    Err(fault) => return self.fail(fault, at),
                },
                State::Length(left) => {
                    let here = left.min(rest.len() as u64);
                    // At most the length of the slice.
                    at += usize::try_from(here).unwrap_or(rest.len());
                    self.state = match left - here {
                        0 => State::Idle,
                        left => State::Length(left),
                    };
                }
                State::Chunks => match self.chunks.pass(rest, self.max_trailer_bytes(), self.max_trailers()) {
                    Passed::All => return bytes.len(),
                    Passed::Whole(used) => {
                        self.state = State::Idle;
                        at += used;
                    }
                    Passed::Fault(good, fault) => return self.fail(fault, at + good),
                },
                State::Close => return bytes.len(),
                State::Idle => return self.fail(stray(rest), at),
                State::Failed(_) => return at,
            }
        }
        at
    }

    fn fail(&mut self, fault: Fault, good: usize) -> usize {
        self.state = State::Failed(fault);
        good
    }

    /// What follows a head.
    fn after(&mut self, head: Announced) -> Result<State, Fault> {
        let tunnel = match self.aim {
            Aim::Exchange => false,
            // Without that wish the head is refused.
            Aim::Upgrade => head.status == 101,
            Aim::Connect => (200..300).contains(&head.status),
        };
        if tunnel {
            // What follows is no message: it passes until the connection ends.
            return Ok(State::Close);
        }
        if head.status < 200 {
            self.interim += 1;
            self.interim_bytes += head.bytes;
            if self.interim > MAX_INTERIM || self.interim_bytes > MAX_INTERIM_BYTES {
                return Err(Fault::TooManyInterim);
            }
            self.head.next();
            return Ok(State::Head);
        }
        if self.bodiless || matches!(head.status, 204 | 304) {
            return Ok(State::Idle);
        }
        Ok(match head.framing {
            Framing::Length(0) => State::Idle,
            Framing::Length(left) => State::Length(left),
            Framing::Close => State::Close,
            Framing::Chunked => {
                self.chunks.begin();
                State::Chunks
            }
        })
    }

    /// Below hyper's own bounds, which it takes from those of the head: so the fault is ours to name.
    fn max_trailer_bytes(&self) -> usize {
        MAX_TRAILER_BYTES.min(self.bounds.head_bytes.saturating_sub(3))
    }

    fn max_trailers(&self) -> usize {
        MAX_TRAILERS.min(self.bounds.head_fields)
    }
}

/// Bytes that no request asked for. A start that may become a 408 is believed to be one: the connection closes at once
/// either way, and a notice of the peer's is no breach.
fn stray(bytes: &[u8]) -> Fault {
    const NOTICES: [&[u8]; 2] = [b"HTTP/1.1 408", b"HTTP/1.0 408"];
    let begins = |notice: &&[u8]| {
        let shared = notice.len().min(bytes.len());
        bytes[..shared] == notice[..shared]
    };
    if NOTICES.iter().any(begins) { Fault::IdleTimeoutNotice } else { Fault::Stray }
}

#[cfg(test)]
mod tests;
