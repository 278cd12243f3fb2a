//! A request as it was submitted, and as hyper wants it. The bytes were checked by the caller; they are checked again
//! here, because these are the bytes that are sent.
//!
//! Promise: a request can be built any number of times from one submission (a repeat builds it again).

use bytes::Bytes;
use forebay_core::{MethodClass, Priority};
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE};
use http::{HeaderMap, Method, Request, Uri, Version};

use crate::body::RequestBody;
use crate::error::{Code, Failure, Phase};
use crate::sink::{PoolId, RequestId};
use forebay_core::Class;

/// Longest method, in bytes. Source: row R07 of the hostile upstreams.
const MAX_METHOD: usize = 64;

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
        // A tunnel is not a request.
        if self.method.len() > MAX_METHOD || method == Method::CONNECT {
            return Err(invalid("method"));
        }
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
            let sound = match name {
                HOST => into.is_empty() && is_authority(&value),
                TE => value.eq_ignore_ascii_case(b"trailers"),
                _ => true,
            };
            if !sound {
                return Err(invalid("headers"));
            }
            let value = HeaderValue::from_maybe_shared(value).map_err(|_| invalid("headers"))?;
            into.try_append(name, value).map_err(|_| invalid("headers"))?;
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

    /// What is refused names the part, and never shows what was in it.
    fn refused(part: &str, cases: &[(&'static str, &'static str, &'static [u8])]) {
        for (method, path, fields) in cases {
            assert_eq!(build(method, path, fields).unwrap_err(), part, "{method:?} {path:?} {fields:?}");
        }
    }

    #[test]
    fn r01_values_with_line_ends_or_controls_are_refused() {
        refused(
            "headers",
            &[
                ("GET", "/", b"x\0a\r\nb\0"),
                ("GET", "/", b"x\0a\nb\0"),
                ("GET", "/", b"x\0a\rb\0"),
                ("GET", "/", b"x\0a\x7fb\0"),
                ("GET", "/", b"x\0a\0b\0"),
                ("GET", "/", b"x\0unfinished"),
                ("GET", "/", b"x"),
            ],
        );
    }

    #[test]
    fn r03_values_beyond_ascii_are_sent_as_they_are() {
        let request = build("GET", "/", b"x\0\x80\xff\t.\0").unwrap();
        assert_eq!(request.headers()["x"].as_bytes(), b"\x80\xff\t.");
    }

    #[test]
    fn r05_unsound_names_are_refused() {
        refused(
            "headers",
            &[
                ("GET", "/", b"x y\0a\0"),
                ("GET", "/", b"x:\0a\0"),
                ("GET", "/", b":path\0a\0"),
                ("GET", "/", b"x\r\0a\0"),
                ("GET", "/", b"x\n\0a\0"),
                ("GET", "/", b"x\xe4\0a\0"),
                ("GET", "/", b"\0a\0"),
            ],
        );
    }

    #[test]
    fn r07_unsound_methods_are_refused() {
        const LONG: &str = "ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDE";
        for method in ["G T", "", "GET\r\nx: y", "GET\n", LONG, "CONNECT"] {
            refused("method", &[(method, "/", b"")]);
        }
        assert!(build(&LONG[1..], "/", b"").is_ok());
    }

    #[test]
    fn r08_r09_paths_that_are_more_than_a_path_are_refused() {
        for path in [
            "/a b",
            "/a\r\nx: y",
            "/a\tb",
            "/\u{7f}",
            "/\u{e4}",
            "a",
            "",
            "http://other.test/",
            "/a#b",
            "other.test:80",
        ] {
            refused("path", &[("GET", path, b"")]);
        }
    }

    #[test]
    fn r10_r12_a_host_is_one_authority() {
        for fields in [
            &b"host\0a\r\nb\0"[..],
            b"host\0a.test\0host\0b.test\0",
            b"x\0y\0host\0a.test\0",
            b"host\0user@a.test\0",
            b"host\0a.test/b\0",
            b"host\0a.test b\0",
            b"host\0a.test\\b\0",
            b"host\0a%00.test\0",
            b"host\0a\xe3\x80\x82test\0",
            b"host\0\0",
        ] {
            assert_eq!(
                submission("GET", "/", fields).to_h1(&HeaderValue::from_static("u")).unwrap_err().text,
                "headers"
            );
        }
        assert_eq!(build("GET", "/", b"host\0[::1]:80\0").unwrap().headers()[HOST], "[::1]:80");
    }

    #[test]
    fn r13_r14_r17_framing_is_ours() {
        for name in [
            "transfer-encoding\0chunked\0",
            "content-length\x001\0",
            "connection\0close\0",
            "keep-alive\0timeout=5\0",
            "proxy-connection\0close\0",
            "upgrade\0h2c\0",
            "expect\x00100-continue\0",
            "http2-settings\0AAMAAABk\0",
            "te\0gzip\0",
            "Transfer-Encoding\0chunked\0",
        ] {
            refused("headers", &[("GET", "/", name.as_bytes())]);
        }
        assert_eq!(build("GET", "/", b"te\0trailers\0").unwrap().headers()[TE], "trailers");
    }

    #[test]
    fn r19_more_fields_than_a_map_can_hold_are_refused() {
        let fields = (0..40_000).map(|n| format!("x-{n}\0v\0")).collect::<Vec<_>>().concat();
        let submission = Submission { fields: fields.into(), ..submission("GET", "/", b"") };
        assert_eq!(submission.to_h1(&HeaderValue::from_static("u")).unwrap_err().text, "headers");
    }
}
