//! Packets on their way, by the time at which they arrive.
//!
//! Promise: what arrives at the same time arrives in the order in which it was put in; at most `CAPACITY` packets are on their way, and
//! those beyond are lost, as in a full queue of a router. Used by `server`. Not here: a clock; `now` is an argument.

use std::collections::BTreeMap;
use std::time::Instant;

/// Packets on their way at once. A guess: far more than the windows of a test's connections.
const CAPACITY: usize = 65_536;

pub(super) struct DelayLine<T> {
    /// By time, then by order of entry.
    packets: BTreeMap<(Instant, u64), T>,
    entered: u64,
}

impl<T> DelayLine<T> {
    pub(super) fn new() -> Self {
        Self { packets: BTreeMap::new(), entered: 0 }
    }

    /// Puts a packet in that arrives at `at`; false: the queue is full, it is lost.
    #[must_use]
    pub(super) fn put(&mut self, at: Instant, packet: T) -> bool {
        if self.packets.len() == CAPACITY {
            return false;
        }
        self.packets.insert((at, self.entered), packet);
        self.entered += 1;
        true
    }

    /// The next packet that has arrived by `now`.
    pub(super) fn poll_arrived(&mut self, now: Instant) -> Option<T> {
        let next = self.packets.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }

    /// When the next arrives.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.packets.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn packets_arrive_at_their_time_and_not_before() {
        let start = Instant::now();
        let mut line = DelayLine::new();
        assert_eq!(line.next_arrival(), None);
        assert!(line.put(start + 20 * MS, "late"));
        assert!(line.put(start + 10 * MS, "soon"));
        assert_eq!(line.next_arrival(), Some(start + 10 * MS));
        assert_eq!(line.poll_arrived(start + 9 * MS), None);
        assert_eq!(line.poll_arrived(start + 10 * MS), Some("soon"));
        assert_eq!(line.poll_arrived(start + 10 * MS), None);
        assert_eq!(line.poll_arrived(start + 30 * MS), Some("late"));
    }

    #[test]
    fn what_arrives_at_once_keeps_its_order() {
        let at = Instant::now();
        let mut line = DelayLine::new();
        assert!((0..10).all(|n| line.put(at, n)));
        let all: Vec<_> = std::iter::from_fn(|| line.poll_arrived(at)).collect();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_full_line_takes_no_more() {
        let at = Instant::now();
        let mut line = DelayLine::new();
        assert!((0..CAPACITY).all(|n| line.put(at, n)));
        assert!(!line.put(at, CAPACITY));
        assert_eq!(line.poll_arrived(at), Some(0));
        assert!(line.put(at, CAPACITY));
    }
}
