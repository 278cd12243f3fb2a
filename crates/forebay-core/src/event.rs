//! What observers may know. Nothing depends on it.

use crate::effect::CloseReason;
use crate::id::{ConnectionId, PoolId, StreamId, UpstreamId};
use crate::limits::LimitName;
use crate::outcome::{Priority, Protocol};

/// One thing that happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A connection is ready.
    Connected {
        /// Which.
        connection: ConnectionId,
        /// To whom.
        upstream: UpstreamId,
        /// What it speaks.
        protocol: Protocol,
    },
    /// A connection takes no new streams any more.
    Draining {
        /// Which.
        connection: ConnectionId,
        /// To whom.
        upstream: UpstreamId,
        /// Why.
        reason: DrainReason,
    },
    /// A connection is gone, or never came up.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// To whom.
        upstream: UpstreamId,
        /// Who and why.
        cause: CloseCause,
        /// Streams that were cut.
        active: u32,
    },
    /// A limit refused something.
    Overflow {
        /// Whose row.
        priority: Priority,
        /// Which.
        limit: LimitName,
    },
    /// The pool sends a stream again.
    Replay {
        /// Which.
        stream: StreamId,
        /// The shell's own name for it.
        token: u64,
    },
    /// A pool has no stream and no connection left, and is gone.
    PoolIdle {
        /// Which.
        pool: PoolId,
        /// Of whom.
        upstream: UpstreamId,
        /// At which priority.
        priority: Priority,
    },
}

/// Why a connection takes no new streams.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DrainReason {
    /// GOAWAY.
    GoAway,
    /// H1: `Connection: close`, or what amounts to it.
    CloseHeader,
    /// `max_connection_duration`.
    MaxDuration,
    /// `max_requests_per_connection`.
    MaxRequests,
    /// H1: a `Keep-Alive: timeout` so short that the connection cannot be used again.
    KeepAliveHint,
    /// `drain`, or `drain_connection` for no other reason.
    Manual,
    /// Too many streams on it failed by our own doing.
    LocalErrors,
    /// Its address is no longer one of the upstream's.
    AddressGone,
    /// Its upstream is no longer healthy.
    Unhealthy,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CloseCause {
    /// The core, for this reason.
    Core(CloseReason),
    /// It was never ready: the peer refused or closed it, or we could not go on.
    ConnectFailed {
        /// The peer.
        remote: bool,
    },
    /// The peer closed or lost it.
    Remote,
    /// The shell closed it.
    Local {
        /// Because the peer broke the protocol.
        protocol_error: bool,
    },
}
