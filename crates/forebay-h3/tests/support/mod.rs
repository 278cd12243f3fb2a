//! What a server might send, built byte by byte, and a reader that is fed in several ways.
#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)]

use bytes::{Bytes, BytesMut};
use forebay_h3::{Answers, Budget, Error, Event, Limits, Peer, PeerEvent, ResponseReader, UniStream, varint};

pub const DATA: u64 = 0x0;
pub const HEADERS: u64 = 0x1;
pub const CANCEL_PUSH: u64 = 0x3;
pub const SETTINGS: u64 = 0x4;
pub const PUSH_PROMISE: u64 = 0x5;
pub const GOAWAY: u64 = 0x7;
pub const MAX_PUSH_ID: u64 = 0xd;

/// A number as it stands on the wire.
pub fn number(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint::put(&mut out, value);
    out
}

pub fn numbers(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| number(*value)).collect()
}

/// A frame whose head says what it is.
pub fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [&numbers(&[kind, payload.len() as u64]), payload].concat()
}

/// A field as two literals, without Huffman.
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = prefixed(0x20, 3, name.len());
    out.extend(name);
    out.extend(prefixed(0, 7, value.len()));
    out.extend(value);
    out
}

fn prefixed(flags: u8, bits: u32, value: usize) -> Vec<u8> {
    let max = (1 << bits) - 1;
    if value < max {
        return vec![flags | u8::try_from(value).unwrap()];
    }
    let mut out = vec![flags | u8::try_from(max).unwrap()];
    let mut rest = value - max;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
    out
}

/// A section of literals.
pub fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![0, 0];
    for (name, value) in fields {
        out.extend(literal(name.as_bytes(), value.as_bytes()));
    }
    out
}

/// HEADERS with a section of literals.
pub fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, &section(fields))
}

pub fn ok() -> Vec<u8> {
    headers(&[(":status", "200")])
}

pub fn data(body: &str) -> Vec<u8> {
    frame(DATA, body.as_bytes())
}

/// An event, in words that can be compared; parts of a body are joined.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    Interim(u16, Vec<(String, String)>),
    Head(u16, Vec<(String, String)>, Option<u64>),
    Tunnel(u16),
    Body(Vec<u8>),
    Trailers(Vec<(String, String)>),
}

fn fields(map: &http::HeaderMap) -> Vec<(String, String)> {
    map.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        match event {
            Event::Interim { status, fields: map } => Self::Interim(status.as_u16(), fields(&map)),
            Event::Head { status, tunnel: true, .. } => Self::Tunnel(status.as_u16()),
            Event::Head { status, fields: map, length, .. } => Self::Head(status.as_u16(), fields(&map), length),
            Event::Data(part) => Self::Body(part.to_vec()),
            Event::Trailers(map) => Self::Trailers(fields(&map)),
        }
    }
}

/// What a reader made of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    pub told: Vec<Told>,
    pub result: Result<(), Error>,
    pub complete: bool,
    pub most_kept: usize,
}

impl Reading {
    pub fn error(&self) -> Error {
        self.result.unwrap_err()
    }
}

/// How a stream is read.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub answers: Answers,
    pub limits: Limits,
    pub fin: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self { answers: Answers::Request, limits: Limits::default(), fin: true }
    }
}

/// Reads `bytes`, cut at each of `cuts`.
pub fn read_in_pieces(bytes: &[u8], cuts: &[usize], setting: Setting) -> Reading {
    let mut reader = ResponseReader::new(setting.answers, setting.limits);
    let mut budget = Budget::default();
    let mut reading = Reading { told: Vec::new(), result: Ok(()), complete: false, most_kept: 0 };
    let whole = Bytes::copy_from_slice(bytes);
    let mut from = 0;
    'pieces: for to in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = whole.slice(from..to);
        from = to;
        loop {
            match reader.receive(&mut piece, &mut budget) {
                Ok(None) => break,
                Ok(Some(event)) => tell(&mut reading.told, event.into()),
                Err(error) => {
                    reading.result = Err(error);
                    assert_eq!(reader.finish(), Err(error), "a fault stays");
                    break 'pieces;
                }
            }
        }
        assert!(piece.is_empty(), "all of a piece is taken");
        reading.most_kept = reading.most_kept.max(reader.kept());
    }
    if reading.result.is_ok() && setting.fin {
        reading.result = reader.finish();
    }
    reading.complete = reader.is_complete();
    reading
}

fn tell(told: &mut Vec<Told>, next: Told) {
    if let (Some(Told::Body(body)), Told::Body(part)) = (told.last_mut(), &next) {
        assert!(!part.is_empty(), "a part of a body is never empty");
        body.extend(part);
        return;
    }
    told.push(next);
}

/// Reads `bytes` in one piece, byte by byte and cut at random: it must make no difference.
pub fn read_with(bytes: &[u8], setting: Setting) -> Reading {
    let whole = read_in_pieces(bytes, &[], setting);
    let each: Vec<usize> = (1..bytes.len()).collect();
    let dripped = read_in_pieces(bytes, &each, setting);
    let same = |other: &Reading, how: &str| {
        assert_eq!((&whole.told, whole.result, whole.complete), (&other.told, other.result, other.complete), "{how}");
    };
    same(&dripped, "byte by byte");
    for seed in 0..8 {
        let cuts = cuts(bytes.len(), seed);
        same(&read_in_pieces(bytes, &cuts, setting), &format!("cut at {cuts:?}"));
    }
    dripped
}

/// The same with FIN at the end, for any request.
pub fn read(bytes: &[u8]) -> Reading {
    read_with(bytes, Setting::default())
}

/// Sorted places within `len`, by `seed`.
pub fn cuts(len: usize, seed: u64) -> Vec<usize> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut at = 0;
    let mut out = Vec::new();
    while at < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let step = usize::try_from(state >> 33).unwrap();
        at += if seed.is_multiple_of(2) { step % 7 } else { step % (len + 1) };
        if at < len {
            out.push(at);
        }
    }
    out
}

/// What the streams of a peer led to, each stream whole, then byte by byte: it must make no difference.
pub fn peer(streams: &[&[u8]]) -> Result<Vec<PeerEvent>, Error> {
    let read = |size: usize| {
        let (mut peer, mut budget, mut events) = (Peer::default(), Budget::default(), Vec::new());
        for bytes in streams {
            let mut stream = UniStream::default();
            for mut piece in bytes.chunks(size.max(1)) {
                while let Some(event) = peer.receive(&mut stream, &mut piece, &mut budget)? {
                    events.push(event);
                }
                assert!(piece.is_empty(), "all of a piece is taken");
            }
        }
        Ok(events)
    };
    let whole = read(usize::MAX);
    for size in [1, 2, 3, 5] {
        assert_eq!(whole, read(size), "in pieces of {size}");
    }
    whole
}

/// The control stream of a peer with `frames` after an empty SETTINGS.
pub fn control(frames: &[u8]) -> Vec<u8> {
    [&[0][..], &frame(SETTINGS, &[]), frames].concat()
}

/// What `encode` writes.
pub fn written(encode: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(&mut out);
    out.to_vec()
}
