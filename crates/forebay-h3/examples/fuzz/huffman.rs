//! The Huffman code, against a decoder that goes bit by bit through the codes as the encoder writes them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::BytesMut;
use forebay_h3::qpack::huffman::{Fault, decode, encode, encoded_len};

use crate::random::Random;
use crate::wire::hex;

/// Length and code, to the symbol.
static CODES: LazyLock<BTreeMap<(usize, u32), u8>> = LazyLock::new(|| {
    (0..=u8::MAX)
        .map(|symbol| {
            // Eight of them take as many bytes as one takes bits.
            let length = encoded_len(&[symbol; 8]);
            let coded = written(&[symbol; 4]);
            let first = coded.iter().chain([&0; 4]).take(4).fold(0, |code, byte| code << 8 | u32::from(*byte));
            ((length, first >> (32 - length)), symbol)
        })
        .collect()
});

fn written(text: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(text, &mut out);
    out.to_vec()
}

fn reference(coded: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
    let (mut out, mut code, mut length) = (Vec::new(), 0_u32, 0);
    for bit in coded.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        if let Some(symbol) = CODES.get(&(length, code)) {
            if out.len() == max {
                return Err(Fault::TooLong);
            }
            out.push(*symbol);
            (code, length) = (0, 0);
        } else if length == 30 {
            return Err(Fault::Wrong);
        }
    }
    if length < 8 && code == (1 << length) - 1 { Ok(out) } else { Err(Fault::Wrong) }
}

pub fn run(random: &mut Random, loud: bool) -> Result<(), String> {
    let text = if random.once_in(2) {
        random.bytes(60)
    } else {
        (0..random.below(200)).map(|_| b' ' + random.byte() % 95).collect()
    };
    let mut coded = written(&text);
    if decoded(&coded, text.len()).as_deref() != Ok(&text) {
        return Err(format!("{} does not come back", hex(&text)));
    }
    random.mutate(&mut coded);
    if random.once_in(4) {
        coded = random.bytes(20);
    }
    let max = random.pick(&[0, 1, 10, 1_000]);
    if loud {
        println!("  at most {max} of {}", hex(&coded));
    }
    let (ours, theirs) = (decoded(&coded, max), reference(&coded, max));
    if ours != theirs {
        return Err(format!("{ours:?}, and bit by bit {theirs:?}"));
    }
    match ours {
        Ok(text) if written(&text) != coded => Err(String::from("two codes of one text")),
        _ => Ok(()),
    }
}

fn decoded(coded: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
    let mut out = BytesMut::new();
    decode(coded, &mut out, max).map(|()| out.to_vec())
}
