//! A new stream, and one that comes again: attached, queued or refused in the same turn.

use alloc::vec::Vec;

use super::Group;
use crate::config::OnMaxRequests;
use crate::id::{PoolId, StreamId, UpstreamId};
use crate::limits::{LimitName, Place};
use crate::outcome::{Admission, FailureReason, MethodClass, NewStream, Priority};
use crate::pool::Pool;
use crate::race::Http3;
use crate::stats::Stat;
use crate::stream::{Stream, Whereabouts};
use crate::time::Instant;
use crate::timer::Timer;
use crate::upstream::{Gate, Offer, PoolKey};

use super::growth::Growth;

/// Where an admitted stream is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Placed {
    Attached,
    Queued,
}

impl Group {
    /// A stream to be run. The answer holds at once; what follows from it is polled.
    pub fn request(&mut self, now: Instant, new: NewStream) -> Admission {
        let Some(upstream) = self.upstreams.get(new.upstream).filter(|upstream| !upstream.removed) else {
            return Admission::Refused(FailureReason::LocalConnectionFailure);
        };
        if upstream.gate == Gate::Shut {
            return Admission::Refused(FailureReason::GateShut);
        }
        let early = upstream.config.h3.early_data && new.method == MethodClass::Safe;
        let default_timeout = upstream.config.queue_timeout;
        let http3 = if upstream.is_grid() { new.http3 } else { Http3::Skip };
        let new = NewStream { http3, ..new };
        let key = match http3 {
            Http3::Race(_) => PoolKey { priority: new.priority, key: new.key, offer: Offer::Http3 },
            Http3::Skip | Http3::Failed => upstream.key_of_new(now, new.priority, new.key),
        };
        let pool = match self.pool_for(now, new.upstream, key) {
            Ok(pool) => pool,
            Err(reason) => return Admission::Refused(reason),
        };
        self.arrivals += 1;
        let id = self.streams.insert(Stream::new(&new, pool, self.arrivals, early, default_timeout));
        match self.enter(now, id, false) {
            Ok(Placed::Attached) => Admission::Attached(id),
            Ok(Placed::Queued) => Admission::Queued(id),
            Err(reason) => {
                self.streams.remove(id);
                self.look_at(pool);
                Admission::Refused(reason)
            }
        }
    }

    /// The pool of this upstream with this key that takes new streams; made if there is none.
    pub(super) fn pool_for(
        &mut self,
        now: Instant,
        upstream: UpstreamId,
        key: PoolKey,
    ) -> Result<PoolId, FailureReason> {
        if let Some(pool) = self.upstreams[upstream].pools.get(&key) {
            return Ok(*pool);
        }
        let priority = key.priority;
        let place = if self.shares_a_place(upstream, key) {
            None
        } else {
            match self.limits.take(LimitName::MaxConnectionPools, priority) {
                None => Some(self.reclaim(now, upstream, priority)?),
                place => place,
            }
        };
        let found = &mut self.upstreams[upstream];
        let mut pool = Pool::new(upstream, key, &found.config, place);
        self.pool_numbers += 1;
        pool.number = self.pool_numbers;
        pool.failures = found.take_failures(key);
        found.living_pools += 1;
        let id = self.pools.insert(pool);
        self.upstreams[upstream].pools.insert(key, id);
        Ok(id)
    }

    /// The same for a stream that is known already: an upstream that was removed takes no new ones, but serves that on.
    pub(super) fn pool_for_known(
        &mut self,
        now: Instant,
        upstream: UpstreamId,
        key: PoolKey,
    ) -> Result<PoolId, FailureReason> {
        if !self.upstreams[upstream].removed {
            return self.pool_for(now, upstream, key);
        }
        let found = self.pools.iter().find(|(_, pool)| pool.upstream == upstream && pool.key == key).map(|(id, _)| id);
        if let Some(pool) = found {
            return Ok(pool);
        }
        let pool = self.pool_for(now, upstream, key)?;
        self.drain_and_delete(now, pool);
        Ok(pool)
    }

    /// Whether the pool would be one of a grid that has its place under `max_connection_pools`.
    fn shares_a_place(&self, upstream: UpstreamId, key: PoolKey) -> bool {
        self.grid_beside(upstream, key).any(|pool| !self.pools[pool].deleting)
    }

    /// Makes room for one more pool by the end of one without work; of a grid all go.
    fn reclaim(&mut self, now: Instant, upstream: UpstreamId, priority: Priority) -> Result<Place, FailureReason> {
        let pools = self.upstreams[upstream].pools.iter().filter(|(key, _)| key.priority == priority);
        let mut families = pools.map(|(key, pool)| {
            let mut family: Vec<PoolId> = self.grid_beside(upstream, *key).collect();
            family.push(*pool);
            family
        });
        let without_work = families.find(|family| family.iter().all(|pool| !self.pools[*pool].has_work()));
        drop(families);
        if let Some(family) = without_work {
            for pool in family {
                self.destroy_pool(now, pool);
            }
            if let Some(place) = self.limits.take(LimitName::MaxConnectionPools, priority) {
                return Ok(place);
            }
        }
        self.stats.bump(Stat::CxPoolOverflow);
        self.overflowed(priority, LimitName::MaxConnectionPools);
        Err(FailureReason::Overflow(LimitName::MaxConnectionPools))
    }

    /// Contract 3.1. `returning`: it was here before and keeps its arrival number. On an error the stream is in no place.
    pub(super) fn admit(&mut self, now: Instant, id: StreamId, returning: bool) -> Result<Placed, FailureReason> {
        let stream = &self.streams[id];
        let (pool_id, priority) = (stream.pool, stream.priority);
        let pool = &self.pools[pool_id];
        let connection = if pool.pending.is_empty() && !pool.ready.is_empty() {
            pool.ready.pick()
        } else if stream.early && self.is_oldest_early(pool, stream.arrival) {
            pool.early.pick()
        } else {
            None
        };
        let waits_for_place = !self.limits.has_room(LimitName::MaxRequests, priority);
        if let Some(connection) = connection {
            if let Some(place) = self.limits.take(LimitName::MaxRequests, priority) {
                self.attach(now, id, connection, place);
                self.grow(now, pool_id);
                return Ok(Placed::Attached);
            }
            if self.config.limits(priority).on_max_requests == OnMaxRequests::Reject {
                self.requests_overflowed(priority);
                return Err(FailureReason::Overflow(LimitName::MaxRequests));
            }
        }
        let pool = &self.pools[pool_id];
        // The place of a leg is that of its stream.
        let is_leg = self.streams[id].leg_of.is_some();
        let uncharged = is_leg || (!waits_for_place && pool.tally.ready > i64::from(pool.pending.len()));
        let place = if uncharged { None } else { self.limits.take(LimitName::MaxPendingRequests, priority) };
        if place.is_none() && !uncharged {
            return Err(self.pending_overflowed(priority));
        }
        self.enqueue(now, id, place, returning);
        if waits_for_place && !self.pools[pool_id].ready.is_empty() {
            self.await_place(pool_id);
        }
        let refused = match self.grow(now, pool_id) {
            Growth::Shed => FailureReason::Overflow(LimitName::Shed),
            Growth::Undialable => FailureReason::LocalConnectionFailure,
            Growth::Created | Growth::AtLeastOne | Growth::Unwanted | Growth::Backoff | Growth::Limit => {
                return Ok(Placed::Queued);
            }
        };
        if refused == FailureReason::Overflow(LimitName::Shed) {
            self.overflowed(priority, LimitName::Shed);
        }
        self.dequeue(id);
        if !is_leg {
            self.stats.bump(Stat::RqCancelled);
        }
        Err(refused)
    }

    pub(super) fn is_oldest_early(&self, pool: &Pool, arrival: u64) -> bool {
        pool.pending.oldest_early().is_none_or(|oldest| self.streams[oldest].arrival > arrival)
    }

    pub(super) fn pending_overflowed(&mut self, priority: Priority) -> FailureReason {
        self.stats.bump(Stat::RqOverflowPending);
        self.stats.bump(Stat::RqPendingOverflow);
        self.overflowed(priority, LimitName::MaxPendingRequests);
        FailureReason::Overflow(LimitName::MaxPendingRequests)
    }

    pub(super) fn requests_overflowed(&mut self, priority: Priority) {
        self.stats.bump(Stat::RqOverflowRequests);
        self.stats.bump(Stat::RqPendingOverflow);
        self.overflowed(priority, LimitName::MaxRequests);
    }

    pub(super) fn enqueue(&mut self, now: Instant, id: StreamId, place: Option<Place>, returned: bool) {
        let stream = &mut self.streams[id];
        let timer = stream.queue_timeout.map(|timeout| self.timers.arm(now, timeout, Timer::Queue(id)));
        stream.whereabouts = Whereabouts::Queued { since: now, timer, place, returned };
        let pool_id = stream.pool;
        let pool = &mut self.pools[pool_id];
        if returned {
            pool.pending.push_returned(&self.streams, id);
        } else {
            pool.pending.push_new(&mut self.streams, id);
        }
        pool.tally.pending += 1;
        if self.streams[id].leg_of.is_none() {
            self.rows[pool.priority.row()].pending += 1;
            self.stats.bump(Stat::RqPendingTotal);
            self.stats.bump(Stat::RqPendingActive);
        }
    }

    /// Takes a stream out of the queue. It is in no place after this. Gives since when it waited; of a leg its race knows.
    pub(super) fn dequeue(&mut self, id: StreamId) -> Option<Instant> {
        let stream = &mut self.streams[id];
        let (pool_id, whereabouts) = (stream.pool, core::mem::replace(&mut stream.whereabouts, Whereabouts::Moving));
        let Whereabouts::Queued { since, mut timer, place, returned } = whereabouts else {
            debug_assert!(false, "only a queued stream leaves the queue");
            return None;
        };
        self.timers.disarm(&mut timer);
        if let Some(place) = place {
            self.limits.give_back(place);
        }
        let pool = &mut self.pools[pool_id];
        pool.pending.remove(&mut self.streams, id, returned);
        pool.tally.pending -= 1;
        if self.streams[id].leg_of.is_some() {
            return None;
        }
        self.rows[pool.priority.row()].pending -= 1;
        self.stats.fall(Stat::RqPendingActive);
        Some(since)
    }
}
