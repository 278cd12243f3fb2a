//! HTTP/3 frames as bytes, right or wrong: what scripts send. Field sections are literals without Huffman and without any table, so
//! that a test can read them.
//!
//! Used by tests and by `quic::parse`. Not here: when they are sent (`quic`); reading.

/// Frame types.
#[expect(missing_docs, reason = "named as in RFC 9114 section 7.2")]
pub mod kind {
    pub const DATA: u64 = 0;
    pub const HEADERS: u64 = 1;
    pub const CANCEL_PUSH: u64 = 3;
    pub const SETTINGS: u64 = 4;
    pub const PUSH_PROMISE: u64 = 5;
    pub const GOAWAY: u64 = 7;
    pub const MAX_PUSH_ID: u64 = 13;
    /// Reserved, to be ignored.
    pub const GREASE: u64 = 0x21;
}

/// Types of unidirectional streams.
#[expect(missing_docs, reason = "named as in RFC 9114 section 6.2 and RFC 9204 section 4.2")]
pub mod stream {
    pub const CONTROL: u64 = 0;
    pub const PUSH: u64 = 1;
    pub const QPACK_ENCODER: u64 = 2;
    pub const QPACK_DECODER: u64 = 3;
    /// Reserved, to be ignored.
    pub const GREASE: u64 = 0x21;
}

/// Settings.
#[expect(missing_docs, reason = "named as in RFC 9114 section 7.2.4.1 and RFC 9204 section 5")]
pub mod setting {
    pub const QPACK_MAX_TABLE_CAPACITY: u64 = 1;
    pub const MAX_FIELD_SECTION_SIZE: u64 = 6;
    pub const QPACK_BLOCKED_STREAMS: u64 = 7;
}

/// Error codes.
#[expect(missing_docs, reason = "named as in RFC 9114 section 8.1 and RFC 9204 section 6")]
pub mod code {
    pub const NO_ERROR: u64 = 0x100;
    pub const GENERAL_PROTOCOL_ERROR: u64 = 0x101;
    pub const INTERNAL_ERROR: u64 = 0x102;
    pub const STREAM_CREATION_ERROR: u64 = 0x103;
    pub const CLOSED_CRITICAL_STREAM: u64 = 0x104;
    pub const FRAME_UNEXPECTED: u64 = 0x105;
    pub const FRAME_ERROR: u64 = 0x106;
    pub const EXCESSIVE_LOAD: u64 = 0x107;
    pub const ID_ERROR: u64 = 0x108;
    pub const SETTINGS_ERROR: u64 = 0x109;
    pub const MISSING_SETTINGS: u64 = 0x10a;
    pub const REQUEST_REJECTED: u64 = 0x10b;
    pub const REQUEST_CANCELLED: u64 = 0x10c;
    pub const REQUEST_INCOMPLETE: u64 = 0x10d;
    pub const MESSAGE_ERROR: u64 = 0x10e;
    pub const VERSION_FALLBACK: u64 = 0x110;
    pub const QPACK_DECOMPRESSION_FAILED: u64 = 0x200;
    pub const QPACK_ENCODER_STREAM_ERROR: u64 = 0x201;
    pub const QPACK_DECODER_STREAM_ERROR: u64 = 0x202;
}

/// The largest number of the wire, 2^62 - 1.
pub const MAX: u64 = (1 << 62) - 1;

/// The id of a GOAWAY that is only a notice: the largest of a request.
pub const ALL_REQUESTS: u64 = MAX - 3;

/// A number (RFC 9000 section 16), as short as can be; those past `MAX` become `MAX`.
#[must_use]
pub fn varint(number: u64) -> Vec<u8> {
    let number = number.min(MAX);
    let (length, mark) = match number {
        0..=0x3f => (1, 0),
        0x40..=0x3fff => (2, 0x40),
        0x4000..=0x3fff_ffff => (4, 0x80),
        _ => (8, 0xc0),
    };
    let mut bytes = number.to_be_bytes()[8 - length..].to_vec();
    bytes[0] |= mark;
    bytes
}

/// Any frame.
#[must_use]
pub fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    frame_saying(payload.len() as u64, kind, payload)
}

/// A frame whose head says a length of its own.
#[must_use]
pub fn frame_saying(length: u64, kind: u64, payload: &[u8]) -> Vec<u8> {
    [varint(kind), varint(length), payload.to_vec()].concat()
}

/// SETTINGS with these parameters.
#[must_use]
pub fn settings(pairs: &[(u64, u64)]) -> Vec<u8> {
    let payload: Vec<u8> = pairs.iter().flat_map(|&(id, value)| [varint(id), varint(value)].concat()).collect();
    frame(kind::SETTINGS, &payload)
}

/// The beginning of a control stream: its type and SETTINGS.
#[must_use]
pub fn control(pairs: &[(u64, u64)]) -> Vec<u8> {
    [varint(stream::CONTROL), settings(pairs)].concat()
}

/// GOAWAY.
#[must_use]
pub fn goaway(id: u64) -> Vec<u8> {
    frame(kind::GOAWAY, &varint(id))
}

/// DATA.
#[must_use]
pub fn data(bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, bytes)
}

/// HEADERS.
#[must_use]
pub fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, &section(fields))
}

/// A whole response: status 200 and a body, without its length.
#[must_use]
pub fn response(body: &[u8]) -> Vec<u8> {
    [headers(&[(":status", "200")]), data(body)].concat()
}

/// A field section (RFC 9204 section 4.5): its prefix, then literals with literal names.
#[must_use]
pub fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![0, 0];
    for (name, value) in fields {
        literal(name.as_bytes(), value.as_bytes(), &mut out);
    }
    out
}

/// One field: a literal with a literal name.
pub fn literal(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    integer(0b0010_0000, 3, name.len(), out);
    out.extend_from_slice(name);
    integer(0, 7, value.len(), out);
    out.extend_from_slice(value);
}

/// A number with a prefix of so many bits below `mark` (RFC 7541 section 5.1).
fn integer(mark: u8, bits: u32, mut value: usize, out: &mut Vec<u8>) {
    let prefix = (1_usize << bits) - 1;
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    if value < prefix {
        out.push(mark | byte(value));
        return;
    }
    out.push(mark | byte(prefix));
    value -= prefix;
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
    fn numbers_are_those_of_rfc_9000() {
        assert_eq!(varint(37), [0x25]);
        assert_eq!(varint(15_293), [0x7b, 0xbd]);
        assert_eq!(varint(494_878_333), [0x9d, 0x7f, 0x3e, 0x7d]);
        assert_eq!(varint(151_288_809_941_952_652), [0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]);
        assert_eq!(varint(u64::MAX), [0xff; 8]);
    }

    #[test]
    fn a_section_is_made_of_literals() {
        assert_eq!(section(&[("a", "bc")]), [0, 0, 0x21, b'a', 2, b'b', b'c']);
        // Seven bytes fill the prefix of three bits.
        assert_eq!(section(&[(":status", "200")])[..4], [0, 0, 0x27, 0]);
    }

    #[test]
    fn a_frame_may_say_what_is_not_so() {
        assert_eq!(frame_saying(MAX, kind::HEADERS, b"x"), [&[1][..], &[0xff; 8], b"x"].concat());
        assert_eq!(goaway(8), [7, 1, 8]);
        assert_eq!(control(&[(setting::MAX_FIELD_SECTION_SIZE, 9)]), [0, 4, 2, 6, 9]);
    }
}
