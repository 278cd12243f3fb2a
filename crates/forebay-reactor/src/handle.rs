//! What tasks, sockets and timers hold of their reactor.
//!
//! Promise: clones are cheap and stay valid after the reactor is gone; then nothing is polled any more and new tasks are dropped.
//! Used by everything above the reactor, on its thread. Not here: turning (`reactor`), waking from other threads (`remote`).

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use crate::clock::Clock;
use crate::datagrams::Datagrams;
use crate::exec::Exec;
use crate::table::Shared;
use crate::timers::Timer;

/// Bytes that one read takes at most: few system calls for a large body, and small enough to stay in the cache. A guess.
pub(crate) const SCRATCH_BYTES: usize = 64 * 1024;

/// Reads and writes that one poll of a task may make before it must let others go on: a peer that sends as fast as we read would
/// hold the turn for ever. With [`SCRATCH_BYTES`] each, 2 MiB. A guess.
const IO_PER_POLL: u32 = 32;

/// A reference to a reactor, for use on its thread.
#[derive(Clone)]
pub struct Handle {
    pub(crate) local: Rc<Local>,
}

impl Handle {
    /// The time. Within `run` it is read every few polls only.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.local.now()
    }

    /// Whether the reactor was not turned for two seconds or more beyond a deadline, and that was noticed after `then`: its
    /// owner was busy or the machine slept.
    #[must_use]
    pub fn stalled_since(&self, then: Instant) -> bool {
        self.local.stalled.get().is_some_and(|at| at > then)
    }

    /// Starts a task; it is first polled by the next `run`, or by this one.
    ///
    /// A panic in it ends this task alone, see `Reactor::on_panic`. After a shutdown it is dropped at once.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.local.exec.spawn(Box::pin(future));
    }

    /// A timer that is not set.
    #[must_use]
    pub fn timer(&self) -> Timer {
        Timer::new(Arc::clone(&self.local.shared))
    }

    /// The same reactor, for objects that must be `Send + Sync`.
    #[must_use]
    pub fn shareable(&self) -> SharedHandle {
        SharedHandle { shared: Arc::clone(&self.local.shared) }
    }
}

/// A reference to a reactor for objects that must be `Send + Sync`, though they are used on the reactor's thread: from another
/// one only `spawn` is safe to call at any time, because timers and sockets do not wake an owner that waits.
#[derive(Clone, Debug)]
pub struct SharedHandle {
    pub(crate) shared: Arc<Shared>,
}

impl SharedHandle {
    /// The time, read anew.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.now()
    }

    /// Starts a task as [`Handle::spawn`] does, in the order of the calls.
    pub fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.shared.remote.adopt(future);
    }

    /// A timer that is not set.
    #[must_use]
    pub fn timer(&self) -> Timer {
        Timer::new(Arc::clone(&self.shared))
    }

    /// Watches a UDP socket, which must not block.
    ///
    /// # Errors
    /// When the system cannot watch it: out of memory.
    pub fn datagrams(&self, socket: UdpSocket) -> io::Result<Datagrams> {
        Datagrams::watch(Arc::clone(&self.shared), socket)
    }
}

/// What belongs to the reactor's thread.
pub(crate) struct Local {
    pub(crate) shared: Arc<Shared>,
    pub(crate) exec: Exec,
    /// Reads go through here, because a caller's buffer may be uninitialised and clearing it costs more than the copy.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    pub(crate) running: Cell<bool>,
    clock: Clock,
    cached: Cell<Instant>,
    /// When it was last found to come too late.
    stalled: Cell<Option<Instant>>,
    io_left: Cell<u32>,
}

impl Local {
    pub(crate) fn new(shared: Arc<Shared>, clock: Clock, now: Instant) -> Self {
        Self {
            exec: Exec::new(Arc::clone(&shared.remote)),
            shared,
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            running: Cell::new(false),
            clock,
            cached: Cell::new(now),
            stalled: Cell::new(None),
            io_left: Cell::new(IO_PER_POLL),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Outside of `run` the cache may be as old as the last turn, so the clock is read.
    pub(crate) fn now(&self) -> Instant {
        match &self.clock {
            Clock::System if self.running.get() => self.cached.get(),
            clock => clock.now(),
        }
    }

    /// Notes a fresh reading of the system's clock.
    pub(crate) fn saw_time(&self, now: Instant) {
        self.cached.set(now);
    }

    /// A turn came far too late.
    pub(crate) fn stalled(&self, now: Instant) {
        self.stalled.set(Some(now));
    }

    /// A task is about to be polled, or one was.
    pub(crate) fn refill_io(&self) {
        self.io_left.set(IO_PER_POLL);
    }

    /// Whether the present task may read or write once more. If not, it is woken again, behind the others.
    pub(crate) fn may_do_io(&self, cx: &Context<'_>) -> bool {
        if let Some(left) = self.io_left.get().checked_sub(1) {
            self.io_left.set(left);
            return true;
        }
        // Refilled here too: a caller outside of a task is never polled by `run`.
        self.refill_io();
        cx.waker().wake_by_ref();
        false
    }
}
