//! A request as HTTP/2 and HTTP/3 want it: `:authority` and `:scheme` instead of `Host`, `:protocol` instead of `Upgrade`.
//! Used by `h2` and `h3`. Not here: how it is written.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version};

use crate::exchange::Exchange;
use crate::request::{Aim, Content};
use crate::timeouts::OnWire;

use crate::outgoing::{Outgoing, Source};

/// What one try sends, and what it is to watch.
pub(crate) struct Message {
    pub(crate) head: Request<()>,
    /// `:protocol` of an extended CONNECT.
    pub(crate) protocol: Option<HeaderValue>,
    pub(crate) upload: Option<Outgoing>,
    pub(crate) aim: Aim,
    /// The body waits for 100.
    pub(crate) expects: bool,
    /// Heads of 1xx are wanted.
    pub(crate) informational: bool,
    pub(crate) limits: OnWire,
}

/// The message of a sound head; `None` if its authority cannot be one.
pub(crate) fn message(head: Request<()>, exchange: &Exchange, version: Version, secure: bool) -> Option<Message> {
    let (submission, config) = (&exchange.submission, &exchange.pool.config);
    let (mut parts, ()) = head.into_parts();
    let host = parts.headers.remove(HOST);
    let mut uri = parts.uri.into_parts();
    if submission.aim == Aim::Connect {
        parts.method = Method::CONNECT;
        uri.path_and_query = None;
    } else {
        let host = host.as_ref().unwrap_or(&config.authority);
        uri.authority = Some(Authority::from_maybe_shared(Bytes::copy_from_slice(host.as_bytes())).ok()?);
        uri.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
        uri.path_and_query = uri.path_and_query.or(Some(PathAndQuery::from_static("/")));
    }
    let mut asked = None;
    if submission.aim == Aim::Upgrade {
        let protocol = parts.headers.remove(UPGRADE)?;
        asked = Some(protocol);
        parts.method = Method::CONNECT;
    }
    parts.uri = Uri::from_parts(uri).ok()?;
    parts.version = version;
    let (source, announced) = match (&submission.body, &exchange.upload) {
        (_, Some(upload)) => (Some(Source::Produced(upload.clone())), upload.length()),
        (Content::Whole(bytes), None) => (Some(Source::Whole(bytes.clone())), Some(bytes.len() as u64)),
        // A method that expects a body says that there is none (RFC 9110, 8.6).
        (Content::None | Content::Stream(_), None) => {
            (None, matches!(parts.method, Method::POST | Method::PUT | Method::PATCH).then_some(0))
        }
    };
    if let Some(length) = announced.filter(|_| submission.aim == Aim::Exchange) {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let expects = submission.expects();
    if expects {
        parts.headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    // One of no bytes ends with its head.
    let upload = source.filter(|_| announced != Some(0)).map(Outgoing::new);
    Some(Message {
        head: Request::from_parts(parts, ()),
        protocol: asked,
        upload,
        aim: submission.aim,
        expects,
        informational: submission.informational,
        limits: OnWire::of(submission.timeouts.as_deref(), config),
    })
}
