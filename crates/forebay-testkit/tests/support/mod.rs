//! A plain client for the tests of the servers: blocking, one request at a time, framing read strictly.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "a module of test files has no outside")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use forebay_testkit::framing::{BodyDecoder, BodyLength};

/// Longer than anything takes on loopback, also on a machine with much else to do: a test that hangs fails instead.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where nobody else takes a port that was given back, if the system has more than one address of loopback.
pub fn apart() -> SocketAddr {
    let address = if cfg!(target_os = "linux") { Ipv4Addr::new(127, 0, 7, 7) } else { Ipv4Addr::LOCALHOST };
    SocketAddr::from((address, 0))
}

/// A response as it came.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub version: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a text body")
    }
}

/// A connection over any stream.
pub struct Client<S> {
    pub stream: S,
    buffer: Vec<u8>,
}

pub fn connect(address: SocketAddr) -> Client<TcpStream> {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    stream.set_nodelay(true).expect("nodelay can be set");
    Client::new(stream)
}

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
        self.stream.flush().expect("the server reads");
    }

    /// GET and its response.
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.response(false)
    }

    /// The next response; `head_only`: the request was HEAD.
    pub fn response(&mut self, head_only: bool) -> Response {
        let head_len = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill(), "the connection ended in a head: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let head: Vec<u8> = self.buffer.drain(..head_len).collect();
        let head = String::from_utf8(head).expect("heads are ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let mut words = lines.next().expect("a status line").splitn(3, ' ');
        let version = words.next().expect("a version").to_owned();
        let status: u16 = words.next().and_then(|status| status.parse().ok()).expect("a status");
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").expect("a field"))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let mut response = Response { status, version, fields, body: Vec::new() };
        if head_only || status < 200 || status == 204 || status == 304 {
            return response;
        }
        response.body = match (response.field("content-length"), response.field("transfer-encoding")) {
            (Some(length), None) => self.framed(BodyLength::Known(length.parse().expect("a length"))),
            (None, Some("chunked")) => self.framed(BodyLength::Chunked),
            (None, None) => self.rest(),
            both => panic!("framing in doubt: {both:?}"),
        };
        response
    }

    fn framed(&mut self, length: BodyLength) -> Vec<u8> {
        let mut decoder = BodyDecoder::new(length);
        let mut body = Vec::new();
        while !decoder.is_done() {
            let taken = decoder.decode(&self.buffer, usize::MAX, |bytes| body.extend_from_slice(bytes));
            let used = taken.expect("chunks are well formed");
            self.buffer.drain(..used);
            if used == 0 {
                assert!(self.fill(), "the connection ended in a body after {} bytes", body.len());
            }
        }
        body
    }

    /// All up to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// Exactly so many bytes.
    pub fn exactly(&mut self, len: usize) -> Vec<u8> {
        while self.buffer.len() < len {
            assert!(self.fill(), "the connection ended after {} bytes", self.buffer.len());
        }
        self.buffer.drain(..len).collect()
    }

    /// Whether the server has ended the connection with FIN and nothing before it.
    pub fn is_at_end(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill()
    }

    /// What the next read gives.
    pub fn read_once(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; 64 * 1024];
        let len = self.stream.read(&mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    fn fill(&mut self) -> bool {
        let bytes = self.read_once().expect("the server answers in time and does not reset");
        self.buffer.extend_from_slice(&bytes);
        !bytes.is_empty()
    }
}
