//! Connections that take no more streams, or fewer; and how long they rest.

use core::time::Duration;

use super::Group;
use crate::connection::State;
use crate::effect::CloseReason;
use crate::event::{CloseCause, DrainReason, Event};
use crate::id::ConnectionId;
use crate::outcome::{Class, FailureReason, Protocol};
use crate::stats::Stat;
use crate::time::Instant;
use crate::timer::Timer;

/// What is taken off a peer's `Keep-Alive: timeout`, so that a request does not cross its close. Source: the contract, 3.11.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

impl Group {
    /// The peer will take no more streams: GOAWAY, or HTTP/1's `Connection: close` and what amounts to it. What runs goes on.
    pub fn go_away(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id).filter(|connection| connection.state != State::Closed)
        else {
            return;
        };
        let (pool, reason) =
            (connection.pool, if connection.is_h1() { DrainReason::CloseHeader } else { DrainReason::GoAway });
        if !core::mem::replace(&mut connection.notified, true) {
            self.stats.bump(Stat::CxCloseNotify);
        }
        if connection.state == State::Connecting {
            let cause = CloseCause::ConnectFailed { remote: true };
            self.connection_failed(now, id, cause, FailureReason::RemoteConnectionFailure, Class::Unprocessed);
            return;
        }
        self.blame(now, id);
        if self.retire(now, id, reason) {
            self.replace(now, pool);
        }
    }

    /// No new streams on this one connection, for a reason that the shell knows. What runs goes on; one that is not ready yet is left.
    pub fn drain_connection(&mut self, now: Instant, id: ConnectionId, reason: DrainReason) {
        let Some(connection) = self.connections.get(id) else { return };
        let pool = connection.pool;
        if self.retire(now, id, reason) {
            self.replace(now, pool);
        }
    }

    /// HTTP/1: how long the peer keeps an idle connection.
    pub fn keep_alive_hint(&mut self, now: Instant, id: ConnectionId, hint: Duration) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.is_h1() || !connection.connected || connection.state == State::Closed {
            return;
        }
        if hint <= KEEP_ALIVE_MARGIN {
            let pool = connection.pool;
            self.retire(now, id, DrainReason::KeepAliveHint);
            self.grow_if_waiting(now, pool);
            return;
        }
        connection.idle_hint = Some(hint.saturating_sub(KEEP_ALIVE_MARGIN));
        if connection.active == 0 && connection.state != State::Draining {
            self.rest(now, id);
        }
    }

    /// HTTP/2: the peer's limit on streams at once (`u32::MAX`: its SETTINGS have none). HTTP/3: streams that may be opened from now on.
    pub fn stream_limit_changed(&mut self, now: Instant, id: ConnectionId, limit: u32) {
        let Some(connection) = self.connections.get_mut(id).filter(|connection| connection.state != State::Closed)
        else {
            return;
        };
        let upstream = &mut self.upstreams[connection.upstream];
        let (was, before, pool) = (connection.state, connection.usable(), connection.pool);
        connection.limited(limit, &upstream.config);
        if connection.protocol == Some(Protocol::H2) && upstream.config.h2.remember {
            upstream.config.memory.stream_limit = Some(limit);
        }
        let (after, blocked) = (connection.usable(), connection.concurrent == 0);
        self.recount(id, was, false);
        if blocked {
            self.blame(now, id);
        }
        if after > before {
            self.gain(now, pool);
        } else if after < before {
            self.grow_if_waiting(now, pool);
        }
    }

    /// No new streams; what runs goes on; closed at the last end. Whether that is new.
    pub(super) fn retire(&mut self, now: Instant, id: ConnectionId, reason: DrainReason) -> bool {
        let connection = &mut self.connections[id];
        let was = connection.state;
        if matches!(was, State::Connecting | State::Draining | State::Closed) {
            return false;
        }
        connection.retired();
        self.timers.disarm(&mut connection.rest_timer);
        let (upstream, active) = (connection.upstream, connection.active);
        self.recount(id, was, false);
        self.note(Event::Draining { connection: id, upstream, reason });
        if active == 0 {
            self.close(now, id, CloseCause::Core(CloseReason::Drained));
        } else {
            self.arm_drain_timer(now, id);
        }
        true
    }

    /// It lived long enough.
    pub(super) fn duration_reached(&mut self, now: Instant, id: ConnectionId) {
        let connection = &mut self.connections[id];
        self.timers.disarm(&mut connection.life_timer);
        let pool = connection.pool;
        if connection.state != State::Draining {
            self.stats.bump(Stat::CxMaxDurationReached);
            self.retire(now, id, DrainReason::MaxDuration);
            self.replace(now, pool);
        }
    }

    /// Nothing ran on it for too long.
    pub(super) fn idled_out(&mut self, now: Instant, id: ConnectionId) {
        let pool = self.connections[id].pool;
        self.stats.bump(Stat::CxIdleTimeout);
        self.close(now, id, CloseCause::Core(CloseReason::IdleTimeout));
        self.grow_if_waiting(now, pool);
    }

    /// It drained for too long: what still runs is cut.
    pub(super) fn drained_too_long(&mut self, now: Instant, id: ConnectionId) {
        let pool = self.connections[id].pool;
        let cause = CloseCause::Core(CloseReason::DrainTimeout);
        self.close_and_cut(now, id, cause, FailureReason::ConnectionTermination);
        self.grow_if_waiting(now, pool);
    }

    /// It has no stream: it may stay idle for a while once it is connected, but not in a deleting pool.
    pub(super) fn rest(&mut self, now: Instant, id: ConnectionId) {
        let connection = &mut self.connections[id];
        self.timers.disarm(&mut connection.rest_timer);
        let pool = &mut self.pools[connection.pool];
        if pool.deleting {
            pool.left_idle.push(id);
        }
        if !connection.connected || matches!(connection.state, State::Draining | State::Closed) {
            return;
        }
        let configured = self.upstreams[connection.upstream].config.idle_timeout;
        let timeout = match (configured, connection.idle_hint) {
            (Some(configured), Some(hint)) => Some(configured.min(hint)),
            (configured, hint) => configured.or(hint),
        };
        if let Some(timeout) = timeout {
            connection.rest_timer = Some(self.timers.arm(now, timeout, Timer::Idle(id)));
        }
    }

    pub(super) fn arm_drain_timer(&mut self, now: Instant, id: ConnectionId) {
        let connection = &mut self.connections[id];
        self.timers.disarm(&mut connection.rest_timer);
        if let Some(timeout) = self.upstreams[connection.upstream].config.drain_timeout {
            connection.rest_timer = Some(self.timers.arm(now, timeout, Timer::Drain(id)));
        }
    }
}
