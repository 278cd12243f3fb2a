//! HTTP/3 against TCP, carried out: a stream that may race has legs, which wait in the pools of one upstream like any other stream.
//!
//! The pools of HTTP/3, of its alternate and of TCP have the same upstream, priority and key (`Offer` tells them apart), so limits, gates
//! and drains need to know nothing of races. A leg that gets a connection makes way for the stream itself; the others leave their queues.
//! The shell never hears of legs.
//!
//! Promise: a racing stream has a leg that waits; its end is told once. Not here: which attempt is made when (`race`), what is known of
//! the origin (`origin`).

use alloc::boxed::Box;

use super::Group;
use super::arrival::Placed;
use crate::effect::Effect;
use crate::id::{PoolId, StreamId, UpstreamId};
use crate::limits::LimitName;
use crate::outcome::{Class, FailureReason, StreamFailure};
use crate::pool::Pool;
use crate::race::{HeadStart, Http3, Http3Verdict, Leg, Race};
use crate::stats::Stat;
use crate::stream::{Racing, Stream, Whereabouts};
use crate::time::Instant;
use crate::timer::Timer;
use crate::upstream::{Offer, PoolKey, Upstream};

impl Group {
    /// A stream that is in no place, with the first pool it may go to: into that, or into a race. On an error it is in no place.
    pub(super) fn enter(&mut self, now: Instant, id: StreamId, returning: bool) -> Result<Placed, FailureReason> {
        match self.streams[id].http3 {
            Http3::Race(start) => self.race(now, id, start, false),
            Http3::Skip | Http3::Failed => self.admit(now, id, returning),
        }
    }

    /// Contract 6.3, rules 2 to 4. `never_refused`: not by the limit of those that wait.
    pub(super) fn race(
        &mut self,
        now: Instant,
        id: StreamId,
        start: HeadStart,
        never_refused: bool,
    ) -> Result<Placed, FailureReason> {
        let stream = &self.streams[id];
        let priority = stream.priority;
        let pool = &self.pools[stream.pool];
        let (upstream, key) = (pool.upstream, PoolKey { offer: Offer::All, ..pool.key });
        let (main, alternate) = (self.sub_pool(upstream, key, Leg::Main), self.sub_pool(upstream, key, Leg::Alternate));
        let lost_before = [main, alternate].into_iter().flatten().any(|pool| pool.trailing);
        let in_use = |pool: Option<&Pool>| pool.is_some_and(|pool| !pool.ready.is_empty() || pool.busy > 0);
        let start = HeadStart { tcp_at_once: start.tcp_at_once || lost_before, ..start };
        let opening = [
            Some(Leg::Main),
            (start.alternate && in_use(alternate) && !in_use(main)).then_some(Leg::Alternate),
            start.tcp_at_once.then_some(Leg::Tcp),
        ];
        let early = stream.early && !start.tcp_at_once;
        let takes = |leg| self.sub_pool(upstream, key, leg).is_some_and(|pool| self.takes_at_once(pool, stream, early));
        let warm = opening.into_iter().flatten().any(takes);
        let place = if warm { None } else { self.limits.take(LimitName::MaxPendingRequests, priority) };
        if place.is_none() && !warm && !never_refused {
            return Err(self.pending_overflowed(priority));
        }
        self.streams[id].whereabouts = Whereabouts::Racing(Box::new(Racing {
            race: Race::new(start),
            early,
            upstream,
            key,
            legs: [None; 3],
            since: now,
            timer: None,
            delay: None,
            place,
            opening: true,
        }));
        for leg in opening.into_iter().flatten() {
            self.begin(now, id, leg);
        }
        self.opened_with(now, id, start)
    }

    /// What came of the attempts that were begun with the race.
    fn opened_with(&mut self, now: Instant, id: StreamId, start: HeadStart) -> Result<Placed, FailureReason> {
        let stream = &mut self.streams[id];
        let Whereabouts::Racing(racing) = &mut stream.whereabouts else { return Ok(Placed::Attached) };
        if !racing.race.is_running() {
            let failure = racing.race.failure();
            self.end_race(id);
            return Err(failure.map_or(FailureReason::LocalConnectionFailure, |(failure, _)| failure.reason));
        }
        racing.opening = false;
        racing.timer = stream.queue_timeout.map(|timeout| self.timers.arm(now, timeout, Timer::Queue(id)));
        if racing.race.holds_back() {
            racing.delay = Some(self.timers.arm(now, start.delay, Timer::HeadStart(id)));
        }
        self.rows[stream.priority.row()].pending += 1;
        self.stats.bump(Stat::RqPendingTotal);
        self.stats.bump(Stat::RqPendingActive);
        Ok(Placed::Queued)
    }

    /// The pool that takes new legs of this kind, if it is there.
    fn sub_pool(&self, upstream: UpstreamId, key: PoolKey, leg: Leg) -> Option<&Pool> {
        let offer = match leg {
            Leg::Main => Offer::Http3,
            Leg::Alternate => Offer::Http3Alternate,
            Leg::Tcp => Offer::All,
        };
        let id = self.upstreams[upstream].pools.get(&PoolKey { offer, ..key })?;
        Some(&self.pools[*id])
    }

    fn takes_at_once(&self, pool: &Pool, stream: &Stream, early: bool) -> bool {
        (pool.pending.is_empty() && !pool.ready.is_empty())
            || (early && !pool.early.is_empty() && self.is_oldest_early(pool, stream.arrival))
    }

    fn racing(&mut self, id: StreamId) -> Option<&mut Racing> {
        match &mut self.streams.get_mut(id)?.whereabouts {
            Whereabouts::Racing(racing) => Some(racing),
            Whereabouts::Moving
            | Whereabouts::Queued { .. }
            | Whereabouts::Attached(_)
            | Whereabouts::Failing { .. } => None,
        }
    }

    /// Begins an attempt, if the race is not over and has not begun it.
    fn begin(&mut self, now: Instant, id: StreamId, leg: Leg) {
        let Some(racing) = self.racing(id).filter(|racing| racing.race.is_untried(leg)) else { return };
        racing.race.begun(leg);
        let (upstream, key, early) = (racing.upstream, racing.key, racing.early && leg.is_http3());
        let key = match leg {
            Leg::Main => PoolKey { offer: Offer::Http3, ..key },
            Leg::Alternate => PoolKey { offer: Offer::Http3Alternate, ..key },
            Leg::Tcp => self.upstreams[upstream].key_of_new(now, key.priority, key.key),
        };
        let refused = match self.pool_for_known(now, upstream, key) {
            Ok(pool) => {
                let stream = self.streams[id].leg(id, leg, pool, early);
                let attempt = self.streams.insert(stream);
                if let Some(racing) = self.racing(id) {
                    racing.legs[leg.place()] = Some(attempt);
                }
                let refused = self.admit(now, attempt, true).err();
                if refused.is_some() {
                    self.streams.remove(attempt);
                    self.look_at(pool);
                }
                refused
            }
            Err(reason) => Some(reason),
        };
        if let Some(reason) = refused {
            self.leg_failed(now, id, leg, StreamFailure { reason, class: Class::Unprocessed, connection: None }, false);
        }
    }

    /// HTTP/3 was alone for long enough.
    pub(super) fn head_start_over(&mut self, now: Instant, id: StreamId) {
        let mut armed = self.racing(id).and_then(|racing| racing.delay.take());
        self.timers.disarm(&mut armed);
        self.begin(now, id, Leg::Alternate);
        self.begin(now, id, Leg::Tcp);
    }

    /// A leg left its queue because it can get no connection.
    pub(super) fn leg_failed(&mut self, now: Instant, id: StreamId, leg: Leg, failure: StreamFailure, ejected: bool) {
        let Some(racing) = self.racing(id) else { return };
        racing.legs[leg.place()] = None;
        if let Some(next) = racing.race.failed(leg, failure) {
            self.begin(now, id, next);
            return;
        }
        if racing.race.is_running() || racing.opening {
            return;
        }
        if let Some((failure, earlier)) = racing.race.failure() {
            self.end_race(id);
            self.tell_failure(id, failure, earlier, ejected);
        }
    }

    /// A connection is there for the leg: the stream itself takes its place. Gives the stream.
    pub(super) fn won(&mut self, now: Instant, attempt: StreamId, id: StreamId, leg: Leg) -> StreamId {
        let Some(pool) = self.streams.remove(attempt).map(|attempt| attempt.pool) else { return id };
        let Some(racing) = self.racing(id) else { return id };
        racing.legs[leg.place()] = None;
        let (opening, since, upstream) = (racing.opening, racing.since, racing.upstream);
        let broken = leg == Leg::Tcp && racing.race.is_http3_down();
        if !opening {
            self.stats.queued_for(now - since);
        }
        if leg == Leg::Tcp {
            // What is under way goes on without a stream.
            for http3 in [Leg::Main, Leg::Alternate] {
                let Some(attempt) = self.racing(id).and_then(|racing| racing.legs[http3.place()].take()) else {
                    continue;
                };
                let pool = self.leave(attempt);
                self.pools[pool].trailing = self.pools[pool].is_dialling();
            }
        }
        for pool in self.end_race(id).into_iter().flatten() {
            self.close_excess(now, pool);
        }
        let stream = &mut self.streams[id];
        stream.pool = pool;
        if leg == Leg::Tcp {
            stream.http3 = Http3::Skip;
        }
        if broken {
            self.verdict(upstream, Http3Verdict::Broken);
        }
        id
    }

    /// Takes a leg out of its queue, for good. Gives its pool.
    fn leave(&mut self, attempt: StreamId) -> PoolId {
        let pool = self.streams[attempt].pool;
        self.dequeue(attempt);
        self.streams.remove(attempt);
        self.look_at(pool);
        pool
    }

    /// Ends the race, whose stream is in no place after this. Gives the pools that its legs left.
    pub(super) fn end_race(&mut self, id: StreamId) -> [Option<PoolId>; 3] {
        let stream = &mut self.streams[id];
        let priority = stream.priority;
        let whereabouts = core::mem::replace(&mut stream.whereabouts, Whereabouts::Moving);
        let Whereabouts::Racing(mut racing) = whereabouts else {
            debug_assert!(false, "only a race ends so");
            return [None; 3];
        };
        self.timers.disarm(&mut racing.timer);
        self.timers.disarm(&mut racing.delay);
        if let Some(place) = racing.place.take() {
            self.limits.give_back(place);
        }
        if !racing.opening {
            self.rows[priority.row()].pending -= 1;
            self.stats.fall(Stat::RqPendingActive);
        }
        racing.legs.map(|leg| leg.map(|attempt| self.leave(attempt)))
    }

    /// What a race, or a connection of HTTP/3 beside TCP, tells of the upstream.
    pub(super) fn verdict(&mut self, upstream: UpstreamId, verdict: Http3Verdict) {
        self.effects.push_back(Effect::Http3 { upstream, verdict });
    }

    /// A handshake of HTTP/3 beside TCP is done: whoever lost a race to TCP would have won it later.
    pub(super) fn http3_confirmed(&mut self, id: PoolId) {
        let pool = &self.pools[id];
        if !pool.key.offer.is_http3() {
            return;
        }
        let upstream = pool.upstream;
        self.pools[id].trailing = false;
        for pool in self.http3_pools_beside(id) {
            self.pools[pool].trailing = false;
        }
        self.verdict(upstream, Http3Verdict::Confirmed);
    }

    /// A dial of HTTP/3 beside TCP failed that streams lost a race for: was it the last? `trailing`: they did.
    pub(super) fn http3_trailed_off(&mut self, id: PoolId, trailing: bool) {
        let pool = &self.pools[id];
        if !trailing || pool.living() > 0 {
            return;
        }
        let upstream = pool.upstream;
        if self.http3_pools_beside(id).all(|pool| !self.pools[pool].trailing) {
            self.verdict(upstream, Http3Verdict::Broken);
        }
    }

    /// The pools of HTTP/3 that take new legs of the same upstream, priority and key.
    fn http3_pools_beside(&self, id: PoolId) -> impl Iterator<Item = PoolId> + use<> {
        let pool = &self.pools[id];
        let (upstream, key) = (pool.upstream, pool.key);
        let found = [Offer::Http3, Offer::Http3Alternate]
            .map(|offer| self.upstreams[upstream].pools.get(&PoolKey { offer, ..key }).copied());
        found.into_iter().flatten()
    }

    /// Whether another pool has the same upstream, priority and key and counts as one with it.
    pub(super) fn is_of_living_grid(&self, upstream: UpstreamId, key: PoolKey) -> bool {
        self.grid_beside(upstream, key).next().is_some()
    }

    /// The others that count as one with the pool of this key.
    pub(super) fn grid_beside(&self, upstream: UpstreamId, key: PoolKey) -> impl Iterator<Item = PoolId> + '_ {
        let is_grid = key.offer.is_of_grid() && self.upstreams.get(upstream).is_some_and(Upstream::is_grid);
        let all = is_grid.then(|| self.pools.iter()).into_iter().flatten();
        all.filter(move |(_, pool)| {
            let same = (pool.key.priority, pool.key.key) == (key.priority, key.key);
            pool.upstream == upstream && same && pool.key.offer.is_of_grid() && pool.key.offer != key.offer
        })
        .map(|(id, _)| id)
    }
}
