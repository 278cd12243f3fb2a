//! Everything that happens by itself.

use super::Group;
use crate::id::{PoolId, StreamId};
use crate::outcome::{Class, FailureReason, StreamFailure};
use crate::stats::Stat;
use crate::time::Instant;
use crate::timer::Timer;

impl Group {
    /// Does what is due. Call it at `next_deadline`; too early does nothing.
    pub fn timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Connect(connection) => self.connect_timed_out(now, connection),
                Timer::Idle(connection) => self.idled_out(now, connection),
                Timer::Duration(connection) => self.duration_reached(now, connection),
                Timer::Drain(connection) => self.drained_too_long(now, connection),
                Timer::Queue(stream) => self.queued_too_long(now, stream),
                Timer::HeadStart(stream) => self.head_start_over(now, stream),
                Timer::Backoff(pool) => self.backoff_over(now, pool),
            }
        }
    }

    fn queued_too_long(&mut self, now: Instant, id: StreamId) {
        let pool = self.streams[id].pool;
        self.stats.bump(Stat::RqPendingTimeout);
        let reason = FailureReason::QueueTimeout;
        self.fail(now, id, StreamFailure { reason, class: Class::Unprocessed, connection: None }, false);
        self.look_at(pool);
    }

    fn backoff_over(&mut self, now: Instant, id: PoolId) {
        self.timers.disarm(&mut self.pools[id].backoff_timer);
        self.grow_if_waiting(now, id);
    }
}
