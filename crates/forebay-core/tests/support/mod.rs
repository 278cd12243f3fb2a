//! A scene for scenarios: a group on a fake clock, a shell that notes the effects, and short names for both.
//!
//! Promise: after each step the turn is ended, the effects are taken and the machine's own invariants hold; at the end of a test every
//! gauge is 0 and every place is returned (`Drop`).
#![allow(dead_code, clippy::unwrap_used, clippy::missing_panics_doc, unreachable_pub)]

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::{
    Admission, BackoffConfig, Class, CloseReason, ConnectFailure, ConnectFailureReason, Connected, ConnectionEnd,
    ConnectionId, Effect, Event, FailureReason, Group, GroupConfig, H2Config, H3Config, Instant, LimitName,
    LimitsConfig, MethodClass, NewStream, PoolState, Priority, Protocol, Protocols, Ratio, ReplayPolicy, Scope, Stat,
    StreamEnd, StreamId, UpstreamConfig, UpstreamId,
};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The inventory's defaults: r = 1, no jitter, no back-off, no replay, nothing remembered.
pub fn plain(protocol: Protocol) -> UpstreamConfig {
    UpstreamConfig {
        protocols: Protocols::Fixed(protocol),
        duration_jitter: Ratio::ZERO,
        backoff: BackoffConfig { base: Duration::ZERO, max: Duration::ZERO },
        replay: ReplayPolicy::None,
        ..UpstreamConfig::default()
    }
}

pub fn h1() -> UpstreamConfig {
    plain(Protocol::H1)
}

pub fn h2(streams: u32) -> UpstreamConfig {
    UpstreamConfig { h2: H2Config { max_concurrent_streams: streams, ..H2Config::default() }, ..plain(Protocol::H2) }
}

pub fn h3() -> UpstreamConfig {
    UpstreamConfig { h3: H3Config::default(), ..plain(Protocol::H3) }
}

pub fn limits(change: impl FnOnce(&mut LimitsConfig)) -> GroupConfig {
    let mut config = GroupConfig::default();
    change(&mut config.default);
    config
}

pub fn max_connections(max: u32) -> GroupConfig {
    limits(|limits| limits.max_connections = max)
}

pub struct Scene {
    pub group: Group,
    pub upstream: UpstreamId,
    pub now: Instant,
    /// What its connections turn out to speak.
    pub protocol: Protocol,
    /// Effects of the last step, in order.
    pub effects: Vec<Effect>,
    pub events: Vec<Event>,
    /// Connections dialled and not closed, in order of their effects.
    pub connections: Vec<ConnectionId>,
    /// Where each stream was opened last.
    pub opened: BTreeMap<StreamId, ConnectionId>,
    /// Failures told, in order.
    pub failed: Vec<(StreamId, FailureReason, Class)>,
    tokens: u64,
}

impl Scene {
    pub fn new(group: GroupConfig, upstream: UpstreamConfig) -> Self {
        let protocol = match upstream.protocols {
            Protocols::Fixed(protocol) => protocol,
            Protocols::Mixed => Protocol::H2,
        };
        let mut group = Group::new(group, 1);
        let upstream = group.add_upstream(upstream);
        Self {
            group,
            upstream,
            now: Instant::from_epoch(ms(1_000_000)),
            protocol,
            effects: Vec::new(),
            events: Vec::new(),
            connections: Vec::new(),
            opened: BTreeMap::new(),
            failed: Vec::new(),
            tokens: 0,
        }
    }

    /// Ends the turn and takes what came of it.
    pub fn turn(&mut self) {
        self.group.end_turn(self.now);
        self.effects.clear();
        while let Some(effect) = self.group.poll_effect() {
            self.effects.push(effect);
            match effect {
                Effect::Connect { connection, .. } => self.connections.push(connection),
                Effect::Open { connection, stream, .. } => {
                    self.opened.insert(stream, connection);
                }
                Effect::Fail { stream, failure, .. } => {
                    self.failed.push((stream, failure.reason, failure.class));
                    self.opened.remove(&stream);
                }
                Effect::Reset { .. } | Effect::Http3 { .. } | Effect::UpstreamGone { .. } => {}
                Effect::Close { connection, .. } => self.connections.retain(|open| *open != connection),
            }
        }
        while let Some(event) = self.group.poll_event() {
            self.events.push(event);
        }
        if let Err(broken) = self.group.check() {
            panic!("{broken}");
        }
    }

    pub fn new_stream(&mut self) -> NewStream {
        self.tokens += 1;
        NewStream::new(self.tokens, self.upstream)
    }

    /// Hands in a stream; the turn goes on.
    pub fn ask(&mut self, change: impl FnOnce(&mut NewStream)) -> Admission {
        let mut new = self.new_stream();
        change(&mut new);
        self.group.request(self.now, new)
    }

    /// A stream that is let in, in a turn of its own.
    pub fn request(&mut self) -> StreamId {
        self.request_with(|_| {})
    }

    pub fn request_with(&mut self, change: impl FnOnce(&mut NewStream)) -> StreamId {
        let admission = self.ask(change);
        self.turn();
        match admission {
            Admission::Attached(id) | Admission::Queued(id) => id,
            Admission::Refused(reason) => panic!("refused: {reason:?}"),
        }
    }

    /// A GET that may be sent again.
    pub fn get(&mut self) -> StreamId {
        self.request_with(|new| {
            new.replayable = true;
            new.method = MethodClass::Safe;
        })
    }

    /// A POST that may be sent again where it was not processed.
    pub fn post(&mut self) -> StreamId {
        self.request_with(|new| new.replayable = true)
    }

    pub fn refused(&mut self) -> FailureReason {
        let admission = self.ask(|_| {});
        self.turn();
        match admission {
            Admission::Refused(reason) => reason,
            other => panic!("let in: {other:?}"),
        }
    }

    pub fn cancel(&mut self, stream: StreamId) {
        self.group.cancel(self.now, stream);
        self.turn();
    }

    /// The `index`th of the open connections becomes ready.
    pub fn connect(&mut self, index: usize) -> ConnectionId {
        let id = self.connections[index];
        self.connect_as(id, None);
        id
    }

    pub fn connect_as(&mut self, id: ConnectionId, stream_limit: Option<u32>) {
        let protocol = self.protocol;
        self.group.connected(self.now, id, Connected { protocol, stream_limit });
        self.turn();
    }

    pub fn fails_to_connect(&mut self, id: ConnectionId, reason: ConnectFailureReason) {
        self.connections.retain(|open| *open != id);
        self.group.connect_failed(self.now, id, ConnectFailure { reason, class: Class::Unprocessed });
        self.turn();
    }

    pub fn head(&mut self, stream: StreamId) {
        self.group.response_head(self.now, stream);
    }

    /// Head and end of the response, in a turn of their own.
    pub fn complete(&mut self, stream: StreamId) {
        self.end(stream);
        self.turn();
    }

    /// The same; the turn goes on.
    pub fn end(&mut self, stream: StreamId) {
        self.head(stream);
        self.group.stream_ended(self.now, stream, StreamEnd::Complete);
        self.opened.remove(&stream);
    }

    pub fn fails(&mut self, stream: StreamId, class: Class, reason: FailureReason) {
        self.opened.remove(&stream);
        self.group.stream_ended(self.now, stream, StreamEnd::Failed { class, reason, response_started: false });
        self.turn();
    }

    /// The connection ends; its streams end with it, as a transport reports them.
    pub fn close(&mut self, id: ConnectionId, end: ConnectionEnd) {
        self.connections.retain(|open| *open != id);
        self.group.connection_closed(self.now, id, end);
        let streams: Vec<StreamId> =
            self.opened.iter().filter(|(_, on)| **on == id).map(|(stream, _)| *stream).rev().collect();
        for stream in streams {
            self.opened.remove(&stream);
            let (class, reason) = (Class::Maybe, FailureReason::ConnectionTermination);
            self.group.stream_ended(self.now, stream, StreamEnd::Failed { class, reason, response_started: false });
        }
        self.turn();
    }

    pub fn go_away(&mut self, id: ConnectionId) {
        self.group.go_away(self.now, id);
        self.turn();
    }

    pub fn settings(&mut self, id: ConnectionId, limit: u32) {
        self.group.stream_limit_changed(self.now, id, limit);
        self.turn();
    }

    /// Time passes; each deadline on the way is met exactly.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut seen = Vec::new();
        while let Some(deadline) = self.group.next_deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.group.timeout(self.now);
            self.turn();
            seen.append(&mut self.effects);
        }
        self.now = until;
        self.effects = seen;
    }

    pub fn stat(&self, stat: Stat) -> u64 {
        self.group.stats().get(stat)
    }

    pub fn pool(&self) -> PoolState {
        self.group.pool(self.upstream, Priority::Default, 0).unwrap_or_default()
    }

    /// (active, pending, capacity)
    pub fn triple(&self) -> (i64, i64, i64) {
        let pool = self.pool();
        (pool.active, pool.pending, pool.capacity)
    }

    /// Whether the limit is full.
    pub fn is_open(&self, limit: LimitName) -> bool {
        self.group.limit(limit, Priority::Default).open
    }

    pub fn closes(&self) -> Vec<CloseReason> {
        let reason = |effect: &Effect| match effect {
            Effect::Close { reason, .. } => Some(*reason),
            _ => None,
        };
        self.effects.iter().filter_map(reason).collect()
    }

    pub fn dials(&self) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Effect::Connect { .. })).count()
    }

    /// Streams opened in the last step, in order.
    pub fn opens(&self) -> Vec<StreamId> {
        let stream = |effect: &Effect| match effect {
            Effect::Open { stream, .. } => Some(*stream),
            _ => None,
        };
        self.effects.iter().filter_map(stream).collect()
    }

    pub fn failed_streams(&self) -> Vec<StreamId> {
        self.failed.iter().map(|(stream, _, _)| *stream).collect()
    }

    pub fn idle_events(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::PoolIdle { .. })).count()
    }
}

/// Invariant 20: at tear-down every gauge is 0 and every place is returned.
impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.group.destroy(self.now, Scope::Group);
        self.turn();
        for gauge in [Stat::CxActive, Stat::RqActive, Stat::RqPendingActive] {
            assert_eq!(self.stat(gauge), 0, "{}", gauge.name());
        }
        for priority in Priority::ALL {
            for limit in LimitName::COUNTED {
                assert_eq!(self.group.limit(limit, priority).current, 0, "{}", limit.name());
            }
        }
        assert_eq!(self.group.next_deadline(), None, "a timer is left");
    }
}
