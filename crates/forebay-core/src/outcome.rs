//! How a stream, an attempt to connect and an admission may end; and what the core needs to know of each.
//!
//! Written by the shell (`StreamEnd`, `ConnectFailure`, `ConnectionEnd`) and by the core (`StreamFailure`, `Admission`).
//! Not here: codes and texts of errors (the shell keeps the cause beside its own tables).

use core::time::Duration;

use crate::id::{ConnectionId, StreamId, UpstreamId};
use crate::limits::LimitName;
use crate::race::Http3;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1: one stream at a time.
    H1,
    /// HTTP/2: as many as the peer's SETTINGS allow.
    H2,
    /// HTTP/3: as many as the peer's stream credit allows.
    H3,
}

/// Each has its own limits and its own pools.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// Most traffic.
    #[default]
    Default,
    /// What must get through when the rest is full.
    High,
}

impl Priority {
    /// Both, in the order of their rows.
    pub const ALL: [Self; 2] = [Self::Default, Self::High];

    pub(crate) const fn row(self) -> usize {
        match self {
            Self::Default => 0,
            Self::High => 1,
        }
    }
}

/// Whether another try is safe.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// S: the peer cannot have processed it. Any method may be sent again.
    Unprocessed,
    /// I: the peer may have processed it. Only an idempotent method may be sent again.
    Maybe,
    /// N: the head was delivered, or another try would fail alike.
    Never,
}

/// What a method promises (RFC 9110, section 9.2).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum MethodClass {
    /// GET, HEAD, OPTIONS, TRACE: may go as early data.
    Safe,
    /// PUT, DELETE: may be repeated.
    Idempotent,
    /// The rest, unknown methods too.
    #[default]
    Other,
}

/// Why a stream did not get its response. Texts and codes are the shell's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FailureReason {
    /// A limit is full, or the shed gate is shut.
    Overflow(LimitName),
    /// We gave the connection up, or could not begin.
    LocalConnectionFailure,
    /// The peer refused the connection or closed it before it was ready.
    RemoteConnectionFailure,
    /// The connection was not ready in time.
    Timeout,
    /// It waited too long for a connection; never sent.
    QueueTimeout,
    /// The breaker's gate is shut, or shut while it waited.
    GateShut,
    /// The connection ended under it.
    ConnectionTermination,
    /// The peer reset it.
    RemoteReset,
    /// The peer says that it did not process it.
    RemoteRefused,
    /// The peer wants it over another version of HTTP, and did not process it.
    VersionRequired,
    /// The connection speaks a version that cannot carry it, which says nothing of others.
    VersionUnfit,
    /// The peer could not open the tunnel asked for.
    ConnectError,
    /// The peer broke the protocol.
    ProtocolError,
    /// We gave it up: a time-out or the caller.
    LocalReset,
}

/// One stream to be run, as the shell hands it in.
#[derive(Clone, Copy, Debug)]
pub struct NewStream {
    /// The shell's own name for it; comes back in each effect.
    pub token: u64,
    /// Where it goes.
    pub upstream: UpstreamId,
    /// Whose limits and pools it uses.
    pub priority: Priority,
    /// The rest of the pool key (overrides of SNI, ALPN, socket options ...), hashed by the shell. 0: none.
    pub key: u64,
    /// Whether the whole request can be sent once more.
    pub replayable: bool,
    /// What its method promises.
    pub method: MethodClass,
    /// Overrides the upstream's `queue_timeout`; zero is off.
    pub queue_timeout: Option<Duration>,
    /// Whether HTTP/3 is tried. Default: no.
    pub http3: Http3,
}

impl NewStream {
    /// A stream of default priority that cannot be replayed.
    #[must_use]
    pub const fn new(token: u64, upstream: UpstreamId) -> Self {
        Self {
            token,
            upstream,
            priority: Priority::Default,
            key: 0,
            replayable: false,
            method: MethodClass::Other,
            queue_timeout: None,
            http3: Http3::Skip,
        }
    }
}

/// The answer to a new stream, in the same turn.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// It has a connection; `Effect::Open` follows.
    Attached(StreamId),
    /// It waits. It ends as one of: opened, failed, cancelled.
    Queued(StreamId),
    /// Nothing was stored and nothing was sent: class S.
    Refused(FailureReason),
}

/// The handshake is done.
#[derive(Clone, Copy, Debug)]
pub struct Connected {
    /// What was negotiated.
    pub protocol: Protocol,
    /// H2: the limit of the first SETTINGS, if they are here (`u32::MAX`: they have none). H3: streams that may be opened now. H1: ignored.
    pub stream_limit: Option<u32>,
}

impl Connected {
    /// An HTTP/1 connection.
    pub const H1: Self = Self { protocol: Protocol::H1, stream_limit: None };
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ConnectFailureReason {
    /// The shell's own part of the connect time-out ran out. (The core has its own timer.)
    Timeout,
    /// Refused or closed by the peer.
    Remote,
    /// Anything on our side.
    Local,
}

/// A connection failed before it was ready.
#[derive(Clone, Copy, Debug)]
pub struct ConnectFailure {
    /// Who ended it.
    pub reason: ConnectFailureReason,
    /// `Never` if another try would fail alike (identity, name), else `Unprocessed`.
    pub class: Class,
}

/// How a stream ended on its connection.
#[derive(Clone, Copy, Debug)]
pub enum StreamEnd {
    /// Request and response are both complete.
    Complete,
    /// It ended without its response. The core decides whether it is sent again.
    Failed {
        /// What the peer may have done.
        class: Class,
        /// What happened.
        reason: FailureReason,
        /// Whether any byte of a response, interim heads included, came for it.
        response_started: bool,
    },
    /// The caller gave it up; nobody waits for an answer.
    Cancelled,
    /// The connection was found closed before the first byte was written: back to the queue, at its old place.
    Requeue,
}

/// How a connection ended that the core did not close.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionEnd {
    /// The peer closed or lost it; else we did.
    pub remote: bool,
    /// Because the peer broke the protocol.
    pub protocol_error: bool,
}

impl ConnectionEnd {
    /// The peer closed it, or the network lost it.
    pub const REMOTE: Self = Self { remote: true, protocol_error: false };
    /// We closed it.
    pub const LOCAL: Self = Self { remote: false, protocol_error: false };
    /// We closed it because the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self { remote: false, protocol_error: true };
}

/// How a stream failed, for its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StreamFailure {
    /// What happened.
    pub reason: FailureReason,
    /// Whether another try is safe.
    pub class: Class,
    /// The connection that it came from: the one it ran on, or whose failure took it from the queue. It may be gone.
    pub connection: Option<ConnectionId>,
}
