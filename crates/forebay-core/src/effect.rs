//! What the shell is told to do.
//!
//! Promise: in the order in which it must be done. The shell takes all of them after each `end_turn`. Not here: what merely may be
//! known (`event`).

use crate::id::{ConnectionId, StreamId, UpstreamId};
use crate::outcome::StreamFailure;
use crate::race::{Earlier, Http3Verdict};
use crate::upstream::Offer;

/// One thing to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Dial. Answer with `connected`, `connect_failed` or, if it was up already, `connection_closed`.
    Connect {
        /// The name of what comes of it.
        connection: ConnectionId,
        /// Whom.
        upstream: UpstreamId,
        /// What to speak.
        offer: Offer,
    },
    /// Send the request (again, on a replay, with the same token and id).
    Open {
        /// Where.
        connection: ConnectionId,
        /// Its name until it has ended.
        stream: StreamId,
        /// The shell's own name for it.
        token: u64,
    },
    /// Tell the caller. The stream is gone with this.
    Fail {
        /// Its name until now.
        stream: StreamId,
        /// The shell's own name for it.
        token: u64,
        /// What to tell.
        failure: StreamFailure,
        /// Where HTTP/3 raced against TCP: the attempt that failed before that.
        earlier: Option<Earlier>,
    },
    /// What a race told of an upstream's HTTP/3: `Origin::learn` wants to know.
    Http3 {
        /// Whose.
        upstream: UpstreamId,
        /// What.
        verdict: Http3Verdict,
    },
    /// Give up a stream that was opened: the caller no longer wants it. H2 and H3: answer with `stream_ended`. H1: a `Close` follows, and
    /// the stream is gone with this.
    Reset {
        /// Where it runs.
        connection: ConnectionId,
        /// Its name.
        stream: StreamId,
        /// The shell's own name for it.
        token: u64,
    },
    /// Close a connection, or stop dialling it. It is gone with this: later inputs that name it change nothing.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A removed upstream has no pool left: what the shell keeps for it can go.
    UpstreamGone {
        /// Which.
        upstream: UpstreamId,
    },
}

/// Why we close a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CloseReason {
    /// Not ready in time.
    ConnectTimeout,
    /// Nothing ran on it for too long.
    IdleTimeout,
    /// It drained (see `DrainReason`) and nothing runs on it any more.
    Drained,
    /// It drained for too long; what ran on it failed.
    DrainTimeout,
    /// Nobody waits for it any more (`OnCancel::CloseExcess`).
    Excess,
    /// H1: a stream on it ended early, and the rest of it cannot be told from a next response.
    StreamReset,
    /// H1: it was found closed before the first byte of a request.
    Stale,
    /// Its pool was destroyed.
    Destroyed,
}
