//! What of a response's head the `h2` crate lets pass and the contract does not.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, StatusCode};

/// What a field costs beside its name and value. Source: RFC 9113 section 6.5.2.
const FIELD: usize = 32;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    TooLarge,
    Malformed(&'static str),
}

/// Bytes and fields within the bounds, values without outer space.
pub(super) fn check(fields: &HeaderMap, max_bytes: usize, max_fields: usize) -> Result<usize, Refused> {
    let mut bytes = 0;
    for (name, value) in fields {
        bytes += name.as_str().len() + value.len() + FIELD;
        if is_padded(value) {
            return Err(Refused::Malformed("a value begins or ends with space"));
        }
    }
    if bytes > max_bytes || fields.len() > max_fields { Err(Refused::TooLarge) } else { Ok(bytes) }
}

fn is_padded(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let outer = |byte: Option<&u8>| byte.is_some_and(|b| matches!(b, b' ' | b'\t'));
    outer(bytes.first()) || outer(bytes.last())
}

/// The length that a head announces: said once, in plain digits, and not where there is no body.
pub(super) fn length(status: StatusCode, fields: &HeaderMap) -> Result<Option<u64>, Refused> {
    let mut said = fields.get_all(CONTENT_LENGTH).iter();
    let Some(value) = said.next() else { return Ok(None) };
    if said.next().is_some() {
        return Err(Refused::Malformed("content-length is there twice"));
    }
    let digits = value.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refused::Malformed("content-length is no plain number"));
    }
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    match length {
        None => Err(Refused::Malformed("content-length is no plain number")),
        Some(length) if length > 0 && (status == StatusCode::NO_CONTENT || status.is_informational()) => {
            Err(Refused::Malformed("a body is announced where there can be none"))
        }
        length => Ok(length),
    }
}
