//! Deadlines.
//!
//! A reset to a later time, the usual one, does not touch the heap: the early entry comes up once, finds the deadline moved and goes
//! back. A cleared or dropped timer leaves its entry behind until it comes up or there are too many of them.
//!
//! Promises: timers fire in the order of their deadlines, equal ones in the order in which they were set; the heap holds at most
//! [`SLACK`] entries more than twice the timers there are. Used by `reactor`, and by tasks as [`Timer`].
//! Not here: what time it is (`clock`), who waits for the next deadline (the owner).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use slab::Slab;

use crate::table::{Shared, park};

/// Left-over heap entries that are not worth a compaction, however few timers there are. A guess: 2 KiB of memory.
const SLACK: usize = 64;

/// A deadline that a task waits for. Made by `Handle::timer`, unset at first.
#[derive(Debug)]
pub struct Timer {
    shared: Arc<Shared>,
    key: usize,
}

impl Timer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let key = shared.timers.get().add();
        Self { shared, key }
    }

    /// Sets the deadline, or moves it. Does not wake the owner of the reactor: call it on its thread, before it waits.
    pub fn reset(&mut self, at: Instant) {
        self.shared.timers.get().reset(self.key, at);
    }

    /// Takes the deadline away: the timer waits until it is set again.
    pub fn clear(&mut self) {
        self.shared.timers.get().clear(self.key);
    }

    /// Ready once the deadline has passed, and until it is set anew or cleared.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        // Dropped after the lock, as every foreign waker: see `lock`.
        let (poll, _old) = self.shared.timers.get().poll(self.key, cx);
        poll
    }

    /// When the timer fires or fired. `None`: it is not set.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.timers.get().slots[self.key].at
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let slot = self.shared.timers.get().remove(self.key);
        drop(slot);
    }
}

/// Names one entry of the heap for ever, and puts equal deadlines in order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    at: Instant,
    number: u64,
    key: usize,
}

#[derive(Debug)]
struct Slot {
    at: Option<Instant>,
    /// The heap entry that stands for this timer; at `at` or before it.
    entry: Option<Entry>,
    waker: Option<Waker>,
}

#[derive(Debug)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    slots: Slab<Slot>,
    numbers: u64,
    /// The time of the last firing: a timer is due once a firing has passed it, never in between.
    now: Instant,
}

impl Timers {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heap: BinaryHeap::new(), slots: Slab::new(), numbers: 0, now }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// When to fire next. Never too late; too early by a lazy entry at most once for each.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        while let Some(&Reverse(top)) = self.heap.peek() {
            match self.slots.get_mut(top.key).filter(|slot| slot.entry == Some(top)) {
                Some(slot) if slot.at.is_some() => return Some(top.at),
                Some(cleared) => cleared.entry = None,
                None => {}
            }
            self.heap.pop();
        }
        None
    }

    /// Puts the wakers of all timers that are due at `now` into `wakers`.
    pub(crate) fn fire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        self.now = now;
        while let Some(&Reverse(top)) = self.heap.peek() {
            if top.at > now {
                break;
            }
            self.heap.pop();
            let Some(slot) = self.slots.get_mut(top.key).filter(|slot| slot.entry == Some(top)) else {
                continue;
            };
            slot.entry = None;
            match slot.at {
                Some(at) if at > now => self.push(top.key, at),
                Some(_) => wakers.extend(slot.waker.take()),
                None => {}
            }
        }
    }

    fn add(&mut self) -> usize {
        self.slots.insert(Slot { at: None, entry: None, waker: None })
    }

    fn reset(&mut self, key: usize, at: Instant) {
        let slot = &mut self.slots[key];
        slot.at = Some(at);
        if slot.entry.is_none_or(|entry| at < entry.at) {
            self.push(key, at);
        }
    }

    fn clear(&mut self, key: usize) {
        self.slots[key].at = None;
    }

    fn poll(&mut self, key: usize, cx: &Context<'_>) -> (Poll<()>, Option<Waker>) {
        let slot = &mut self.slots[key];
        match slot.at {
            Some(at) if at <= self.now => (Poll::Ready(()), slot.waker.take()),
            _ => (Poll::Pending, park(&mut slot.waker, cx)),
        }
    }

    fn remove(&mut self, key: usize) -> Slot {
        let slot = self.slots.remove(key);
        self.compact();
        slot
    }

    fn push(&mut self, key: usize, at: Instant) {
        self.numbers += 1;
        let entry = Entry { at, number: self.numbers, key };
        self.slots[key].entry = Some(entry);
        self.heap.push(Reverse(entry));
        self.compact();
    }

    /// Keeps one entry for each timer at most, as soon as left-overs outnumber the timers. Costs O(1) for each entry it drops.
    fn compact(&mut self) {
        if self.heap.len() > 2 * self.slots.len() + SLACK {
            let slots = &self.slots;
            self.heap.retain(|Reverse(entry)| slots.get(entry.key).is_some_and(|slot| slot.entry == Some(*entry)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bound(timers: &Timers) -> usize {
        2 * timers.slots.len() + SLACK
    }

    #[test]
    fn a_reset_to_a_later_time_does_not_touch_the_heap() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
        let key = timers.add();
        for seconds in 1..1000 {
            timers.reset(key, now + seconds * SECOND);
        }
        assert_eq!(timers.heap.len(), 1);
        assert_eq!(timers.next_deadline(), Some(now + SECOND));
    }

    #[test]
    fn setting_and_clearing_in_turns_does_not_touch_the_heap() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
        let key = timers.add();
        for seconds in 1..1000 {
            timers.reset(key, now + seconds * SECOND);
            timers.clear(key);
        }
        assert_eq!(timers.heap.len(), 1);
    }

    #[test]
    fn dropped_timers_do_not_fill_the_heap_even_at_equal_deadlines() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
        let stays = timers.add();
        timers.reset(stays, now + SECOND);
        for _ in 0..10_000 {
            let key = timers.add();
            timers.reset(key, now + SECOND);
            timers.remove(key);
            assert!(timers.heap.len() <= bound(&timers));
        }
        let mut wakers = Vec::new();
        let cx = Context::from_waker(Waker::noop());
        assert!(timers.poll(stays, &cx).0.is_pending());
        timers.fire(now + SECOND, &mut wakers);
        assert_eq!((wakers.len(), timers.heap.len()), (1, 0), "the one that stays was not lost");
    }

    #[test]
    fn resets_to_ever_earlier_times_do_not_fill_the_heap() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
        let key = timers.add();
        for left in (0..10_000).rev() {
            timers.reset(key, now + left * SECOND);
            assert!(timers.heap.len() <= bound(&timers));
        }
        assert_eq!(timers.next_deadline(), Some(now));
    }

    #[test]
    fn many_timers_that_are_dropped_at_once_leave_no_heap_behind() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
        let keys: Vec<usize> = (0..1000).map(|_| timers.add()).collect();
        for &key in &keys {
            timers.reset(key, now + SECOND);
        }
        for key in keys {
            timers.remove(key);
            assert!(timers.heap.len() <= bound(&timers));
        }
        assert_eq!(timers.next_deadline(), None);
        assert_eq!((timers.heap.len(), timers.len()), (0, 0));
    }
}
