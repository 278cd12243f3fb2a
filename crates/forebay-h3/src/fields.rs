//! Fields of messages (RFC 9114, sections 4.2 and 4.3; RFC 9110, section 5): what a section of a response may hold, and how much.
//!
//! Promise: bytes and fields are counted while they are decoded, so a short section cannot become a long one. What the RFCs forbid is
//! refused, not repaired. Used by `response`; the rule on fields of a connection also by `request`.

use http::header::{CONNECTION, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::error::Error;
use crate::qpack::{FIELD_OVERHEAD, Line, Lines};

/// How large one section may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// In bytes: names, values and 32 for each field, pseudo-fields too (RFC 9114, section 4.2.2).
    pub bytes: usize,
    /// In fields; pseudo-fields do not count.
    pub fields: usize,
}

/// A section that is sound.
#[derive(Debug)]
pub(crate) struct Section {
    /// `:status`; of trailers `None`.
    pub(crate) status: Option<StatusCode>,
    pub(crate) fields: HeaderMap,
    /// As [`Bounds::bytes`] counts.
    pub(crate) size: usize,
}

/// Whether a section begins a message or ends it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Head,
    Trailers,
}

/// Fields for which a map has room at first. A guess: most heads have fewer.
const ROOM: usize = 12;

/// Decodes and checks `coded`.
pub(crate) fn section(coded: &[u8], place: Place, bounds: Bounds) -> Result<Section, Error> {
    let mut lines = Lines::new(coded)?;
    let mut section = Section { status: None, fields: HeaderMap::with_capacity(ROOM.min(coded.len())), size: 0 };
    while let Some(line) = lines.next(bounds.bytes - section.size)? {
        let (name, value) = match line {
            Line::Indexed(entry) => {
                section.size += entry.name.len() + entry.value.len() + FIELD_OVERHEAD;
                let Some((name, value)) = &entry.field else {
                    section.pseudo(entry.name.as_bytes(), entry.value.as_bytes(), place)?;
                    continue;
                };
                (name.clone(), value.clone())
            }
            Line::Named { name: entry, value, never_indexed } => {
                section.size += entry.name.len() + value.len() + FIELD_OVERHEAD;
                let Some((name, _)) = &entry.field else {
                    section.pseudo(entry.name.as_bytes(), &value, place)?;
                    continue;
                };
                (name.clone(), sound(value, never_indexed)?)
            }
            Line::Literal { name, value, never_indexed } => {
                section.size += name.len() + value.len() + FIELD_OVERHEAD;
                if name.starts_with(b":") {
                    section.pseudo(name, &value, place)?;
                    continue;
                }
                // Upper case is refused too.
                let name = HeaderName::from_lowercase(name).map_err(|_| Error::malformed("a name that is none"))?;
                if is_of_connection(&name) || name == TE {
                    return Err(Error::malformed("a field of the connection, which HTTP/3 does not have"));
                }
                (name, sound(value, never_indexed)?)
            }
        };
        section.push(name, value, bounds)?;
    }
    if place == Place::Head && section.status.is_none() {
        return Err(Error::malformed("a response without :status"));
    }
    Ok(section)
}

impl Section {
    fn pseudo(&mut self, name: &[u8], value: &[u8], place: Place) -> Result<(), Error> {
        if place == Place::Trailers {
            return Err(Error::malformed("a pseudo-field in trailers"));
        }
        if name != b":status" {
            return Err(Error::malformed("a pseudo-field that responses do not have"));
        }
        if !self.fields.is_empty() {
            return Err(Error::malformed("a pseudo-field after a field"));
        }
        let status = StatusCode::from_bytes(value).map_err(|_| Error::malformed(":status is no status"))?;
        if self.status.replace(status).is_some() {
            return Err(Error::malformed(":status is there twice"));
        }
        Ok(())
    }

    fn push(&mut self, name: HeaderName, value: HeaderValue, bounds: Bounds) -> Result<(), Error> {
        if self.fields.len() >= bounds.fields || self.fields.try_append(name, value).is_err() {
            return Err(Error::too_large("the head or the trailers have more fields than the limit"));
        }
        Ok(())
    }
}

/// A value without NUL, line ends, other controls, or space around it.
fn sound(value: bytes::Bytes, never_indexed: bool) -> Result<HeaderValue, Error> {
    let outer = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if outer(value.first()) || outer(value.last()) {
        return Err(Error::malformed("a value begins or ends with space"));
    }
    let mut value =
        HeaderValue::from_maybe_shared(value).map_err(|_| Error::malformed("a value that no field can have"))?;
    value.set_sensitive(never_indexed);
    Ok(value)
}

/// Whether HTTP/3 says it in another way, or not at all (section 4.2). `TE` may say `trailers`, in requests.
pub(crate) fn is_of_connection(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}
