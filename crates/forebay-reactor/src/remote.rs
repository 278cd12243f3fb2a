//! The part of a reactor that other threads may touch: the ready queue, and the signal to an owner that waits.
//!
//! ```text
//!   owner:  asleep = true --> is anything queued or announced? --no--> wait --> asleep = false
//!   waker:  queue or announce --> was it asleep? --yes--> asleep = false, signal (one system call)
//! ```
//!
//! Promise: each side writes before it reads the other's mark, all `SeqCst`, so one of the two sees the other: no wake is lost, and
//! an owner that is awake costs its wakers no system call. Used by `exec`, `reactor` and, as [`Waker`], by the runners.
//! Not here: what is done with a ready task (`exec`).

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

/// Wakes the owner of a reactor, from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Remote>);

impl Waker {
    pub(crate) fn new(remote: Arc<Remote>) -> Self {
        Self(remote)
    }

    /// Announces work that lies outside the reactor, such as a queue of commands: put it there first, then call this.
    ///
    /// Makes a system call only if the owner waits or is about to. Otherwise the next `prepare_wait` says that there is work.
    pub fn wake(&self) {
        self.0.announced.store(true, SeqCst);
        self.0.rouse();
    }
}

/// A task that was started through an object that must be `Send`.
pub(crate) type Adopted = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Queue {
    ready: VecDeque<Arc<Header>>,
    /// Not tasks yet.
    adopted: Vec<Adopted>,
    /// Set once, at shutdown: a late wake must not keep its header alive in here.
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Remote {
    queue: Mutex<Queue>,
    asleep: AtomicBool,
    /// [`Waker::wake`] was called and the owner has not woken since.
    announced: AtomicBool,
    signal: mio::Waker,
    signals: AtomicU64,
}

impl Remote {
    pub(crate) fn new(signal: mio::Waker) -> Self {
        Self {
            queue: Mutex::default(),
            asleep: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            signal,
            signals: AtomicU64::new(0),
        }
    }

    /// The task of `header` wants to be polled.
    pub(crate) fn push(&self, header: Arc<Header>) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        queue.ready.push_back(header);
        drop(queue);
        self.rouse();
    }

    /// A future is to become a task. It is dropped if there are none any more.
    pub(crate) fn adopt(&self, future: Adopted) {
        let mut queue = self.queue();
        if queue.closed {
            drop(queue);
            drop(future);
            return;
        }
        queue.adopted.push(future);
        drop(queue);
        self.rouse();
    }

    /// Takes what is to become a task.
    pub(crate) fn take_adopted(&self) -> Vec<Adopted> {
        std::mem::take(&mut self.queue().adopted)
    }

    /// Exchanges the ready queue for `empty`.
    pub(crate) fn swap(&self, empty: &mut VecDeque<Arc<Header>>) {
        debug_assert!(empty.is_empty(), "what is swapped in was polled to the end");
        std::mem::swap(&mut self.queue().ready, empty);
    }

    pub(crate) fn ready(&self) -> usize {
        let queue = self.queue();
        queue.ready.len() + queue.adopted.len()
    }

    /// From now on nothing becomes ready. Gives what has not become a task.
    pub(crate) fn close(&self) -> Vec<Adopted> {
        let mut queue = self.queue();
        queue.closed = true;
        let (ready, adopted) = (std::mem::take(&mut queue.ready), std::mem::take(&mut queue.adopted));
        drop(queue);
        drop(ready);
        adopted
    }

    /// The owner is about to wait. True: it must not, something was announced. What is queued it has to look for after this.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, SeqCst);
        self.announced.load(SeqCst)
    }

    pub(crate) fn awake(&self) {
        self.asleep.store(false, SeqCst);
        self.announced.store(false, SeqCst);
    }

    /// How often an owner was signalled.
    pub(crate) fn signals(&self) -> u64 {
        self.signals.load(Relaxed)
    }

    fn rouse(&self) {
        // The load first: a store by every waker would bounce the cache line of an owner that is awake.
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            self.signals.fetch_add(1, Relaxed);
            // It fails only if the poll is gone, and then nobody waits.
            let _ = self.signal.wake();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("ready", &self.ready.len())
            .field("adopted", &self.adopted.len())
            .field("closed", &self.closed)
            .finish()
    }
}

/// What wakes one task. Being woken twice before it is polled queues it once.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) key: usize,
    queued: AtomicBool,
    remote: Arc<Remote>,
}

impl Header {
    /// Of a new task, which is about to be queued.
    pub(crate) fn new(key: usize, remote: Arc<Remote>) -> Self {
        Self { key, queued: AtomicBool::new(true), remote }
    }

    /// The task is about to be polled: from here on a wake queues it again.
    pub(crate) fn polled(&self) {
        // A swap, not a store: it takes over what a waker wrote before it found the task queued already.
        self.queued.swap(false, AcqRel);
    }
}

impl Wake for Header {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, AcqRel) {
            let remote = Arc::clone(&self.remote);
            remote.push(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, AcqRel) {
            self.remote.push(Arc::clone(self));
        }
    }
}
