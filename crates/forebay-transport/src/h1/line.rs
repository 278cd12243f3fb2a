//! Lines that end in CR LF, from bytes that come in pieces.
//!
//! Promise: a line is judged the same however it was cut; no more than `KEPT` bytes of an unfinished one are kept.
//! Used by `head` and `chunks`.

use memchr::memchr;

use super::fault::Fault;

/// Bytes of a line that are looked at. A guess: far above any sound line that matters to framing; longer ones of that
/// kind are refused.
pub(super) const KEPT: usize = 256;

/// The start of a line whose end has not come.
pub(super) struct Line {
    kept: [u8; KEPT],
    length: usize,
    last: u8,
}

/// What a piece of input gave.
pub(super) enum Taken<'a> {
    /// The end of the line is not in it.
    Part,
    /// A line ended.
    Whole {
        /// Bytes of the piece up to and with the LF.
        used: usize,
        /// The line without CR LF, at most `KEPT` bytes of it.
        text: &'a [u8],
        /// Its whole length without CR LF.
        length: usize,
    },
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { kept: [0; KEPT], length: 0, last: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Whether nothing of the line has come.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes up to one line from `bytes`, of which at most `room` may belong to it.
    pub(super) fn take<'a>(&'a mut self, bytes: &'a [u8], room: usize, beyond: Fault) -> Result<Taken<'a>, Fault> {
        let Some(at) = memchr(b'\n', bytes) else {
            if bytes.len() > room {
                return Err(beyond);
            }
            self.push(bytes);
            return Ok(Taken::Part);
        };
        let used = at + 1;
        if used > room {
            return Err(beyond);
        }
        if self.length == 0 {
            let Some((b'\r', text)) = bytes[..at].split_last() else {
                return Err(Fault::LineEnd);
            };
            return Ok(Taken::Whole { used, text: &text[..text.len().min(KEPT)], length: text.len() });
        }
        self.push(&bytes[..at]);
        if self.last != b'\r' {
            return Err(Fault::LineEnd);
        }
        let length = self.length - 1;
        self.length = 0;
        Ok(Taken::Whole { used, text: &self.kept[..length.min(KEPT)], length })
    }

    fn push(&mut self, part: &[u8]) {
        let from = self.length.min(KEPT);
        let kept = part.len().min(KEPT - from);
        self.kept[from..from + kept].copy_from_slice(&part[..kept]);
        self.length += part.len();
        if let Some(last) = part.last() {
            self.last = *last;
        }
    }
}
