//! A heap whose entries can be found again: for timers and for the choice of a connection.
//!
//! Promise: the least key is read at once; insert, remove and re-key touch at most the depth of the heap (a node has four children:
//! seven levels hold 20,000 entries). Keys are unique, so runs repeat. Used by `timer` and `pool::ready`.

use alloc::vec::Vec;

/// Children of a node. Four keep the heap flat, and the four are neighbours in memory.
const ARITY: usize = 4;

/// Where an entry is found again. Good until the entry is removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slot(u32);

#[derive(Clone, Copy)]
struct Node<K, V> {
    key: K,
    value: V,
    slot: u32,
}

/// Values by least key.
pub(crate) struct IndexedHeap<K, V> {
    nodes: Vec<Node<K, V>>,
    /// By slot: the place in `nodes`.
    places: Vec<u32>,
    free: Vec<u32>,
}

impl<K: Copy + Ord, V: Copy> IndexedHeap<K, V> {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), places: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn peek(&self) -> Option<(K, V)> {
        self.nodes.first().map(|node| (node.key, node.value))
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Slot {
        let place = self.nodes.len();
        let slot = if let Some(slot) = self.free.pop() {
            slot
        } else {
            self.places.push(0);
            narrow(self.places.len() - 1)
        };
        self.nodes.push(Node { key, value, slot });
        self.places[slot as usize] = narrow(place);
        self.rise(place);
        Slot(slot)
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> V {
        let place = self.places[slot.0 as usize] as usize;
        let node = self.nodes.swap_remove(place);
        debug_assert!(node.slot == slot.0, "a slot is used only while its entry is there");
        self.free.push(slot.0);
        if place < self.nodes.len() {
            self.places[self.nodes[place].slot as usize] = narrow(place);
            self.settle(place);
        }
        node.value
    }

    pub(crate) fn rekey(&mut self, slot: Slot, key: K) {
        let place = self.places[slot.0 as usize] as usize;
        self.nodes[place].key = key;
        self.settle(place);
    }

    /// Another value with another key in the same slot.
    pub(crate) fn replace(&mut self, slot: Slot, key: K, value: V) {
        self.nodes[self.places[slot.0 as usize] as usize].value = value;
        self.rekey(slot, key);
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = V> + '_ {
        self.nodes.iter().map(|node| node.value)
    }

    fn settle(&mut self, place: usize) {
        if place > 0 && self.nodes[place].key < self.nodes[(place - 1) / ARITY].key {
            self.rise(place);
        } else {
            self.sink(place);
        }
    }

    fn rise(&mut self, mut place: usize) {
        let node = self.nodes[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.nodes[parent].key <= node.key {
                break;
            }
            self.put(place, self.nodes[parent]);
            place = parent;
        }
        self.put(place, node);
    }

    fn sink(&mut self, mut place: usize) {
        let node = self.nodes[place];
        loop {
            let first = place * ARITY + 1;
            if first >= self.nodes.len() {
                break;
            }
            let end = (first + ARITY).min(self.nodes.len());
            let mut least = first;
            for child in first + 1..end {
                if self.nodes[child].key < self.nodes[least].key {
                    least = child;
                }
            }
            if self.nodes[least].key >= node.key {
                break;
            }
            self.put(place, self.nodes[least]);
            place = least;
        }
        self.put(place, node);
    }

    fn put(&mut self, place: usize, node: Node<K, V>) {
        self.nodes[place] = node;
        self.places[node.slot as usize] = narrow(place);
    }
}

fn narrow(place: usize) -> u32 {
    u32::try_from(place).expect("fewer than 2^32 entries fit in memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn drained(mut heap: IndexedHeap<u32, Slot>) -> Vec<u32> {
        let mut keys = Vec::new();
        while let Some((key, slot)) = heap.peek() {
            keys.push(key);
            heap.remove(slot);
        }
        keys
    }

    fn insert(heap: &mut IndexedHeap<u32, Slot>, key: u32) -> Slot {
        // The value is the entry's own slot; slots count up while none is free.
        let slot = Slot(narrow(heap.places.len()));
        assert_eq!(heap.insert(key, slot), slot);
        slot
    }

    #[test]
    fn keys_come_out_in_order() {
        let mut heap = IndexedHeap::new();
        for key in [5, 3, 9, 1, 7, 2, 8, 6, 4, 0] {
            insert(&mut heap, key);
        }
        assert_eq!(drained(heap), vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn an_entry_is_found_again_to_remove_and_to_rekey() {
        let mut heap = IndexedHeap::new();
        let slots: Vec<Slot> = (0..40).map(|key| insert(&mut heap, key * 10)).collect();
        heap.remove(slots[3]);
        heap.rekey(slots[0], 395);
        heap.rekey(slots[39], 1);
        assert_eq!(heap.len(), 39);
        let keys = drained(heap);
        assert_eq!(keys.first(), Some(&1));
        assert_eq!(keys.last(), Some(&395));
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(!keys.contains(&30));
    }
}
