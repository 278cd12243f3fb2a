//! One stream: who asked, and where it is.
//!
//! Queued --> Attached --> (ended), or back to Queued by a replay or a re-queue; each of them --> Failing --> (told)
//!
//! Promise: it is in exactly one of these places, and holds exactly the limit places that go with it. Used by `pool` and `group`.

use core::time::Duration;

use crate::id::{ConnectionId, PoolId, StreamId};
use crate::limits::Place;
use crate::outcome::{Class, MethodClass, NewStream, Priority};
use crate::time::Instant;
use crate::timer::Armed;

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
    pub(crate) whereabouts: Whereabouts,
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
