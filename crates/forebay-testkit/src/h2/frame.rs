//! HTTP/2 frames as bytes, right or wrong: what scripts send. Header blocks are literals without Huffman and without the dynamic
//! table, so that a test can read them.
//!
//! Used by tests. Not here: when they are sent (`script`), reading (only heads are read, see `Head`).

/// What a client sends first.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Length of a frame's head, in bytes.
pub const HEAD: usize = 9;

/// Frame types.
#[expect(missing_docs, reason = "named as in RFC 9113 section 6")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// `END_STREAM` of DATA and HEADERS.
pub const END_STREAM: u8 = 0x1;
/// `ACK` of SETTINGS and PING.
pub const ACK: u8 = 0x1;
/// `END_HEADERS` of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 0x4;

/// Settings.
#[expect(missing_docs, reason = "named as in RFC 9113 section 6.5.2")]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// Error codes.
#[expect(missing_docs, reason = "named as in RFC 9113 section 7")]
pub mod code {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
    pub const HTTP_1_1_REQUIRED: u32 = 13;
}

/// The largest stream id: the first step of a graceful shutdown.
pub const ALL_STREAMS: u32 = 0x7fff_ffff;

/// The head of a frame that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Length of its payload.
    pub length: usize,
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream, without the reserved bit.
    pub stream: u32,
}

impl Head {
    /// The head at the start of `bytes`, if it is whole.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<HEAD>()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Self { length, kind: head[3], flags: head[4], stream })
    }
}

/// Any frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame_saying(payload.len(), kind, flags, stream, payload)
}

/// A frame whose head says a length of its own.
#[must_use]
pub fn frame_saying(length: usize, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + payload.len());
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// SETTINGS with these parameters.
#[must_use]
pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in pairs {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// The answer to SETTINGS.
#[must_use]
pub fn settings_ack() -> Vec<u8> {
    frame(kind::SETTINGS, ACK, 0, &[])
}

/// GOAWAY.
#[must_use]
pub fn goaway(last: u32, code: u32, text: &[u8]) -> Vec<u8> {
    let mut payload = last.to_be_bytes().to_vec();
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(text);
    frame(kind::GOAWAY, 0, 0, &payload)
}

/// `RST_STREAM`.
#[must_use]
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// PING.
#[must_use]
pub fn ping(ack: bool) -> Vec<u8> {
    frame(kind::PING, if ack { ACK } else { 0 }, 0, b"forebay!")
}

/// `WINDOW_UPDATE`.
#[must_use]
pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// DATA, the last of its stream or not.
#[must_use]
pub fn data(stream: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    frame(kind::DATA, if last { END_STREAM } else { 0 }, stream, bytes)
}

/// HEADERS in one frame.
#[must_use]
pub fn headers(stream: u32, fields: &[(&str, &str)], last: bool) -> Vec<u8> {
    frame(kind::HEADERS, END_HEADERS | if last { END_STREAM } else { 0 }, stream, &block(fields))
}

/// A response of status 200 with a body, whole.
#[must_use]
pub fn response(stream: u32, body: &[u8]) -> Vec<u8> {
    [headers(stream, &[(":status", "200")], false), data(stream, body, true)].concat()
}

/// A header block: a literal without indexing for each field.
#[must_use]
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        literal(name.as_bytes(), value.as_bytes(), &mut out);
    }
    out
}

/// One literal field without indexing (RFC 7541 section 6.2.2).
pub fn literal(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(0);
    string(name, out);
    string(value, out);
}

/// A literal that enters the dynamic table (RFC 7541 section 6.2.1).
pub fn literal_indexed(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(0x40);
    string(name, out);
    string(value, out);
}

fn string(bytes: &[u8], out: &mut Vec<u8>) {
    integer(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// A length with a prefix of 7 bits (RFC 7541 section 5.1).
fn integer(mut value: usize, out: &mut Vec<u8>) {
    const PREFIX: usize = 127;
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    if value < PREFIX {
        out.push(byte(value));
        return;
    }
    out.push(byte(PREFIX));
    value -= PREFIX;
    while value >= 128 {
        out.push(byte(value % 128 + 128));
        value /= 128;
    }
    out.push(byte(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_were_written() {
        let bytes = frame(kind::DATA, END_STREAM, 5, &[7; 300]);
        assert_eq!(Head::parse(&bytes), Some(Head { length: 300, kind: kind::DATA, flags: END_STREAM, stream: 5 }));
        assert_eq!(Head::parse(&bytes[..8]), None);
    }

    #[test]
    fn long_strings_have_long_lengths() {
        let mut out = Vec::new();
        integer(126, &mut out);
        integer(127, &mut out);
        integer(1_337, &mut out);
        assert_eq!(out, [126, 127, 0, 127, 0xba, 0x09]);
    }
}
