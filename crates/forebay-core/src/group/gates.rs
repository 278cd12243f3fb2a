//! What TypeScript's policies switch: the breaker's gate, the shed gate, health, and whether a dial can be begun.

use super::Group;
use crate::id::{PoolId, UpstreamId};
use crate::outcome::{Class, FailureReason, StreamFailure};
use crate::time::Instant;
use crate::upstream::{Gate, Health};

use super::drain::Scope;

impl Group {
    /// The breaker's gate of one upstream. Shut: what waits fails with `GateShut`, new streams and replays are refused with it, nothing is
    /// created; what runs goes on.
    pub fn gate(&mut self, now: Instant, id: UpstreamId, gate: Gate) {
        let Some(upstream) = self.upstreams.get_mut(id) else {
            return;
        };
        upstream.gate = gate;
        if gate == Gate::Shut {
            for pool in self.pools_in(Scope::Upstream(id)) {
                self.fail_all_waiting(now, pool, FailureReason::GateShut);
            }
        }
    }

    /// The shed gate of the whole group. Shut: no connection is created, and a stream that would need one is refused.
    pub fn shed(&mut self, now: Instant, shut: bool) {
        let opens = core::mem::replace(&mut self.shed, shut) && !shut;
        if opens {
            for pool in self.pools_in(Scope::Group) {
                self.grow_if_waiting(now, pool);
            }
        }
    }

    /// What the balancer thinks of an upstream. Draining is its own command.
    pub fn health(&mut self, id: UpstreamId, health: Health) {
        if let Some(upstream) = self.upstreams.get_mut(id) {
            upstream.health = health;
        }
    }

    /// Whether a dial to the upstream could be begun at all. Not: streams that would need one are refused with `LocalConnectionFailure`.
    pub fn dialable(&mut self, now: Instant, id: UpstreamId, dialable: bool) {
        let Some(upstream) = self.upstreams.get_mut(id) else {
            return;
        };
        upstream.dialable = dialable;
        for pool in self.pools_in(Scope::Upstream(id)) {
            if dialable {
                self.grow_if_waiting(now, pool);
            } else if self.pools[pool].connections.is_empty() {
                self.fail_queue(now, pool, FailureReason::LocalConnectionFailure);
            }
        }
    }

    /// The pool can serve nothing that waits in it.
    pub(super) fn fail_queue(&mut self, now: Instant, id: PoolId, reason: FailureReason) {
        let failure = StreamFailure { reason, class: Class::Unprocessed, connection: None };
        while let Some(youngest) = self.pools[id].pending.youngest(&self.streams) {
            self.fail(now, youngest, failure, false);
        }
        self.look_at(id);
    }

    /// The same, and no other pool is to serve it either: a race is over with its leg.
    pub(super) fn fail_all_waiting(&mut self, now: Instant, id: PoolId, reason: FailureReason) {
        let failure = StreamFailure { reason, class: Class::Unprocessed, connection: None };
        while let Some(youngest) = self.pools[id].pending.youngest(&self.streams) {
            let stream = self.streams[youngest].leg_of.map_or(youngest, |(stream, _)| stream);
            self.fail(now, stream, failure, false);
        }
        self.look_at(id);
    }
}
