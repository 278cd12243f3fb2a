//! What a server counts whose connections carry many streams.
//!
//! Used by `h2` and `h3`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

use crate::json::Json;

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections whose handshake is over; without TLS all.
    pub handshakes: u64,
    /// Connections that are open.
    pub connections_open: u64,
    /// Connections that have ended.
    pub connections_closed: u64,
    /// Most connections open at once.
    pub max_connections_open: u64,
    /// Streams whose request head came.
    pub streams_begun: u64,
    /// Streams whose answer was handed over whole.
    pub streams_completed: u64,
    /// Begun and not over.
    pub streams_active: u64,
    /// Most streams active on one connection.
    pub max_streams_per_connection: u64,
    /// Streams that ended early: reset by the peer, by us, or lost with their connection.
    pub streams_broken: u64,
    /// Of those begun, in early data (HTTP/3 only).
    pub streams_early: u64,
    /// First packets that were answered with Retry (HTTP/3 only).
    pub retries_sent: u64,
    /// Connections that were told to go away.
    pub goaways_sent: u64,
    /// Bytes of request bodies.
    pub body_bytes_received: u64,
}

impl Stats {
    /// The counters as an object with camelCase keys.
    #[must_use]
    pub fn to_json(self) -> Json {
        Json::object([
            ("connectionsAccepted", self.connections_accepted.into()),
            ("handshakes", self.handshakes.into()),
            ("connectionsOpen", self.connections_open.into()),
            ("connectionsClosed", self.connections_closed.into()),
            ("maxConnectionsOpen", self.max_connections_open.into()),
            ("streamsBegun", self.streams_begun.into()),
            ("streamsCompleted", self.streams_completed.into()),
            ("streamsActive", self.streams_active.into()),
            ("maxStreamsPerConnection", self.max_streams_per_connection.into()),
            ("streamsBroken", self.streams_broken.into()),
            ("streamsEarly", self.streams_early.into()),
            ("retriesSent", self.retries_sent.into()),
            ("goawaysSent", self.goaways_sent.into()),
            ("bodyBytesReceived", self.body_bytes_received.into()),
        ])
    }
}

/// One connection at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ConnectionInfo {
    /// Its place in the order of acceptance, from 0.
    pub id: u64,
    /// Streams begun on it.
    pub streams: u64,
    /// Of these, active.
    pub active: u64,
    /// Whether it is open.
    pub open: bool,
}

impl ConnectionInfo {
    /// The same as an object.
    #[must_use]
    pub fn to_json(&self) -> Json {
        Json::object([
            ("id", self.id.into()),
            ("streams", self.streams.into()),
            ("active", self.active.into()),
            ("open", self.open.into()),
        ])
    }
}

#[derive(Debug, Default)]
struct Counted {
    stats: Stats,
    connections: BTreeMap<u64, ConnectionInfo>,
}

/// The counters that the server and its connections share, and what all answers advertise.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    counted: Mutex<Counted>,
    alt_svc: Mutex<Option<HeaderValue>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The field `alt-svc` of answers.
    pub(crate) fn alt_svc(&self) -> Option<HeaderValue> {
        self.alt_svc.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_alt_svc(&self, value: Option<HeaderValue>) {
        *self.alt_svc.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().stats
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionInfo> {
        self.lock().connections.values().copied().collect()
    }

    pub(crate) fn accepted(&self) -> u64 {
        let counted = &mut *self.lock();
        let id = counted.stats.connections_accepted;
        counted.stats.connections_accepted += 1;
        counted.stats.connections_open += 1;
        counted.stats.max_connections_open = counted.stats.max_connections_open.max(counted.stats.connections_open);
        counted.connections.insert(id, ConnectionInfo { id, open: true, ..ConnectionInfo::default() });
        id
    }

    pub(crate) fn shaken_hands(&self) {
        self.lock().stats.handshakes += 1;
    }

    pub(crate) fn retried(&self) {
        self.lock().stats.retries_sent += 1;
    }

    pub(crate) fn early(&self) {
        self.lock().stats.streams_early += 1;
    }

    pub(crate) fn closed(&self, id: u64) {
        let counted = &mut *self.lock();
        counted.stats.connections_open -= 1;
        counted.stats.connections_closed += 1;
        if let Some(info) = counted.connections.get_mut(&id) {
            info.open = false;
        }
    }

    /// A request head came; how many came on this connection.
    pub(crate) fn begun(&self, id: u64) -> u64 {
        let counted = &mut *self.lock();
        counted.stats.streams_begun += 1;
        counted.stats.streams_active += 1;
        let info = counted.connections.entry(id).or_default();
        info.streams += 1;
        info.active += 1;
        counted.stats.max_streams_per_connection = counted.stats.max_streams_per_connection.max(info.active);
        info.streams
    }

    pub(crate) fn ended(&self, id: u64, whole: bool) {
        let counted = &mut *self.lock();
        counted.stats.streams_active -= 1;
        if whole {
            counted.stats.streams_completed += 1;
        } else {
            counted.stats.streams_broken += 1;
        }
        counted.connections.entry(id).or_default().active -= 1;
    }

    pub(crate) fn going_away(&self) {
        self.lock().stats.goaways_sent += 1;
    }

    pub(crate) fn body_received(&self, bytes: u64) {
        self.lock().stats.body_bytes_received += bytes;
    }
}
