//! Everything that happens by itself, in one queue, so that the shell needs one timer.
//!
//! Promise: exact. What is disarmed leaves the queue at once; equal times fire in the order in which they were armed.
//! Used by `group`. Not here: what a timer does (`group::timeouts`).

use crate::heap::{IndexedHeap, Slot};
use crate::id::{ConnectionId, PoolId, StreamId};
use crate::time::Instant;

/// What is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timer {
    /// The handshake took too long.
    Connect(ConnectionId),
    /// Nothing ran on it for too long.
    Idle(ConnectionId),
    /// It has lived long enough.
    Duration(ConnectionId),
    /// It drained for too long.
    Drain(ConnectionId),
    /// It waited for too long.
    Queue(StreamId),
    /// The pool may dial again.
    Backoff(PoolId),
}

/// An armed timer's place in the queue. Its owner keeps it to disarm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Armed(Slot);

/// The queue.
pub(crate) struct Timers {
    heap: IndexedHeap<(Instant, u64), Timer>,
    armed: u64,
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self { heap: IndexedHeap::new(), armed: 0 }
    }

    pub(crate) fn arm(&mut self, at: Instant, timer: Timer) -> Armed {
        self.armed += 1;
        Armed(self.heap.insert((at, self.armed), timer))
    }

    /// Takes the owner's note, so that nothing is disarmed twice.
    pub(crate) fn disarm(&mut self, note: &mut Option<Armed>) {
        if let Some(Armed(slot)) = note.take() {
            self.heap.remove(slot);
        }
    }

    /// What is due first, if anything is due. It stays armed: its handler disarms it through its owner's note.
    pub(crate) fn due(&self, now: Instant) -> Option<Timer> {
        self.heap.peek().filter(|((at, _), _)| *at <= now).map(|(_, timer)| timer)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|((at, _), _)| at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Timer> + '_ {
        self.heap.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Id, StreamId};
    use core::time::Duration;

    #[test]
    fn equal_times_fire_in_the_order_of_arming_and_the_disarmed_not_at_all() {
        let mut timers = Timers::new();
        let at = Instant::from_epoch(Duration::from_secs(1));
        let ids = [0, 1, 2].map(|index| StreamId::from_parts(index, 0));
        let mut notes = ids.map(|id| Some(timers.arm(at, Timer::Queue(id))));
        timers.disarm(&mut notes[1]);
        assert_eq!(timers.due(Instant::default()), None);
        assert_eq!(timers.due(at), Some(Timer::Queue(ids[0])));
        timers.disarm(&mut notes[0]);
        assert_eq!(timers.due(at), Some(Timer::Queue(ids[2])));
        timers.disarm(&mut notes[2]);
        assert_eq!(timers.next(), None);
        assert_eq!(timers.len(), 0);
    }
}
