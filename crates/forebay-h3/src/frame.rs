//! Frames (RFC 9114, section 7): a type, a length, a payload. What each means is said by who reads it (`control`, `response`).
//!
//! Promise: a head is read as it comes, in at most 16 bytes of state; of a payload only the length is held here.

use crate::error::{Code, Error};
use crate::varint::{self, Partial};

/// The type of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A part of a body.
    Data,
    /// A field section: head or trailers.
    Headers,
    /// Takes a push back.
    CancelPush,
    /// Settings of the connection.
    Settings,
    /// Announces a push.
    PushPromise,
    /// No more requests from an id on.
    GoAway,
    /// Allows pushes.
    MaxPushId,
    /// Re-prioritises; only clients send it (RFC 9218, section 7.2).
    PriorityUpdate,
    /// One of HTTP/2's that has no place here: `PRIORITY`, `PING`, `WINDOW_UPDATE`, `CONTINUATION` (section 7.2.8).
    OfHttp2,
    /// Any other, grease too: skipped.
    Unknown,
}

impl Kind {
    const fn of(kind: u64) -> Self {
        match kind {
            0x00 => Self::Data,
            0x01 => Self::Headers,
            0x03 => Self::CancelPush,
            0x04 => Self::Settings,
            0x05 => Self::PushPromise,
            0x07 => Self::GoAway,
            0x0d => Self::MaxPushId,
            0x02 | 0x06 | 0x08 | 0x09 => Self::OfHttp2,
            0xf_0700 | 0xf_0701 => Self::PriorityUpdate,
            _ => Self::Unknown,
        }
    }
}

/// The type that the head of a DATA frame says.
pub(crate) const DATA: u64 = 0x00;
/// The same of HEADERS.
pub(crate) const HEADERS: u64 = 0x01;
/// The same of SETTINGS.
pub(crate) const SETTINGS: u64 = 0x04;

/// The head of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    /// Type.
    pub(crate) kind: Kind,
    /// Bytes of payload that follow, at most [`varint::MAX`].
    pub(crate) len: u64,
}

/// Reads heads that come in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeadReader {
    kind: Option<u64>,
    number: Partial,
}

impl HeadReader {
    /// Before the first byte.
    pub(crate) const NEW: Self = Self { kind: None, number: Partial::NEW };

    /// Takes bytes of a head from the front of `input`; gives it once it is whole, and begins anew.
    pub(crate) fn take(&mut self, input: &mut &[u8]) -> Option<Head> {
        let kind = match self.kind {
            Some(kind) => kind,
            None => *self.kind.insert(self.number.take(input)?),
        };
        let len = self.number.take(input)?;
        self.kind = None;
        Some(Head { kind: Kind::of(kind), len })
    }

    /// Whether a part of a head came, and not all of it.
    #[must_use]
    pub(crate) const fn is_open(&self) -> bool {
        self.kind.is_some() || self.number.is_open()
    }
}

/// A stream that ended within a frame (RFC 9114, section 7.1).
pub(crate) const TRUNCATED: Error = Error::connection(Code::FRAME_ERROR, "the stream ended within a frame");

/// Takes as much of a payload from the front of `input` as is there; `left` is what of it is to come.
pub(crate) fn skip(left: &mut u64, input: &mut &[u8]) {
    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *input = &input[take..];
    *left -= take as u64;
}

/// A type, a setting or an error code that means nothing, so that peers learn to skip what they do not know: 0x1f x N + 0x21 (RFC
/// 9114, section 7.2.8).
#[must_use]
pub const fn grease(n: u32) -> u64 {
    0x1f * n as u64 + 0x21
}

/// The head of a DATA frame, ready to be sent.
#[derive(Clone, Copy, Debug)]
pub struct DataHead {
    bytes: [u8; 1 + varint::MAX_LEN],
    len: u8,
}

impl DataHead {
    /// Before `len` bytes of a body, at most [`varint::MAX`].
    #[must_use]
    pub fn new(len: u64) -> Self {
        let mut head = Self { bytes: [0; 1 + varint::MAX_LEN], len: 0 };
        let mut out = &mut head.bytes[..];
        varint::put(&mut out, DATA);
        varint::put(&mut out, len);
        head.len = u8::try_from(1 + varint::len(len)).unwrap_or(u8::MAX);
        head
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_head_is_read_from_any_pieces() {
        // Type 0x21 in two bytes, length 2^62 - 1.
        let bytes = [0x40, 0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7];
        for cut in 0..bytes.len() {
            let mut reader = HeadReader::default();
            let (mut first, mut second) = bytes.split_at(cut);
            let head = reader.take(&mut first).or_else(|| {
                assert_eq!(reader.is_open(), cut > 0);
                reader.take(&mut second)
            });
            assert_eq!(head, Some(Head { kind: Kind::Unknown, len: varint::MAX }), "cut at {cut}");
            assert!(!reader.is_open());
            assert!(second.ends_with(&[7]), "what follows is left");
        }
    }

    #[test]
    fn grease_is_a_type_that_nobody_knows() {
        for n in [0, 1, 7, 1_000, u32::MAX] {
            assert_eq!(Kind::of(grease(n)), Kind::Unknown);
        }
    }

    #[test]
    fn the_head_of_a_data_frame_says_its_length() {
        for len in [0, 63, 64, 16_384, 1 << 30, varint::MAX] {
            let head = DataHead::new(len);
            let mut bytes = head.as_bytes();
            assert_eq!(HeadReader::default().take(&mut bytes), Some(Head { kind: Kind::Data, len }));
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn a_payload_is_skipped_as_it_comes() {
        let mut left = 5;
        let mut input: &[u8] = &[1, 2, 3];
        skip(&mut left, &mut input);
        assert_eq!((left, input), (2, &[][..]));
        let mut input: &[u8] = &[4, 5, 6];
        skip(&mut left, &mut input);
        assert_eq!((left, input), (0, &[6][..]));
    }
}
