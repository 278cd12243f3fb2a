//! The body of an answer, made piece by piece while it is sent.
//!
//! Promise: no body needs more memory than one block, whatever its length. Used by `route`, `connection`.

use std::borrow::Cow;
use std::io::Write as _;

use crate::pattern;

/// Bytes put into the output at once. A guess: one large write to the socket.
const BLOCK: usize = 64 * 1024;

/// Room for the framing of a chunk: 16 hex digits and two CRLF.
const CHUNK_FRAMING: usize = 20;

/// The body of an answer that is still to be sent.
#[derive(Debug)]
pub(super) enum Source {
    Empty,
    Owned { bytes: Cow<'static, [u8]>, at: usize },
    Pattern { at: u64, end: u64 },
    Chunked { at: u64, end: u64, size: u64, left_in_chunk: u64, trailers: bool },
}

impl Source {
    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Owned { bytes, at } => *at == bytes.len(),
            Self::Pattern { at, end } => at == end,
            // Ends by becoming Empty, with its last chunk.
            Self::Chunked { .. } => false,
        }
    }

    /// Adds at most about one block to the output.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>) {
        let limit = out.len() + BLOCK;
        match self {
            Self::Empty => {}
            Self::Owned { bytes, at } => {
                let take = BLOCK.min(bytes.len() - *at);
                out.extend_from_slice(&bytes[*at..*at + take]);
                *at += take;
            }
            Self::Pattern { at, end } => extend_pattern(out, at, *end, BLOCK),
            Self::Chunked { at, end, size, left_in_chunk, trailers } => {
                while out.len() + CHUNK_FRAMING < limit {
                    if *left_in_chunk == 0 {
                        *left_in_chunk = (*size).min(*end - *at);
                        let _ = write!(out, "{left_in_chunk:x}\r\n");
                        if *left_in_chunk == 0 {
                            if *trailers {
                                let _ = write!(out, "x-length: {end}\r\nx-end: yes\r\n");
                            }
                            out.extend_from_slice(b"\r\n");
                            *self = Self::Empty;
                            return;
                        }
                    }
                    let before = *at;
                    let room = limit.saturating_sub(out.len());
                    extend_pattern(out, at, before + *left_in_chunk, room);
                    *left_in_chunk -= *at - before;
                    if *left_in_chunk == 0 {
                        out.extend_from_slice(b"\r\n");
                    }
                }
            }
        }
    }
}

fn extend_pattern(out: &mut Vec<u8>, at: &mut u64, end: u64, room: usize) {
    let take = usize::try_from(end - *at).unwrap_or(usize::MAX).min(room);
    pattern::extend(out, *at, take);
    *at += take as u64;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{BodyDecoder, BodyLength};

    #[test]
    fn chunks_never_need_more_than_a_block_of_memory() {
        for (end, size) in [(0, 5), (1_000_000, 1), (1_000_000, 65_536), (1_000_000, 10_000_000)] {
            let mut source = Source::Chunked { at: 0, end, size, left_in_chunk: 0, trailers: false };
            let mut wire = Vec::new();
            while !source.is_empty() {
                let before = wire.len();
                source.fill(&mut wire);
                assert!(wire.len() > before && wire.len() - before <= BLOCK + CHUNK_FRAMING);
            }
            let mut decoder = BodyDecoder::new(BodyLength::Chunked);
            let mut body = Vec::new();
            assert_eq!(decoder.decode(&wire, usize::MAX, |bytes| body.extend_from_slice(bytes)), Ok(wire.len()));
            assert!(decoder.is_done());
            assert_eq!(body.len() as u64, end);
            assert!(pattern::matches(&body, 0));
        }
    }
}
