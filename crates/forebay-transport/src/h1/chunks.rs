//! The framing of a chunked body.
//!
//! ```text
//!   Size --> Blank, Extension --> SizeLf --n--> Data --> DataCr --> DataLf --> Size
//!                                    \
//!                                     +--0--> Trailers --empty line--> whole
//! ```
//!
//! Promise: only bytes of the framing are looked at, those of the data are counted; the grammar is that of RFC 9112, 7.1,
//! but for blanks after a size. Used by `meter`.

use super::fault::Fault;
use super::line::{Line, Taken};

/// Digits of a chunk's size. Source: as many as 64 bits need.
const MAX_DIGITS: u8 = 16;
/// Extensions of one body, in bytes. Source: the bounds of the hostile upstream rows; hyper has the same.
const MAX_EXTENSIONS: u32 = 16 * 1024;
/// Framing bytes that a body may have in any case. Source: the same.
const FREE_OVERHEAD: u64 = 1024 * 1024;
/// Framing bytes for each byte of data beyond that. Source: the same.
const MAX_OVERHEAD_RATIO: u64 = 16;

/// A chunked body that is being read.
pub(super) struct Chunks {
    at: At,
    /// Of the chunk whose line is being read.
    size: u64,
    payload: u64,
    overhead: u64,
    extensions: u32,
    trailer_bytes: usize,
    trailers: usize,
    line: Line,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Size { digits: u8 },
    Blank,
    Extension { quoted: bool, escaped: bool },
    SizeLf,
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailers,
}

/// How far it came.
pub(super) enum Passed {
    /// All the bytes belong to the body, which goes on.
    All,
    /// The body ended after so many bytes.
    Whole(usize),
    /// After so many sound bytes.
    Fault(usize, Fault),
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self {
            at: At::Size { digits: 0 },
            size: 0,
            payload: 0,
            overhead: 0,
            extensions: 0,
            trailer_bytes: 0,
            trailers: 0,
            line: Line::new(),
        }
    }

    pub(super) fn begin(&mut self) {
        self.at = At::Size { digits: 0 };
        self.size = 0;
        self.payload = 0;
        self.overhead = 0;
        self.extensions = 0;
        self.trailer_bytes = 0;
        self.trailers = 0;
        self.line.clear();
    }

    /// Reads on.
    pub(super) fn pass(&mut self, bytes: &[u8], max_trailer_bytes: usize, max_trailers: usize) -> Passed {
        let mut at = 0;
        while at < bytes.len() {
            match self.at {
                At::Data { left } => {
                    let here = left.min((bytes.len() - at) as u64);
                    // At most the length of the slice.
                    at += usize::try_from(here).unwrap_or(bytes.len() - at);
                    self.payload += here;
                    self.at = match left - here {
                        0 => At::DataCr,
                        left => At::Data { left },
                    };
                }
                At::Trailers => {
                    let room = max_trailer_bytes - self.trailer_bytes;
                    match self.line.take(&bytes[at..], room, Fault::TrailersTooLarge) {
                        Ok(Taken::Part) => {
                            self.trailer_bytes += bytes.len() - at;
                            return Passed::All;
                        }
                        Ok(Taken::Whole { used, length: 0, .. }) => return Passed::Whole(at + used),
                        Ok(Taken::Whole { used, .. }) => {
                            self.trailer_bytes += used;
                            self.trailers += 1;
                            if self.trailers > max_trailers {
                                return Passed::Fault(at, Fault::TooManyTrailers);
                            }
                            at += used;
                        }
                        Err(fault) => return Passed::Fault(at, fault),
                    }
                }
                framing => match self.framing(framing, bytes[at]) {
                    Ok(next) => {
                        self.at = next;
                        self.overhead += 1;
                        at += 1;
                    }
                    Err(fault) => return Passed::Fault(at, fault),
                },
            }
        }
        Passed::All
    }

    /// One byte between the data of two chunks.
    fn framing(&mut self, at: At, byte: u8) -> Result<At, Fault> {
        match at {
            At::Size { digits } => self.size_byte(digits, byte),
            At::Blank => match byte {
                b';' | b'\r' | b' ' | b'\t' => self.after_size(byte),
                _ => Err(Fault::ChunkSize),
            },
            At::Extension { quoted, escaped } => {
                if byte == b'\r' && !quoted {
                    return Ok(At::SizeLf);
                }
                if byte.is_ascii_control() && byte != b'\t' {
                    return Err(Fault::ChunkExtension);
                }
                self.extension_byte()?;
                let quote = byte == b'"' && !escaped;
                Ok(At::Extension { quoted: quoted != quote, escaped: quoted && byte == b'\\' && !escaped })
            }
            At::SizeLf => {
                if byte != b'\n' {
                    return Err(Fault::LineEnd);
                }
                if self.overhead > FREE_OVERHEAD && self.overhead / MAX_OVERHEAD_RATIO > self.payload {
                    return Err(Fault::Overhead);
                }
                Ok(match self.size {
                    0 => At::Trailers,
                    left => At::Data { left },
                })
            }
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataLf if byte == b'\n' => {
                self.size = 0;
                Ok(At::Size { digits: 0 })
            }
            At::DataCr | At::DataLf => Err(Fault::ChunkEnd),
            // Not framing.
            At::Data { .. } | At::Trailers => Ok(at),
        }
    }

    fn size_byte(&mut self, digits: u8, byte: u8) -> Result<At, Fault> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if digits > 0 => return self.after_size(byte),
            _ => return Err(Fault::ChunkSize),
        };
        if digits == MAX_DIGITS {
            return Err(Fault::ChunkSize);
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(At::Size { digits: digits + 1 })
    }

    fn after_size(&mut self, byte: u8) -> Result<At, Fault> {
        match byte {
            b'\r' => Ok(At::SizeLf),
            b'\n' => Err(Fault::LineEnd),
            b' ' | b'\t' => self.extension_byte().map(|()| At::Blank),
            b';' => self.extension_byte().map(|()| At::Extension { quoted: false, escaped: false }),
            _ => Err(Fault::ChunkSize),
        }
    }

    fn extension_byte(&mut self) -> Result<(), Fault> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(Fault::TooManyExtensions);
        }
        Ok(())
    }
}
