//! What the HTTP/2 server answers to one request.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

use crate::encoding::to_latin1;
use crate::h1::BODY;
use crate::h1::route::{self, Route};
use crate::json::Json;
use crate::pattern;

/// Body bytes made at once. A guess.
const BLOCK: usize = 16 * 1024;

/// Pause before a reset, so that what stands before it leaves. A guess.
const BEFORE_RESET: Duration = Duration::from_millis(20);

/// Bytes of body that came.
pub(super) type Received<'a> = &'a dyn Fn(u64);

/// Answers; `Err` if the stream ended early.
pub(super) async fn answer(
    request: Request<RecvStream>,
    mut to: SendResponse<Bytes>,
    received: Received<'_>,
) -> Result<(), h2::Error> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut words = path.split('/').skip(1);
    match (words.next(), words.next().map(str::parse::<u32>)) {
        (Some("reset"), Some(Ok(code))) => {
            to.send_reset(Reason::from(code));
            return Err(Reason::from(code).into());
        }
        (Some("reset-after"), Some(Ok(length))) => {
            let code = Reason::from(words.next().and_then(|code| code.parse().ok()).unwrap_or(0));
            let mut out = to.send_response(Response::new(()), false)?;
            bytes(&mut out, u64::from(length)).await?;
            // The crate would drop what it has not written.
            tokio::time::sleep(BEFORE_RESET).await;
            out.send_reset(code);
            return Err(code.into());
        }
        (Some("interim"), Some(Ok(count))) => {
            for _ in 0..count {
                let mut interim = Response::new(());
                *interim.status_mut() = StatusCode::EARLY_HINTS;
                interim.headers_mut().insert("link", HeaderValue::from_static("</a>; rel=preload"));
                to.send_informational(interim)?;
            }
        }
        _ => {}
    }
    let (route, delay) = route::parse(&path);
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    routed(route, parts, body, to, received).await
}

async fn routed(
    route: Route,
    parts: http::request::Parts,
    body: RecvStream,
    mut to: SendResponse<Bytes>,
    received: Received<'_>,
) -> Result<(), h2::Error> {
    let head_only = parts.method == http::Method::HEAD;
    let mut head = Response::new(());
    head.headers_mut().insert("server", HeaderValue::from_static("forebay-testkit"));
    match route {
        Route::Bytes(length) => {
            head.headers_mut().insert("content-length", HeaderValue::from(length));
            let mut out = to.send_response(head, head_only)?;
            if !head_only {
                bytes(&mut out, length).await?;
                out.send_data(Bytes::new(), true)?;
            }
        }
        Route::Chunked { len, trailers, .. } => {
            let mut out = to.send_response(head, head_only)?;
            if !head_only {
                bytes(&mut out, len).await?;
                if trailers {
                    let mut fields = HeaderMap::new();
                    fields.insert("x-length", HeaderValue::from(len));
                    fields.insert("x-end", HeaderValue::from_static("yes"));
                    out.send_trailers(fields)?;
                } else {
                    out.send_data(Bytes::new(), true)?;
                }
            }
        }
        Route::Echo => {
            let mut out = to.send_response(head, false)?;
            let trailers = read(body, received, async |part| send(&mut out, part).await).await?;
            match trailers {
                Some(trailers) => out.send_trailers(trailers)?,
                None => out.send_data(Bytes::new(), true)?,
            }
        }
        Route::EchoLate => {
            let mut all = Vec::new();
            read(body, received, async |part| {
                all.extend_from_slice(&part);
                Ok(())
            })
            .await?;
            fixed(head, all.into(), head_only, to).await?;
        }
        Route::Headers { count, len } => {
            let value = HeaderValue::from_str(&"v".repeat(usize::try_from(len).unwrap_or(0))).unwrap_or(empty());
            for i in 0..count {
                if let Ok(name) = HeaderName::from_bytes(format!("x-header-{i}").as_bytes()) {
                    head.headers_mut().append(name, value.clone());
                }
            }
            fixed(head, Bytes::from_static(BODY.as_bytes()), head_only, to).await?;
        }
        Route::Status(status) => {
            *head.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let bodiless = matches!(status, 204 | 304);
            let text = if bodiless { Bytes::new() } else { Bytes::from_static(BODY.as_bytes()) };
            fixed(head, text, bodiless || head_only, to).await?;
        }
        Route::Inspect => {
            let (mut length, mut patterned) = (0, true);
            let trailers = read(body, received, async |part| {
                patterned = patterned && pattern::matches(&part, length);
                length += part.len() as u64;
                Ok(())
            })
            .await?;
            let json = Json::object([
                ("method", parts.method.as_str().into()),
                ("scheme", parts.uri.scheme_str().unwrap_or_default().into()),
                ("authority", parts.uri.authority().map_or("", http::uri::Authority::as_str).into()),
                ("path", parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str).into()),
                ("headers", fields(&parts.headers)),
                ("bodyLength", length.into()),
                ("bodyIsPattern", patterned.into()),
                ("trailers", trailers.map_or(Json::Null, |trailers| fields(&trailers))),
            ]);
            head.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
            fixed(head, json.to_string().into(), head_only, to).await?;
        }
        Route::Bad(usage) => {
            *head.status_mut() = StatusCode::BAD_REQUEST;
            fixed(head, Bytes::from_static(usage.as_bytes()), head_only, to).await?;
        }
        // What belongs to HTTP/1 alone is the text here.
        _ => fixed(head, Bytes::from_static(BODY.as_bytes()), head_only, to).await?,
    }
    Ok(())
}

fn empty() -> HeaderValue {
    HeaderValue::from_static("")
}

fn fields(map: &HeaderMap) -> Json {
    let pairs =
        map.iter().map(|(name, value)| Json::from(vec![name.as_str().into(), to_latin1(value.as_bytes()).into()]));
    pairs.collect::<Vec<_>>().into()
}

async fn fixed(
    mut head: Response<()>,
    body: Bytes,
    head_only: bool,
    mut to: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    if head.status() != StatusCode::NO_CONTENT {
        head.headers_mut().insert("content-length", HeaderValue::from(body.len()));
    }
    let mut out = to.send_response(head, head_only || body.is_empty())?;
    if !head_only && !body.is_empty() {
        send(&mut out, body).await?;
        out.send_data(Bytes::new(), true)?;
    }
    Ok(())
}

async fn bytes(out: &mut SendStream<Bytes>, length: u64) -> Result<(), h2::Error> {
    let mut at = 0;
    while at < length {
        let take = usize::try_from(length - at).unwrap_or(BLOCK).min(BLOCK);
        let mut block = Vec::with_capacity(take);
        pattern::extend(&mut block, at, take);
        send(out, block.into()).await?;
        at += take as u64;
    }
    Ok(())
}

/// Sends as the peer's window allows.
async fn send(out: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        out.reserve_capacity(bytes.len());
        let room = poll_fn(|cx| out.poll_capacity(cx)).await.ok_or(Reason::CANCEL)??;
        let part = bytes.split_to(room.min(bytes.len()));
        out.send_data(part, false)?;
    }
    Ok(())
}

/// Reads a body to its end; its trailers.
async fn read(
    mut body: RecvStream,
    received: Received<'_>,
    mut take: impl AsyncFnMut(Bytes) -> Result<(), h2::Error>,
) -> Result<Option<HeaderMap>, h2::Error> {
    while let Some(part) = body.data().await {
        let part = part?;
        let length = part.len();
        received(length as u64);
        take(part).await?;
        body.flow_control().release_capacity(length)?;
    }
    body.trailers().await
}
