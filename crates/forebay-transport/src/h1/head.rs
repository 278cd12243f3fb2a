//! The head of a response as far as framing goes: status, length, coding, and how much there is of it.
//!
//! Promise: whatever leaves the length of the body in doubt is refused, and bounds hold before the bytes are passed on.
//! Used by `meter`. Not here: names and values (httparse looks at each byte of those, and refuses a lone CR).

use super::fault::Fault;
use super::line::{KEPT, Line, Taken};

/// Longest body that hyper can count, in bytes.
const MAX_LENGTH: u64 = u64::MAX - 2;

/// Codings that a response may have besides `chunked`; its body then ends with the connection. Source: IANA, HTTP
/// Transfer Coding Registry.
const CLOSE_DELIMITED: [&[u8]; 5] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];

/// A head that is being read.
pub(super) struct Head {
    line: Line,
    bytes: usize,
    fields: usize,
    /// An empty line came before the status line.
    padded: bool,
    /// 0: no status line yet.
    status: u16,
    /// HTTP/1.0.
    old: bool,
    length: Option<u64>,
    coding: Option<Coding>,
    /// 101 was asked for.
    upgrades: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    Chunked,
    Other,
}

/// How the body ends that a head announces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    Close,
}

/// A head that is whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Announced {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// Bytes of the head, with the empty line.
    pub(super) bytes: usize,
}

impl Head {
    pub(super) const fn new() -> Self {
        Self {
            line: Line::new(),
            bytes: 0,
            fields: 0,
            padded: false,
            status: 0,
            old: false,
            length: None,
            coding: None,
            upgrades: false,
        }
    }

    /// Before the first head of a response; `upgrades`: 101 was asked for.
    pub(super) fn begin(&mut self, upgrades: bool) {
        self.upgrades = upgrades;
        self.padded = false;
        self.next();
    }

    /// After an interim response, which was `announced`.
    pub(super) fn next(&mut self) {
        self.line.clear();
        self.bytes = 0;
        self.fields = 0;
        self.status = 0;
        self.old = false;
        self.length = None;
        self.coding = None;
    }

    /// Reads on. `Some` when the head is whole, with the bytes that belong to it.
    pub(super) fn pass(
        &mut self,
        bytes: &[u8],
        max_bytes: usize,
        max_fields: usize,
    ) -> Result<Option<(usize, Announced)>, Fault> {
        let mut at = 0;
        while at < bytes.len() {
            if self.status == 0 && self.line.is_empty() {
                first_byte(bytes[at])?;
            }
            let room = max_bytes - self.bytes;
            let (used, text, length) = match self.line.take(&bytes[at..], room, Fault::HeadTooLarge)? {
                Taken::Part => {
                    self.bytes += bytes.len() - at;
                    return Ok(None);
                }
                Taken::Whole { used, text, length } => (used, text, length),
            };
            at += used;
            // What the line left in its buffer counts already.
            self.bytes += used;
            if self.status == 0 {
                if length == 0 {
                    if std::mem::replace(&mut self.padded, true) {
                        return Err(Fault::EmptyLines);
                    }
                    continue;
                }
                (self.status, self.old) = status_line(text)?;
                if self.status == 101 && !self.upgrades {
                    return Err(Fault::Upgrade);
                }
            } else if length == 0 {
                return self.announced().map(|announced| Some((at, announced)));
            } else {
                self.fields += 1;
                if self.fields > max_fields {
                    return Err(Fault::TooManyFields);
                }
                match text[0] | 0x20 {
                    b'c' => note_length(text, length, &mut self.length)?,
                    b't' => note_coding(text, length, &mut self.coding)?,
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    fn announced(&self) -> Result<Announced, Fault> {
        let framing = match (self.coding, self.length) {
            (Some(_), Some(_)) => return Err(Fault::LengthAndCoding),
            (Some(_), None) if self.old => return Err(Fault::Coding),
            (Some(Coding::Chunked), None) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length),
            (Some(Coding::Other) | None, None) => Framing::Close,
        };
        let bodiless = self.status < 200 || self.status == 204;
        if bodiless && (self.coding.is_some() || self.length.is_some_and(|length| length > 0)) {
            return Err(Fault::BodyAnnounced);
        }
        Ok(Announced { status: self.status, framing, bytes: self.bytes })
    }
}

/// Peers that speak something else are known by their first byte.
fn first_byte(byte: u8) -> Result<(), Fault> {
    match byte {
        b'H' | b'\r' => Ok(()),
        b'\n' => Err(Fault::LineEnd),
        // change_cipher_spec, alert, handshake, application_data.
        0x14..=0x17 => Err(Fault::LooksLikeTls),
        // The length of a SETTINGS frame begins so.
        0 => Err(Fault::LooksLikeHttp2),
        _ => Err(Fault::StatusLine),
    }
}

/// The status, and whether the version is 1.0.
fn status_line(text: &[u8]) -> Result<(u16, bool), Fault> {
    let Some(([b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), b' ', code @ ..], rest)) =
        text.split_first_chunk::<12>()
    else {
        return Err(Fault::StatusLine);
    };
    let sound = matches!(code[0], b'1'..=b'9') && code.iter().all(u8::is_ascii_digit);
    if !sound || !matches!(rest.first(), None | Some(b' ')) {
        return Err(Fault::StatusLine);
    }
    let status = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Ok((status, *minor == b'0'))
}

/// The value of the line, if it is of the field `name` (lower case).
fn value_of<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = text.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn note_length(text: &[u8], length: usize, known: &mut Option<u64>) -> Result<(), Fault> {
    let Some(value) = value_of(text, b"content-length") else {
        return Ok(());
    };
    if known.is_some() {
        return Err(Fault::TwoLengths);
    }
    if value.is_empty() || length > KEPT {
        return Err(Fault::Length);
    }
    let number = value.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    });
    *known = Some(number.filter(|n| *n <= MAX_LENGTH).ok_or(Fault::Length)?);
    Ok(())
}

fn note_coding(text: &[u8], length: usize, known: &mut Option<Coding>) -> Result<(), Fault> {
    let Some(value) = value_of(text, b"transfer-encoding") else {
        return Ok(());
    };
    if known.is_some() || length > KEPT {
        return Err(Fault::Coding);
    }
    *known = Some(if value.eq_ignore_ascii_case(b"chunked") {
        Coding::Chunked
    } else if CLOSE_DELIMITED.iter().any(|c| value.eq_ignore_ascii_case(c)) {
        Coding::Other
    } else {
        return Err(Fault::Coding);
    });
    Ok(())
}
