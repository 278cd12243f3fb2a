//! Drains, removal and the end of pools.

use alloc::vec::Vec;

use super::Group;
use crate::config::Protocols;
use crate::connection::State;
use crate::effect::{CloseReason, Effect};
use crate::event::{CloseCause, DrainReason, Event};
use crate::id::{ConnectionId, PoolId, UpstreamId};
use crate::outcome::{FailureReason, Priority, Protocol, StreamFailure};
use crate::time::Instant;

/// What a drain or a destruction is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// All pools of the group.
    Group,
    /// All pools of an upstream, deleting ones too.
    Upstream(UpstreamId),
    /// The pools that take new streams of this upstream, priority and key.
    Pool(UpstreamId, Priority, u64),
}

/// Contract 3.12.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DrainMode {
    /// The connections that are there take no more streams; new ones are made as needed.
    Existing,
    /// The same, but not where connections survive a change of network.
    ExistingNonMigratable,
    /// The pools finish what they have and go. A later stream gets a new pool.
    Delete,
}

impl Group {
    /// Drains. May be repeated.
    pub fn drain(&mut self, now: Instant, scope: Scope, mode: DrainMode) {
        for pool in self.pools_in(scope) {
            match mode {
                DrainMode::Existing => self.drain_existing(now, pool),
                DrainMode::ExistingNonMigratable => {
                    let found = &self.pools[pool];
                    let config = self.config_of(found.upstream);
                    if found.offer(config) != Protocols::Fixed(Protocol::H3) || !config.h3.migrates {
                        self.drain_existing(now, pool);
                    }
                }
                DrainMode::Delete => self.drain_and_delete(now, pool),
            }
        }
    }

    /// Ends everything in scope at once: streams fail with `LocalConnectionFailure`, connections close. No idle event.
    pub fn destroy(&mut self, now: Instant, scope: Scope) {
        for pool in self.pools_in(scope) {
            self.destroy_pool(now, pool);
        }
    }

    /// The upstream takes no new streams; its pools finish and go, then `UpstreamGone`. With `destroy` first, at once.
    pub fn remove_upstream(&mut self, now: Instant, id: UpstreamId) {
        let Some(upstream) = self.upstreams.get_mut(id) else {
            return;
        };
        upstream.removed = true;
        if upstream.living_pools == 0 {
            self.forget_upstream(id);
        } else {
            self.drain(now, Scope::Upstream(id), DrainMode::Delete);
        }
    }

    /// In the order of their creation.
    pub(super) fn pools_in(&self, scope: Scope) -> Vec<PoolId> {
        let all = self.pools.iter();
        let mut pools: Vec<PoolId> = match scope {
            Scope::Group => all.map(|(id, _)| id).collect(),
            Scope::Upstream(upstream) => all.filter(|(_, pool)| pool.upstream == upstream).map(|(id, _)| id).collect(),
            Scope::Pool(upstream, priority, key) => {
                let found = self.upstreams.get(upstream).into_iter().flat_map(|upstream| &upstream.pools);
                found.filter(|(of, _)| (of.priority, of.key) == (priority, key)).map(|(_, pool)| *pool).collect()
            }
        };
        pools.sort_by_key(|id| self.pools[*id].number);
        pools
    }

    fn connections_of(&self, pool: PoolId) -> Vec<ConnectionId> {
        self.pools[pool].connections.values().copied().collect()
    }

    fn drain_existing(&mut self, now: Instant, pool: PoolId) {
        let waiting = !self.pools[pool].pending.is_empty();
        for id in self.connections_of(pool) {
            let Some(connection) = self.connections.get(id) else {
                continue;
            };
            // What is not connected yet stays for those who wait.
            if !connection.connected && waiting {
                continue;
            }
            match connection.state {
                State::Connecting => self.close(now, id, CloseCause::Core(CloseReason::Drained)),
                State::EarlyData | State::Ready | State::Busy => {
                    self.retire(now, id, DrainReason::Manual);
                }
                State::Draining | State::Closed => {}
            }
        }
        self.look_at(pool);
        self.replace(now, pool);
    }

    pub(super) fn drain_and_delete(&mut self, now: Instant, id: PoolId) {
        let pool = &mut self.pools[id];
        pool.deleting = true;
        let (upstream, key) = (pool.upstream, pool.key);
        let pools = &mut self.upstreams[upstream].pools;
        if pools.get(&key) == Some(&id) {
            pools.remove(&key);
        }
        // What is idle is looked at as if its last stream had just ended.
        let idle: Vec<ConnectionId> = self
            .connections_of(id)
            .into_iter()
            .filter(|connection| self.connections[*connection].active == 0)
            .collect();
        self.pools[id].left_idle = idle;
        self.grow_if_waiting(now, id);
        self.close_left_idle(now, id);
        self.look_at(id);
    }

    /// Before the turn ends: a deleting pool closes what it does not need, and a pool without anything goes.
    pub(super) fn tidy(&mut self, now: Instant, id: PoolId) {
        if self.pools[id].deleting {
            self.close_left_idle(now, id);
        }
        let pool = &self.pools[id];
        if pool.is_empty() {
            let (upstream, priority, key) = (pool.upstream, pool.priority, pool.key);
            self.remove_pool(id);
            if self.is_of_living_grid(upstream, key) {
                return;
            }
            self.note(Event::PoolIdle { pool: id, upstream, priority });
        }
    }

    /// While its queue is empty, a deleting pool has no use for connections without streams.
    fn close_left_idle(&mut self, now: Instant, id: PoolId) {
        let waiting = !self.pools[id].pending.is_empty();
        if !waiting {
            while let Some((_, connecting)) = self.pools[id].connecting.last_key_value() {
                self.close(now, *connecting, CloseCause::Core(CloseReason::Drained));
            }
        }
        for connection in core::mem::take(&mut self.pools[id].left_idle) {
            let Some(found) = self.connections.get(connection) else {
                continue;
            };
            if found.active > 0 || matches!(found.state, State::Connecting | State::Closed) {
                continue;
            }
            if waiting {
                self.pools[id].left_idle.push(connection);
            } else {
                self.close(now, connection, CloseCause::Core(CloseReason::Drained));
            }
        }
    }

    pub(super) fn destroy_pool(&mut self, now: Instant, id: PoolId) {
        self.fail_all_waiting(now, id, FailureReason::LocalConnectionFailure);
        for connection in self.connections_of(id) {
            self.destroy_connection(now, connection);
        }
        let severed: Vec<ConnectionId> = self.severed.iter().map(|(severed, _)| *severed).collect();
        for connection in severed {
            if self.connections.get(connection).is_some_and(|found| found.pool == id) {
                self.fail_all(now, connection);
            }
        }
        self.remove_pool(id);
    }

    fn destroy_connection(&mut self, now: Instant, id: ConnectionId) {
        self.close(now, id, CloseCause::Core(CloseReason::Destroyed));
        let told = self.take_close_effect(id);
        self.fail_all(now, id);
        self.effects.extend(told);
    }

    /// Ends what a closed connection still carries, without any way back.
    fn fail_all(&mut self, now: Instant, id: ConnectionId) {
        while let Some(stream) = self.connections.get(id).and_then(|connection| connection.newest) {
            let Some(attached) = self.detach(stream) else { break };
            self.relieved(now, id);
            if attached.cancelled {
                self.streams.remove(stream);
            } else {
                let reason = FailureReason::LocalConnectionFailure;
                let failure = StreamFailure { reason, class: attached.class_if_cut(), connection: Some(id) };
                self.fail(now, stream, failure, false);
            }
        }
    }

    fn remove_pool(&mut self, id: PoolId) {
        let Some(mut pool) = self.pools.remove(id) else { return };
        self.timers.disarm(&mut pool.backoff_timer);
        if let Some(place) = pool.place.take() {
            // The rest of a grid has it on.
            let others = self.grid_beside(pool.upstream, pool.key);
            let others: Vec<PoolId> = others.filter(|other| self.pools[*other].deleting == pool.deleting).collect();
            let has_one = others.iter().any(|other| self.pools[*other].place.is_some());
            match others.first().copied().filter(|_| !has_one) {
                Some(heir) => self.pools[heir].place = Some(place),
                None => self.limits.give_back(place),
            }
        }
        let key = pool.key;
        let upstream = &mut self.upstreams[pool.upstream];
        upstream.living_pools -= 1;
        if upstream.pools.get(&key) == Some(&id) {
            upstream.pools.remove(&key);
            upstream.keep_failures(key, pool.failures);
        }
        if upstream.removed && upstream.living_pools == 0 {
            self.forget_upstream(pool.upstream);
        }
    }

    fn forget_upstream(&mut self, id: UpstreamId) {
        self.upstreams.remove(id);
        self.effects.push_back(Effect::UpstreamGone { upstream: id });
    }
}
