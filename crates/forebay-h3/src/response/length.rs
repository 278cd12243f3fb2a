//! The length that a head announces (RFC 9110, section 8.6).

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};

use crate::error::Error;

/// Said once, in plain digits, and not where there is no body. Lengths in doubt are errors, twice the same one too.
pub(super) fn announced(status: StatusCode, fields: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut said = fields.get_all(CONTENT_LENGTH).iter();
    let Some(value) = said.next() else { return Ok(None) };
    if said.next().is_some() {
        return Err(Error::malformed("content-length is there twice"));
    }
    let digits = value.as_bytes();
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let length = value.to_str().ok().filter(|_| plain).and_then(|text| text.parse().ok());
    match length {
        None => Err(Error::malformed("content-length is no plain number")),
        Some(1..) if status == StatusCode::NO_CONTENT || status.is_informational() => {
            Err(Error::malformed("a body is announced where there can be none"))
        }
        length => Ok(length),
    }
}
