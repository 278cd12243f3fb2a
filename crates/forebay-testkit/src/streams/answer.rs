//! What a server of streams answers to one request.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::stats::Shared;
use crate::encoding::to_latin1;
use crate::h1::BODY;
use crate::h1::route::{self, Route};
use crate::json::Json;
use crate::pattern;

/// Body bytes made at once. A guess.
const BLOCK: usize = 16 * 1024;

/// Pause before a reset, so that what stands before it leaves: neither crate writes what it has queued. A guess.
const BEFORE_RESET: Duration = Duration::from_millis(20);

/// A stream whose request head has come.
pub(crate) trait Stream {
    /// Why it ended early.
    type Error;

    /// Sends a 1xx.
    async fn interim(&mut self, head: Response<()>) -> Result<(), Self::Error>;

    /// Sends the head; `last`: nothing follows.
    async fn head(&mut self, head: Response<()>, last: bool) -> Result<(), Self::Error>;

    /// Sends a part of the body, as the peer's window allows.
    async fn data(&mut self, bytes: Bytes) -> Result<(), Self::Error>;

    /// Ends the response.
    async fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), Self::Error>;

    /// Ends both sides with a code.
    fn reset(&mut self, code: u64) -> Self::Error;

    /// Says that the rest of the request is not wanted.
    fn refuse_body(&mut self);

    /// The next part of the request's body.
    async fn read(&mut self) -> Result<Option<Bytes>, Self::Error>;

    /// Its trailers, once its body has ended.
    async fn trailers(&mut self) -> Result<Option<HeaderMap>, Self::Error>;
}

/// A request, and who counts it.
pub(crate) struct Request<'a> {
    pub(crate) head: Parts,
    /// Whether it came in early data.
    pub(crate) early: bool,
    pub(crate) shared: &'a Shared,
}

/// Answers; `Err` if the stream ended early.
pub(crate) async fn answer<S: Stream>(request: Request<'_>, stream: &mut S) -> Result<(), S::Error> {
    let path = request.head.uri.path().to_owned();
    let mut words = path.split('/').skip(1);
    let (name, mut numbers) = (words.next(), words.map(|word| word.parse::<u32>().ok()));
    match (name, numbers.next().flatten()) {
        (Some("reset"), Some(code)) => return Err(stream.reset(u64::from(code))),
        (Some("reset-after"), Some(length)) => {
            stream.head(Response::new(()), false).await?;
            bytes(stream, u64::from(length)).await?;
            tokio::time::sleep(BEFORE_RESET).await;
            return Err(stream.reset(numbers.next().flatten().map_or(0, u64::from)));
        }
        (Some("interim"), Some(count)) => {
            for _ in 0..count {
                let mut interim = Response::new(());
                *interim.status_mut() = StatusCode::EARLY_HINTS;
                interim.headers_mut().insert("link", HeaderValue::from_static("</a>; rel=preload"));
                stream.interim(interim).await?;
            }
        }
        (Some("slow"), Some(length)) => {
            let pause = Duration::from_millis(numbers.next().flatten().map_or(0, u64::from));
            return slow(stream, u64::from(length), pause).await;
        }
        _ => {}
    }
    let (route, delay) = route::parse(&path);
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let too_early = name == Some("too-early") && request.early;
    routed(if too_early { Route::Status(425) } else { route }, request, stream).await
}

async fn routed<S: Stream>(route: Route, request: Request<'_>, stream: &mut S) -> Result<(), S::Error> {
    let head_only = request.head.method == http::Method::HEAD;
    let mut head = Response::new(());
    head.headers_mut().insert("server", HeaderValue::from_static("forebay-testkit"));
    if let Some(alternative) = request.shared.alt_svc() {
        head.headers_mut().insert("alt-svc", alternative);
    }
    match route {
        Route::Bytes(length) => {
            head.headers_mut().insert("content-length", HeaderValue::from(length));
            stream.head(head, head_only).await?;
            if !head_only {
                bytes(stream, length).await?;
                stream.finish(None).await?;
            }
        }
        Route::Early { status, len } => {
            *head.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            head.headers_mut().insert("content-length", HeaderValue::from(len));
            stream.refuse_body();
            stream.head(head, false).await?;
            bytes(stream, len).await?;
            stream.finish(None).await?;
        }
        Route::Chunked { len, trailers, .. } => {
            stream.head(head, head_only).await?;
            if !head_only {
                bytes(stream, len).await?;
                let fields = trailers.then(|| {
                    let mut fields = HeaderMap::new();
                    fields.insert("x-length", HeaderValue::from(len));
                    fields.insert("x-end", HeaderValue::from_static("yes"));
                    fields
                });
                stream.finish(fields).await?;
            }
        }
        Route::Echo => {
            stream.head(head, false).await?;
            while let Some(part) = read(stream, request.shared).await? {
                stream.data(part).await?;
            }
            let trailers = stream.trailers().await?;
            stream.finish(trailers).await?;
        }
        Route::EchoLate => {
            let mut all = Vec::new();
            while let Some(part) = read(stream, request.shared).await? {
                all.extend_from_slice(&part);
            }
            fixed(head, all.into(), head_only, stream).await?;
        }
        Route::Headers { count, len } => {
            let value = HeaderValue::from_str(&"v".repeat(usize::try_from(len).unwrap_or(0)));
            let value = value.unwrap_or(HeaderValue::from_static(""));
            for i in 0..count {
                if let Ok(name) = HeaderName::from_bytes(format!("x-header-{i}").as_bytes()) {
                    head.headers_mut().append(name, value.clone());
                }
            }
            fixed(head, Bytes::from_static(BODY.as_bytes()), head_only, stream).await?;
        }
        Route::Status(status) => {
            *head.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let bodiless = matches!(status, 204 | 304);
            let text = if bodiless { Bytes::new() } else { Bytes::from_static(BODY.as_bytes()) };
            fixed(head, text, bodiless || head_only, stream).await?;
        }
        Route::Inspect => {
            let json = inspect(request, stream).await?;
            head.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
            fixed(head, json.to_string().into(), head_only, stream).await?;
        }
        Route::Bad(usage) => {
            *head.status_mut() = StatusCode::BAD_REQUEST;
            fixed(head, Bytes::from_static(usage.as_bytes()), head_only, stream).await?;
        }
        // What belongs to HTTP/1 alone is the text here.
        _ => fixed(head, Bytes::from_static(BODY.as_bytes()), head_only, stream).await?,
    }
    Ok(())
}

async fn inspect<S: Stream>(request: Request<'_>, stream: &mut S) -> Result<Json, S::Error> {
    let (mut length, mut patterned) = (0, true);
    while let Some(part) = read(stream, request.shared).await? {
        patterned = patterned && pattern::matches(&part, length);
        length += part.len() as u64;
    }
    let trailers = stream.trailers().await?;
    let Parts { method, uri, headers, .. } = request.head;
    Ok(Json::object([
        ("method", method.as_str().into()),
        ("scheme", uri.scheme_str().unwrap_or_default().into()),
        ("authority", uri.authority().map_or("", http::uri::Authority::as_str).into()),
        ("path", uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str).into()),
        ("headers", fields(&headers)),
        ("bodyLength", length.into()),
        ("bodyIsPattern", patterned.into()),
        ("trailers", trailers.map_or(Json::Null, |trailers| fields(&trailers))),
    ]))
}

fn fields(map: &HeaderMap) -> Json {
    let pairs =
        map.iter().map(|(name, value)| Json::from(vec![name.as_str().into(), to_latin1(value.as_bytes()).into()]));
    pairs.collect::<Vec<_>>().into()
}

async fn fixed<S: Stream>(
    mut head: Response<()>,
    body: Bytes,
    head_only: bool,
    stream: &mut S,
) -> Result<(), S::Error> {
    if head.status() != StatusCode::NO_CONTENT {
        head.headers_mut().insert("content-length", HeaderValue::from(body.len()));
    }
    let last = head_only || body.is_empty();
    stream.head(head, last).await?;
    if !last {
        stream.data(body).await?;
        stream.finish(None).await?;
    }
    Ok(())
}

async fn bytes<S: Stream>(stream: &mut S, length: u64) -> Result<(), S::Error> {
    let mut at = 0;
    while at < length {
        let take = usize::try_from(length - at).unwrap_or(BLOCK).min(BLOCK);
        let mut block = Vec::with_capacity(take);
        pattern::extend(&mut block, at, take);
        stream.data(block.into()).await?;
        at += take as u64;
    }
    Ok(())
}

async fn slow<S: Stream>(stream: &mut S, length: u64, pause: Duration) -> Result<(), S::Error> {
    let mut head = Response::new(());
    head.headers_mut().insert("content-length", HeaderValue::from(length));
    stream.head(head, length == 0).await?;
    for at in 0..length {
        tokio::time::sleep(pause).await;
        stream.data(Bytes::copy_from_slice(&[pattern::byte_at(at)])).await?;
    }
    if length > 0 {
        stream.finish(None).await?;
    }
    Ok(())
}

async fn read<S: Stream>(stream: &mut S, shared: &Shared) -> Result<Option<Bytes>, S::Error> {
    let part = stream.read().await?;
    shared.body_received(part.as_ref().map_or(0, |part| part.len() as u64));
    Ok(part)
}
