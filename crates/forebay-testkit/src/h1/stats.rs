//! What the server counts.
//!
//! Promise: a counter moves in the turn in which the thing happens. The loops add, `Server` reads; between two turns the figures are exact.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::json::Json;

/// Closed connections that are remembered. A guess: more than a test opens.
const REMEMBERED: usize = 1_024;

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections whose socket is open here.
    pub connections_open: u64,
    /// Connections whose socket was closed here.
    pub connections_closed: u64,
    /// Most connections open at once.
    pub max_connections_open: u64,
    /// Request heads read whole.
    pub requests_begun: u64,
    /// Answers whose last byte the system took.
    pub requests_completed: u64,
    /// Begun, neither completed nor lost with their connection.
    pub requests_active: u64,
    /// Most requests active at once.
    pub max_requests_active: u64,
    /// Most requests begun on one connection.
    pub max_requests_per_connection: u64,
    /// Malformed requests, answered with 400.
    pub bad_requests: u64,
    /// Bytes of request bodies, without their framing.
    pub body_bytes_received: u64,
    /// TLS handshakes completed.
    pub tls_handshakes: u64,
    /// Those among them that resumed a session.
    pub tls_resumed: u64,
}

impl Stats {
    /// The counters as an object with camelCase keys.
    #[must_use]
    pub fn to_json(self) -> Json {
        Json::object([
            ("connectionsAccepted", self.connections_accepted.into()),
            ("connectionsOpen", self.connections_open.into()),
            ("connectionsClosed", self.connections_closed.into()),
            ("maxConnectionsOpen", self.max_connections_open.into()),
            ("requestsBegun", self.requests_begun.into()),
            ("requestsCompleted", self.requests_completed.into()),
            ("requestsActive", self.requests_active.into()),
            ("maxRequestsActive", self.max_requests_active.into()),
            ("maxRequestsPerConnection", self.max_requests_per_connection.into()),
            ("badRequests", self.bad_requests.into()),
            ("bodyBytesReceived", self.body_bytes_received.into()),
            ("tlsHandshakes", self.tls_handshakes.into()),
            ("tlsResumed", self.tls_resumed.into()),
        ])
    }
}

/// One connection at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConnectionInfo {
    /// Its place in the order of acceptance, from 0.
    pub id: u64,
    /// Requests begun on it.
    pub requests: u64,
    /// Whether its socket is open here.
    pub open: bool,
}

/// The counters that the loops share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    accepted: AtomicU64,
    open: AtomicU64,
    closed: AtomicU64,
    max_open: AtomicU64,
    begun: AtomicU64,
    completed: AtomicU64,
    active: AtomicU64,
    max_active: AtomicU64,
    max_per_connection: AtomicU64,
    bad: AtomicU64,
    body_received: AtomicU64,
    handshakes: AtomicU64,
    resumed: AtomicU64,
    remembered: Mutex<VecDeque<ConnectionInfo>>,
}

impl Shared {
    /// A connection was accepted; returns its id.
    pub(super) fn accepted(&self) -> u64 {
        let open = self.open.fetch_add(1, Relaxed) + 1;
        raise(&self.max_open, open);
        self.accepted.fetch_add(1, Relaxed)
    }

    /// A connection's socket was closed.
    pub(super) fn connection_closed(&self, id: u64, requests: u64, had_active: bool) {
        if had_active {
            self.active.fetch_sub(1, Relaxed);
        }
        self.open.fetch_sub(1, Relaxed);
        self.closed.fetch_add(1, Relaxed);
        if let Ok(mut remembered) = self.remembered.lock() {
            if remembered.len() == REMEMBERED {
                remembered.pop_front();
            }
            remembered.push_back(ConnectionInfo { id, requests, open: false });
        }
    }

    /// A request's head was read, the `nth` on its connection.
    pub(super) fn begun(&self, nth: u64) {
        self.begun.fetch_add(1, Relaxed);
        let active = self.active.fetch_add(1, Relaxed) + 1;
        raise(&self.max_active, active);
        raise(&self.max_per_connection, nth);
    }

    /// A request's answer was handed to the system whole.
    pub(super) fn completed(&self) {
        self.active.fetch_sub(1, Relaxed);
        self.completed.fetch_add(1, Relaxed);
    }

    pub(super) fn bad(&self) {
        self.bad.fetch_add(1, Relaxed);
    }

    pub(super) fn body_received(&self, bytes: u64) {
        self.body_received.fetch_add(bytes, Relaxed);
    }

    pub(super) fn handshake(&self, resumed: bool) {
        self.handshakes.fetch_add(1, Relaxed);
        self.resumed.fetch_add(u64::from(resumed), Relaxed);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            connections_accepted: self.accepted.load(Relaxed),
            connections_open: self.open.load(Relaxed),
            connections_closed: self.closed.load(Relaxed),
            max_connections_open: self.max_open.load(Relaxed),
            requests_begun: self.begun.load(Relaxed),
            requests_completed: self.completed.load(Relaxed),
            requests_active: self.active.load(Relaxed),
            max_requests_active: self.max_active.load(Relaxed),
            max_requests_per_connection: self.max_per_connection.load(Relaxed),
            bad_requests: self.bad.load(Relaxed),
            body_bytes_received: self.body_received.load(Relaxed),
            tls_handshakes: self.handshakes.load(Relaxed),
            tls_resumed: self.resumed.load(Relaxed),
        }
    }

    pub(super) fn closed(&self) -> Vec<ConnectionInfo> {
        let mut closed: Vec<_> = self.remembered.lock().map(|list| list.iter().copied().collect()).unwrap_or_default();
        closed.sort_by_key(|connection| connection.id);
        closed
    }
}

/// Raises a maximum; the plain read first keeps the usual case cheap.
fn raise(max: &AtomicU64, value: u64) {
    if value > max.load(Relaxed) {
        max.fetch_max(value, Relaxed);
    }
}
