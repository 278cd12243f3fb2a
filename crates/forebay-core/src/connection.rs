//! One connection: its state and how much it can take.
//!
//! ```text
//!                0-RTT keys             connected
//!   Connecting ------------> EarlyData ----------+
//!       |                     ^   |              v            R = 0, GOAWAY,
//!       |      connected      |   +--> Busy <--> Ready ----+  max duration,
//!       +---------------------|----------------> |  |      |  drain
//!       |                     +------------------+  |      v
//!       |                                           |   Draining
//!       +--> Closed <-------------------------------+------+    at 0 active
//! ```
//!
//! R: streams it may still take in its life. C: how many at once. U = min(R, C - active), and on HTTP/3 no more than the credit; negative
//! after C shrank.
//!
//! Promise: `state` always follows from the numbers (`settle`). Used by `pool` and `group`, which keep its timers and places.

use crate::config::{Protocols, UpstreamConfig};
use crate::heap::Slot;
use crate::id::{PoolId, StreamId, UpstreamId};
use crate::limits::Place;
use crate::outcome::Protocol;
use crate::time::Instant;
use crate::timer::Armed;

/// Streams in the life of an HTTP/1 connection without a bound. Source: Envoy.
const LIFETIME_H1: u32 = u32::MAX;
/// Streams in the life of an HTTP/2 or HTTP/3 connection without a bound. Source: Envoy; ids end at 2^31.
const LIFETIME_MULTIPLEXED: u32 = 1 << 29;
/// HTTP/3 stream credit before the handshake. Source: Envoy; the value that RFC 9114 asks servers for.
const ASSUMED_CREDIT: u32 = 100;
/// What a mixed pool expects of a connection that may become HTTP/2. Source: Envoy's default of `max_concurrent_streams`.
const ESTIMATED_STREAMS: u32 = 1024;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Connecting,
    EarlyData,
    Ready,
    Busy,
    Draining,
    Closed,
}

/// What a connection adds to the sums of its pool.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Share {
    /// U.
    pub(crate) capacity: i64,
    /// U while positive.
    pub(crate) free: i64,
    /// U while Connecting or `EarlyData`.
    pub(crate) connecting: i64,
    /// U while Ready.
    pub(crate) ready: i64,
}

#[expect(clippy::struct_excessive_bools, reason = "each is true from some moment on, in any order")]
pub(crate) struct Connection {
    pub(crate) upstream: UpstreamId,
    pub(crate) pool: PoolId,
    /// Counts up with each creation in the group.
    pub(crate) birth: u64,
    pub(crate) state: State,
    /// The handshake is done; what it chose is `protocol`.
    pub(crate) connected: bool,
    pub(crate) protocol: Option<Protocol>,
    /// R.
    pub(crate) remaining: u32,
    /// C.
    pub(crate) concurrent: u32,
    /// HTTP/3 stream credit; no bound for the others.
    pub(crate) credit: u32,
    pub(crate) active: u32,
    /// Streams attached in its life.
    pub(crate) served: u32,
    /// Response heads that came on it.
    pub(crate) heads: u32,
    /// The shell has been told to dial.
    pub(crate) dialled: bool,
    /// It counts as a failure of its pool already.
    pub(crate) blamed: bool,
    /// It announced its end already.
    pub(crate) notified: bool,
    /// The peer's `Keep-Alive: timeout`, less the margin.
    pub(crate) idle_hint: Option<core::time::Duration>,
    pub(crate) created: Instant,
    pub(crate) connected_at: Instant,
    /// The newest of its streams: they are linked, newest first.
    pub(crate) newest: Option<StreamId>,
    /// Its place under `max_connections`; none once closed.
    pub(crate) place: Option<Place>,
    /// In the set of its pool that its state belongs to.
    pub(crate) listed: Option<Listed>,
    /// What it adds to its pool now.
    pub(crate) share: Share,
    /// Connect timer, then duration timer.
    pub(crate) life_timer: Option<Armed>,
    /// Idle timer, then drain timer.
    pub(crate) rest_timer: Option<Armed>,
}

/// Where a Ready or `EarlyData` connection stands in its pool's set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) slot: Slot,
    pub(crate) rank: u64,
    pub(crate) early: bool,
}

impl Connection {
    pub(crate) fn new(
        upstream: UpstreamId,
        pool: PoolId,
        offer: Protocols,
        config: &UpstreamConfig,
        birth: u64,
        now: Instant,
    ) -> Self {
        let protocol = match offer {
            Protocols::Fixed(protocol) => Some(protocol),
            Protocols::Mixed => None,
        };
        let remaining = lifetime(protocol, config);
        Self {
            upstream,
            pool,
            birth,
            state: State::Connecting,
            connected: false,
            protocol,
            remaining,
            concurrent: expected(protocol, config, remaining),
            credit: if protocol == Some(Protocol::H3) { ASSUMED_CREDIT } else { u32::MAX },
            active: 0,
            served: 0,
            heads: 0,
            dialled: false,
            blamed: false,
            notified: false,
            idle_hint: None,
            created: now,
            connected_at: now,
            newest: None,
            place: None,
            listed: None,
            share: Share::default(),
            life_timer: None,
            rest_timer: None,
        }
    }

    /// U.
    pub(crate) fn usable(&self) -> i64 {
        let concurrent = i64::from(self.concurrent) - i64::from(self.active);
        i64::from(self.remaining).min(concurrent).min(i64::from(self.credit))
    }

    pub(crate) fn is_h1(&self) -> bool {
        self.protocol == Some(Protocol::H1)
    }

    /// The peer said how many streams it takes: at once (HTTP/2) or from now on (HTTP/3).
    pub(crate) fn limited(&mut self, limit: u32, config: &UpstreamConfig) {
        match self.protocol {
            Some(Protocol::H2) => self.concurrent = limit.min(config.h2.max_concurrent_streams),
            Some(Protocol::H3) => self.credit = limit,
            Some(Protocol::H1) | None => {}
        }
    }

    /// The handshake chose a protocol.
    pub(crate) fn negotiated(&mut self, protocol: Protocol, config: &UpstreamConfig) {
        if self.protocol.is_none() {
            self.protocol = Some(protocol);
            self.remaining = lifetime(self.protocol, config);
            self.concurrent = expected(self.protocol, config, self.remaining);
        }
        self.connected = true;
    }

    pub(crate) fn attached(&mut self) {
        debug_assert!(self.usable() > 0, "a stream is attached only where there is room");
        self.active += 1;
        self.served += 1;
        self.remaining -= 1;
        if self.protocol == Some(Protocol::H3) {
            self.credit -= 1;
        }
    }

    /// It takes no stream any more.
    pub(crate) fn retired(&mut self) {
        self.remaining = 0;
        self.state = State::Draining;
    }

    /// The state that the numbers ask for.
    pub(crate) fn settle(&mut self) {
        self.state = match self.state {
            State::Closed => State::Closed,
            State::Draining => State::Draining,
            State::Connecting if !self.connected => State::Connecting,
            State::Connecting | State::EarlyData | State::Ready | State::Busy => {
                if self.remaining == 0 {
                    State::Draining
                } else if self.usable() <= 0 {
                    State::Busy
                } else if self.connected {
                    State::Ready
                } else {
                    State::EarlyData
                }
            }
        };
    }

    /// What it adds to its pool in this state.
    pub(crate) fn counts_for(&self) -> Share {
        let usable = self.usable();
        match self.state {
            State::Closed => Share::default(),
            State::Connecting | State::EarlyData => {
                Share { capacity: usable, free: usable.max(0), connecting: usable, ready: 0 }
            }
            State::Ready => Share { capacity: usable, free: usable, connecting: 0, ready: usable },
            State::Busy | State::Draining => Share { capacity: usable, free: usable.max(0), connecting: 0, ready: 0 },
        }
    }
}

fn lifetime(protocol: Option<Protocol>, config: &UpstreamConfig) -> u32 {
    let unbounded = if protocol == Some(Protocol::H1) { LIFETIME_H1 } else { LIFETIME_MULTIPLEXED };
    if config.max_requests_per_connection == 0 { unbounded } else { config.max_requests_per_connection }
}

/// C until the peer speaks.
fn expected(protocol: Option<Protocol>, config: &UpstreamConfig, remaining: u32) -> u32 {
    let remembered = config.memory.stream_limit.filter(|limit| *limit > 0).unwrap_or(u32::MAX);
    match protocol {
        Some(Protocol::H1) => 1,
        Some(Protocol::H2) => {
            let before = config.h2.pre_settings_streams.unwrap_or(u32::MAX);
            config.h2.max_concurrent_streams.min(remembered).min(before)
        }
        Some(Protocol::H3) => config.h3.max_concurrent_streams,
        None if config.memory.h1 => 1,
        None => ESTIMATED_STREAMS.min(remembered).min(remaining),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{H2Config, OriginMemory};
    use crate::id::Id;

    fn connection(config: &UpstreamConfig) -> Connection {
        let (upstream, pool) = (UpstreamId::from_parts(0, 0), PoolId::from_parts(0, 0));
        Connection::new(upstream, pool, config.protocols, config, 0, Instant::default())
    }

    fn h2(max: u32) -> UpstreamConfig {
        UpstreamConfig {
            protocols: Protocols::Fixed(Protocol::H2),
            h2: H2Config { max_concurrent_streams: max, ..H2Config::default() },
            ..UpstreamConfig::default()
        }
    }

    #[test]
    fn inventory_059_the_first_guess_is_the_least_of_configured_remembered_and_lifetime() {
        assert_eq!(connection(&h2(2_000)).usable(), 2_000);
        let remembered = UpstreamConfig { memory: OriginMemory { h1: false, stream_limit: Some(500) }, ..h2(2_000) };
        assert_eq!(connection(&remembered).usable(), 500);
        let short = UpstreamConfig { max_requests_per_connection: 100, ..remembered };
        assert_eq!(connection(&short).usable(), 100);
    }

    #[test]
    fn inventory_118_a_mixed_pool_estimates_by_what_it_remembers() {
        let mixed = |memory| UpstreamConfig { protocols: Protocols::Mixed, memory, ..UpstreamConfig::default() };
        let limit = |limit| OriginMemory { h1: false, stream_limit: Some(limit) };
        assert_eq!(connection(&mixed(OriginMemory::default())).usable(), 1_024);
        assert_eq!(connection(&mixed(limit(5))).usable(), 5);
        assert_eq!(connection(&mixed(limit(u32::MAX))).usable(), 1_024);
        assert_eq!(connection(&mixed(OriginMemory { h1: true, stream_limit: Some(5) })).usable(), 1);
    }

    #[test]
    fn inventory_057_room_is_the_least_of_lifetime_and_limit_less_active() {
        let config = UpstreamConfig { max_requests_per_connection: 6, ..h2(8) };
        let mut connection = connection(&config);
        connection.negotiated(Protocol::H2, &config);
        connection.settle();
        assert_eq!(connection.usable(), 6);
        let mut seen = [0; 3];
        for left in &mut seen {
            connection.attached();
            *left = connection.usable();
        }
        // 6 of 8 before the first; then 5, 4, 3: the life is what bounds it.
        assert_eq!(seen, [5, 4, 3]);
        connection.limited(4, &config);
        assert_eq!(connection.usable(), 1);
        for left in &mut seen {
            connection.active -= 1;
            *left = connection.usable();
        }
        assert_eq!(seen, [2, 3, 3]);
    }

    #[test]
    fn a_limit_below_what_runs_makes_it_busy_and_never_resets() {
        let config = h2(4);
        let mut connection = connection(&config);
        connection.negotiated(Protocol::H2, &config);
        for _ in 0..3 {
            connection.attached();
        }
        connection.settle();
        assert_eq!(connection.state, State::Ready);
        connection.limited(1, &config);
        connection.settle();
        assert_eq!((connection.state, connection.usable()), (State::Busy, -2));
        assert_eq!(connection.counts_for(), Share { capacity: -2, free: 0, connecting: 0, ready: 0 });
    }

    #[test]
    fn a_draining_connection_never_returns() {
        let config = h2(4);
        let mut connection = connection(&config);
        connection.negotiated(Protocol::H2, &config);
        connection.attached();
        connection.retired();
        connection.settle();
        assert_eq!((connection.state, connection.usable()), (State::Draining, 0));
        connection.limited(100, &config);
        connection.settle();
        assert_eq!((connection.state, connection.usable()), (State::Draining, 0));
    }
}
