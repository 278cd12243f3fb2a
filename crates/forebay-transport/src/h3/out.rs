//! Our side of a request's stream: frames on their way to QUIC.
//!
//! Promise: what is dropped before its end was given is reset, so that a request cut short never looks complete. No more than one
//! part of a body waits here. Used by `stream`.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use forebay_h3::{Code, DataHead, encode_trailers};
use http::HeaderMap;
use quinn::{SendStream, VarInt, WriteError};

use crate::outgoing::Pipe;
use crate::quic::code;

/// Bytes of one DATA frame, at most. A guess: few frames for a large body, and as much as one part waits in memory.
const PART: usize = 64 * 1024;

/// Bytes to send, and where.
pub(super) struct Out {
    to: SendStream,
    waiting: VecDeque<Bytes>,
    /// No more will be given.
    ended: bool,
    /// The end was sent, or the stream reset.
    closed: bool,
    /// The peer wants no more.
    stopped: bool,
    /// Bytes that QUIC took.
    written: u64,
    /// The peer's bound on trailers.
    max_section: Option<u64>,
}

impl Out {
    /// Sends `head`, and nothing more if `ends`.
    pub(super) fn new(to: SendStream, head: Bytes, ends: bool, max_section: Option<u64>) -> Self {
        let waiting = VecDeque::from([head]);
        Self { to, waiting, ended: ends, closed: false, stopped: false, written: 0, max_section }
    }

    /// What the peer calls it.
    pub(super) fn number(&self) -> u64 {
        VarInt::from(self.to.id()).into_inner()
    }

    /// Whether QUIC has any of it.
    pub(super) fn has_left(&self) -> bool {
        self.written > 0
    }

    /// Whether the peer wants no more.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Gives QUIC what waits. Ready: all of it, or the stream is over. Whether anything moved is put into `moved`.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> Poll<()> {
        while !self.waiting.is_empty() && !self.closed {
            let written = pin!(self.to.write_chunks(self.waiting.make_contiguous())).poll(cx);
            match written {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(written)) => {
                    self.waiting.drain(..written.chunks);
                    self.written += written.bytes as u64;
                    *moved |= written.bytes > 0;
                }
                Poll::Ready(Err(error)) => self.refused(&error),
            }
        }
        if self.ended && !self.closed {
            self.closed = true;
            // It fails only where the stream is over.
            let _ = self.to.finish();
        }
        Poll::Ready(())
    }

    /// The response says why, or the connection does.
    fn refused(&mut self, error: &WriteError) {
        self.waiting.clear();
        self.closed = true;
        if let WriteError::Stopped(reason) = error {
            self.stopped = true;
            let _ = self.to.reset(*reason);
        }
    }

    /// Nothing more is sent, and what was is void.
    pub(super) fn reset(&mut self, reason: Code) {
        if !self.closed {
            self.closed = true;
            self.waiting.clear();
            // It fails only where the stream is over.
            let _ = self.to.reset(code(reason.0));
        }
    }
}

impl Pipe for Out {
    type Error = forebay_h3::Unsendable;

    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Option<Result<usize, Self::Error>>> {
        if self.flush(cx, &mut false).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(if self.closed { None } else { Some(Ok(wanted.min(PART))) })
    }

    fn give(&mut self, part: Bytes, end: bool) -> Result<(), Self::Error> {
        if !part.is_empty() {
            self.waiting.push_back(Bytes::copy_from_slice(DataHead::new(part.len() as u64).as_bytes()));
            self.waiting.push_back(part);
        }
        self.ended = end;
        Ok(())
    }

    fn give_trailers(&mut self, trailers: HeaderMap) -> Result<(), Self::Error> {
        let mut out = BytesMut::new();
        encode_trailers(&trailers, self.max_section, &mut out)?;
        self.waiting.push_back(out.freeze());
        self.ended = true;
        Ok(())
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.reset(Code::REQUEST_CANCELLED);
    }
}
