//! Where answers go. The transport calls it while a turn runs; whoever implements it must only note what it is told
//! (user code never runs inside a turn). Implemented by forebay-napi and by the tests.
//!
//! Promise: each request gets any number of `informational`, `head` (once) and `data`, then exactly one of `response`, `end`,
//! `fail`, or nothing but a refused `retry`. What is told of its upload (`taken`, `stopped`), of a tunnel (`peer_ended`) and of repeats (`replayed`) precedes that.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::{DrainReason, LimitName, Priority, Protocol};
use http::{HeaderMap, StatusCode};

use crate::error::{Code, Failure};

/// What a request is called: chosen by the caller, dense, unique while the request is open.
pub type RequestId = u32;

/// What a pool is called within its driver.
pub type PoolId = u32;

/// What a connection is called within its driver: counts from 1.
pub type ConnectionNumber = u32;

/// The final head of a response.
#[derive(Debug)]
pub struct Head {
    /// Status, 200 to 999.
    pub status: StatusCode,
    /// Reason phrase where it is not the usual one of the status: HTTP/2 has none, and then it is empty.
    pub reason: Option<Bytes>,
    /// Fields.
    pub fields: HeaderMap,
    /// Which connection it came over.
    pub connection: ConnectionNumber,
    /// Whether that connection had answered before.
    pub reused: bool,
    /// From submission until a connection was bound.
    pub queued: Duration,
    /// From then until the head was parsed.
    pub waited: Duration,
    /// Length of the body where the peer said it.
    pub body_length: Option<u64>,
    /// A tunnel is open: what follows goes through it, both ways.
    pub tunnel: bool,
}

/// The peer of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Over TCP.
    Ip(IpAddr, u16),
    /// Over a Unix socket.
    Unix(String),
}

/// A connection that can be used.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Its number.
    pub connection: ConnectionNumber,
    /// Who is at the other end.
    pub peer: Peer,
    /// What it speaks.
    pub protocol: Protocol,
    /// From the start of the dial until the transport was there.
    pub connect: Duration,
    /// The TLS handshake; zero without.
    pub tls: Duration,
}

/// Takes what the transport has to say.
pub trait Sink {
    /// A connection can be used. Precedes every answer over it.
    fn connected(&self, pool: PoolId, connected: &Connected);
    /// A connection that was `connected` is gone; by a fault, or in order.
    fn disconnected(&self, pool: PoolId, connection: ConnectionNumber, fault: Option<Code>);
    /// A connection that is up takes no new requests any more.
    fn draining(&self, pool: PoolId, connection: ConnectionNumber, reason: DrainReason) {
        let _ = (pool, connection, reason);
    }
    /// A limit refused something, `count` times in one turn.
    fn overflow(&self, pool: PoolId, priority: Priority, limit: LimitName, count: u32) {
        let _ = (pool, priority, limit, count);
    }
    /// The head and the whole body. Terminal.
    fn response(&self, request: RequestId, head: &Head, body: &[Bytes]);
    /// The head; parts of the body follow.
    fn head(&self, request: RequestId, head: &Head);
    /// A part of the body.
    fn data(&self, request: RequestId, part: Bytes);
    /// The body is whole, with these trailers; or a tunnel has ended both ways. Terminal.
    fn end(&self, request: RequestId, trailers: Option<&HeaderMap>);
    /// So many bytes of the request's body have left: as many more may come. Only of bodies that are being produced.
    fn taken(&self, request: RequestId, bytes: u32) {
        let _ = (request, bytes);
    }
    /// The final response came before the body was whole: no more of that is needed.
    fn stopped(&self, request: RequestId) {
        let _ = request;
    }
    /// A 1xx, of a request that wants them.
    fn informational(&self, request: RequestId, status: StatusCode, fields: &HeaderMap) {
        let _ = (request, status, fields);
    }
    /// In a tunnel: the peer ended its side.
    fn peer_ended(&self, request: RequestId) {
        let _ = request;
    }
    /// An attempt failed with `code` after `time`, and the request is sent again.
    fn replayed(&self, request: RequestId, code: Code, via: Option<ConnectionNumber>, time: Duration) {
        let _ = (request, code, via, time);
    }
    /// Whether a request with `Submission::retry` may be: the first word about it. Refused: terminal.
    fn retry(&self, request: RequestId, granted: bool) {
        let _ = (request, granted);
    }
    /// The request failed; over which connection, if any, and whether that had answered before. Terminal.
    fn fail(&self, request: RequestId, failure: &Failure, via: Option<(ConnectionNumber, bool)>);
    /// The pool has closed.
    fn pool_closed(&self, pool: PoolId);
}
