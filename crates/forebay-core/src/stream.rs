//! One stream: who asked, and where it is.
//!
//! Queued --> Attached --> (ended), or back to Queued by a replay or a re-queue; each of them --> Failing --> (told)
//!
//! Where HTTP/3 races against TCP it is Racing instead of Queued, and legs of it wait in the queues: streams that nobody outside the core
//! sees. The first that gets a connection makes way for the stream itself.
//!
//! Promise: it is in exactly one of these places, and holds exactly the limit places that go with it. Used by `pool` and `group`.

use alloc::boxed::Box;
use core::time::Duration;

use crate::id::{ConnectionId, PoolId, StreamId, UpstreamId};
use crate::limits::Place;
use crate::outcome::{Class, MethodClass, NewStream, Priority};
use crate::race::{Http3, Leg, Race};
use crate::time::Instant;
use crate::timer::Armed;
use crate::upstream::PoolKey;

pub(crate) struct Stream {
    pub(crate) token: u64,
    pub(crate) pool: PoolId,
    pub(crate) priority: Priority,
    /// Its number in the order of the group's admissions. A replayed stream keeps it.
    pub(crate) arrival: u64,
    pub(crate) replayable: bool,
    pub(crate) method: MethodClass,
    pub(crate) queue_timeout: Option<Duration>,
    /// Times that it went back to the queue unsent.
    pub(crate) requeues: u8,
    /// Replays because it was not processed.
    pub(crate) replays: u8,
    /// Replays because a reused connection lost it.
    pub(crate) risky_replays: u8,
    /// May go before the handshake is done.
    pub(crate) early: bool,
    /// Neighbours in the queue (towards older, younger) or on the connection (towards newer, older).
    pub(crate) before: Option<StreamId>,
    pub(crate) after: Option<StreamId>,
    /// How HTTP/3 is tried for it, when it looks for a connection again.
    pub(crate) http3: Http3,
    /// It is an attempt of another stream, and which.
    pub(crate) leg_of: Option<(StreamId, Leg)>,
    pub(crate) whereabouts: Whereabouts,
}

/// Where a stream is whose legs wait.
pub(crate) struct Racing {
    pub(crate) race: Race,
    /// What it sends may go before the handshake is done.
    pub(crate) early: bool,
    pub(crate) upstream: UpstreamId,
    /// Of its pools; the offer is each leg's.
    pub(crate) key: PoolKey,
    pub(crate) legs: [Option<StreamId>; 3],
    pub(crate) since: Instant,
    /// The stream's queue time-out.
    pub(crate) timer: Option<Armed>,
    /// The head start of HTTP/3.
    pub(crate) delay: Option<Armed>,
    pub(crate) place: Option<Place>,
    /// The caller has no answer yet, so there is nobody to tell of a failure.
    pub(crate) opening: bool,
}

pub(crate) enum Whereabouts {
    /// Between two places, within one call.
    Moving,
    Queued {
        since: Instant,
        timer: Option<Armed>,
        /// None if it was let in uncharged.
        place: Option<Place>,
        /// It stands among the returned, by its arrival number.
        returned: bool,
    },
    Racing(Box<Racing>),
    Attached(Attached),
    /// Its failure is on the way to the shell.
    Failing {
        /// It counts as thrown out of the queue by a failed connection, unless it is cancelled first.
        ejected: bool,
    },
}

#[expect(clippy::struct_excessive_bools, reason = "each is true from some moment on, in any order")]
pub(crate) struct Attached {
    pub(crate) connection: ConnectionId,
    /// Under `max_requests`.
    pub(crate) place: Option<Place>,
    /// The shell has been told to open it.
    pub(crate) opened: bool,
    /// The final head came.
    pub(crate) head: bool,
    /// A response had come on the connection before.
    pub(crate) reused: bool,
    /// The caller gave it up; the shell has been told.
    pub(crate) cancelled: bool,
}

impl Stream {
    pub(crate) fn new(
        new: &NewStream,
        pool: PoolId,
        arrival: u64,
        early: bool,
        default_timeout: Option<Duration>,
    ) -> Self {
        Self {
            token: new.token,
            pool,
            priority: new.priority,
            arrival,
            replayable: new.replayable,
            method: new.method,
            queue_timeout: match new.queue_timeout {
                Some(Duration::ZERO) => None,
                Some(timeout) => Some(timeout),
                None => default_timeout,
            },
            requeues: 0,
            replays: 0,
            risky_replays: 0,
            early,
            before: None,
            after: None,
            http3: new.http3,
            leg_of: None,
            whereabouts: Whereabouts::Moving,
        }
    }

    /// An attempt of this stream.
    pub(crate) fn leg(&self, id: StreamId, leg: Leg, pool: PoolId, early: bool) -> Self {
        Self {
            token: self.token,
            pool,
            priority: self.priority,
            arrival: self.arrival,
            replayable: false,
            method: self.method,
            queue_timeout: None,
            requeues: self.requeues,
            replays: 0,
            risky_replays: 0,
            early,
            before: None,
            after: None,
            http3: Http3::Skip,
            leg_of: Some((id, leg)),
            whereabouts: Whereabouts::Moving,
        }
    }
}

impl Attached {
    /// The class of a failure that is not the peer's word on this stream: nothing sent, sent, or answered.
    pub(crate) fn class_if_cut(&self) -> Class {
        if self.head {
            Class::Never
        } else if self.opened {
            Class::Maybe
        } else {
            Class::Unprocessed
        }
    }
}
