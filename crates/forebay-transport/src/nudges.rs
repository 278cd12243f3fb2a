//! Which streams of a connection, and whether the connection itself, want to be looked at. Wakers for each, so that one task can
//! serve a thousand streams and look only at those that something happened to.
//!
//! Promise: nothing is allocated to wake; what is woken while the task runs is found by it before it rests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

#[derive(Debug, Default)]
struct State {
    /// The task's own waker.
    task: Option<Waker>,
    /// The task runs and looks again before it rests.
    running: bool,
    connection: bool,
    streams: Vec<u32>,
}

/// The list of one connection.
#[derive(Debug, Default)]
pub(crate) struct Nudges(Mutex<State>);

impl Nudges {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task begins to run.
    pub(crate) fn enter(&self, task: &Waker) {
        let mut state = self.lock();
        state.running = true;
        match &mut state.task {
            Some(known) => known.clone_from(task),
            None => state.task = Some(task.clone()),
        }
    }

    /// The task is about to rest; false: there is more to do.
    pub(crate) fn leave(&self) -> bool {
        let mut state = self.lock();
        state.running = state.connection || !state.streams.is_empty();
        !state.running
    }

    /// Whether the connection was nudged; no longer so.
    pub(crate) fn take_connection(&self) -> bool {
        std::mem::take(&mut self.lock().connection)
    }

    /// Swaps the streams that were nudged with `with`, which is empty.
    pub(crate) fn take_streams(&self, with: &mut Vec<u32>) {
        std::mem::swap(&mut self.lock().streams, with);
    }

    fn nudge(&self, what: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        what(&mut state);
        let task = if state.running { None } else { state.task.clone() };
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// Nudges the connection.
#[derive(Debug)]
pub(crate) struct Whole(pub(crate) Arc<Nudges>);

impl Wake for Whole {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.nudge(|state| state.connection = true);
    }
}

/// Nudges one stream.
#[derive(Debug)]
pub(crate) struct One {
    list: Arc<Nudges>,
    place: u32,
    /// It is on the list.
    listed: AtomicBool,
}

impl One {
    pub(crate) fn new(list: Arc<Nudges>, place: u32) -> Arc<Self> {
        Arc::new(Self { list, place, listed: AtomicBool::new(false) })
    }

    /// It is looked at now.
    pub(crate) fn taken(&self) {
        self.listed.store(false, Ordering::Relaxed);
    }
}

impl Wake for One {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::Relaxed) {
            self.list.nudge(|state| state.streams.push(self.place));
        }
    }
}
