//! Ids as index and generation, so that a late input finds nothing, and the store that hands them out.
//!
//! Promise: an id names one object for ever. Its index is small and used again, so a shell may keep side tables by it; its generation
//! tells a new object from an old one in the same place. Used by all.

use alloc::vec::Vec;
use core::marker::PhantomData;

/// What every id is made of.
pub(crate) trait Id: Copy + Eq {
    fn from_parts(index: u32, generation: u32) -> Self;
    fn parts(self) -> (u32, u32);
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name {
            index: u32,
            generation: u32,
        }

        impl $name {
            /// A small number for side tables. It is used again once the object is gone: compare the id itself as well.
            #[must_use]
            pub fn index(self) -> usize {
                self.index as usize
            }
        }

        impl Id for $name {
            fn from_parts(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }

            fn parts(self) -> (u32, u32) {
                (self.index, self.generation)
            }
        }
    };
}

id!(
    /// One origin or endpoint of a group.
    UpstreamId
);
id!(
    /// One pool: an upstream at a priority with a key.
    PoolId
);
id!(
    /// One connection, from the effect that asks for it until it is closed.
    ConnectionId
);
id!(
    /// One stream, from its admission until it has ended; a replay keeps it.
    StreamId
);

struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// Objects by id. Insert, find and remove cost the same whatever it holds; places are used again in a fixed order.
pub(crate) struct Store<K, T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    key: PhantomData<K>,
}

impl<K: Id, T> Store<K, T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), key: PhantomData }
    }

    pub(crate) fn insert(&mut self, value: T) -> K {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index as usize];
            entry.value = Some(value);
            return K::from_parts(index, entry.generation);
        }
        let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 objects fit in memory");
        self.entries.push(Entry { generation: 0, value: Some(value) });
        K::from_parts(index, 0)
    }

    pub(crate) fn remove(&mut self, id: K) -> Option<T> {
        let (index, generation) = id.parts();
        let entry = self.entries.get_mut(index as usize).filter(|entry| entry.generation == generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    pub(crate) fn get(&self, id: K) -> Option<&T> {
        let (index, generation) = id.parts();
        self.entries.get(index as usize).filter(|entry| entry.generation == generation)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: K) -> Option<&mut T> {
        let (index, generation) = id.parts();
        self.entries.get_mut(index as usize).filter(|entry| entry.generation == generation)?.value.as_mut()
    }

    /// All that are held, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| {
            let index = u32::try_from(index).expect("an index is made from a u32");
            entry.value.as_ref().map(|value| (K::from_parts(index, entry.generation), value))
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

/// For ids that the machine itself keeps: what they name is there.
impl<K: Id, T> core::ops::Index<K> for Store<K, T> {
    type Output = T;

    fn index(&self, id: K) -> &T {
        self.get(id).expect("the machine keeps ids of living objects only")
    }
}

impl<K: Id, T> core::ops::IndexMut<K> for Store<K, T> {
    fn index_mut(&mut self, id: K) -> &mut T {
        self.get_mut(id).expect("the machine keeps ids of living objects only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_id_finds_nothing_though_its_place_is_used_again() {
        let mut store: Store<StreamId, u8> = Store::new();
        let old = store.insert(1);
        assert_eq!(store.remove(old), Some(1));
        let new = store.insert(2);
        assert_eq!(new.index(), old.index());
        assert_ne!(new, old);
        assert_eq!(store.get(old), None);
        assert_eq!(store.remove(old), None);
        assert_eq!(store.get(new), Some(&2));
        assert_eq!(store.len(), 1);
    }
}
