//! Variable-length integers of QUIC (RFC 9000, section 16): the two highest bits of the first byte say 1, 2, 4 or 8 bytes.
//!
//! Promise: nothing is read past the number; any length that holds a number is accepted, as the RFC says. Used by frame heads,
//! stream types, SETTINGS and GOAWAY.

use bytes::BufMut;

/// The largest number: 2^62 - 1.
pub const MAX: u64 = (1 << 62) - 1;

/// Longest encoding, in bytes.
pub const MAX_LEN: usize = 8;

/// How many bytes `value` takes at least.
///
/// `value` is at most [`MAX`].
#[must_use]
pub const fn len(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Writes `value`, at most [`MAX`], in as few bytes as it takes.
#[expect(clippy::cast_possible_truncation, reason = "each arm holds what fits")]
pub fn put(out: &mut impl BufMut, value: u64) {
    debug_assert!(value <= MAX, "a number of 62 bits");
    match len(value) {
        1 => out.put_u8(value as u8),
        2 => out.put_u16(value as u16 | 0x4000),
        4 => out.put_u32(value as u32 | 0x8000_0000),
        _ => out.put_u64(value & MAX | 0xc000_0000_0000_0000),
    }
}

/// The number at the start of `bytes` and how long it is; `None` while it is not whole.
#[must_use]
pub fn get(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = 1 << (first >> 6);
    let rest = bytes.get(1..len)?;
    Some((rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)), len))
}

/// A number that comes in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Partial {
    value: u64,
    /// Bytes to come; 0 before the first.
    left: u8,
}

impl Partial {
    /// Before the first byte.
    pub(crate) const NEW: Self = Self { value: 0, left: 0 };

    /// Takes bytes of the number from the front of `input`; gives it once it is whole, and begins anew.
    pub(crate) fn take(&mut self, input: &mut &[u8]) -> Option<u64> {
        if self.left == 0 {
            if let Some((value, len)) = get(input) {
                *input = &input[len..];
                return Some(value);
            }
            let (&first, rest) = input.split_first()?;
            *input = rest;
            self.left = (1 << (first >> 6)) - 1;
            self.value = u64::from(first & 0x3f);
        }
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.value = self.value << 8 | u64::from(byte);
            self.left -= 1;
            if self.left == 0 {
                return Some(self.value);
            }
        }
        None
    }

    /// Whether a part of a number came, and not all of it.
    #[must_use]
    pub(crate) const fn is_open(&self) -> bool {
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 9000, appendix A.1; the last is the number before it, in more bytes than it needs.
    const VECTORS: [(&[u8], u64); 5] = [
        (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
        (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
        (&[0x7b, 0xbd], 15_293),
        (&[0x25], 37),
        (&[0x40, 0x25], 37),
    ];

    #[test]
    fn the_vectors_of_rfc_9000_are_read_whole_and_byte_by_byte() {
        for (bytes, value) in VECTORS {
            assert_eq!(get(bytes), Some((value, bytes.len())));
            let mut partial = Partial::default();
            for (at, byte) in bytes.iter().enumerate() {
                let taken = partial.take(&mut &[*byte][..]);
                assert_eq!(taken, (at + 1 == bytes.len()).then_some(value));
                assert_eq!(partial.is_open(), taken.is_none());
            }
        }
    }

    #[test]
    fn the_vectors_of_rfc_9000_are_written_in_as_few_bytes_as_they_take() {
        for (bytes, value) in &VECTORS[..4] {
            let mut out = Vec::new();
            put(&mut out, *value);
            assert_eq!(out, *bytes);
            assert_eq!(len(*value), bytes.len());
        }
    }

    #[test]
    fn both_sides_of_each_length_come_back() {
        for value in [0, 0x3f, 0x40, 0x3fff, 0x4000, 0x3fff_ffff, 0x4000_0000, MAX] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(get(&out), Some((value, len(value))));
            assert_eq!(get(&out[..out.len() - 1]), None);
        }
    }

    #[test]
    fn what_follows_a_number_is_left() {
        let mut input: &[u8] = &[0x7b, 0xbd, 9];
        assert_eq!(Partial::default().take(&mut input), Some(15_293));
        assert_eq!(input, [9]);
    }
}
