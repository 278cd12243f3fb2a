//! Frames and field sections, mostly valid.

use forebay_h3::{qpack::huffman, varint};

use crate::random::Random;

pub fn number(out: &mut Vec<u8>, random: &mut Random, value: u64) {
    // Now and then longer than it must be.
    if random.once_in(8) && value < 1 << 30 {
        out.extend((value | 0xc000_0000_0000_0000).to_be_bytes());
    } else {
        varint::put(out, value);
    }
}

/// A frame; now and then its length is wrong.
pub fn frame(out: &mut Vec<u8>, random: &mut Random, kind: u64, payload: &[u8]) {
    number(out, random, kind);
    let len = if random.once_in(40) { random.edge() } else { payload.len() as u64 };
    number(out, random, len);
    out.extend(payload);
}

/// An integer after the high bits of a byte.
pub fn prefixed(out: &mut Vec<u8>, flags: u8, bits: u32, value: u64) {
    let max = (1 << bits) - 1;
    if value < max {
        out.push(flags | value.to_le_bytes()[0]);
        return;
    }
    out.push(flags | max.to_le_bytes()[0]);
    let mut rest = value - max;
    while rest >= 128 {
        out.push(rest.to_le_bytes()[0] | 128);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// A string, coded or not.
pub fn string(out: &mut Vec<u8>, random: &mut Random, flags: u8, bits: u32, text: &[u8]) {
    if random.once_in(2) {
        let mut coded = bytes::BytesMut::new();
        huffman::encode(text, &mut coded);
        prefixed(out, flags | 1 << bits, bits, coded.len() as u64);
        out.extend(&coded);
    } else {
        prefixed(out, flags, bits, text.len() as u64);
        out.extend(text);
    }
}

const NAMES: [&[u8]; 4] = [b"x", b"x-long-name-of-something", b"date", b"link"];
const BAD_NAMES: [&[u8]; 9] =
    [b"content-length", b"te", b"connection", b":path", b":status", b"Upper", b"", b"keep-alive", b"a b"];

/// What a line in `n` is that no response may hold.
const BAD: usize = 60;

/// A line of a section.
fn line(out: &mut Vec<u8>, random: &mut Random) {
    if random.once_in(BAD) {
        return bad_line(out, random);
    }
    match random.below(11) {
        0..5 => prefixed(out, 0xc0, 6, random.pick(&[2, 29, 46, 53, 59, 72, 85, 98])),
        5..8 => {
            prefixed(out, random.pick(&[0x50, 0x70]), 4, random.pick(&[6, 12, 14, 46, 84, 95]));
            let text = value(random);
            string(out, random, 0, 7, &text);
        }
        _ => {
            let (name, flags) = (random.pick(&NAMES), random.pick(&[0x20, 0x30]));
            string(out, random, flags, 3, name);
            let text = value(random);
            string(out, random, 0, 7, &text);
        }
    }
}

fn bad_line(out: &mut Vec<u8>, random: &mut Random) {
    match random.below(4) {
        // An entry of the table that is none or has no place, or of a table that there is not.
        0 => {
            let (flags, bits) = random.pick(&[(0x80, 6), (0x40, 4), (0x10, 4), (0x00, 3), (0xc0, 6)]);
            let value = random.edge();
            prefixed(out, flags, bits, value);
        }
        1 => prefixed(out, 0xc0, 6, random.pick(&[99, 25, 17, 4])),
        2 => {
            let name = random.pick(&BAD_NAMES);
            string(out, random, 0x20, 3, name);
            let text = value(random);
            string(out, random, 0, 7, &text);
        }
        _ => {
            string(out, random, 0x20, 3, b"x");
            let text = random.bytes(40);
            string(out, random, 0, 7, &text);
        }
    }
}

fn value(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0..6 => random.pick(&[&b"0"[..], b"5", b"", b"text/plain", b"a b"]).to_vec(),
        6..14 => (0..random.below(60)).map(|_| b'!' + random.byte() % 94).collect(),
        14 => vec![b'0' + random.byte() % 10; random.below(300)],
        _ => {
            let most = random.rarely(50, 70_000, 700);
            vec![b'v'; random.below(most)]
        }
    }
}

/// A section; of a head with a status and, if it is said, a length.
pub fn section(random: &mut Random, head: Option<(u16, Option<u64>)>) -> Vec<u8> {
    let mut out = if random.once_in(BAD) { random.bytes(3) } else { vec![0, 0] };
    if let Some((status, length)) = head {
        let status = if random.once_in(BAD) { random.pick(&[99, 101, 1_000]) } else { status };
        if !random.once_in(BAD) {
            prefixed(&mut out, 0x50, 4, 24);
            string(&mut out, random, 0, 7, status.to_string().as_bytes());
        }
        if let Some(length) = length {
            let length = if random.once_in(10) { random.edge() } else { length };
            prefixed(&mut out, 0x50, 4, 4);
            string(&mut out, random, 0, 7, length.to_string().as_bytes());
        }
    }
    let lines = if random.once_in(50) { random.below(150) } else { random.below(8) };
    for _ in 0..lines {
        line(&mut out, random);
    }
    out
}

/// As two-digit numbers.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
