//! Integers with a prefix (RFC 7541, section 5.1; RFC 9204, section 4.1.1): they begin in the low bits of a byte whose other bits
//! say what follows.

use bytes::{BufMut, BytesMut};

/// Longest run of bytes after the prefix: enough for 62 bits, and for zeros that say nothing no more than that.
pub(crate) const MAX_MORE: usize = 9;

/// Writes `value` after `flags`, the high bits of a byte whose low `prefix` bits are free.
#[expect(clippy::cast_possible_truncation, reason = "each cast holds what fits")]
pub(crate) fn put(out: &mut BytesMut, flags: u8, prefix: u32, value: usize) {
    let max = (1_usize << prefix) - 1;
    if value < max {
        return out.put_u8(flags | value as u8);
    }
    out.put_u8(flags | max as u8);
    let mut rest = value - max;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Takes a number from the front of `input`; `None` if it is not whole, or larger than 62 bits.
pub(crate) fn take(input: &mut &[u8], prefix: u32) -> Option<u64> {
    let (&first, mut rest) = input.split_first()?;
    let max = (1_u64 << prefix) - 1;
    let mut value = u64::from(first) & max;
    if value == max {
        let mut shift = 0;
        for more in 0.. {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            if more == MAX_MORE {
                return None;
            }
            value += u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *input = rest;
    (value <= crate::varint::MAX).then_some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_examples_of_rfc_7541_go_both_ways() {
        for (prefix, value, bytes) in [(5, 10, &[0x0a][..]), (5, 1_337, &[0x1f, 0x9a, 0x0a]), (8, 42, &[0x2a])] {
            let mut out = BytesMut::new();
            put(&mut out, 0, prefix, value);
            assert_eq!(&out[..], bytes);
            let mut input = bytes;
            assert_eq!(take(&mut input, prefix), Some(value as u64));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn a_number_of_62_bits_is_read_and_a_larger_one_is_not() {
        let largest = [0x7f, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f];
        assert_eq!(take(&mut &largest[..], 7), Some(crate::varint::MAX));
        let larger = [0x7f, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f];
        assert_eq!(take(&mut &larger[..], 7), None);
    }

    #[test]
    fn a_number_that_is_not_whole_is_none() {
        for bytes in [&[][..], &[0x1f], &[0x1f, 0x80]] {
            assert_eq!(take(&mut &bytes[..], 5), None);
        }
    }

    #[test]
    fn zeros_that_say_nothing_end() {
        let mut padded = vec![0x1f];
        padded.extend([0x80; MAX_MORE - 1]);
        padded.push(0);
        assert_eq!(take(&mut &padded[..], 5), Some(31));
        padded.insert(1, 0x80);
        assert_eq!(take(&mut &padded[..], 5), None);
    }
}
