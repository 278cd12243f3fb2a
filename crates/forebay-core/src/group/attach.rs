//! Streams onto connections and off them again; serving the queue.

use super::Group;
use crate::config::{OnMaxRequests, Protocols};
use crate::connection::State;
use crate::effect::{CloseReason, Effect};
use crate::event::{CloseCause, DrainReason, Event};
use crate::id::{ConnectionId, PoolId, StreamId};
use crate::limits::{LimitName, Place};
use crate::outcome::{Class, FailureReason, Priority, Protocol, StreamFailure};
use crate::race::{Earlier, Http3, Http3Verdict};
use crate::stats::Stat;
use crate::stream::{Attached, Whereabouts};
use crate::time::Instant;

/// What came of the oldest stream that a connection could take.
enum Served {
    Moved,
    AwaitsPlace,
}

impl Group {
    /// Contract 3.3.
    pub(super) fn attach(&mut self, now: Instant, id: StreamId, connection_id: ConnectionId, place: Place) {
        let id = match self.streams[id].leg_of {
            Some((stream, leg)) => self.won(now, id, stream, leg),
            None => id,
        };
        let connection = &mut self.connections[connection_id];
        let was = connection.state;
        debug_assert!(matches!(was, State::Ready | State::EarlyData), "only these take streams");
        connection.attached();
        self.timers.disarm(&mut connection.rest_timer);
        if was == State::EarlyData {
            self.stats.bump(Stat::Rq0Rtt);
        }
        let next = connection.newest.replace(id);
        let reused = connection.heads > 0;
        let (pool_id, upstream) = (connection.pool, connection.upstream);
        if let Some(next) = next {
            self.streams[next].before = Some(id);
        }
        let stream = &mut self.streams[id];
        stream.before = None;
        stream.after = next;
        if stream.http3 == Http3::Failed {
            stream.http3 = Http3::Skip;
            self.effects.push_back(Effect::Http3 { upstream, verdict: Http3Verdict::Broken });
        }
        stream.whereabouts = Whereabouts::Attached(Attached {
            connection: connection_id,
            place: Some(place),
            opened: false,
            head: false,
            reused,
            cancelled: false,
        });
        self.effects.push_back(Effect::Open { connection: connection_id, stream: id, token: stream.token });
        let pool = &mut self.pools[pool_id];
        pool.tally.active += 1;
        self.rows[pool.priority.row()].active += 1;
        self.stats.bump(Stat::RqTotal);
        self.stats.bump(Stat::RqActive);
        self.recount(connection_id, was, true);
        if self.connections[connection_id].state == State::Draining {
            self.stats.bump(Stat::CxMaxRequests);
            self.note(Event::Draining { connection: connection_id, upstream, reason: DrainReason::MaxRequests });
            self.arm_drain_timer(now, connection_id);
        }
    }

    /// Takes a stream off its connection. It is in no place after this; the connection is to be `relieved`.
    pub(super) fn detach(&mut self, id: StreamId) -> Option<Attached> {
        let stream = &mut self.streams[id];
        let Whereabouts::Attached(_) = stream.whereabouts else {
            return None;
        };
        let whereabouts = core::mem::replace(&mut stream.whereabouts, Whereabouts::Moving);
        let Whereabouts::Attached(mut attached) = whereabouts else {
            return None;
        };
        let (before, after) = (stream.before.take(), stream.after.take());
        let connection = &mut self.connections[attached.connection];
        connection.active -= 1;
        if !attached.opened {
            // Its Open is withdrawn: the peer's credit was not used.
            connection.credit = connection.credit.saturating_add(1);
        }
        match before {
            Some(before) => self.streams[before].after = after,
            None => connection.newest = after,
        }
        if let Some(after) = after {
            self.streams[after].before = before;
        }
        let pool = &mut self.pools[connection.pool];
        pool.tally.active -= 1;
        self.rows[pool.priority.row()].active -= 1;
        self.stats.fall(Stat::RqActive);
        if let Some(place) = attached.place.take() {
            self.limits.give_back(place);
        }
        Some(attached)
    }

    /// A stream left the connection: it closes, rests or takes the next.
    pub(super) fn relieved(&mut self, now: Instant, id: ConnectionId) {
        let connection = &self.connections[id];
        let (was, active, pool_id) = (connection.state, connection.active, connection.pool);
        match was {
            State::Closed => {
                if active == 0 {
                    self.connections.remove(id);
                    self.look_at(pool_id);
                }
            }
            State::Draining if active == 0 => {
                self.close(now, id, CloseCause::Core(CloseReason::Drained));
                self.grow_if_waiting(now, pool_id);
            }
            State::Connecting | State::EarlyData | State::Ready | State::Busy | State::Draining => {
                self.recount(id, was, false);
                if active == 0 {
                    self.rest(now, id);
                }
                self.gain(now, pool_id);
            }
        }
    }

    /// The pool may have gained capacity. HTTP/2 and HTTP/3 are served at once; where a connection may be HTTP/1 the turn is awaited,
    /// because a FIN that came with the response may follow.
    pub(super) fn gain(&mut self, now: Instant, id: PoolId) {
        let pool = &mut self.pools[id];
        if pool.pending.is_empty() {
            if pool.deleting {
                self.look_at(id);
            }
            return;
        }
        if pool.awaits_place {
            // It takes its turn with the other pools that wait for one.
            return;
        }
        match pool.offer(&self.upstreams[pool.upstream].config) {
            Protocols::Fixed(Protocol::H2 | Protocol::H3) => self.serve(now, id),
            Protocols::Fixed(Protocol::H1) | Protocols::Mixed => {
                if !pool.gained {
                    pool.gained = true;
                    self.gained.push_back(id);
                }
            }
        }
    }

    /// Contract 3.4: the oldest first, while there is room; then growth, if streams are left.
    pub(super) fn serve(&mut self, now: Instant, id: PoolId) {
        self.pools[id].gained = false;
        loop {
            let pool = &self.pools[id];
            let next = match (pool.pending.oldest(&self.streams), pool.ready.pick()) {
                (Some(stream), Some(connection)) => Some((stream, connection)),
                _ => pool.pending.oldest_early().zip(pool.early.pick()),
            };
            let Some((stream, connection)) = next else { break };
            let priority = pool.priority;
            match self.serve_one(now, stream, connection, priority) {
                Served::Moved => {}
                Served::AwaitsPlace => {
                    self.await_place(id);
                    break;
                }
            }
        }
        if !self.pools[id].pending.is_empty() {
            self.grow(now, id);
        } else if self.pools[id].deleting {
            self.look_at(id);
        }
    }

    fn serve_one(&mut self, now: Instant, stream: StreamId, connection: ConnectionId, priority: Priority) -> Served {
        if let Some(place) = self.limits.take(LimitName::MaxRequests, priority) {
            if let Some(since) = self.dequeue(stream) {
                self.stats.queued_for(now - since);
            }
            self.attach(now, stream, connection, place);
            return Served::Moved;
        }
        // A stream that went back unsent is never refused: it had its place once.
        let may_wait = self.config.limits(priority).on_max_requests == OnMaxRequests::Queue;
        if may_wait || self.streams[stream].requeues > 0 {
            return Served::AwaitsPlace;
        }
        self.requests_overflowed(priority);
        let reason = FailureReason::Overflow(LimitName::MaxRequests);
        self.fail(now, stream, StreamFailure { reason, class: Class::Unprocessed, connection: None }, false);
        Served::Moved
    }

    /// The pool's queue goes on when a place under `max_requests` is free.
    pub(super) fn await_place(&mut self, id: PoolId) {
        let pool = &mut self.pools[id];
        if !pool.awaits_place {
            pool.awaits_place = true;
            self.awaiting[pool.priority.row()].push_back(id);
        }
    }

    /// Places came free: the pools that wait for them, in turn.
    pub(super) fn serve_awaiting(&mut self, now: Instant) {
        for priority in Priority::ALL {
            while self.limits.has_room(LimitName::MaxRequests, priority) {
                let Some(id) = self.awaiting[priority.row()].pop_front() else {
                    break;
                };
                if let Some(pool) = self.pools.get_mut(id) {
                    pool.awaits_place = false;
                    self.serve(now, id);
                }
            }
        }
    }

    /// The stream ends with a failure, from wherever it is but a connection. Of a leg its race hears, and may go on.
    pub(super) fn fail(&mut self, now: Instant, id: StreamId, failure: StreamFailure, ejected: bool) {
        match self.streams[id].whereabouts {
            Whereabouts::Queued { .. } => {
                self.dequeue(id);
            }
            Whereabouts::Racing(_) => {
                self.end_race(id);
            }
            Whereabouts::Moving | Whereabouts::Attached(_) | Whereabouts::Failing { .. } => {}
        }
        if let Some((stream, leg)) = self.streams[id].leg_of {
            self.streams.remove(id);
            self.leg_failed(now, stream, leg, failure, ejected);
        } else {
            self.tell_failure(id, failure, None, ejected);
        }
    }

    /// The stream is in no place: its caller is told.
    pub(super) fn tell_failure(
        &mut self,
        id: StreamId,
        failure: StreamFailure,
        earlier: Option<Earlier>,
        ejected: bool,
    ) {
        let stream = &mut self.streams[id];
        debug_assert!(matches!(stream.whereabouts, Whereabouts::Moving), "a stream fails once, off its connection");
        stream.whereabouts = Whereabouts::Failing { ejected };
        self.effects.push_back(Effect::Fail { stream: id, token: stream.token, failure, earlier });
    }
}
