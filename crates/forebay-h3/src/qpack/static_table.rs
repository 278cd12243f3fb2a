//! The static table of QPACK (RFC 9204, appendix A), and the way from a name to its entries.
//!
//! Promise: looking a name up costs one hash of its length and three of its bytes, and one comparison or two.

use http::{HeaderName, HeaderValue};

/// One entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    /// The same as a field; `None` for a pseudo-field.
    pub(crate) field: Option<(HeaderName, HeaderValue)>,
}

const fn entry(name: &'static str, value: &'static str) -> Entry {
    if name.as_bytes()[0] == b':' {
        return Entry { name, value, field: None };
    }
    Entry { name, value, field: Some((HeaderName::from_static(name), HeaderValue::from_static(value))) }
}

macro_rules! table {
    ($($name:literal $value:literal,)+) => {
        /// The entries, by index.
        static TABLE: [Entry; LEN] = [$(entry($name, $value)),+];

        const NAMES: [&str; LEN] = [$($name),+];
    };
}

/// How many entries there are.
const LEN: usize = 99;

/// Slots of the hash table; 52 names take less than half of them.
const SLOTS: usize = 128;

/// No entry.
const NONE: u8 = u8::MAX;

/// The first entry of each name, in the slot of its hash or the next that is free.
static FIRST: [u8; SLOTS] = first();

/// The next entry of the same name.
static NEXT: [u8; LEN] = next();

/// What the table has for a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    Nothing,
    /// An entry of this name.
    Name(u8),
    /// An entry of this name and value.
    Field(u8),
}

/// The entry with an index from the wire.
pub(crate) fn get(index: u64) -> Option<&'static Entry> {
    TABLE.get(usize::try_from(index).ok()?)
}

/// The best entry for a field.
pub(crate) fn find(name: &str, value: &[u8]) -> Found {
    let mut slot = hash(name.as_bytes());
    let first = loop {
        match FIRST[slot] {
            NONE => return Found::Nothing,
            index if TABLE[usize::from(index)].name == name => break index,
            _ => slot = (slot + 1) % SLOTS,
        }
    };
    let mut index = first;
    while index != NONE {
        if TABLE[usize::from(index)].value.as_bytes() == value {
            return Found::Field(index);
        }
        index = NEXT[usize::from(index)];
    }
    Found::Name(first)
}

const fn hash(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let (first, middle, last) = (name[0] as usize, name[name.len() / 2] as usize, name[name.len() - 1] as usize);
    (name.len() * 7 + first * 31 + middle * 5 + last * 3) % SLOTS
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// The first entry after `from` with the name of `index`.
#[expect(clippy::cast_possible_truncation, reason = "99 entries")]
const fn after(from: usize, index: usize) -> u8 {
    let mut at = from;
    while at < LEN {
        if same(NAMES[at], NAMES[index]) {
            return at as u8;
        }
        at += 1;
    }
    NONE
}

const fn next() -> [u8; LEN] {
    let mut out = [NONE; LEN];
    let mut index = 0;
    while index < LEN {
        out[index] = after(index + 1, index);
        index += 1;
    }
    out
}

const fn first() -> [u8; SLOTS] {
    let mut out = [NONE; SLOTS];
    let mut index = 0;
    while index < LEN {
        if after(0, index) as usize == index {
            let mut slot = hash(NAMES[index].as_bytes());
            while out[slot] != NONE {
                slot = (slot + 1) % SLOTS;
            }
            out[slot] = after(0, index);
        }
        index += 1;
    }
    out
}

table! {
    ":authority" "",
    ":path" "/",
    "age" "0",
    "content-disposition" "",
    "content-length" "0",
    "cookie" "",
    "date" "",
    "etag" "",
    "if-modified-since" "",
    "if-none-match" "",
    "last-modified" "",
    "link" "",
    "location" "",
    "referer" "",
    "set-cookie" "",
    ":method" "CONNECT",
    ":method" "DELETE",
    ":method" "GET",
    ":method" "HEAD",
    ":method" "OPTIONS",
    ":method" "POST",
    ":method" "PUT",
    ":scheme" "http",
    ":scheme" "https",
    ":status" "103",
    ":status" "200",
    ":status" "304",
    ":status" "404",
    ":status" "503",
    "accept" "*/*",
    "accept" "application/dns-message",
    "accept-encoding" "gzip, deflate, br",
    "accept-ranges" "bytes",
    "access-control-allow-headers" "cache-control",
    "access-control-allow-headers" "content-type",
    "access-control-allow-origin" "*",
    "cache-control" "max-age=0",
    "cache-control" "max-age=2592000",
    "cache-control" "max-age=604800",
    "cache-control" "no-cache",
    "cache-control" "no-store",
    "cache-control" "public, max-age=31536000",
    "content-encoding" "br",
    "content-encoding" "gzip",
    "content-type" "application/dns-message",
    "content-type" "application/javascript",
    "content-type" "application/json",
    "content-type" "application/x-www-form-urlencoded",
    "content-type" "image/gif",
    "content-type" "image/jpeg",
    "content-type" "image/png",
    "content-type" "text/css",
    "content-type" "text/html; charset=utf-8",
    "content-type" "text/plain",
    "content-type" "text/plain;charset=utf-8",
    "range" "bytes=0-",
    "strict-transport-security" "max-age=31536000",
    "strict-transport-security" "max-age=31536000; includesubdomains",
    "strict-transport-security" "max-age=31536000; includesubdomains; preload",
    "vary" "accept-encoding",
    "vary" "origin",
    "x-content-type-options" "nosniff",
    "x-xss-protection" "1; mode=block",
    ":status" "100",
    ":status" "204",
    ":status" "206",
    ":status" "302",
    ":status" "400",
    ":status" "403",
    ":status" "421",
    ":status" "425",
    ":status" "500",
    "accept-language" "",
    "access-control-allow-credentials" "FALSE",
    "access-control-allow-credentials" "TRUE",
    "access-control-allow-headers" "*",
    "access-control-allow-methods" "get",
    "access-control-allow-methods" "get, post, options",
    "access-control-allow-methods" "options",
    "access-control-expose-headers" "content-length",
    "access-control-request-headers" "content-type",
    "access-control-request-method" "get",
    "access-control-request-method" "post",
    "alt-svc" "clear",
    "authorization" "",
    "content-security-policy" "script-src 'none'; object-src 'none'; base-uri 'none'",
    "early-data" "1",
    "expect-ct" "",
    "forwarded" "",
    "if-range" "",
    "origin" "",
    "purpose" "prefetch",
    "server" "",
    "timing-allow-origin" "*",
    "upgrade-insecure-requests" "1",
    "user-agent" "",
    "x-forwarded-for" "",
    "x-frame-options" "deny",
    "x-frame-options" "sameorigin",
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_entry_is_found_under_its_name_and_value() {
        for (index, entry) in TABLE.iter().enumerate() {
            let index = u8::try_from(index).unwrap();
            assert_eq!(find(entry.name, entry.value.as_bytes()), Found::Field(index));
            assert!(matches!(find(entry.name, b"no such value"), Found::Name(first) if first <= index));
            let field = entry.field.as_ref().map(|(name, value)| (name.as_str(), value.as_bytes()));
            assert_eq!(field, (!entry.name.starts_with(':')).then_some((entry.name, entry.value.as_bytes())));
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_not_found() {
        for name in ["", "a", "x-request-id", "contenT-length", "content-lengthy", "host"] {
            assert_eq!(find(name, b""), Found::Nothing);
        }
    }

    #[test]
    fn the_table_ends_where_the_rfc_says() {
        assert_eq!((get(98).unwrap().name, get(98).unwrap().value), ("x-frame-options", "sameorigin"));
        assert!(get(99).is_none());
        assert!(get(u64::MAX).is_none());
    }

    #[test]
    fn a_name_with_many_values_begins_with_its_first() {
        assert_eq!(find(":status", b"299"), Found::Name(24));
        assert_eq!(find(":status", b"500"), Found::Field(71));
        assert_eq!(find("access-control-allow-headers", b"*"), Found::Field(75));
    }
}
