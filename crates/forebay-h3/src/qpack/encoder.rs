//! Field sections, written (RFC 9204, section 4.5): indexes into the static table, and literals.
//!
//! Promise: a field takes no more bytes than its name, its value and [`super::FIELD_OVERHEAD`], so whoever knows the size of a section
//! knows how long it can get.

use bytes::{BufMut, BytesMut};

use super::static_table::{Found, find};
use super::{huffman, integer};

/// The prefix of a section: Required Insert Count 0, Delta Base 0.
pub(crate) fn begin(out: &mut BytesMut) {
    out.put_u16(0);
}

/// One field. `never_indexed`: no hop may put it into a table (section 7.1.3), so neither do we refer to one with its value.
pub(crate) fn field(out: &mut BytesMut, name: &str, value: &[u8], never_indexed: bool) {
    let never = u8::from(never_indexed);
    match find(name, value) {
        // 1 T=1 index(6+)
        Found::Field(index) if !never_indexed => return integer::put(out, 0b1100_0000, 6, index.into()),
        // 0 1 N T=1 index(4+)
        Found::Field(index) | Found::Name(index) => integer::put(out, 0b0101_0000 | never << 5, 4, index.into()),
        // 0 0 1 N H length(3+)
        Found::Nothing => string(out, 0b0010_0000 | never << 4, 3, name.as_bytes()),
    }
    // H length(7+)
    string(out, 0, 7, value);
}

/// A string whose length has `prefix` bits, after the bit that says whether it is Huffman coded: whichever is shorter.
fn string(out: &mut BytesMut, flags: u8, prefix: u32, text: &[u8]) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer::put(out, flags | 1 << prefix, prefix, coded);
        huffman::encode(text, out);
    } else {
        integer::put(out, flags, prefix, text.len());
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn encoded(name: &str, value: &str, never_indexed: bool) -> Vec<u8> {
        let mut out = BytesMut::new();
        field(&mut out, name, value.as_bytes(), never_indexed);
        out.to_vec()
    }

    #[test]
    fn a_field_of_the_table_is_one_index() {
        assert_eq!(encoded(":method", "GET", false), [0xc0 + 17]);
        assert_eq!(encoded("x-frame-options", "sameorigin", false), [0xff, 98 - 63]);
    }

    #[test]
    fn a_name_of_the_table_is_referred_to() {
        assert_eq!(encoded(":path", "/~", false), [0x51, 2, b'/', b'~']);
        assert_eq!(encoded("authorization", "!", true), [0x7f, 84 - 15, 1, b'!']);
    }

    #[test]
    fn a_value_that_must_not_be_indexed_is_written_out_even_if_the_table_has_it() {
        assert_eq!(encoded("cookie", "", true), [0x75, 0]);
    }

    #[test]
    fn a_name_of_its_own_is_written_out() {
        assert_eq!(encoded("~", "!", false), [0x21, b'~', 1, b'!']);
        assert_eq!(encoded("~", "!", true), [0x31, b'~', 1, b'!']);
        // "custom-key" and "custom-value" as in RFC 7541, appendix C.4.3.
        let mut expected = vec![0b0010_1111, 8 - 7, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f];
        expected.extend([0x89, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]);
        assert_eq!(encoded("custom-key", "custom-value", false), expected);
    }

    #[test]
    fn a_field_is_never_longer_than_it_counts() {
        for len in [0, 6, 7, 8, 126, 127, 128, 70_000] {
            for letter in ["~", "a"] {
                let text = letter.repeat(len);
                let bytes = encoded(&format!("{text}x"), &text, true);
                assert!(bytes.len() <= 2 * len + 1 + super::super::FIELD_OVERHEAD);
            }
        }
    }
}
