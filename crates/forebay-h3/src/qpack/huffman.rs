//! The Huffman code of HPACK and QPACK (RFC 7541, section 5.2 and appendix B).
//!
//! The code is canonical: among codes of one length, and from length to length, they count upwards in the order of the symbols.
//! So the lengths are the whole table, and the rest is made from them by the compiler.
//!
//! Promise: a string that is not exactly whole symbols and less than a byte of the end symbol's ones is refused; decoding stops
//! at the bound that it was given.

#![expect(clippy::cast_possible_truncation, reason = "symbols and lengths have 8 bits, codes 30, tables 257 places")]

use bytes::BytesMut;

/// The length of each symbol's code, in bits; of the end symbol last.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// 256 bytes and the end symbol.
const SYMBOLS: usize = 257;

/// Bytes that are decoded before they are appended. A guess: most values are shorter.
const CHUNK: usize = 64;

/// The end symbol, which is in no string.
const END: u16 = 256;

/// Longest code, in bits.
const LONGEST: usize = 30;

/// Codes of up to so many bits, nearly all of real text, are found in one look.
const QUICK: u32 = 9;

/// The code of each symbol, in the low bits.
static CODES: [u32; SYMBOLS] = codes();

/// The symbols in the order of their codes.
static ORDER: [u16; SYMBOLS] = order();

/// For each length: the first code, at the left of 32 bits, that is longer; and what to add to a code of this length to get its
/// place in `ORDER`.
static RANGES: [(u32, u32); LONGEST + 1] = ranges();

/// For the next bits: the symbol and the length of its code; length 0 for longer ones.
static FAST: [(u8, u8); 1 << QUICK] = fast();

/// How many bytes `text` takes.
#[must_use]
pub fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Writes `text`.
pub fn encode(text: &[u8], out: &mut BytesMut) {
    let (mut held, mut bits) = (0_u64, 0_u32);
    for byte in text {
        let length = u32::from(LENGTHS[usize::from(*byte)]);
        held = held << length | u64::from(CODES[usize::from(*byte)]);
        bits += length;
        if bits >= 32 {
            bits -= 32;
            out.extend_from_slice(&((held >> bits) as u32).to_be_bytes());
        }
    }
    if bits > 0 {
        // The rest of the last byte is ones.
        let padded = (held << (32 - bits)) as u32 | (u32::MAX >> bits);
        out.extend_from_slice(&padded.to_be_bytes()[..bits.div_ceil(8) as usize]);
    }
}

/// Why a string gives no text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It is not the code of any text.
    Wrong,
    /// Its text is longer than the bound.
    TooLong,
}

/// Appends the text of `coded` to `out`, at most `max` bytes.
///
/// # Errors
/// [`Fault`]; `out` may hold a part of the text then.
pub fn decode(coded: &[u8], out: &mut BytesMut, max: usize) -> Result<(), Fault> {
    let mut input = coded.iter();
    // Bits not yet read, at the left; below them ones.
    let (mut held, mut bits) = (u64::MAX, 0_u32);
    let mut left = max;
    // Byte by byte into `out` would ask for room each time.
    let (mut chunk, mut len) = ([0; CHUNK], 0);
    loop {
        // No code is longer than 30 bits.
        while bits < 32 {
            let Some(byte) = input.next() else { break };
            held &= !(0xff << (56 - bits)) | u64::from(*byte) << (56 - bits);
            bits += 8;
        }
        if bits < 8 && held == u64::MAX {
            out.extend_from_slice(&chunk[..len]);
            return Ok(());
        }
        let next = (held >> 32) as u32;
        let (symbol, length) = match FAST[(next >> (32 - QUICK)) as usize] {
            (_, 0) => long(next)?,
            (symbol, length) => (symbol, u32::from(length)),
        };
        // Less is left than a symbol, and it is not the padding.
        bits = bits.checked_sub(length).ok_or(Fault::Wrong)?;
        left = left.checked_sub(1).ok_or(Fault::TooLong)?;
        held = !(!held << length);
        chunk[len] = symbol;
        len += 1;
        if len == CHUNK {
            out.extend_from_slice(&chunk);
            len = 0;
        }
    }
}

/// The symbol at the left of `next` whose code is longer than `QUICK`.
fn long(next: u32) -> Result<(u8, u32), Fault> {
    for length in QUICK + 1..=LONGEST as u32 {
        let (above, shift) = RANGES[length as usize];
        if next < above || length == LONGEST as u32 {
            let symbol = ORDER[((next >> (32 - length)).wrapping_add(shift)) as usize];
            return u8::try_from(symbol).map(|symbol| (symbol, length)).map_err(|_| Fault::Wrong);
        }
    }
    Err(Fault::Wrong)
}

const fn order() -> [u16; SYMBOLS] {
    let mut out = [0; SYMBOLS];
    let (mut at, mut length) = (0, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol <= END {
            if LENGTHS[symbol as usize] as usize == length {
                out[at] = symbol;
                at += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    out
}

const fn codes() -> [u32; SYMBOLS] {
    let order = order();
    let mut out = [0; SYMBOLS];
    let (mut at, mut code, mut before) = (0, 0_u32, LENGTHS[order[0] as usize]);
    while at < SYMBOLS {
        let length = LENGTHS[order[at] as usize];
        code <<= length - before;
        out[order[at] as usize] = code;
        code += 1;
        before = length;
        at += 1;
    }
    out
}

const fn ranges() -> [(u32, u32); LONGEST + 1] {
    let (order, codes) = (order(), codes());
    let mut out = [(0, 0); LONGEST + 1];
    let (mut at, mut length, mut above) = (0, 1, 0);
    while length <= LONGEST {
        let mut shift = 0;
        while at < SYMBOLS && LENGTHS[order[at] as usize] as usize == length {
            let code = codes[order[at] as usize];
            shift = (at as u32).wrapping_sub(code);
            // Of the very last code this is 0: nothing is above it.
            above = (((code as u64 + 1) << (32 - length)) & u32::MAX as u64) as u32;
            at += 1;
        }
        out[length] = (above, shift);
        length += 1;
    }
    out
}

const fn fast() -> [(u8, u8); 1 << QUICK] {
    let codes = codes();
    let mut out = [(0, 0); 1 << QUICK];
    let mut symbol = 0;
    while symbol < END as usize {
        let length = LENGTHS[symbol] as u32;
        if length <= QUICK {
            let first = codes[symbol] << (QUICK - length);
            let mut at = first;
            while at < first + (1 << (QUICK - length)) {
                out[at as usize] = (symbol as u8, length as u8);
                at += 1;
            }
        }
        symbol += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Strings of RFC 7541, appendices C.4 and C.6.
    const VECTORS: [(&str, &str); 13] = [
        ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
        ("no-cache", "a8eb10649cbf"),
        ("custom-key", "25a849e95ba97d7f"),
        ("custom-value", "25a849e95bb8e8b4bf"),
        ("302", "6402"),
        ("private", "aec3771a4b"),
        ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
        ("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
        ("307", "640eff"),
        ("Mon, 21 Oct 2013 20:13:22 GMT", "d07abe941054d444a8200595040b8166e084a62d1bff"),
        ("gzip", "9bd9ab"),
        (
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ),
        ("", ""),
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn decoded(coded: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
        let mut out = BytesMut::new();
        decode(coded, &mut out, max).map(|()| out.to_vec())
    }

    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        encode(text, &mut out);
        assert_eq!(out.len(), encoded_len(text));
        out.to_vec()
    }

    #[test]
    fn the_strings_of_rfc_7541_go_both_ways() {
        for (text, hex) in VECTORS {
            assert_eq!(encoded(text.as_bytes()), bytes(hex), "{text}");
            assert_eq!(decoded(&bytes(hex), text.len()), Ok(text.as_bytes().to_vec()), "{text}");
        }
    }

    #[test]
    fn the_codes_are_those_of_appendix_b() {
        let of = |symbol: u16| (CODES[usize::from(symbol)], LENGTHS[usize::from(symbol)]);
        assert_eq!(of(0), (0x1ff8, 13));
        assert_eq!(of(10), (0x3fff_fffc, 30));
        assert_eq!(of(u16::from(b'0')), (0, 5));
        assert_eq!(of(u16::from(b'\\')), (0x7fff0, 19));
        assert_eq!(of(u16::from(b'~')), (0x1ffd, 13));
        assert_eq!(of(255), (0x3ff_ffee, 26));
        assert_eq!(of(END), (0x3fff_ffff, 30));
    }

    #[test]
    fn every_pair_of_bytes_comes_back() {
        for pair in 0..=u16::MAX {
            let text = pair.to_be_bytes();
            assert_eq!(decoded(&encoded(&text), 2), Ok(text.to_vec()));
        }
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        // '0' is 00000.
        assert_eq!(decoded(&[0b0000_0111], 9), Ok(b"0".to_vec()));
        assert_eq!(decoded(&[0b0000_0110], 9), Err(Fault::Wrong));
        assert_eq!(decoded(&[0b0000_0111, 0xff], 9), Err(Fault::Wrong));
        assert_eq!(decoded(&[0xff], 9), Err(Fault::Wrong));
    }

    #[test]
    fn the_end_symbol_is_refused() {
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff], 9), Err(Fault::Wrong));
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfc], 9), Err(Fault::Wrong));
    }

    #[test]
    fn text_past_the_bound_is_refused() {
        let coded = encoded(b"0000000");
        assert_eq!(decoded(&coded, 7), Ok(b"0000000".to_vec()));
        assert_eq!(decoded(&coded, 6), Err(Fault::TooLong));
    }
}
