//! A request as it was submitted, and as hyper wants it. The bytes were checked by the caller; they are checked again
//! here, because these are the bytes that are sent.
//!
//! Promise: a request can be built any number of times from one submission (a repeat builds it again).

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, MethodClass, Priority};
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Request, Uri, Version};

use crate::body::RequestBody;
use crate::error::{Code, Failure, Phase};
use crate::sink::{PoolId, RequestId};
use crate::timeouts::Timeouts;
use crate::upload::Upload;

/// Fields that are never a trailer, either way, besides those of framing: they say how to read what came before.
/// Source: RFC 9110, 6.5.1, and what hyper does not send.
const NOT_TRAILERS: [HeaderName; 11] = {
    use http::header as h;
    [
        h::HOST,
        h::SET_COOKIE,
        h::TE,
        h::TRAILER,
        h::AUTHORIZATION,
        h::CACHE_CONTROL,
        h::CONTENT_ENCODING,
        h::CONTENT_RANGE,
        h::CONTENT_TYPE,
        h::MAX_FORWARDS,
        h::COOKIE,
    ]
};

/// Longest method, in bytes. Source: row R07 of the hostile upstreams.
const MAX_METHOD: usize = 64;

/// The body of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Content {
    /// There is none.
    #[default]
    None,
    /// It is in memory.
    Whole(Bytes),
    /// It comes through `Driver::body`; `None`: nobody knows how long it is.
    Stream(Option<u64>),
}

/// What a request is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Aim {
    /// A response.
    #[default]
    Exchange,
    /// CONNECT: a tunnel to the authority that stands in place of the path.
    Connect,
    /// A tunnel in the protocol that the first field, `upgrade`, names.
    Upgrade,
}

/// What a caller submits.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Chosen by the caller, dense, unique while the request is open.
    pub id: RequestId,
    /// Which pool it is for.
    pub pool: PoolId,
    /// Method, a token.
    pub method: Bytes,
    /// Path and query in origin form, or `*`.
    pub path: Bytes,
    /// `name NUL value NUL` for each field; a `host` only in the first place, after the `upgrade` of an upgrade.
    pub fields: Bytes,
    /// The body. Of a tunnel `Stream(None)`: what goes into it.
    pub body: Content,
    /// What for.
    pub aim: Aim,
    /// Whether the body waits for 100.
    pub expect: bool,
    /// Whether heads of 1xx are wanted.
    pub informational: bool,
    /// Whose limits it counts against.
    pub priority: Priority,
    /// Whether it may be sent again although the upstream may have acted on it.
    pub idempotent: bool,
    /// Bytes of response body that may be delivered before more is granted.
    pub credit: u32,
    /// In place of the pool's.
    pub timeouts: Option<Box<Timeouts>>,
    /// Not the first try of its caller's request: it needs a ticket of the core's, and waits for so long.
    pub retry: Option<Duration>,
}

impl Submission {
    /// What its method promises (RFC 9110, section 9.2), or its caller.
    #[must_use]
    pub fn method_class(&self) -> MethodClass {
        match (self.idempotent, &*self.method) {
            (true, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE") => MethodClass::Safe,
            (true, _) => MethodClass::Idempotent,
            (false, _) => MethodClass::Other,
        }
    }

    /// Method, path and fields, checked; the same for every protocol. Framing, `host` and what belongs to a connection are
    /// not in it, but for what the caller gave.
    ///
    /// # Errors
    /// `FB_INVALID_REQUEST` that names the part, never its value.
    pub fn head(&self) -> Result<Request<()>, Failure> {
        let method = Method::from_bytes(&self.method).map_err(|_| invalid("method"))?;
        // A tunnel is not a request.
        if self.method.len() > MAX_METHOD || (method == Method::CONNECT) != (self.aim == Aim::Connect) {
            return Err(invalid("method"));
        }
        let uri = Uri::from_maybe_shared(self.path.clone()).map_err(|_| invalid("path"))?;
        let sound = match self.aim {
            Aim::Connect => uri.scheme().is_none() && uri.port_u16().is_some_and(|p| p > 0) && is_authority(&self.path),
            Aim::Exchange | Aim::Upgrade => uri.authority().is_none(),
        };
        if !sound || self.path.iter().any(|b| !(0x21..=0x7e).contains(b) || *b == b'#') {
            return Err(invalid("path"));
        }
        let mut fields = HeaderMap::with_capacity(8);
        self.read_fields(&mut fields)?;
        let mut head = Request::new(());
        *head.method_mut() = method;
        *head.uri_mut() = uri;
        *head.version_mut() = Version::HTTP_11;
        *head.headers_mut() = fields;
        Ok(head)
    }

    /// The message for an HTTP/1.1 connection to `authority`, from a sound head and what is produced of the body.
    pub(crate) fn to_h1(
        &self,
        head: Request<()>,
        upload: Option<&Rc<Upload>>,
        authority: &HeaderValue,
    ) -> Request<RequestBody> {
        let (mut parts, ()) = head.into_parts();
        let fields = &mut parts.headers;
        if !fields.contains_key(HOST) {
            let target = || HeaderValue::from_maybe_shared(self.path.clone()).unwrap_or_else(|_| authority.clone());
            fields.insert(HOST, if self.aim == Aim::Connect { target() } else { authority.clone() });
        }
        if self.aim == Aim::Upgrade {
            fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        let body = match (&self.body, upload) {
            _ if self.aim != Aim::Exchange => RequestBody::None,
            (Content::Whole(_) | Content::Stream(_), Some(upload)) => {
                RequestBody::Stream { upload: upload.clone(), named: named_trailers(fields) }
            }
            (Content::Whole(bytes), None) => RequestBody::whole(bytes.clone()),
            (Content::None | Content::Stream(_), _) => RequestBody::None,
        };
        match &body {
            // hyper writes the length of a body that it has; a method that expects one gets its zero here (RFC 9110, 8.6).
            RequestBody::None if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) => {
                fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            RequestBody::Stream { upload, .. } if upload.length() == Some(0) => {
                fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            // hyper would send no body with GET.
            RequestBody::Stream { upload, .. } if upload.length().is_none() => {
                fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            RequestBody::None | RequestBody::Whole { .. } | RequestBody::Stream { .. } => {}
        }
        if self.expects() {
            fields.insert(EXPECT, HeaderValue::from_static("100-continue"));
        }
        Request::from_parts(parts, body)
    }

    /// Whether its body waits for 100.
    pub(crate) fn expects(&self) -> bool {
        self.expect && self.aim == Aim::Exchange && matches!(&self.body, Content::Whole(_) | Content::Stream(_))
    }

    fn read_fields(&self, into: &mut HeaderMap) -> Result<(), Failure> {
        let mut at = 0;
        let wants_upgrade = self.aim == Aim::Upgrade;
        while at < self.fields.len() {
            let name = self.until_nul(at)?;
            let value = self.until_nul(at + name.len() + 1)?;
            at += name.len() + value.len() + 2;
            let name = HeaderName::from_bytes(&name).map_err(|_| invalid("headers"))?;
            let upgrades = wants_upgrade && into.is_empty();
            if is_ours(&name) && !(upgrades && name == UPGRADE) {
                return Err(invalid("headers"));
            }
            let sound = match name {
                HOST => into.len() == usize::from(wants_upgrade) && is_authority(&value),
                TE => value.eq_ignore_ascii_case(b"trailers"),
                UPGRADE => is_protocol(&value),
                _ => !upgrades,
            };
            if !sound {
                return Err(invalid("headers"));
            }
            let value = HeaderValue::from_maybe_shared(value).map_err(|_| invalid("headers"))?;
            into.try_append(name, value).map_err(|_| invalid("headers"))?;
        }
        if wants_upgrade && into.is_empty() {
            return Err(invalid("headers"));
        }
        Ok(())
    }

    fn until_nul(&self, from: usize) -> Result<Bytes, Failure> {
        let rest = self.fields.get(from..).ok_or_else(|| invalid("headers"))?;
        let length = rest.iter().position(|b| *b == 0).ok_or_else(|| invalid("headers"))?;
        Ok(self.fields.slice(from..from + length))
    }
}

/// Whether a `Host` can be this: what would end the name, or hide another before it, is not in it (rows R10 and R12).
fn is_authority(value: &[u8]) -> bool {
    let sound = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]".contains(b);
    !value.is_empty() && value.iter().all(sound)
}

/// Whether an upgrade can ask for this: one protocol, with a version or without.
fn is_protocol(value: &[u8]) -> bool {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(b);
    !value.is_empty() && value.iter().all(token)
}

/// Trailers as a caller gives them, `name NUL value NUL` for each.
pub(crate) fn trailers(bytes: &[u8]) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    let mut parts = bytes.strip_suffix(b"\0")?.split(|b| *b == 0);
    while let Some(name) = parts.next() {
        let name = HeaderName::from_bytes(name).ok().filter(is_trailer)?;
        let value = HeaderValue::from_bytes(parts.next()?).ok()?;
        fields.try_append(name, value).ok()?;
    }
    Some(fields)
}

/// What the fields `trailer` say that will follow.
fn named_trailers(fields: &HeaderMap) -> Vec<HeaderName> {
    let names = fields.get_all(TRAILER).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

/// Whether a trailer can have this name.
pub(crate) fn is_trailer(name: &HeaderName) -> bool {
    !is_ours(name) && !NOT_TRAILERS.contains(name)
}

/// Framing and hop-by-hop fields: never the caller's (rows R13 and R17).
fn is_ours(name: &HeaderName) -> bool {
    [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE, EXPECT].contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

fn invalid(field: &str) -> Failure {
    Failure::new(Code::InvalidRequest, Phase::Admit, Class::Never, field)
}

#[cfg(test)]
mod tests;
