//! A request as it was submitted, and as hyper wants it. The bytes were checked by the caller; they are checked again
//! here, because these are the bytes that are sent.
//!
//! Promise: a request can be built any number of times from one submission (a repeat builds it again).

use bytes::Bytes;
use forebay_core::{MethodClass, Priority};
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri, Version};

use crate::body::RequestBody;
use crate::error::{Code, Failure, Phase};
use crate::sink::{PoolId, RequestId};
use forebay_core::Class;

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
    /// `name NUL value NUL` for each field; a `host` only in the first place.
    pub fields: Bytes,
    /// The whole body, if there is one.
    pub body: Option<Bytes>,
    /// Whose limits it counts against.
    pub priority: Priority,
    /// Whether it may be sent again although the upstream may have acted on it.
    pub idempotent: bool,
    /// Bytes of response body that may be delivered before more is granted.
    pub credit: u32,
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

    /// The request for an HTTP/1.1 connection to `authority`.
    ///
    /// # Errors
    /// `FB_INVALID_REQUEST` that names the part, never its value.
    pub fn to_h1(&self, authority: &HeaderValue) -> Result<Request<RequestBody>, Failure> {
        let method = Method::from_bytes(&self.method).map_err(|_| invalid("method"))?;
        let uri = Uri::from_maybe_shared(self.path.clone()).map_err(|_| invalid("path"))?;
        if uri.authority().is_some() || self.path.iter().any(|b| !(0x21..=0x7e).contains(b) || *b == b'#') {
            return Err(invalid("path"));
        }
        let mut fields = HeaderMap::with_capacity(8);
        self.read_fields(&mut fields)?;
        if !fields.contains_key(HOST) {
            fields.insert(HOST, authority.clone());
        }
        let body = RequestBody::new(self.body.clone());
        // hyper writes the length of a body that it has; a method that expects one gets its zero here (RFC 9110, 8.6).
        if self.body.is_none() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = fields;
        Ok(request)
    }

    fn read_fields(&self, into: &mut HeaderMap) -> Result<(), Failure> {
        let mut at = 0;
        while at < self.fields.len() {
            let name = self.until_nul(at)?;
            let value = self.until_nul(at + name.len() + 1)?;
            at += name.len() + value.len() + 2;
            let name = HeaderName::from_bytes(&name).map_err(|_| invalid("headers"))?;
            if is_ours(&name) {
                return Err(invalid("headers"));
            }
            let value = HeaderValue::from_maybe_shared(value).map_err(|_| invalid("headers"))?;
            into.append(name, value);
        }
        Ok(())
    }

    fn until_nul(&self, from: usize) -> Result<Bytes, Failure> {
        let rest = self.fields.get(from..).ok_or_else(|| invalid("headers"))?;
        let length = rest.iter().position(|b| *b == 0).ok_or_else(|| invalid("headers"))?;
        Ok(self.fields.slice(from..from + length))
    }
}

/// Framing and hop-by-hop fields: never the caller's (rows R13 and R17).
fn is_ours(name: &HeaderName) -> bool {
    use http::header::{CONNECTION, EXPECT, TRANSFER_ENCODING, UPGRADE};
    [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE, EXPECT].contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

fn invalid(field: &str) -> Failure {
    Failure::new(Code::InvalidRequest, Phase::Admit, Class::Never, field)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn submission(method: &'static str, path: &'static str, fields: &'static [u8]) -> Submission {
        Submission {
            id: 0,
            pool: 0,
            method: Bytes::from_static(method.as_bytes()),
            path: Bytes::from_static(path.as_bytes()),
            fields: Bytes::from_static(fields),
            body: None,
            priority: Priority::Default,
            idempotent: true,
            credit: 0,
        }
    }

    fn build(method: &'static str, path: &'static str, fields: &'static [u8]) -> Result<Request<RequestBody>, String> {
        submission(method, path, fields).to_h1(&HeaderValue::from_static("up.test")).map_err(|f| f.text)
    }

    #[test]
    fn fields_arrive_in_order_with_the_pools_host() {
        let request = build("GET", "/a?b=c", b"x-one\x001\0x-two\0\xe4\0").unwrap();
        assert_eq!(request.uri(), "/a?b=c");
        assert_eq!(request.headers()["x-one"], "1");
        assert_eq!(request.headers()["x-two"].as_bytes(), b"\xe4");
        assert_eq!(request.headers()[HOST], "up.test");
    }

    #[test]
    fn an_authority_of_the_callers_replaces_the_pools() {
        assert_eq!(build("GET", "/", b"host\0other.test\0").unwrap().headers()[HOST], "other.test");
    }

    #[test]
    fn a_post_without_a_body_says_so() {
        assert_eq!(build("POST", "/", b"").unwrap().headers()[CONTENT_LENGTH], "0");
        assert!(!build("GET", "/", b"").unwrap().headers().contains_key(CONTENT_LENGTH));
    }

    #[test]
    fn bytes_that_would_change_the_message_are_refused_by_name_of_the_part() {
        for (method, path, fields, part) in [
            ("G T", "/", &b""[..], "method"),
            ("", "/", b"", "method"),
            ("GET", "/a b", b"", "path"),
            ("GET", "/a\r\nx: y", b"", "path"),
            ("GET", "http://other.test/", b"", "path"),
            ("GET", "", b"", "path"),
            ("GET", "/", b"x\0a\r\nb\0", "headers"),
            ("GET", "/", b"x y\0a\0", "headers"),
            ("GET", "/", b"\0a\0", "headers"),
            ("GET", "/", b"x\0unfinished", "headers"),
            ("GET", "/", b"transfer-encoding\0chunked\0", "headers"),
            ("GET", "/", b"content-length\x001\0", "headers"),
        ] {
            assert_eq!(build(method, path, fields).unwrap_err(), part, "{method:?} {path:?} {fields:?}");
        }
    }
}
