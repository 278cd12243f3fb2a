//! A connection becomes ready, or never does.

use super::Group;
use crate::config::OnConnectFailure;
use crate::connection::State;
use crate::effect::CloseReason;
use crate::event::{CloseCause, Event};
use crate::id::{ConnectionId, PoolId};
use crate::outcome::{Class, ConnectFailure, ConnectFailureReason, Connected, FailureReason, Protocol, StreamFailure};
use crate::race::Http3Verdict;
use crate::stats::Stat;
use crate::time::Instant;
use crate::timer::Timer;

/// Failures in a row after which nothing is left waiting for another attempt. Source: the contract, 3.6.
const HOPELESS: u32 = 3;

impl Group {
    /// The shell gets round to the dial: `connect_timeout` counts anew. That a busy process began late is no fault of the upstream's.
    pub fn dialling(&mut self, now: Instant, id: ConnectionId) {
        if self.connections.get(id).is_some_and(|found| !found.connected && found.life_timer.is_some()) {
            self.limit_dial(now, id);
        }
    }

    /// The 0-RTT keys are there. Whether the connection may have such: not on TCP, not twice, not once it is up.
    pub fn early_data_ready(&mut self, now: Instant, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(id) else {
            return false;
        };
        if connection.state != State::Connecting || connection.protocol != Some(Protocol::H3) {
            return false;
        }
        let pool = connection.pool;
        connection.state = State::EarlyData;
        self.stats.bump(Stat::CxConnectWith0Rtt);
        self.recount(id, State::Connecting, false);
        self.rest(now, id);
        self.gain(now, pool);
        true
    }

    /// HTTP/2: the handshake is done, but the connection is not ready before the peer's first SETTINGS. The shell bounds that wait;
    /// `connect_timeout` has been kept.
    pub fn shaken(&mut self, _now: Instant, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.connected) {
            self.timers.disarm(&mut connection.life_timer);
        }
    }

    /// The handshake is done.
    pub fn connected(&mut self, now: Instant, id: ConnectionId, connected: Connected) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.connected || connection.state == State::Closed {
            return;
        }
        let upstream = &mut self.upstreams[connection.upstream];
        let (was, was_open) = (connection.state, connection.protocol.is_none());
        self.timers.disarm(&mut connection.life_timer);
        self.stats.connected_after(now - connection.created);
        connection.connected_at = now;
        connection.negotiated(connected.protocol, &upstream.config);
        let protocol = connection.protocol.unwrap_or(connected.protocol);
        if was_open {
            upstream.config.memory.h1 = protocol == Protocol::H1;
        }
        if let Some(limit) = connected.stream_limit {
            connection.limited(limit, &upstream.config);
            if protocol == Protocol::H2 && upstream.config.h2.remember {
                upstream.config.memory.stream_limit = Some(limit);
            }
        }
        self.stats.bump(match protocol {
            Protocol::H1 => Stat::CxHttp1Total,
            Protocol::H2 => Stat::CxHttp2Total,
            Protocol::H3 => Stat::CxHttp3Total,
        });
        if let Some(duration) = upstream.config.max_connection_duration.filter(|_| was != State::Draining) {
            let jitter = upstream.config.duration_jitter.thousandths().min(1_000);
            let deadline = now + self.random.between(duration * (1_000 - jitter) / 1_000, duration);
            connection.life_timer = Some(self.timers.arm_at(deadline, Timer::Duration(id)));
        }
        let (pool, upstream) = (connection.pool, connection.upstream);
        let (idle, blocked) = (connection.active == 0, connection.concurrent == 0);
        self.recount(id, was, false);
        self.note(Event::Connected { connection: id, upstream, protocol });
        self.http3_confirmed(pool);
        if blocked {
            self.blame(now, id);
        }
        if idle {
            self.rest(now, id);
        }
        self.gain(now, pool);
    }

    /// The dial or the handshake failed.
    pub fn connect_failed(&mut self, now: Instant, id: ConnectionId, failure: ConnectFailure) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        if connection.connected || connection.state == State::Closed {
            return;
        }
        let reason = match failure.reason {
            ConnectFailureReason::Timeout => FailureReason::Timeout,
            ConnectFailureReason::Remote => FailureReason::RemoteConnectionFailure,
            ConnectFailureReason::Local => FailureReason::LocalConnectionFailure,
        };
        let remote = failure.reason == ConnectFailureReason::Remote;
        self.connection_failed(now, id, CloseCause::ConnectFailed { remote }, reason, failure.class);
    }

    /// The core's own connect timer.
    pub(super) fn connect_timed_out(&mut self, now: Instant, id: ConnectionId) {
        let cause = CloseCause::Core(CloseReason::ConnectTimeout);
        self.connection_failed(now, id, cause, FailureReason::Timeout, Class::Unprocessed);
    }

    /// Contract 3.6.
    pub(super) fn connection_failed(
        &mut self,
        now: Instant,
        id: ConnectionId,
        cause: CloseCause,
        reason: FailureReason,
        class: Class,
    ) {
        let found = &self.connections[id];
        let (pool, upstream, early) = (found.pool, found.upstream, found.served > 0);
        let (trailing, is_http3) = (self.pools[pool].trailing, self.pools[pool].key.offer.is_http3());
        self.stats.bump(Stat::CxConnectFail);
        if reason == FailureReason::Timeout {
            self.stats.bump(Stat::CxConnectTimeout);
        }
        self.blame(now, id);
        // What went as early data ends first, so that the shell still knows the connection.
        self.close_and_cut(now, id, cause, reason);
        self.purge(now, pool, StreamFailure { reason, class, connection: Some(id) });
        if is_http3 && early {
            self.verdict(upstream, Http3Verdict::EarlyDataFailed);
        }
        self.http3_trailed_off(pool, trailing);
        self.replace(now, pool);
        self.look_at(pool);
    }

    /// Fails the waiting streams that nothing under way can serve, newest first.
    fn purge(&mut self, now: Instant, id: PoolId, failure: StreamFailure) {
        let pool = &self.pools[id];
        let waiting = i64::from(pool.pending.len());
        let keep = match self.config_of(pool.upstream).on_connect_failure {
            OnConnectFailure::All => 0,
            OnConnectFailure::Uncovered if pool.failures.in_a_row() >= HOPELESS || pool.living() == 0 => 0,
            OnConnectFailure::Uncovered if !pool.ready.is_empty() || pool.busy > 0 => waiting,
            OnConnectFailure::Uncovered => pool.tally.connecting,
        };
        while i64::from(self.pools[id].pending.len()) > keep {
            let Some(youngest) = self.pools[id].pending.youngest(&self.streams) else {
                break;
            };
            self.fail(now, youngest, failure, true);
        }
    }

    /// The connection gave nothing: it counts as a failure of its pool, once, unless a response ever came on it.
    pub(super) fn blame(&mut self, now: Instant, id: ConnectionId) {
        let connection = &mut self.connections[id];
        if connection.blamed || connection.heads > 0 {
            return;
        }
        connection.blamed = true;
        let backoff = &self.upstreams[connection.upstream].config.backoff;
        self.pools[connection.pool].failures.add(now, backoff, &mut self.random);
    }
}
