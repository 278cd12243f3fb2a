//! A response whose head has come: what was read of it, and what of that the sink has.
//!
//! Promise: no more bytes of a body are delivered than the reader granted; a body that is small and there goes together
//! with its head. Used by `connection`. Not here: when to read.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use hyper::body::Incoming;

use super::sending::Current;
use crate::pool::Pool;
use crate::request::is_trailer;
use crate::sink::Head;

/// A response whose head has come.
pub(super) struct Reading {
    pub(super) current: Current,
    pub(super) body: Incoming,
    /// Until it was delivered.
    pub(super) head: Option<Head>,
    /// Whether the body was read whole.
    pub(super) whole: bool,
    /// Received, not delivered: gathered with the head, or beyond the credit.
    first: Option<Bytes>,
    more: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Reading {
    pub(super) fn new(current: Current, head: Head, body: Incoming) -> Self {
        Self { current, body, head: Some(head), whole: false, first: None, more: Vec::new(), trailers: None }
    }

    /// Fields that may not be trailers are dropped (row B06).
    pub(super) fn keep_trailers(&mut self, frame: Frame<Bytes>) {
        let Ok(mut fields) = frame.into_trailers() else { return };
        let refused: Vec<_> = fields.keys().filter(|name| !is_trailer(name)).cloned().collect();
        for name in refused {
            fields.remove(name);
        }
        self.trailers = (!fields.is_empty()).then_some(fields);
    }

    pub(super) fn push(&mut self, part: Bytes) {
        if self.first.is_none() {
            self.first = Some(part);
        } else {
            self.more.push(part);
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Bytes> {
        self.first.iter().chain(&self.more)
    }

    pub(super) fn gathered(&self) -> usize {
        self.parts().map(Bytes::len).sum()
    }

    /// Whether parts wait for credit.
    pub(super) fn unsent(&self) -> bool {
        self.head.is_none() && self.first.is_some()
    }

    /// The body is whole, and trailers need a record of their own.
    pub(super) fn ends_apart(&self) -> bool {
        self.whole && self.trailers.is_some() && self.head.is_some()
    }

    /// Whether nothing more may be read: what was read is not delivered, or the reader granted no more.
    pub(super) fn is_full(&self, pool: &Pool) -> bool {
        self.unsent() || pool.credit_of(self.current.request) <= self.gathered()
    }

    /// Gives the head and as many bytes as the reader granted.
    pub(super) fn deliver(&mut self, pool: &Pool) {
        let sink = &pool.shared.sink;
        if let Some(head) = self.head.take() {
            sink.head(self.current.request, &head);
        }
        while let Some(mut part) = self.first.take() {
            let granted = pool.take_credit(self.current.request, part.len());
            if granted < part.len() {
                let rest = part.split_off(granted);
                self.first = Some(rest);
            }
            if !part.is_empty() {
                sink.data(self.current.request, part);
            }
            if self.first.is_some() {
                return;
            }
            if !self.more.is_empty() {
                self.first = Some(self.more.remove(0));
            }
        }
    }

    pub(super) fn finish(mut self, pool: &Pool) {
        // The upload has no more use.
        self.current.stop(pool);
        let request = self.current.request;
        let Some(head) = self.head.take() else {
            pool.shared.sink.end(request, self.trailers.as_ref());
            return;
        };
        if self.more.is_empty() {
            pool.shared.sink.response(request, &head, self.first.as_slice());
        } else {
            let all: Vec<Bytes> = self.first.take().into_iter().chain(self.more).collect();
            pool.shared.sink.response(request, &head, &all);
        }
    }
}
