//! Everything that happens by itself, in one queue, so that the shell needs one timer.
//!
//! Promise: exact. What is disarmed leaves the queue at once; equal times fire in the order in which they were armed. Most waits are the
//! same again and again (a queue time-out, an idle time-out), so each has a lane in which arming and disarming are links; a heap holds
//! the oldest of each lane.
//! Used by `group`. Not here: what a timer does (`group::timeouts`).

use alloc::vec::Vec;
use core::time::Duration;

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
    /// HTTP/3 had its head start.
    HeadStart(StreamId),
    /// The pool may dial again.
    Backoff(PoolId),
}

/// An armed timer's place in the queue. Its owner keeps it to disarm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Armed(u32);

/// Lanes at once. A guess: an upstream uses four waits (connect, queue, idle, drain), and a request may bring its own.
const LANES: usize = 16;

/// No node.
const NIL: u32 = u32::MAX;

struct Node {
    /// When, and its number in the order of arming.
    key: (Instant, u64),
    /// None while the node is free.
    timer: Option<Timer>,
    home: Home,
    /// Neighbours in a lane, towards older and younger.
    before: u32,
    after: u32,
}

#[derive(Clone, Copy)]
enum Home {
    Lane(usize),
    Heap(Slot),
}

/// Timers with the same wait: armed in order, so due in order.
struct Lane {
    wait: Duration,
    oldest: u32,
    youngest: u32,
    /// Of the oldest, in the heap.
    slot: Slot,
}

/// The queue.
pub(crate) struct Timers {
    nodes: Vec<Node>,
    free: Vec<u32>,
    lanes: [Option<Lane>; LANES],
    /// The oldest of each lane, and what is in no lane.
    heap: IndexedHeap<(Instant, u64), u32>,
    armed: u64,
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), lanes: [const { None }; LANES], heap: IndexedHeap::new(), armed: 0 }
    }

    /// For a wait that many share: the same cost whatever is armed.
    pub(crate) fn arm(&mut self, now: Instant, wait: Duration, timer: Timer) -> Armed {
        let (key, node) = self.node(now + wait, timer);
        let lane = self.lanes.iter().position(|lane| lane.as_ref().is_some_and(|lane| lane.wait == wait));
        let Some(index) = lane.or_else(|| self.lanes.iter().position(Option::is_none)) else {
            return self.put_in_heap(key, node);
        };
        self.nodes[node as usize].home = Home::Lane(index);
        match &mut self.lanes[index] {
            Some(lane) => {
                if self.nodes[lane.youngest as usize].key > key {
                    // `now` went back.
                    return self.put_in_heap(key, node);
                }
                self.nodes[lane.youngest as usize].after = node;
                self.nodes[node as usize].before = lane.youngest;
                lane.youngest = node;
            }
            empty => *empty = Some(Lane { wait, oldest: node, youngest: node, slot: self.heap.insert(key, node) }),
        }
        Armed(node)
    }

    /// For a time that nothing else shares.
    pub(crate) fn arm_at(&mut self, at: Instant, timer: Timer) -> Armed {
        let (key, node) = self.node(at, timer);
        self.put_in_heap(key, node)
    }

    /// Takes the owner's note, so that nothing is disarmed twice.
    pub(crate) fn disarm(&mut self, note: &mut Option<Armed>) {
        let Some(Armed(index)) = note.take() else { return };
        let found = &mut self.nodes[index as usize];
        found.timer = None;
        self.free.push(index);
        let (before, after) = (found.before, found.after);
        match found.home {
            Home::Heap(slot) => {
                self.heap.remove(slot);
            }
            Home::Lane(lane) => self.unlink(lane, before, after),
        }
    }

    fn unlink(&mut self, index: usize, before: u32, after: u32) {
        if after != NIL {
            self.nodes[after as usize].before = before;
        }
        if before != NIL {
            self.nodes[before as usize].after = after;
        }
        let Some(lane) = &mut self.lanes[index] else { return };
        if after == NIL {
            lane.youngest = before;
        }
        if before != NIL {
            return;
        }
        // It was the oldest: the next takes its place in the heap.
        if after == NIL {
            self.heap.remove(lane.slot);
            self.lanes[index] = None;
        } else {
            lane.oldest = after;
            self.heap.replace(lane.slot, self.nodes[after as usize].key, after);
        }
    }

    /// What is due first, if anything is due. It stays armed: its handler disarms it through its owner's note.
    pub(crate) fn due(&self, now: Instant) -> Option<Timer> {
        let ((at, _), node) = self.heap.peek()?;
        if at <= now { self.nodes[node as usize].timer } else { None }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|((at, _), _)| at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Timer> + '_ {
        self.nodes.iter().filter_map(|node| node.timer)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    fn node(&mut self, at: Instant, timer: Timer) -> ((Instant, u64), u32) {
        self.armed += 1;
        let key = (at, self.armed);
        let node = Node { key, timer: Some(timer), home: Home::Lane(0), before: NIL, after: NIL };
        if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = node;
            return (key, index);
        }
        self.nodes.push(node);
        (key, u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 timers fit in memory"))
    }

    fn put_in_heap(&mut self, key: (Instant, u64), node: u32) -> Armed {
        self.nodes[node as usize].home = Home::Heap(self.heap.insert(key, node));
        Armed(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Id, StreamId};

    fn queue(index: u32) -> Timer {
        Timer::Queue(StreamId::from_parts(index, 0))
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_epoch(ms(millis))
    }

    /// Everything in the order in which it is due.
    fn drained(timers: &mut Timers, notes: &mut [Option<Armed>]) -> Vec<u32> {
        let mut order = Vec::new();
        while let Some(Timer::Queue(id)) = timers.due(at(1_000_000)) {
            let (index, _) = id.parts();
            order.push(index);
            timers.disarm(&mut notes[index as usize]);
        }
        assert_eq!((timers.next(), timers.len(), timers.iter().count()), (None, 0, 0));
        order
    }

    #[test]
    fn equal_times_fire_in_the_order_of_arming_and_the_disarmed_not_at_all() {
        let mut timers = Timers::new();
        let mut notes = [0, 1, 2].map(|index| Some(timers.arm(at(0), ms(1_000), queue(index))));
        timers.disarm(&mut notes[1]);
        assert_eq!(timers.due(at(999)), None);
        assert_eq!(timers.due(at(1_000)), Some(queue(0)));
        assert_eq!(drained(&mut timers, &mut notes), [0, 2]);
    }

    #[test]
    fn lanes_and_the_heap_fire_in_one_order() {
        let mut timers = Timers::new();
        // Waits 30, 10, 30, 10 ... from 0, 5, 10, 15 ...; every third for itself.
        let arm = |timers: &mut Timers, index: u32| {
            let now = at(u64::from(index) * 5);
            let wait = if index.is_multiple_of(2) { ms(30) } else { ms(10) };
            Some(if index.is_multiple_of(3) {
                timers.arm_at(now + wait, queue(index))
            } else {
                timers.arm(now, wait, queue(index))
            })
        };
        let mut notes: Vec<Option<Armed>> = (0..60).map(|index| arm(&mut timers, index)).collect();
        for index in [0, 1, 20, 21, 58, 59] {
            timers.disarm(&mut notes[index]);
        }
        let due = |index: u32| (u64::from(index) * 5 + if index.is_multiple_of(2) { 30 } else { 10 }, index);
        let mut expected: Vec<u32> = (0..60).filter(|index| ![0, 1, 20, 21, 58, 59].contains(index)).collect();
        expected.sort_by_key(|index| due(*index));
        assert_eq!(drained(&mut timers, &mut notes), expected);
    }

    #[test]
    fn more_waits_than_lanes_and_a_clock_that_goes_back_keep_the_order() {
        let mut timers = Timers::new();
        let waits = u32::try_from(LANES).expect("a few") + 10;
        let mut notes: Vec<Option<Armed>> =
            (0..waits).map(|index| Some(timers.arm(at(100), ms(1_000 - u64::from(index)), queue(index)))).collect();
        notes.push(Some(timers.arm(at(0), ms(1_000), queue(waits))));
        let mut expected: Vec<u32> = (0..waits).rev().collect();
        // 1,000 ms from 0 on is before each of the others.
        expected.insert(0, waits);
        assert_eq!(drained(&mut timers, &mut notes), expected);
    }
}
