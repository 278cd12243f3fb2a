//! What each path answers: the head, and the source of the body.
//!
//! Promise: no answer needs more memory than one block, whatever length was asked for (`/inspect`, `/headers` and `/echo-late` have bounds).
//! Used by `connection`. Not here: when the answer is sent.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::Duration;

use super::source::Source;
use crate::encoding::to_latin1;
use crate::framing::{BodyLength, Head};
use crate::json::Json;
use crate::pattern;

/// The body of most answers: 22 bytes.
pub const BODY: &str = "hello from the testkit";

/// Longest body that is made, in bytes. A guess: a day of loopback.
const MAX_LENGTH: u64 = 1 << 40;

/// Most fields that `/headers` answers. A guess: above what any client accepts.
const MAX_FIELDS: u64 = 1_000_000;

/// Most bytes of fields that `/headers` answers. A guess, as above.
const MAX_FIELDS_BYTES: u64 = 64 * 1024 * 1024;

/// Most 103 before an answer: more than a client must take.
const MAX_HINTS: u64 = 200;

/// Longest delay, in ms: an hour.
const MAX_DELAY_MS: u64 = 3_600_000;

/// Longest body that `/echo-late` keeps, in bytes. A guess.
const MAX_COLLECTED: usize = 64 * 1024 * 1024;

/// What a path asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    Text,
    Bytes(u64),
    Chunked {
        len: u64,
        size: u64,
        trailers: bool,
    },
    CloseDelimited(u64),
    Echo,
    EchoLate,
    Headers {
        count: u64,
        len: u64,
    },
    Status(u16),
    Close,
    Inspect,
    /// Answered as soon as the head is there; the connection ends with it.
    Early {
        status: u16,
        len: u64,
    },
    /// So many 103 first.
    Hints(u64),
    /// No 100 is sent; `refuses`: 417 in its place, at once.
    Continue {
        refuses: bool,
    },
    /// 101 with the protocol that was asked for, or 200 to CONNECT; then what comes goes back.
    Tunnel,
    Old(Old),
    Bad(&'static str),
}

/// How HTTP/1.0 is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Old {
    Close,
    KeepAlive,
    CloseDelimited,
}

/// Parses the path (its query is ignored); the second value is the delay before the answer.
pub(crate) fn parse(target: &str) -> (Route, Option<Duration>) {
    let path = target.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip(1).peekable();
    let mut delay = None;
    if parts.peek() == Some(&"delay") {
        parts.next();
        match number(parts.next(), MAX_DELAY_MS) {
            Some(ms) => delay = Some(Duration::from_millis(ms)),
            None => return (Route::Bad("/delay/MS"), None),
        }
    }
    (route(parts), delay)
}

fn route<'a>(mut parts: impl Iterator<Item = &'a str>) -> Route {
    let name = parts.next();
    let mut length = |max| number(parts.next(), max);
    match name {
        Some("bytes") => length(MAX_LENGTH).map_or(Route::Bad("/bytes/N"), Route::Bytes),
        Some(name @ ("chunked" | "trailers")) => match (length(MAX_LENGTH), length(MAX_LENGTH)) {
            (Some(len), Some(size)) if size > 0 => Route::Chunked { len, size, trailers: name == "trailers" },
            _ => Route::Bad("/chunked/N/K"),
        },
        Some("close-delimited") => length(MAX_LENGTH).map_or(Route::Bad("/close-delimited/N"), Route::CloseDelimited),
        Some("echo") => Route::Echo,
        Some("echo-late") => Route::EchoLate,
        Some("headers") => match (length(MAX_FIELDS), number(parts.next().or(Some("8")), MAX_FIELDS_BYTES)) {
            (Some(count), Some(len)) if count * (len + 20) <= MAX_FIELDS_BYTES => Route::Headers { count, len },
            _ => Route::Bad("/headers/N/LEN, 64 MiB in all"),
        },
        Some("status") => match length(999).and_then(|status| u16::try_from(status).ok()) {
            Some(status @ 200..) => Route::Status(status),
            _ => Route::Bad("/status/N from 200"),
        },
        Some("close") => Route::Close,
        Some("inspect") => Route::Inspect,
        Some("early") => match (length(999).and_then(|status| u16::try_from(status).ok()), length(MAX_LENGTH)) {
            (Some(status @ 200..), Some(len)) => Route::Early { status, len },
            _ => Route::Bad("/early/STATUS/N"),
        },
        Some("hints") => length(MAX_HINTS).map_or(Route::Bad("/hints/N up to 200"), Route::Hints),
        Some("continue") => match parts.next() {
            Some("none") => Route::Continue { refuses: false },
            Some("refuse") => Route::Continue { refuses: true },
            _ => Route::Bad("/continue/none, /continue/refuse"),
        },
        Some("1.0") => match parts.next() {
            None => Route::Old(Old::Close),
            Some("keep-alive") => Route::Old(Old::KeepAlive),
            Some("close-delimited") => Route::Old(Old::CloseDelimited),
            Some(_) => Route::Bad("/1.0"),
        },
        _ => Route::Text,
    }
}

fn number(text: Option<&str>, max: u64) -> Option<u64> {
    let text = text.filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    text.parse().ok().filter(|&value| value <= max)
}

/// What a request brought, as far as its answer needs it.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) route: Route,
    pub(super) delay: Option<Duration>,
    /// HEAD: the head of GET, no body.
    pub(super) head_only: bool,
    pub(super) minor: u8,
    pub(super) keep_alive: bool,
    pub(super) body: BodyLength,
    pub(super) received: u64,
    /// Whether the body so far is `pattern` from offset 0.
    pub(super) patterned: bool,
    /// The body, for `/echo-late`.
    pub(super) collected: Vec<u8>,
    /// Method, target and fields as they came, for `/inspect`.
    pub(super) inspected: Option<Json>,
    /// What an upgrade asks for.
    protocol: Option<String>,
}

impl Exchange {
    pub(super) fn new(head: &Head, request: &httparse::Request<'_, '_>) -> Self {
        let target = request.path.unwrap_or_default();
        let (mut route, delay) = parse(target);
        let upgrade = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("upgrade"));
        let protocol = upgrade.filter(|_| target.starts_with("/upgrade")).map(|field| to_latin1(field.value));
        if protocol.is_some() || (request.method == Some("CONNECT") && !target.starts_with("refused.test:")) {
            route = Route::Tunnel;
        } else if request.method == Some("CONNECT") {
            route = Route::Status(403);
        }
        if route == Route::Echo && (delay.is_some() || request.method == Some("HEAD")) {
            route = Route::EchoLate;
        }
        Self {
            route,
            delay,
            head_only: request.method == Some("HEAD"),
            minor: head.minor,
            keep_alive: head.keep_alive,
            body: head.body,
            received: 0,
            patterned: true,
            collected: Vec::new(),
            inspected: (route == Route::Inspect).then(|| inspect(request)),
            protocol,
        }
    }

    /// Takes in a piece of the request's body that is not echoed at once; false: more than is kept.
    pub(super) fn take_in(&mut self, bytes: &[u8]) -> bool {
        match self.route {
            Route::EchoLate if self.collected.len() + bytes.len() > MAX_COLLECTED => return false,
            Route::Inspect => self.patterned = self.patterned && pattern::matches(bytes, self.received),
            Route::EchoLate => self.collected.extend_from_slice(bytes),
            _ => {}
        }
        self.received += bytes.len() as u64;
        true
    }
}

/// The request as JSON: `method`, `path`, `version`, `headers` as `[name, value]` in order, values read as latin1.
fn inspect(request: &httparse::Request<'_, '_>) -> Json {
    let fields = request.headers.iter();
    let fields = fields.map(|field| Json::from(vec![field.name.into(), to_latin1(field.value).into()]));
    Json::object([
        ("method", request.method.unwrap_or_default().into()),
        ("path", request.path.unwrap_or_default().into()),
        ("version", format!("1.{}", request.version.unwrap_or_default()).into()),
        ("headers", fields.collect::<Vec<_>>().into()),
    ])
}

/// Where the connection stands, for `/inspect`, and what each answer adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) connection: u64,
    pub(super) nth: u64,
    pub(super) keep_alive_field: Option<&'a str>,
}

/// Writes the head of the answer and returns its body. `exchange.keep_alive` is false afterwards if the answer ends the connection.
pub(super) fn answer(exchange: &mut Exchange, place: Place<'_>, out: &mut Vec<u8>) -> Source {
    let plain_get = exchange.route == Route::Text && exchange.keep_alive && !exchange.head_only && exchange.minor == 1;
    if plain_get && place.keep_alive_field.is_none() {
        out.extend_from_slice(USUAL.as_bytes());
        return Source::Empty;
    }
    let text = || Cow::Borrowed(BODY.as_bytes());
    let fixed = |bytes: Cow<'static, [u8]>| (Some(bytes.len() as u64), Source::Owned { bytes, at: 0 });
    let (mut status, mut version, mut extra) = (200, 1, Vec::new());
    let (length, source) = match exchange.route {
        Route::Text | Route::Continue { refuses: false } => fixed(text()),
        Route::Bytes(len) => (Some(len), Source::Pattern { at: 0, end: len }),
        // HTTP/1.0 knows no chunks.
        Route::Chunked { len, .. } if exchange.minor == 0 => (None, Source::Pattern { at: 0, end: len }),
        Route::Chunked { len, size, trailers } => {
            (None, Source::Chunked { at: 0, end: len, size, left_in_chunk: 0, trailers })
        }
        Route::CloseDelimited(len) => (None, Source::Pattern { at: 0, end: len }),
        Route::Echo | Route::EchoLate => fixed(Cow::Owned(std::mem::take(&mut exchange.collected))),
        Route::Headers { count, len } => {
            let value = "v".repeat(usize::try_from(len).unwrap_or_default());
            for i in 0..count {
                let _ = write!(extra, "x-header-{i}: {value}\r\n");
            }
            fixed(text())
        }
        Route::Status(204) => {
            status = 204;
            (Some(0), Source::Empty)
        }
        // The length that GET with 200 would have had: allowed, and a trap for parsers that wait for it.
        Route::Status(304) => {
            status = 304;
            (Some(BODY.len() as u64), Source::Empty)
        }
        Route::Status(code) => {
            status = code;
            fixed(text())
        }
        Route::Early { status: early, len } => {
            status = early;
            exchange.keep_alive = false;
            (Some(len), Source::Pattern { at: 0, end: len })
        }
        Route::Hints(count) => {
            for i in 0..count {
                let _ = write!(out, "HTTP/1.1 103 Early Hints\r\nlink: </hint-{i}>\r\n\r\n");
            }
            fixed(text())
        }
        Route::Continue { refuses: true } => {
            status = 417;
            exchange.keep_alive = false;
            fixed(text())
        }
        // Its head is `tunnel_head`.
        Route::Tunnel => (None, Source::Empty),
        Route::Close => {
            exchange.keep_alive = false;
            fixed(text())
        }
        Route::Inspect => fixed(Cow::Owned(inspection(exchange, place).into_bytes())),
        Route::Old(kind) => {
            version = 0;
            exchange.keep_alive = exchange.keep_alive && kind == Old::KeepAlive;
            let (length, source) = fixed(text());
            (length.filter(|_| kind != Old::CloseDelimited), source)
        }
        Route::Bad(usage) => {
            status = 400;
            fixed(Cow::Borrowed(usage.as_bytes()))
        }
    };
    let chunked = matches!(source, Source::Chunked { .. });
    if length.is_none() && !chunked {
        exchange.keep_alive = false;
    }
    let _ = write!(out, "HTTP/1.{version} {status} {}\r\n", reason(status));
    let content_type = if exchange.route == Route::Inspect { "application/json" } else { "text/plain" };
    let _ = write!(out, "server: forebay-testkit\r\ncontent-type: {content_type}\r\n");
    out.extend_from_slice(&extra);
    match length {
        // RFC 9110 section 8.6: never in a 204.
        _ if status == 204 => {}
        Some(length) => {
            let _ = write!(out, "content-length: {length}\r\n");
        }
        None if chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        None => {}
    }
    connection_fields(exchange, version, place, out);
    out.extend_from_slice(b"\r\n");
    if exchange.head_only { Source::Empty } else { source }
}

/// The head of a streamed `/echo`; its body is what arrives.
pub(super) fn echo_head(exchange: &mut Exchange, place: Place<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\nserver: forebay-testkit\r\ncontent-type: application/octet-stream\r\n");
    match exchange.body {
        BodyLength::Known(length) => {
            let _ = write!(out, "content-length: {length}\r\n");
        }
        BodyLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    connection_fields(exchange, 1, place, out);
    out.extend_from_slice(b"\r\n");
}

/// The head that opens a tunnel.
pub(super) fn tunnel_head(exchange: &Exchange, out: &mut Vec<u8>) {
    let _ = match &exchange.protocol {
        Some(protocol) => {
            write!(out, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n")
        }
        None => write!(out, "HTTP/1.1 200 Connection established\r\nserver: forebay-testkit\r\n\r\n"),
    };
}

fn connection_fields(exchange: &Exchange, version: u8, place: Place<'_>, out: &mut Vec<u8>) {
    if !exchange.keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
        return;
    }
    if version == 0 || exchange.minor == 0 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    if let Some(value) = place.keep_alive_field {
        let _ = write!(out, "keep-alive: {value}\r\n");
    }
}

fn inspection(exchange: &mut Exchange, place: Place<'_>) -> String {
    let mut json = exchange.inspected.take().unwrap_or(Json::Null);
    if let Json::Object(pairs) = &mut json {
        pairs.push(("bodyLength".to_owned(), exchange.received.into()));
        pairs.push(("bodyChunked".to_owned(), (exchange.body == BodyLength::Chunked).into()));
        pairs.push(("bodyIsPattern".to_owned(), exchange.patterned.into()));
        pairs.push(("connection".to_owned(), place.connection.into()));
        pairs.push(("request".to_owned(), place.nth.into()));
    }
    json.to_string()
}

/// The answer to a request that is malformed; the connection ends with it.
pub(super) fn refuse(why: &str, out: &mut Vec<u8>) {
    let _ = write!(
        out,
        "HTTP/1.1 400 Bad Request\r\nserver: forebay-testkit\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{why}",
        why.len()
    );
}

/// The answer to a plain GET, ready made.
const USUAL: &str = "HTTP/1.1 200 OK\r\nserver: forebay-testkit\r\ncontent-type: text/plain\r\ncontent-length: 22\r\n\r\n\
                     hello from the testkit";

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests;
