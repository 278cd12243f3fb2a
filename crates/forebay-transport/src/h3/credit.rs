//! How many streams the peer allows us now: QUIC does not tell, so streams are opened ahead and held until a request takes one.
//!
//! Promise: what is held is the credit, exact up to a cap; nothing of it is on the wire. Lowest number first, because a number opens
//! all below it at the peer. Polled by one task only: several lose wake-ups. Not here: what the core is told of it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use quinn::{ConnectionError, RecvStream, SendStream};

/// Both directions of a stream.
pub(super) type Pair = (SendStream, RecvStream);

type Opening = Pin<Box<dyn Future<Output = Result<Pair, ConnectionError>>>>;

/// Streams of one connection.
pub(super) struct Credit {
    connection: quinn::Connection,
    held: VecDeque<Pair>,
    cap: usize,
    opening: Option<Opening>,
    /// The peer allows no more; its next word wakes us.
    blocked: bool,
}

impl Credit {
    /// Holds up to `cap` streams.
    pub(super) fn new(connection: quinn::Connection, cap: u32) -> Self {
        let cap = usize::try_from(cap).unwrap_or(usize::MAX).max(1);
        Self { connection, held: VecDeque::new(), cap, opening: None, blocked: false }
    }

    /// The peer may allow more.
    pub(super) fn woken(&mut self) {
        self.blocked = false;
    }

    /// Opens what the peer allows. `cx` is the same each time.
    pub(super) fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), ConnectionError> {
        while self.held.len() < self.cap && !self.blocked {
            let connection = &self.connection;
            let opening = self.opening.get_or_insert_with(|| {
                let connection = connection.clone();
                Box::pin(async move { connection.open_bi().await })
            });
            match opening.as_mut().poll(cx) {
                std::task::Poll::Pending => self.blocked = true,
                std::task::Poll::Ready(opened) => {
                    self.opening = None;
                    self.held.push_back(opened?);
                }
            }
        }
        Ok(())
    }

    /// Streams that may be opened now.
    pub(super) fn room(&self) -> usize {
        self.held.len()
    }

    pub(super) fn take(&mut self) -> Option<Pair> {
        self.held.pop_front()
    }

    /// It was not used.
    pub(super) fn put_back(&mut self, pair: Pair) {
        self.held.push_front(pair);
    }

    /// To be called once the connection is closed, not before: on one that lives, a stream that is dropped looks like a request
    /// that ended.
    pub(super) fn let_go(&mut self) {
        self.opening = None;
        self.held.clear();
    }
}
