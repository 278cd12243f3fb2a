//! New connections: when one is wanted and whether it may be.

use super::Group;
use crate::connection::Connection;
use crate::effect::Effect;
use crate::id::{ConnectionId, PoolId, UpstreamId};
use crate::limits::{LimitName, Place};
use crate::outcome::{FailureReason, Priority};
use crate::pool::Pool;
use crate::stats::Stat;
use crate::time::Instant;
use crate::timer::Timer;
use crate::upstream::{Gate, Health, Upstream};

/// Connections that one trigger may create. Source: Envoy, `tryCreateNewConnections`.
const MOST_AT_ONCE: u32 = 3;

/// How an attempt to grow ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Growth {
    /// The last attempt created one.
    Created,
    /// It created the one that every pool may have, above a full limit, and no more.
    AtLeastOne,
    /// What is there, or on the way, is enough.
    Unwanted,
    /// The shed gate is shut.
    Shed,
    /// A dial could not even be begun.
    Undialable,
    /// Failures in a row: later.
    Backoff,
    /// A limit is full.
    Limit,
}

/// For whom a connection is made.
#[derive(Clone, Copy)]
enum Demand {
    /// Streams of the pool that are there.
    Present,
    /// One stream more, of the pool.
    NextOfPool,
    /// One stream more, of the group's priority.
    NextOfGroup,
    /// Because the caller wants it.
    Ordered,
}

/// Whose next stream a connection is built for ahead of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ahead {
    /// This upstream's.
    OfPool,
    /// The group's, which the balancer would send to this upstream.
    OfGroup,
}

impl Group {
    /// Builds a connection ahead of a next stream, if `predictive_preconnect_ratio` wants it. Whether it did; not where HTTP/3 may race.
    pub fn preconnect(&mut self, now: Instant, upstream: UpstreamId, priority: Priority, ahead: Ahead) -> bool {
        if self.upstreams.get(upstream).is_some_and(Upstream::is_grid) {
            return false;
        }
        let Some(pool) = self.pool_ahead(now, upstream, priority) else {
            return false;
        };
        let demand = match ahead {
            Ahead::OfPool => Demand::NextOfPool,
            Ahead::OfGroup => Demand::NextOfGroup,
        };
        matches!(self.create_if(now, pool, demand), Growth::Created | Growth::AtLeastOne)
    }

    /// Builds connections until `count` do, or will, serve; fewer if a gate, a back-off or a limit says so. How many were begun.
    pub fn warm(&mut self, now: Instant, upstream: UpstreamId, priority: Priority, count: u32) -> u32 {
        let Some(pool) = self.pool_ahead(now, upstream, priority) else {
            return 0;
        };
        let living = u32::try_from(self.pools[pool].living()).unwrap_or(u32::MAX);
        let mut begun = 0;
        while living + begun < count {
            match self.create_if(now, pool, Demand::Ordered) {
                Growth::Created => begun += 1,
                Growth::AtLeastOne => return begun + 1,
                Growth::Unwanted | Growth::Shed | Growth::Undialable | Growth::Backoff | Growth::Limit => break,
            }
        }
        begun
    }

    fn pool_ahead(&mut self, now: Instant, upstream: UpstreamId, priority: Priority) -> Option<PoolId> {
        self.upstreams.get(upstream).filter(|upstream| !upstream.removed && upstream.gate == Gate::Open)?;
        let key = self.upstreams[upstream].key_of_new(now, priority, 0);
        let pool = self.pool_for(now, upstream, key).ok()?;
        self.look_at(pool);
        Some(pool)
    }

    /// Contract 3.2, for the streams that are there.
    pub(super) fn grow(&mut self, now: Instant, pool: PoolId) -> Growth {
        for _ in 0..MOST_AT_ONCE {
            let growth = self.create_if(now, pool, Demand::Present);
            if growth != Growth::Created {
                return growth;
            }
        }
        Growth::Created
    }

    /// Capacity was lost: if streams wait, their pool may need more.
    pub(super) fn grow_if_waiting(&mut self, now: Instant, id: PoolId) {
        if !self.pools[id].pending.is_empty() {
            self.replace(now, id);
        }
    }

    /// A connection failed or retired: the pool may need another, for what waits or ahead of need.
    pub(super) fn replace(&mut self, now: Instant, id: PoolId) {
        if self.grow(now, id) == Growth::Undialable && self.pools[id].connections.is_empty() {
            self.fail_queue(now, id, FailureReason::LocalConnectionFailure);
        }
    }

    fn create_if(&mut self, now: Instant, id: PoolId, demand: Demand) -> Growth {
        let pool = &self.pools[id];
        let upstream = &self.upstreams[pool.upstream];
        if upstream.gate == Gate::Shut || !self.is_wanted(pool, upstream, demand) {
            return Growth::Unwanted;
        }
        if self.shed {
            return Growth::Shed;
        }
        if !upstream.dialable {
            return Growth::Undialable;
        }
        if let Some(until) = pool.failures.wait_until(now) {
            let pool = &mut self.pools[id];
            if pool.backoff_timer.is_none() {
                pool.backoff_timer = Some(self.timers.arm_at(until, Timer::Backoff(id)));
            }
            return Growth::Backoff;
        }
        let (upstream_id, priority, first) = (pool.upstream, pool.priority, pool.connections.is_empty());
        let host_has_room = upstream.connections < self.config.per_host.max_connections;
        let place = if host_has_room { self.limits.take(LimitName::MaxConnections, priority) } else { None };
        let (place, growth) = if let Some(place) = place {
            (place, Growth::Created)
        } else {
            self.stats.bump(Stat::CxOverflow);
            self.overflowed(priority, LimitName::MaxConnections);
            if !first {
                return Growth::Limit;
            }
            // At least one: a pool without any connection gets one, and no second.
            (self.limits.take_anyway(LimitName::MaxConnections, priority), Growth::AtLeastOne)
        };
        self.create(now, id, upstream_id, place);
        growth
    }

    fn is_wanted(&self, pool: &Pool, upstream: &Upstream, demand: Demand) -> bool {
        if pool.deleting {
            // It serves its queue on, with one connection at most that it does not have yet.
            return !pool.pending.is_empty() && pool.connections.is_empty();
        }
        let healthy = upstream.health == Health::Healthy;
        let predictive = upstream.config.predictive_preconnect_ratio;
        match demand {
            Demand::Present if healthy => pool.tally.wants(0, upstream.config.preconnect_ratio),
            Demand::Present => pool.tally.wants_bare(),
            Demand::NextOfPool => healthy && pool.tally.wants(1, predictive),
            Demand::NextOfGroup => healthy && self.rows[pool.priority.row()].wants(1, predictive),
            Demand::Ordered => healthy,
        }
    }

    fn create(&mut self, now: Instant, pool_id: PoolId, upstream_id: UpstreamId, place: Place) {
        let upstream = &mut self.upstreams[upstream_id];
        upstream.connections += 1;
        self.births += 1;
        let pool = &mut self.pools[pool_id];
        let offer = pool.offer(&upstream.config);
        let mut connection = Connection::new(upstream_id, pool_id, offer, &upstream.config, self.births, now);
        connection.place = Some(place);
        let id = self.connections.insert(connection);
        let connection = &mut self.connections[id];
        pool.adopt(id, connection);
        self.rows[pool.priority.row()].move_share(crate::connection::Share::default(), connection.share);
        self.stats.bump(Stat::CxTotal);
        self.stats.bump(Stat::CxActive);
        self.effects.push_back(Effect::Connect { connection: id, upstream: upstream_id, offer: pool.key.offer });
        self.limit_dial(now, id);
    }

    /// From now on `connect_timeout` counts for a connection that is not up.
    pub(super) fn limit_dial(&mut self, now: Instant, id: ConnectionId) {
        let connection = &mut self.connections[id];
        let upstream = &self.upstreams[connection.upstream];
        let beside_tcp = upstream.config.http3.filter(|_| self.pools[connection.pool].key.offer.is_http3());
        let most = upstream.config.connect_timeout;
        let connect_timeout = beside_tcp.map_or(most, |http3| http3.connect_timeout.min(most));
        self.timers.disarm(&mut connection.life_timer);
        connection.life_timer = Some(self.timers.arm(now, connect_timeout, Timer::Connect(id)));
    }
}
