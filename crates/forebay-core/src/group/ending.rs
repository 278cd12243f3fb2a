//! How streams end: complete, failed, cancelled; and whether the pool sends them again.

use super::Group;
use crate::config::{OnCancel, Protocols, ReplayPolicy};
use crate::connection::State;
use crate::effect::{CloseReason, Effect};
use crate::event::{CloseCause, Event};
use crate::id::{ConnectionId, PoolId, StreamId};
use crate::limits::LimitName;
use crate::outcome::{Class, FailureReason, MethodClass, Protocol, StreamEnd, StreamFailure};
use crate::race::Http3;
use crate::stats::Stat;
use crate::stream::{Attached, Whereabouts};
use crate::time::Instant;
use crate::upstream::{Gate, Offer, PoolKey};

/// Times that a stream goes back to the queue because its connection was found closed. Source: the contract, 3.13.
const MOST_REQUEUES: u8 = 3;
/// Replays of what was not processed. Source: the contract, 8.1.
const MOST_REPLAYS: u8 = 8;
/// Replays of an idempotent request that a reused connection lost. Source: the contract, 8.1.
const MOST_RISKY_REPLAYS: u8 = 1;

impl Group {
    /// The caller no longer wants it.
    pub fn cancel(&mut self, now: Instant, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let (pool, token) = (stream.pool, stream.token);
        match &mut stream.whereabouts {
            Whereabouts::Queued { .. } => {
                self.dequeue(id);
                self.stats.bump(Stat::RqCancelled);
                self.streams.remove(id);
                self.close_excess(now, pool);
                self.look_at(pool);
            }
            Whereabouts::Failing { .. } => {
                self.stats.bump(Stat::RqCancelled);
                self.streams.remove(id);
            }
            Whereabouts::Attached(attached) => {
                if attached.cancelled {
                    return;
                }
                attached.cancelled = true;
                let (connection, opened) = (attached.connection, attached.opened);
                self.cancel_attached(now, id, connection, opened, token);
            }
            Whereabouts::Racing(_) => {
                let left = self.end_race(id);
                self.stats.bump(Stat::RqCancelled);
                self.streams.remove(id);
                for pool in left.into_iter().flatten() {
                    self.close_excess(now, pool);
                }
            }
            Whereabouts::Moving => debug_assert!(false, "a stream is in a place between inputs"),
        }
    }

    fn cancel_attached(&mut self, now: Instant, id: StreamId, connection: ConnectionId, opened: bool, token: u64) {
        let found = &self.connections[connection];
        let (is_h1, closed, pool) = (found.is_h1(), found.state == State::Closed, found.pool);
        if opened {
            self.effects.push_back(Effect::Reset { connection, stream: id, token });
            if !is_h1 {
                self.stats.bump(Stat::RqTxReset);
                return;
            }
            if !closed {
                self.close(now, connection, CloseCause::Core(CloseReason::StreamReset));
            }
        }
        // Over at once: on HTTP/1 nothing more can come, and what was never opened leaves nothing on the wire.
        self.detach(id);
        self.streams.remove(id);
        self.relieved(now, connection);
        self.grow_if_waiting(now, pool);
    }

    /// Contract 3.7: a connection that a cancelled stream had asked for and that the rest does not need.
    pub(super) fn close_excess(&mut self, now: Instant, id: PoolId) {
        let pool = &self.pools[id];
        let config = self.config_of(pool.upstream);
        if config.on_cancel == OnCancel::Keep {
            return;
        }
        let newest = pool.connecting.last_key_value().map(|(_, connection)| *connection);
        let unused = || {
            let without_stream = pool.early.iter().filter(|early| self.connections[*early].active == 0);
            without_stream.min_by_key(|early| self.connections[*early].birth)
        };
        let Some(excess) = newest.or_else(unused) else { return };
        if pool.tally.can_spare(self.connections[excess].usable(), config.preconnect_ratio) {
            self.close(now, excess, CloseCause::Core(CloseReason::Excess));
        }
    }

    /// The final head of its response arrived.
    pub fn response_head(&mut self, now: Instant, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let Whereabouts::Attached(attached) = &mut stream.whereabouts else {
            return;
        };
        if attached.head {
            return;
        }
        attached.head = true;
        let connection = &mut self.connections[attached.connection];
        connection.heads = connection.heads.saturating_add(1);
        let pool_id = connection.pool;
        if connection.protocol == Some(Protocol::H2) {
            self.upstreams[connection.upstream].fallback.answered();
        }
        let pool = &mut self.pools[pool_id];
        if pool.failures.in_a_row() > 0 {
            pool.failures.forget();
            self.timers.disarm(&mut pool.backoff_timer);
            self.grow_if_waiting(now, pool_id);
        }
    }

    /// A part of its body has gone that is not kept: it cannot be sent again.
    pub fn unreplayable(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.replayable = false;
        }
    }

    /// It ended on its connection. Close the connection first if that ended too.
    pub fn stream_ended(&mut self, now: Instant, id: StreamId, end: StreamEnd) {
        let Some(stream) = self.streams.get(id) else { return };
        let attached = match &stream.whereabouts {
            Whereabouts::Attached(attached) => attached,
            // It was cut in this turn, but its caller has been told of an end already: there is only one.
            Whereabouts::Failing { .. } if matches!(end, StreamEnd::Complete | StreamEnd::Cancelled) => {
                self.streams.remove(id);
                return;
            }
            Whereabouts::Failing { .. } | Whereabouts::Queued { .. } | Whereabouts::Racing(_) | Whereabouts::Moving => {
                return;
            }
        };
        let connection = attached.connection;
        let is_h1 = self.connections[connection].is_h1();
        let pool = self.connections[connection].pool;
        let spoiled = is_h1 && self.spoil(now, connection, end);
        let Some(attached) = self.detach(id) else { return };
        self.relieved(now, connection);
        if spoiled {
            self.grow_if_waiting(now, pool);
        }
        match end {
            StreamEnd::Complete => {
                self.streams.remove(id);
            }
            StreamEnd::Cancelled => {
                self.count_local_reset(&attached, is_h1);
                self.streams.remove(id);
            }
            StreamEnd::Failed { .. } | StreamEnd::Requeue if attached.cancelled => {
                self.streams.remove(id);
            }
            StreamEnd::Failed { class, reason, response_started } => {
                self.count_failure(&attached, reason, is_h1);
                let class = if attached.head { Class::Never } else { class };
                let failure = StreamFailure { reason, class, connection: Some(connection) };
                self.stream_failed(now, id, &attached, failure, response_started);
            }
            StreamEnd::Requeue => self.requeue(now, id, &attached),
        }
    }

    /// HTTP/1: a stream that ended early takes its connection along. Whether it did.
    fn spoil(&mut self, now: Instant, id: ConnectionId, end: StreamEnd) -> bool {
        let reason = match end {
            StreamEnd::Complete => return false,
            StreamEnd::Requeue => CloseReason::Stale,
            StreamEnd::Failed { .. } | StreamEnd::Cancelled => CloseReason::StreamReset,
        };
        let open = self.connections[id].state != State::Closed;
        if open {
            self.close(now, id, CloseCause::Core(reason));
        }
        open
    }

    fn count_local_reset(&mut self, attached: &Attached, is_h1: bool) {
        if !attached.cancelled && !is_h1 {
            self.stats.bump(Stat::RqTxReset);
        }
    }

    fn count_failure(&mut self, attached: &Attached, reason: FailureReason, is_h1: bool) {
        match reason {
            FailureReason::RemoteReset => self.stats.bump(Stat::RqRxReset),
            FailureReason::LocalReset | FailureReason::ProtocolError => self.count_local_reset(attached, is_h1),
            FailureReason::Overflow(_)
            | FailureReason::LocalConnectionFailure
            | FailureReason::RemoteConnectionFailure
            | FailureReason::Timeout
            | FailureReason::QueueTimeout
            | FailureReason::GateShut
            | FailureReason::ConnectionTermination
            | FailureReason::RemoteRefused
            | FailureReason::VersionRequired
            | FailureReason::VersionUnfit
            | FailureReason::ConnectError => {}
        }
    }

    /// The pool sends it again (contract 8.1), or its caller is told.
    pub(super) fn stream_failed(
        &mut self,
        now: Instant,
        id: StreamId,
        attached: &Attached,
        failure: StreamFailure,
        answered: bool,
    ) {
        if failure.reason == FailureReason::VersionRequired {
            let pool = &self.pools[self.streams[id].pool];
            if pool.key.offer == Offer::All {
                self.upstreams[pool.upstream].fallback.refused(now);
            }
        }
        if self.may_replay(id, attached, failure, answered) && self.finds_its_version(now, id, failure.reason) {
            let stream = &mut self.streams[id];
            if failure.class == Class::Unprocessed {
                stream.replays += 1;
            } else {
                stream.risky_replays += 1;
            }
            let (token, pool) = (stream.token, stream.pool);
            if self.enter(now, id, true).is_ok() {
                self.stats.bump(Stat::RqReplay);
                self.note(Event::Replay { stream: id, token });
                return;
            }
            self.look_at(pool);
        }
        self.fail(now, id, failure, false);
    }

    fn may_replay(&self, id: StreamId, attached: &Attached, failure: StreamFailure, answered: bool) -> bool {
        let stream = &self.streams[id];
        let upstream = &self.upstreams[self.pools[stream.pool].upstream];
        if !stream.replayable || attached.head || upstream.gate == Gate::Shut {
            return false;
        }
        match (failure.class, upstream.config.replay) {
            (Class::Unprocessed, ReplayPolicy::Idempotent | ReplayPolicy::Unprocessed) => stream.replays < MOST_REPLAYS,
            (Class::Maybe, ReplayPolicy::Idempotent) => {
                attached.reused
                    && !answered
                    && failure.reason == FailureReason::ConnectionTermination
                    && stream.method != MethodClass::Other
                    && stream.risky_replays < MOST_RISKY_REPLAYS
            }
            _ => false,
        }
    }

    /// A stream that needs another version leaves for the pool that offers that alone. Whether there is one.
    fn finds_its_version(&mut self, now: Instant, id: StreamId, reason: FailureReason) -> bool {
        if !matches!(reason, FailureReason::VersionRequired | FailureReason::VersionUnfit) {
            return true;
        }
        let pool = &self.pools[self.streams[id].pool];
        let (upstream, key) = (pool.upstream, pool.key);
        let key = if key.offer.is_http3() {
            self.upstreams[upstream].key_of_new(now, key.priority, key.key)
        } else if pool.offer(self.config_of(upstream)) == Protocols::Mixed {
            PoolKey { offer: Offer::OnlyH1, ..key }
        } else {
            return false;
        };
        let Ok(other) = self.pool_for_known(now, upstream, key) else { return false };
        let stream = &mut self.streams[id];
        stream.pool = other;
        stream.http3 = Http3::Skip;
        true
    }

    /// Contract 3.13: nothing of it was sent; back to its old place in the queue, where it is never refused.
    pub(super) fn requeue(&mut self, now: Instant, id: StreamId, attached: &Attached) {
        let stream = &mut self.streams[id];
        let (pool, priority) = (stream.pool, stream.priority);
        let shut = self.upstreams[self.pools[pool].upstream].gate == Gate::Shut;
        if shut || stream.requeues >= MOST_REQUEUES {
            let reason = if shut { FailureReason::GateShut } else { FailureReason::ConnectionTermination };
            let failure = StreamFailure { reason, class: Class::Unprocessed, connection: Some(attached.connection) };
            self.stream_failed(now, id, attached, failure, false);
            return;
        }
        stream.requeues += 1;
        self.stats.bump(Stat::RqRequeued);
        if let Http3::Race(start) = stream.http3 {
            if let Err(reason) = self.race(now, id, start, true) {
                let failure = StreamFailure { reason, class: Class::Unprocessed, connection: None };
                self.fail(now, id, failure, false);
            }
            return;
        }
        let place = self.limits.take(LimitName::MaxPendingRequests, priority);
        self.enqueue(now, id, place, true);
        // Another connection may be free already.
        self.gain(now, pool);
        self.grow_if_waiting(now, pool);
    }
}
