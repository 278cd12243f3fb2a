//! The machine of one group: upstreams that share limits. A lone upstream is a group of one.
//!
//! Here: what it holds, the turn, the outputs and the small steps that all inputs share. Each input stands with its noun: `arrival`
//! (request), `attach` (streams onto connections), `growth` (new connections), `handshake`, `racing`
//! (HTTP/3 against TCP), `ending` (of streams), `closing` (of
//! connections), `retirement`, `drain`, `gates`, `timeouts`, `check` (what the machine promises of itself).

mod arrival;
mod attach;
mod check;
mod closing;
mod drain;
mod ending;
mod gates;
mod growth;
mod handshake;
mod racing;
mod retirement;
mod retries;
mod timeouts;

use alloc::collections::VecDeque;

use crate::config::{GroupConfig, OriginMemory, UpstreamConfig};
use crate::connection::{Connection, State};
use crate::effect::Effect;
use crate::event::Event;
use crate::id::{ConnectionId, PoolId, Store, StreamId, UpstreamId};
use crate::limits::{LimitGauge, LimitName, Limits};
use crate::outcome::{FailureReason, Priority};
use crate::pool::{Pool, Tally};
use crate::random::Random;
use crate::stats::{Stat, Stats};
use crate::stream::{Stream, Whereabouts};
use crate::time::Instant;
use crate::timer::Timers;
use crate::upstream::{Offer, PoolKey, Upstream};

pub use drain::{DrainMode, Scope};
pub use growth::Ahead;

/// Events that wait to be polled; more are dropped, so that a shell that never asks does not grow. A guess.
const EVENT_BACKLOG: usize = 4_096;

/// See the module.
pub struct Group {
    config: GroupConfig,
    upstreams: Store<UpstreamId, Upstream>,
    pools: Store<PoolId, Pool>,
    connections: Store<ConnectionId, Connection>,
    streams: Store<StreamId, Stream>,
    limits: Limits,
    timers: Timers,
    random: Random,
    stats: Stats,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
    /// The sums of all pools, by priority.
    rows: [Tally; 2],
    /// Streams ever admitted to a queue or a connection.
    arrivals: u64,
    /// Pools ever created.
    pool_numbers: u64,
    /// Connections ever created.
    births: u64,
    /// The shed gate is shut.
    shed: bool,
    /// Pools to look at before the turn ends.
    listed: VecDeque<PoolId>,
    /// Closed connections whose streams have not ended yet, and how these end if the shell says nothing.
    severed: VecDeque<(ConnectionId, FailureReason)>,
    /// Pools that gained capacity and are to be served when the turn ends, in that order.
    gained: VecDeque<PoolId>,
    /// Pools whose queues wait for a place under `max_requests`, by priority.
    awaiting: [VecDeque<PoolId>; 2],
}

/// What a pool holds, for whoever asks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PoolState {
    /// Streams on connections.
    pub active: i64,
    /// Streams that wait.
    pub pending: i64,
    /// What its connections could take, negative where a limit fell below what runs.
    pub capacity: i64,
    /// The part of it on connections that are not ready yet.
    pub connecting_capacity: i64,
    /// Connections in any state.
    pub connections: usize,
    /// Connections that can take a stream now.
    pub ready: usize,
}

impl Group {
    /// A group without upstreams. `seed` is the source of all its jitter.
    #[must_use]
    pub fn new(config: GroupConfig, seed: u64) -> Self {
        Self {
            limits: Limits::new(&config),
            config,
            upstreams: Store::new(),
            pools: Store::new(),
            connections: Store::new(),
            streams: Store::new(),
            timers: Timers::new(),
            random: Random::new(seed),
            stats: Stats::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
            rows: [Tally::default(); 2],
            arrivals: 0,
            pool_numbers: 0,
            births: 0,
            shed: false,
            listed: VecDeque::new(),
            severed: VecDeque::new(),
            gained: VecDeque::new(),
            awaiting: [VecDeque::new(), VecDeque::new()],
        }
    }

    /// One more upstream. It has no pool until a stream or `warm` asks for one.
    pub fn add_upstream(&mut self, config: UpstreamConfig) -> UpstreamId {
        self.upstreams.insert(Upstream::new(config))
    }

    /// The end of a batch of inputs: serves what waits, ends what a closed connection left, removes pools that are idle. The shell calls
    /// it before it takes the effects.
    pub fn end_turn(&mut self, now: Instant) {
        loop {
            while let Some((connection, reason)) = self.severed.pop_front() {
                self.cut(now, connection, reason);
            }
            while let Some(pool) = self.gained.pop_front() {
                if self.pools.get(pool).is_some_and(|found| found.gained) {
                    self.serve(now, pool);
                }
            }
            self.serve_awaiting(now);
            let Some(pool) = self.listed.pop_front() else { break };
            let Some(found) = self.pools.get_mut(pool) else {
                continue;
            };
            found.listed = false;
            self.tidy(now, pool);
        }
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        loop {
            let effect = self.effects.pop_front()?;
            let still_due = match effect {
                Effect::Open { connection, stream, .. } => self.opens(connection, stream),
                Effect::Fail { stream, .. } => self.tells(stream),
                Effect::Connect { connection, .. } => self.connections.get_mut(connection).is_some_and(|found| {
                    found.dialled = found.state != State::Closed;
                    found.dialled
                }),
                Effect::Reset { .. } | Effect::Close { .. } | Effect::Http3 { .. } | Effect::UpstreamGone { .. } => {
                    true
                }
            };
            if still_due {
                return Some(effect);
            }
        }
    }

    /// The next thing that observers may know, in order. Asked for or not, no more than a few thousand are kept.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `timeout` is to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// What is counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Counts one of those that only the shell can see.
    pub fn bump(&mut self, stat: Stat) {
        self.stats.bump(stat);
    }

    /// Counts many at once of those that only the shell can see.
    pub fn add(&mut self, stat: Stat, count: u64) {
        self.stats.add(stat, count);
    }

    /// Counts a final response.
    pub fn responded(&mut self, status: u16) {
        self.stats.responded(status);
    }

    /// What a limit shows now.
    #[must_use]
    pub fn limit(&self, limit: LimitName, priority: Priority) -> LimitGauge {
        self.limits.gauge(limit, priority, self.streams_of(priority))
    }

    /// What the pool that takes new streams of this upstream, priority and key holds; of a mixed upstream the one that offers both.
    #[must_use]
    pub fn pool(&self, upstream: UpstreamId, priority: Priority, key: u64) -> Option<PoolState> {
        let id = self.upstreams.get(upstream)?.pools.get(&PoolKey { priority, key, offer: Offer::All })?;
        let pool = &self.pools[*id];
        Some(PoolState {
            active: pool.tally.active,
            pending: pool.tally.pending,
            capacity: pool.tally.capacity,
            connecting_capacity: pool.tally.connecting,
            connections: pool.connections.len(),
            ready: pool.ready.len(),
        })
    }

    /// Whether any pool in scope has a stream that waits or runs.
    #[must_use]
    pub fn has_work(&self, scope: Scope) -> bool {
        self.pools_in(scope).into_iter().any(|pool| self.pools[pool].has_work())
    }

    /// What the connections of an upstream taught about its origin: for the upstreams of the same origin that come after.
    #[must_use]
    pub fn origin_memory(&self, upstream: UpstreamId) -> Option<OriginMemory> {
        self.upstreams.get(upstream).map(|upstream| upstream.config.memory)
    }

    fn streams_of(&self, priority: Priority) -> u64 {
        let row = &self.rows[priority.row()];
        u64::try_from(row.active + row.pending).unwrap_or(0)
    }

    fn config_of(&self, upstream: UpstreamId) -> &UpstreamConfig {
        &self.upstreams[upstream].config
    }

    /// Takes a connection's changed numbers over into its pool and the group's sums.
    fn recount(&mut self, id: ConnectionId, was: State, attached: bool) {
        let connection = &mut self.connections[id];
        let pool = &mut self.pools[connection.pool];
        let old = connection.share;
        pool.recount(id, connection, was, attached);
        self.rows[pool.priority.row()].move_share(old, connection.share);
    }

    /// The pool is looked at before the turn ends, if it is still there.
    fn look_at(&mut self, id: PoolId) {
        let Some(pool) = self.pools.get_mut(id) else { return };
        if !pool.listed {
            pool.listed = true;
            self.listed.push_back(id);
        }
    }

    fn note(&mut self, event: Event) {
        if self.events.len() < EVENT_BACKLOG {
            self.events.push_back(event);
        }
    }

    fn overflowed(&mut self, priority: Priority, limit: LimitName) {
        self.note(Event::Overflow { priority, limit });
    }

    /// Whether the stream is still to be opened there; if so the shell now knows of it.
    fn opens(&mut self, connection: ConnectionId, stream: StreamId) -> bool {
        match self.streams.get_mut(stream).map(|stream| &mut stream.whereabouts) {
            Some(Whereabouts::Attached(attached)) if attached.connection == connection && !attached.opened => {
                attached.opened = true;
                true
            }
            _ => false,
        }
    }

    /// Whether the stream's failure is still to be told; if so the stream is gone with this.
    fn tells(&mut self, stream: StreamId) -> bool {
        let Some(Stream { whereabouts: Whereabouts::Failing { ejected }, .. }) = self.streams.get(stream) else {
            return false;
        };
        if *ejected {
            self.stats.bump(Stat::RqPendingFailureEject);
        }
        self.streams.remove(stream);
        true
    }
}

impl core::fmt::Debug for Group {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Group")
            .field("upstreams", &self.upstreams.len())
            .field("pools", &self.pools.len())
            .field("connections", &self.connections.len())
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}
