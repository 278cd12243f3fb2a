//! Memory for bytes that cross, used again.
//!
//! Promise: at most `KEPT` bytes wait for their next use; what is taken is as long as asked and has what was put there only.
//! Used by `channel` for long bodies and by the runners for submissions: the system's allocator gives such blocks back each
//! time, and the kernel clears their pages again, which cost as much as sending them.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Bytes that are kept for the next use. A guess: sixteen bodies of 1 MiB.
const KEPT: usize = 16 * 1024 * 1024;

/// Shorter bytes than this are left to the allocator, which is good at them. A guess.
const SHORT: usize = 32 * 1024;

/// Blocks that wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recycler(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    blocks: Vec<Vec<u8>>,
    bytes: usize,
}

/// A block in use. Goes back when the last of its bytes is dropped, on whichever thread.
struct Block {
    bytes: Vec<u8>,
    home: Recycler,
}

impl Recycler {
    /// A copy of `bytes`.
    pub(crate) fn copy(&self, bytes: &[u8]) -> Bytes {
        if bytes.len() < SHORT {
            return Bytes::copy_from_slice(bytes);
        }
        let mut block = self.take(bytes.len());
        block.extend_from_slice(bytes);
        Bytes::from_owner(Block { bytes: block, home: self.clone() })
    }

    /// An empty block with room for `length` bytes.
    fn take(&self, length: usize) -> Vec<u8> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The latest is the warmest. None that is much too large: long bodies would be kept alive by short ones.
        let fits = |block: &Vec<u8>| (length..=length.saturating_mul(4)).contains(&block.capacity());
        match kept.blocks.iter().rposition(fits) {
            Some(at) => {
                let block = kept.blocks.swap_remove(at);
                kept.bytes -= block.capacity();
                block
            }
            None => Vec::with_capacity(length.checked_next_power_of_two().unwrap_or(length)),
        }
    }

    fn give_back(&self, mut block: Vec<u8>) {
        block.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + block.capacity() <= KEPT {
            kept.bytes += block.capacity();
            kept.blocks.push(block);
        }
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(home: &Recycler) -> (usize, usize) {
        let kept = home.0.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.blocks.len(), kept.bytes)
    }

    #[test]
    fn a_block_is_used_again_once_all_its_bytes_are_dropped() {
        let home = Recycler::default();
        let mut first = home.copy(&vec![1; SHORT]);
        let place = first.as_ptr();
        let part = first.split_to(10);
        drop(first);
        assert_eq!(kept(&home), (0, 0), "a part is in use");
        drop(part);
        assert_eq!(kept(&home), (1, SHORT));
        let second = home.copy(&vec![2; SHORT - 1]);
        assert_ne!(second.as_ptr(), place, "short bytes have no block");
        let second = home.copy(&vec![2; SHORT]);
        assert_eq!((second.as_ptr(), kept(&home)), (place, (0, 0)));
        assert!(second.iter().all(|b| *b == 2));
    }

    #[test]
    fn no_more_than_the_bound_is_kept_and_a_large_block_is_not_for_short_bytes() {
        let home = Recycler::default();
        let many: Vec<_> = (0..20).map(|_| home.copy(&vec![0; 1024 * 1024])).collect();
        drop(many);
        assert_eq!(kept(&home), (16, KEPT));
        drop(home.copy(&vec![0; 100 * 1024]));
        assert_eq!(kept(&home), (16, KEPT));
    }
}
