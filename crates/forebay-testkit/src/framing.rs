//! Where one request ends on a connection: its head and its body.
//!
//! Promise: strict about what is read, no byte of the next request is taken. Used by both servers.
//! Not here: what is answered (`h1::route`), sockets.

/// Longest head read, in bytes. A guess: far above the 64 KiB that the client sends at most.
pub const MAX_HEAD: usize = 1024 * 1024;

/// Most fields in a head. A guess: as for `MAX_HEAD`.
const MAX_FIELDS: usize = 4_096;

/// Fields that are parsed without an allocation. Most requests have fewer.
const USUAL_FIELDS: usize = 64;

/// Longest chunk-size line, in bytes. A guess.
const MAX_CHUNK_LINE: usize = 4_096;

/// What a request head says about its connection and body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Bytes of the head, the empty line included.
    pub len: usize,
    /// HTTP/1.0 or HTTP/1.1.
    pub minor: u8,
    /// Whether the client lets the connection live on.
    pub keep_alive: bool,
    /// Whether the client waits for 100 before its body.
    pub expects_continue: bool,
    /// How the body is framed.
    pub body: BodyLength,
}

/// How a request body is framed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyLength {
    /// Content-Length, 0 without one.
    Known(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// Reads the head at the start of `bytes`; `None`: more bytes are needed. `visit` sees the parsed request once it is whole.
///
/// # Errors
/// What is wrong with the head.
pub fn parse_head<T>(
    bytes: &[u8],
    visit: impl FnOnce(&Head, &httparse::Request<'_, '_>) -> T,
) -> Result<Option<(Head, T)>, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; USUAL_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Err(httparse::Error::TooManyHeaders) => {
            let mut fields = vec![httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut request = httparse::Request::new(&mut fields);
            let status = request.parse(bytes);
            finish(bytes, &request, status, visit)
        }
        status => finish(bytes, &request, status, visit),
    }
}

fn finish<T>(
    bytes: &[u8],
    request: &httparse::Request<'_, '_>,
    status: httparse::Result<usize>,
    visit: impl FnOnce(&Head, &httparse::Request<'_, '_>) -> T,
) -> Result<Option<(Head, T)>, &'static str> {
    match status {
        Ok(httparse::Status::Complete(len)) => {
            let head = understand(len, request)?;
            let seen = visit(&head, request);
            Ok(Some((head, seen)))
        }
        Ok(httparse::Status::Partial) if bytes.len() > MAX_HEAD => Err("head too long"),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err("head malformed"),
    }
}

fn understand(len: usize, request: &httparse::Request<'_, '_>) -> Result<Head, &'static str> {
    let minor = request.version.ok_or("no version")?;
    let mut head = Head { len, minor, keep_alive: minor == 1, expects_continue: false, body: BodyLength::Known(0) };
    let (mut length, mut chunked) = (None, false);
    for field in request.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(field.value).unwrap_or("");
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let value: u64 = text.parse().ok().filter(|_| digits).ok_or("content-length malformed")?;
            if length.replace(value).is_some() {
                return Err("two content-lengths");
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                return Err("transfer-encoding not understood");
            }
            chunked = true;
        } else if field.name.eq_ignore_ascii_case("connection") {
            for token in field.value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                if token.eq_ignore_ascii_case(b"close") {
                    head.keep_alive = false;
                } else if minor == 0 && token.eq_ignore_ascii_case(b"keep-alive") {
                    head.keep_alive = true;
                }
            }
        } else if field.name.eq_ignore_ascii_case("expect") && field.value.eq_ignore_ascii_case(b"100-continue") {
            head.expects_continue = true;
        }
    }
    head.body = match (length, chunked) {
        (Some(_), true) => return Err("content-length and transfer-encoding"),
        (_, true) => BodyLength::Chunked,
        (length, false) => BodyLength::Known(length.unwrap_or(0)),
    };
    Ok(head)
}

/// Takes the body bytes out of what was read.
///
/// Known(n) --n bytes--> Done;  Size --size line--> Data --bytes, CRLF--> Size --0--> Trailers --empty line--> Done
#[derive(Debug)]
pub enum BodyDecoder {
    /// This many bytes are left.
    Known(u64),
    /// A chunk-size line comes next.
    Size,
    /// This many bytes of the chunk are left, then its CRLF.
    Data(u64),
    /// Trailer lines come next.
    Trailers,
    /// The body is over.
    Done,
}

impl BodyDecoder {
    /// A decoder for a body that is framed so.
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::Known(0) => Self::Done,
            BodyLength::Known(len) => Self::Known(len),
            BodyLength::Chunked => Self::Size,
        }
    }

    /// Whether the body is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Gives the body bytes at the start of `bytes` to `sink` and returns how many bytes of `bytes` are used up. `at_most` bounds
    /// the body bytes given.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        mut at_most: usize,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<usize, &'static str> {
        let mut at = 0;
        while at_most > 0 {
            let rest = &bytes[at..];
            match self {
                Self::Done => break,
                Self::Known(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len()).min(at_most);
                    sink(&rest[..take]);
                    at += take;
                    at_most -= take;
                    *left -= take as u64;
                    if *left > 0 {
                        break;
                    }
                    *self = Self::Done;
                }
                Self::Data(0) => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => break,
                    _ => return Err("chunk not ended by CRLF"),
                },
                Self::Data(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len()).min(at_most);
                    if take == 0 {
                        break;
                    }
                    sink(&rest[..take]);
                    at += take;
                    at_most -= take;
                    *left -= take as u64;
                }
                Self::Size => {
                    let Some(line) = line(rest)? else { break };
                    at += line.len() + 2;
                    let digits = line.split(|&b| b == b';').next().unwrap_or_default();
                    let hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
                    let text = std::str::from_utf8(digits).ok().filter(|_| hex).ok_or("chunk size malformed")?;
                    *self = match u64::from_str_radix(text, 16).map_err(|_| "chunk size too large")? {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Trailers => {
                    let Some(line) = line(rest)? else { break };
                    at += line.len() + 2;
                    if line.is_empty() {
                        *self = Self::Done;
                    }
                }
            }
        }
        Ok(at)
    }
}

/// The line at the start of `bytes` without its CRLF, once it is whole.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    match bytes.iter().take(MAX_CHUNK_LINE).position(|&b| b == b'\n') {
        Some(end) if end > 0 && bytes[end - 1] == b'\r' => Ok(Some(&bytes[..end - 1])),
        Some(_) => Err("line not ended by CRLF"),
        None if bytes.len() >= MAX_CHUNK_LINE => Err("chunk line too long"),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn head(text: &str) -> Result<Option<Head>, &'static str> {
        parse_head(text.as_bytes(), |_, _| ()).map(|found| found.map(|(head, ())| head))
    }

    fn body(length: BodyLength, wire: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), &'static str> {
        let mut decoder = BodyDecoder::new(length);
        let (mut out, mut used) = (Vec::new(), 0);
        for end in (step..wire.len()).step_by(step).chain([wire.len()]) {
            while used < end && !decoder.is_done() {
                let took = decoder.decode(&wire[used..end], 3, |bytes| out.extend_from_slice(bytes))?;
                if took == 0 {
                    break;
                }
                used += took;
            }
        }
        Ok((out, used, decoder.is_done()))
    }

    #[test]
    fn a_head_is_whole_at_its_empty_line_and_not_before() {
        let text = "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\nExpect: 100-continue\r\n\r\nhello";
        let end = text.len() - 5;
        assert_eq!(head(&text[..end - 1]), Ok(None));
        let found = head(text).unwrap().unwrap();
        assert_eq!((found.len, found.body, found.expects_continue), (end, BodyLength::Known(5), true));
        assert!(found.keep_alive);
    }

    #[test]
    fn connection_lives_on_by_version_and_field() {
        for (text, keep) in [
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nConnection: foo, Close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true),
        ] {
            assert_eq!(head(text).unwrap().unwrap().keep_alive, keep, "{text}");
        }
    }

    #[test]
    fn framing_in_doubt_is_refused() {
        for fields in [
            "content-length: 5\r\ncontent-length: 5",
            "content-length: +5",
            "content-length: 5, 5",
            "content-length:",
            "content-length: 5\r\ntransfer-encoding: chunked",
            "transfer-encoding: gzip",
            "bad name: x",
        ] {
            assert!(head(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")).is_err(), "{fields}");
        }
    }

    #[test]
    fn more_fields_than_usual_are_parsed() {
        let text = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000));
        assert_eq!(head(&text).unwrap().unwrap().len, text.len());
    }

    #[test]
    fn bodies_end_by_their_framing_however_they_arrive() {
        let chunked = b"5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nt: v\r\n\r\nNEXT";
        for step in 1..=chunked.len() {
            let (out, used, done) = body(BodyLength::Chunked, chunked, step).unwrap();
            assert_eq!(
                (out.as_slice(), used, done),
                (b"hello0123456789".as_slice(), chunked.len() - 4, true),
                "{step}"
            );
            let (out, used, done) = body(BodyLength::Known(4), b"abcdNEXT", step).unwrap();
            assert_eq!((out.as_slice(), used, done), (b"abcd".as_slice(), 4, true));
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        for wire in ["Z\r\n", "\r\n", "-5\r\n", "0x5\r\n", "12345678901234567\r\n", "5\r\nhelloX", "5\nhello"] {
            assert!(body(BodyLength::Chunked, wire.as_bytes(), 1_000).is_err(), "{wire:?}");
        }
    }
}
