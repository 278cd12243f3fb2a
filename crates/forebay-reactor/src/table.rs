//! What each socket is ready for, as far as the poll has said, and who waits for it.
//!
//! ```text
//!   not ready --event--> ready --would block, or a short transfer--> not ready
//!                          |
//!                          +--the event said closed: stays readable until a read says otherwise
//! ```
//!
//! Readiness is edge-triggered: an event comes once, so it is kept here until the socket is known to be used up.
//!
//! Promises: readiness is dropped only when the next change gives another event; wakers are called and dropped outside of locks.
//! Used by `stream`, `datagrams` and `reactor`, and shared by `Arc` for objects that must be `Send + Sync`.
//! Not here: system calls on sockets (`stream`, `datagrams`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU8,
    Ordering::{AcqRel, Acquire},
};
use std::task::{Context, Waker};
use std::time::Instant;

use mio::{Interest, Registry, Token, event::Event};
use slab::Slab;

use crate::clock::Clock;
use crate::lock::Lock;
use crate::remote::Remote;
use crate::timers::Timers;

/// The token of the signal; no slab gets that far.
pub(crate) const SIGNAL: Token = Token(usize::MAX);

/// A short transfer proves that the socket is used up, and the next change gives an event. Not on Windows: mio asks the system
/// for another event there only after a call that would block.
const SHORT_MEANS_USED_UP: bool = cfg!(unix);

const READABLE: u8 = 1;
const WRITABLE: u8 = 2;
/// The peer has closed, or the socket failed. No further event may come, so reads go on to the end of the file or the error.
const CLOSED: u8 = 4;

/// What outlives the turn and may be held by objects that must be `Send + Sync`.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) remote: Arc<Remote>,
    pub(crate) timers: Lock<Timers>,
    registry: Registry,
    sources: Lock<Slab<Arc<Source>>>,
    clock: Clock,
}

impl Shared {
    pub(crate) fn new(remote: Arc<Remote>, registry: Registry, clock: Clock, now: Instant) -> Self {
        Self { remote, timers: Lock::new(Timers::new(now)), registry, sources: Lock::default(), clock }
    }

    /// A fresh reading of the clock.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Starts to watch `socket` for both directions: one system call for its whole life.
    pub(crate) fn register(&self, socket: &mut impl mio::event::Source) -> io::Result<(usize, Arc<Source>)> {
        self.watch(socket, Interest::READABLE | Interest::WRITABLE)
    }

    /// Starts to watch `socket` for what comes in, and takes it for writable until a write says otherwise.
    pub(crate) fn register_reader(&self, socket: &mut impl mio::event::Source) -> io::Result<(usize, Arc<Source>)> {
        let (key, source) = self.watch(socket, Interest::READABLE)?;
        source.flags.fetch_or(WRITABLE, AcqRel);
        Ok((key, source))
    }

    /// Watches a socket that `register_reader` took in for writes too, or no longer.
    pub(crate) fn watch_writes(&self, key: usize, socket: &mut impl mio::event::Source, too: bool) -> io::Result<()> {
        let interest = if too { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        self.registry.reregister(socket, Token(key), interest)
    }

    fn watch(&self, socket: &mut impl mio::event::Source, interest: Interest) -> io::Result<(usize, Arc<Source>)> {
        let mut sources = self.sources.get();
        let entry = sources.vacant_entry();
        let key = entry.key();
        self.registry.register(socket, Token(key), interest)?;
        Ok((key, Arc::clone(entry.insert(Arc::default()))))
    }

    pub(crate) fn deregister(&self, key: usize, socket: &mut impl mio::event::Source) {
        // It fails only if the socket is not watched, which is what was asked for.
        let _ = self.registry.deregister(socket);
        let source = self.sources.get().try_remove(key);
        drop(source);
    }

    pub(crate) fn sockets(&self) -> usize {
        self.sources.get().len()
    }

    /// Notes what `events` say and puts the wakers that they concern into `wakers`.
    pub(crate) fn mark(&self, events: &mio::Events, wakers: &mut Vec<Waker>) {
        let sources = self.sources.get();
        for event in events {
            if let Some(source) = sources.get(event.token().0) {
                source.mark(event, wakers);
            }
        }
    }
}

/// One socket's readiness.
#[derive(Debug, Default)]
pub(crate) struct Source {
    flags: AtomicU8,
    reader: Lock<Option<Waker>>,
    writer: Lock<Option<Waker>>,
}

impl Source {
    pub(crate) fn is_readable(&self) -> bool {
        self.flags.load(Acquire) & READABLE != 0
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.flags.load(Acquire) & WRITABLE != 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Acquire) & CLOSED != 0
    }

    pub(crate) fn park_reader(&self, cx: &Context<'_>) {
        let _old = park(&mut self.reader.get(), cx);
    }

    pub(crate) fn park_writer(&self, cx: &Context<'_>) {
        let _old = park(&mut self.writer.get(), cx);
    }

    /// `got` bytes came of the `wanted`. None at all is the end of the file: that stays readable.
    pub(crate) fn read(&self, got: usize, wanted: usize) {
        // A FIN that came with the data was part of its event and gives no second one: then read on.
        if SHORT_MEANS_USED_UP && got > 0 && got < wanted && !self.is_closed() {
            self.unset(READABLE);
        }
    }

    /// `took` bytes went of the `offered`.
    pub(crate) fn wrote(&self, took: usize, offered: usize) {
        if SHORT_MEANS_USED_UP && took > 0 && took < offered {
            self.unset(WRITABLE);
        }
    }

    /// A read would block: nothing is there, not even an end.
    pub(crate) fn read_blocked(&self) {
        self.unset(READABLE | CLOSED);
    }

    pub(crate) fn write_blocked(&self) {
        self.unset(WRITABLE);
    }

    fn unset(&self, flags: u8) {
        self.flags.fetch_and(!flags, AcqRel);
    }

    fn mark(&self, event: &Event, wakers: &mut Vec<Waker>) {
        let failed = event.is_error();
        let closed = event.is_read_closed() || failed;
        let readable = event.is_readable() || closed;
        let writable = event.is_writable() || event.is_write_closed() || failed;
        let mut flags = 0;
        if closed {
            flags |= CLOSED;
        }
        if readable {
            flags |= READABLE;
            wakers.extend(self.reader.get().take());
        }
        if writable {
            flags |= WRITABLE;
            wakers.extend(self.writer.get().take());
        }
        self.flags.fetch_or(flags, AcqRel);
    }
}

/// Notes who waits. The waker that it replaces is given back, to be dropped once no lock is held.
pub(crate) fn park(slot: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    if slot.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        return None;
    }
    slot.replace(cx.waker().clone())
}
