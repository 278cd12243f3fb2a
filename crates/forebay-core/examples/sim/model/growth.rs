//! The model's new connections: when one is wanted and whether it may be.

use forebay_core::{Ahead, Class, FailureReason, Gate, Health, LimitName, Priority, Protocol, Protocols, Stat};

use super::connections::{concurrent, lifetime};
use super::{Conn, Model, Pool, Told};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grown {
    Created,
    AtLeastOne,
    Unwanted,
    Shed,
    Undialable,
    Backoff,
    Limit,
}

#[derive(Clone, Copy)]
enum Want {
    Present,
    Next(Ahead),
    Ordered,
}

impl Model {
    pub(super) fn grow(&mut self, pool: u64) -> Grown {
        for _ in 0..3 {
            let grown = self.create_if(pool, Want::Present);
            if grown != Grown::Created {
                return grown;
            }
        }
        Grown::Created
    }

    pub(super) fn grow_if_waiting(&mut self, pool: u64) {
        if !self.pool_ref(pool).queue.is_empty() {
            self.replace(pool);
        }
    }

    pub(super) fn replace(&mut self, pool: u64) {
        if self.grow(pool) == Grown::Undialable && self.pool_ref(pool).open().next().is_none() {
            self.purge(pool, 0, FailureReason::LocalConnectionFailure, Class::Unprocessed, false);
        }
    }

    fn wants(&self, pool: u64, want: Want) -> bool {
        let found = self.pool_ref(pool);
        if found.deleting {
            return !found.queue.is_empty() && found.open().next().is_none();
        }
        let upstream = &self.upstreams[found.upstream];
        let healthy = upstream.health == Health::Healthy;
        let demand = |pools: &[&Pool], ahead: i64, ratio: forebay_core::Ratio| {
            let sum = |of: fn(&Pool) -> i64| pools.iter().map(|pool| of(pool)).sum::<i64>();
            let streams = sum(Pool::pending) + sum(Pool::active) + ahead;
            streams * i64::from(ratio.thousandths()) > (sum(Pool::free) + sum(Pool::active)) * 1_000
        };
        let predictive = upstream.config.predictive_preconnect_ratio;
        match want {
            Want::Present if healthy => demand(&[found], 0, upstream.config.preconnect_ratio),
            Want::Present => found.pending() > found.connecting(),
            Want::Next(Ahead::OfPool) => healthy && demand(&[found], 1, predictive),
            Want::Next(Ahead::OfGroup) => {
                let row: Vec<&Pool> = self.pools.iter().filter(|pool| pool.priority == found.priority).collect();
                healthy && demand(&row, 1, predictive)
            }
            Want::Ordered => healthy,
        }
    }

    fn create_if(&mut self, pool: u64, want: Want) -> Grown {
        let upstream_index = self.pool_ref(pool).upstream;
        let upstream = &self.upstreams[upstream_index];
        if upstream.gate == Gate::Shut || !self.wants(pool, want) {
            return Grown::Unwanted;
        }
        if self.shed {
            return Grown::Shed;
        }
        if !upstream.dialable {
            return Grown::Undialable;
        }
        if let Some(until) = self.pool_ref(pool).until.filter(|until| *until > self.now) {
            if self.pool_ref(pool).backoff.is_none() {
                let timer = self.arm(until - self.now);
                self.pool(pool).backoff = timer;
            }
            return Grown::Backoff;
        }
        let priority = self.pool_ref(pool).priority;
        let of_host: usize =
            self.pools.iter().filter(|found| found.upstream == upstream_index).map(|found| found.open().count()).sum();
        let room = of_host < self.config.per_host.max_connections as usize
            && self.has_room(LimitName::MaxConnections, priority);
        if !room {
            self.count(Stat::CxOverflow);
            if self.pool_ref(pool).open().next().is_some() {
                return Grown::Limit;
            }
        }
        self.create(pool);
        if room { Grown::Created } else { Grown::AtLeastOne }
    }

    fn create(&mut self, pool: u64) {
        self.births += 1;
        let config = self.config_of(pool).clone();
        let upstream = self.pool_ref(pool).upstream;
        let only_h1 = self.pool_ref(pool).only_h1;
        let protocol = match config.protocols {
            _ if only_h1 => Some(Protocol::H1),
            Protocols::Fixed(protocol) => Some(protocol),
            Protocols::Mixed => None,
        };
        let connect = self.arm(config.connect_timeout);
        let birth = self.births;
        self.pool(pool).conns.push(Conn {
            birth,
            protocol,
            dialled: false,
            connected: false,
            draining: false,
            closed: false,
            remaining: lifetime(protocol, &config),
            concurrent: concurrent(protocol, &config),
            credit: if protocol == Some(Protocol::H3) { 100 } else { i64::from(u32::MAX) },
            runs: Vec::new(),
            served: 0,
            heads: 0,
            blamed: false,
            notified: false,
            hint: None,
            rank: None,
            connect,
            duration: None,
            idle: None,
            drain: None,
        });
        self.count(Stat::CxTotal);
        self.told.push(Told::Connect { birth, upstream, only_h1 });
    }

    fn pool_ahead(&mut self, upstream: usize, priority: Priority) -> Option<u64> {
        let found = &self.upstreams[upstream];
        if found.removed || found.gate == Gate::Shut {
            return None;
        }
        self.pool_for(upstream, priority, 0, self.falls_back(upstream)).ok()
    }

    pub fn preconnect(&mut self, upstream: usize, priority: Priority, ahead: Ahead) -> bool {
        let Some(pool) = self.pool_ahead(upstream, priority) else { return false };
        matches!(self.create_if(pool, Want::Next(ahead)), Grown::Created | Grown::AtLeastOne)
    }

    pub fn warm(&mut self, upstream: usize, priority: Priority, count: u32) -> u32 {
        let Some(pool) = self.pool_ahead(upstream, priority) else { return 0 };
        let living = self.pool_ref(pool).open().filter(|conn| !conn.draining).count();
        let mut begun = 0;
        while living + (begun as usize) < count as usize {
            match self.create_if(pool, Want::Ordered) {
                Grown::Created => begun += 1,
                Grown::AtLeastOne => return begun + 1,
                _ => break,
            }
        }
        begun
    }
}
