//! Requests, written (RFC 9114, section 4.1): a head, DATA, trailers.
//!
//! ```text
//!   HEADERS(head)  { DATA(part) }  [ HEADERS(trailers) ]  FIN
//! ```
//!
//! Promise: what the peer has said that it will not take is refused before a byte is written. Method, path, names and values are
//! the caller's to check (`HeaderMap` holds no bad ones); here only what HTTP/3 itself forbids. Not here: the bytes of a body, before
//! each part of which goes a [`crate::DataHead`].

use bytes::{BufMut, BytesMut};
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE, TE};

use crate::fields::is_of_connection;
use crate::qpack::{self, FIELD_OVERHEAD};
use crate::{frame, varint};

/// What stands before the fields of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target<'a> {
    /// A request.
    Request {
        /// `https`, or `http`.
        scheme: &'a str,
        /// Host and port.
        authority: &'a str,
        /// Path and query, or `*`; never empty.
        path: &'a str,
    },
    /// CONNECT: a tunnel (section 4.4).
    Connect {
        /// Where it leads: host and port.
        authority: &'a str,
    },
    /// Extended CONNECT: a tunnel in a protocol (RFC 9220), which the peer must have allowed.
    Protocol {
        /// The protocol.
        protocol: &'a str,
        /// As of a request.
        scheme: &'a str,
        /// As of a request.
        authority: &'a str,
        /// As of a request.
        path: &'a str,
    },
}

/// Why a head or trailers cannot be sent. Nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsendable {
    /// The peer's `MAX_FIELD_SECTION_SIZE` is smaller.
    #[error("{size} bytes of fields, and the peer takes {max}")]
    TooLarge {
        /// As RFC 9114, section 4.2.2 counts, in bytes.
        size: u64,
        /// The peer's bound, counted so too.
        max: u64,
    },
    /// A field of the connection, or `host`, which `:authority` says.
    #[error("a field that HTTP/3 does not have")]
    Field,
}

/// Appends a HEADERS frame with the head of a request. `method` is `CONNECT` where the target says so. `max`: the peer's
/// `MAX_FIELD_SECTION_SIZE`, `None` before it is known or where it has none.
///
/// # Errors
/// [`Unsendable`]; `out` is as it was.
pub fn encode_head(
    method: &str,
    target: Target<'_>,
    fields: &HeaderMap,
    max: Option<u64>,
    out: &mut BytesMut,
) -> Result<(), Unsendable> {
    // Pseudo-fields come first (section 4.3).
    let pseudo = match target {
        Target::Request { scheme, authority, path } => {
            [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path), ("", "")]
        }
        Target::Connect { authority } => {
            [(":method", "CONNECT"), (":authority", authority), ("", ""), ("", ""), ("", "")]
        }
        Target::Protocol { protocol, scheme, authority, path } => [
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", scheme),
            (":authority", authority),
            (":path", path),
        ],
    };
    headers(&pseudo, fields, max, out)
}

/// Appends a HEADERS frame with trailers; `max` as for the head.
///
/// # Errors
/// [`Unsendable`]; `out` is as it was.
pub fn encode_trailers(fields: &HeaderMap, max: Option<u64>, out: &mut BytesMut) -> Result<(), Unsendable> {
    headers(&[], fields, max, out)
}

fn headers(
    pseudo: &[(&str, &str)],
    fields: &HeaderMap,
    max: Option<u64>,
    out: &mut BytesMut,
) -> Result<(), Unsendable> {
    let pseudo = pseudo.iter().filter(|(name, _)| !name.is_empty());
    let mut size: usize = pseudo.clone().map(|(name, value)| name.len() + value.len() + FIELD_OVERHEAD).sum();
    for (name, value) in fields {
        if is_of_connection(name) || *name == HOST || (*name == TE && value != "trailers") {
            return Err(Unsendable::Field);
        }
        size += name.as_str().len() + value.len() + FIELD_OVERHEAD;
    }
    if let Some(max) = max.filter(|max| size as u64 > *max) {
        return Err(Unsendable::TooLarge { size: size as u64, max });
    }
    // A section is no longer than it counts, so there is room for its length before it is known; it need not be as short as it could.
    let wide = size >= 1 << 14;
    out.reserve(16 + size);
    varint::put(out, frame::HEADERS);
    let at = out.len();
    if wide {
        out.put_u64(0);
    } else {
        out.put_u16(0);
    }
    let start = out.len();
    qpack::begin(out);
    for (name, value) in pseudo {
        qpack::field(out, name, value.as_bytes(), false);
    }
    for (name, value) in fields {
        qpack::field(out, name.as_str(), value.as_bytes(), value.is_sensitive() || is_secret(name));
    }
    let len = out.len() - start;
    if wide {
        out[at..start].copy_from_slice(&(len as u64 | 0xc000_0000_0000_0000).to_be_bytes());
    } else {
        debug_assert!(len < 1 << 14, "a section is no longer than it counts");
        out[at..start].copy_from_slice(&u16::try_from(len | 0x4000).unwrap_or(u16::MAX).to_be_bytes());
    }
    Ok(())
}

/// Whether no hop may keep its value (RFC 9204, section 7.1.3; row R21 of the hostile upstreams).
fn is_secret(name: &HeaderName) -> bool {
    *name == AUTHORIZATION || *name == COOKIE || *name == SET_COOKIE || *name == PROXY_AUTHORIZATION
}
