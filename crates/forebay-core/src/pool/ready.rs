//! The connections of a pool that can take a stream, in the order in which they are chosen.
//!
//! Promise: the choice is read at once. `Pick::LeastLoaded`: fewest active, then became free last. `MostRecent`: became free last.
//! `RoundRobin`: took a stream, or became free, longest ago. Used by `pool`.

use crate::config::Pick;
use crate::connection::Listed;
use crate::heap::IndexedHeap;
use crate::id::ConnectionId;

pub(crate) struct ReadySet {
    heap: IndexedHeap<(u32, u64), ConnectionId>,
    pick: Pick,
    /// Set apart from others by what a member's `Listed` says.
    early: bool,
    ranks: u64,
}

impl ReadySet {
    pub(crate) const fn new(pick: Pick, early: bool) -> Self {
        Self { heap: IndexedHeap::new(), pick, early, ranks: 0 }
    }

    pub(crate) fn pick(&self) -> Option<ConnectionId> {
        self.heap.peek().map(|(_, connection)| connection)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.heap.values()
    }

    pub(crate) fn insert(&mut self, connection: ConnectionId, active: u32) -> Listed {
        self.ranks += 1;
        let rank = self.ranks;
        Listed { slot: self.heap.insert(self.key(active, rank), connection), rank, early: self.early }
    }

    pub(crate) fn remove(&mut self, listed: Listed) {
        self.heap.remove(listed.slot);
    }

    /// The number of streams changed; `attached`: because one was added.
    pub(crate) fn changed(&mut self, listed: &mut Listed, active: u32, attached: bool) {
        match self.pick {
            Pick::LeastLoaded => {}
            Pick::RoundRobin if attached => {
                self.ranks += 1;
                listed.rank = self.ranks;
            }
            Pick::MostRecent | Pick::RoundRobin => return,
        }
        self.heap.rekey(listed.slot, self.key(active, listed.rank));
    }

    fn key(&self, active: u32, rank: u64) -> (u32, u64) {
        match self.pick {
            Pick::LeastLoaded => (active, u64::MAX - rank),
            Pick::MostRecent => (0, u64::MAX - rank),
            Pick::RoundRobin => (0, rank),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn ids() -> [ConnectionId; 3] {
        [0, 1, 2].map(|index| ConnectionId::from_parts(index, 0))
    }

    #[test]
    fn least_loaded_takes_the_fewest_streams_and_of_these_the_last_that_became_free() {
        let mut set = ReadySet::new(Pick::LeastLoaded, false);
        let [a, b, c] = ids();
        let mut listed = [set.insert(a, 1), set.insert(b, 1), set.insert(c, 3)];
        assert_eq!(set.pick(), Some(b));
        set.changed(&mut listed[1], 2, true);
        assert_eq!(set.pick(), Some(a));
        set.changed(&mut listed[2], 0, false);
        assert_eq!(set.pick(), Some(c));
    }

    #[test]
    fn most_recent_packs_the_last_that_became_free() {
        let mut set = ReadySet::new(Pick::MostRecent, false);
        let [a, b, _] = ids();
        let _ = set.insert(a, 0);
        let mut last = set.insert(b, 9);
        set.changed(&mut last, 10, true);
        assert_eq!(set.pick(), Some(b));
        set.remove(last);
        assert_eq!(set.pick(), Some(a));
    }

    #[test]
    fn round_robin_takes_each_in_turn() {
        let mut set = ReadySet::new(Pick::RoundRobin, false);
        let all = ids();
        let mut listed = all.map(|id| set.insert(id, 0));
        for turn in 0..6 {
            assert_eq!(set.pick(), Some(all[turn % 3]));
            set.changed(&mut listed[turn % 3], 1, true);
        }
    }
}
