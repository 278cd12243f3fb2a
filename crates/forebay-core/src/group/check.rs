//! What the machine promises of itself, to be asked by tests, the simulator and whoever hunts a bug. Not for the hot path.
//!
//! The numbers are those of the contract's section 12. What needs a history (5, 13, 15 to 18) is checked by the simulator.

use alloc::format;
use alloc::string::String;

use super::Group;
use crate::config::UNLIMITED;
use crate::connection::{Connection, State};
use crate::id::{ConnectionId, PoolId, StreamId};
use crate::limits::LimitName;
use crate::outcome::Priority;
use crate::pool::{Pool, Tally};
use crate::stats::Stat;
use crate::stream::{Stream, Whereabouts};
use crate::timer::Timer;

type Checked = Result<(), String>;

fn holds(condition: bool, what: impl FnOnce() -> String) -> Checked {
    if condition { Ok(()) } else { Err(what()) }
}

impl Group {
    /// The first broken invariant, after a turn whose effects were taken.
    ///
    /// # Errors
    /// What does not hold.
    #[doc(hidden)]
    pub fn check(&self) -> Checked {
        let mut rows = [Tally::default(); 2];
        let mut connections = 0;
        for (id, pool) in self.pools.iter() {
            self.check_pool(id, pool)?;
            connections += pool.connections.len();
            let row = &mut rows[pool.priority.row()];
            row.active += pool.tally.active;
            row.free += pool.tally.free;
            row.capacity += pool.tally.capacity;
            row.connecting += pool.tally.connecting;
            row.ready += pool.tally.ready;
        }
        for (_, stream) in self.streams.iter().filter(|(_, stream)| stream.leg_of.is_none()) {
            if matches!(stream.whereabouts, Whereabouts::Queued { .. } | Whereabouts::Racing(_)) {
                rows[stream.priority.row()].pending += 1;
            }
        }
        holds(rows == self.rows, || format!("2: rows {:?} are not their sums {rows:?}", self.rows))?;
        holds(connections == self.connections.len(), || {
            format!("13: {} connections, {connections} in pools", self.connections.len())
        })?;
        holds(
            self.listed.is_empty() && self.severed.is_empty() && self.gained.is_empty() && self.effects.is_empty(),
            || String::from("the turn is not over: end_turn, then take all effects"),
        )?;
        self.check_streams()?;
        self.check_limits()?;
        self.check_timers()
    }

    fn check_pool(&self, id: PoolId, pool: &Pool) -> Checked {
        let mut sums = Tally { pending: i64::from(pool.pending.len()), ..Tally::default() };
        let mut by_state = [0; 4];
        for (birth, connection_id) in &pool.connections {
            let connection =
                self.connections.get(*connection_id).ok_or_else(|| format!("13: {connection_id:?} is gone"))?;
            holds(connection.birth == *birth && connection.pool == id, || {
                format!("{connection_id:?} is in the wrong pool")
            })?;
            self.check_connection(*connection_id, connection)?;
            sums.active += i64::from(connection.active);
            sums.move_share(crate::connection::Share::default(), connection.counts_for());
            match connection.state {
                State::Connecting => by_state[0] += 1,
                State::EarlyData => by_state[1] += 1,
                State::Ready => by_state[2] += 1,
                State::Busy => by_state[3] += 1,
                State::Draining | State::Closed => {}
            }
        }
        let sets = [pool.connecting.len(), pool.early.len(), pool.ready.len(), pool.busy as usize];
        holds(by_state == sets, || format!("2: {id:?} has {by_state:?} by state, {sets:?} in sets"))?;
        holds(sums == pool.tally, || format!("2, 4: {id:?} says {:?}, its parts {sums:?}", pool.tally))?;
        let order = pool.pending.in_order(&self.streams);
        let in_order = order.windows(2).all(|pair| self.streams[pair[0]].arrival < self.streams[pair[1]].arrival);
        holds(in_order && order.len() == pool.pending.len() as usize, || {
            format!("7: the queue of {id:?} is not in order")
        })?;
        let waits = !pool.pending.is_empty();
        holds(!waits || pool.ready.is_empty() || pool.awaits_place, || {
            format!("8: {id:?} waits beside a ready connection")
        })?;
        holds(!waits || !pool.connections.is_empty() || pool.backoff_timer.is_some() || self.shed, || {
            format!("9: {id:?} waits for nothing")
        })?;
        holds(!pool.deleting || pool.has_work(), || format!("19: {id:?} is deleting, without work and still there"))?;
        holds(!pool.is_empty(), || format!("15: {id:?} is empty and still there"))?;
        holds(!pool.listed && !pool.gained, || format!("{id:?} was not looked at"))
    }

    fn check_connection(&self, id: ConnectionId, connection: &Connection) -> Checked {
        let (state, usable, active) = (connection.state, connection.usable(), connection.active);
        let fits = match state {
            State::Busy => usable <= 0,
            State::Draining => usable <= 0 && active > 0,
            State::Ready => usable > 0 && connection.connected,
            State::EarlyData => usable > 0 && !connection.connected,
            State::Connecting => active == 0 && !connection.connected,
            State::Closed => false,
        };
        holds(fits, || format!("3, 6, 12, 13: {id:?} is {state:?} with U {usable}, {active} active"))?;
        let most = self.config_of(connection.upstream).max_requests_per_connection;
        let served = connection.served;
        holds(most == 0 || served <= most, || format!("11: {id:?} took {served} of {most}"))?;
        holds(!connection.is_h1() || active <= 1, || format!("11: HTTP/1 {id:?} runs {active}"))?;
        let mut carried = 0;
        let mut next = connection.newest;
        while let Some(stream) = next {
            let found = &self.streams[stream];
            let here = matches!(&found.whereabouts, Whereabouts::Attached(attached) if attached.connection == id);
            holds(here, || format!("4: {stream:?} is linked to {id:?} but not there"))?;
            carried += 1;
            next = found.after;
        }
        holds(carried == active, || format!("4: {id:?} says {active}, carries {carried}"))
    }

    fn check_streams(&self) -> Checked {
        let (mut queued, mut attached) = (0_u64, 0_u64);
        for (id, stream) in self.streams.iter() {
            match &stream.whereabouts {
                Whereabouts::Queued { .. } if stream.leg_of.is_some() => self.check_leg(id, stream)?,
                Whereabouts::Queued { .. } => queued += 1,
                Whereabouts::Racing(racing) => {
                    queued += 1;
                    let legs = racing.legs.iter().flatten();
                    holds(
                        legs.clone().count() > 0 && legs.clone().all(|leg| self.streams.get(*leg).is_some()),
                        || format!("5: {id:?} races without legs"),
                    )?;
                }
                Whereabouts::Attached(_) => attached += 1,
                Whereabouts::Moving | Whereabouts::Failing { .. } => return Err(format!("5: {id:?} is lost")),
            }
        }
        let says = [Stat::RqPendingActive, Stat::RqActive, Stat::CxActive].map(|stat| self.stats.get(stat));
        let is = [queued, attached, self.connections.len() as u64];
        holds(says == is, || format!("4: the gauges say {says:?} queued, active, connected; there are {is:?}"))
    }

    fn check_leg(&self, id: StreamId, stream: &Stream) -> Checked {
        let known = stream.leg_of.is_some_and(|(of, leg)| {
            let of = self.streams.get(of).map(|stream| &stream.whereabouts);
            matches!(of, Some(Whereabouts::Racing(racing)) if racing.legs[leg.place()] == Some(id))
        });
        holds(known, || format!("5: {id:?} is the leg of nothing"))
    }

    fn check_limits(&self) -> Checked {
        for priority in Priority::ALL {
            let limits = self.config.limits(priority);
            let of_row = |pool: &&Pool| pool.priority == priority;
            let pools: u32 = self.pools.iter().filter(|(_, pool)| of_row(pool)).map(|_| 1).sum();
            let placed: u32 =
                self.pools.iter().filter(|(_, pool)| of_row(pool) && pool.place.is_some()).map(|_| 1).sum();
            let connections: usize =
                self.pools.iter().filter(|(_, pool)| of_row(pool)).map(|(_, pool)| pool.connections.len()).sum();
            let held = |limit| self.limits.gauge(limit, priority, 0).current;
            let row = &self.rows[priority.row()];
            holds(held(LimitName::MaxConnections) as usize == connections, || {
                String::from("10, 20: connection places")
            })?;
            holds(i64::from(held(LimitName::MaxRequests)) == row.active, || String::from("10, 20: request places"))?;
            holds(held(LimitName::MaxConnectionPools) == placed, || String::from("10, 20: pool places"))?;
            holds(i64::from(held(LimitName::MaxPendingRequests)) <= row.pending, || {
                String::from("10, 20: pending places")
            })?;
            let within = [
                (LimitName::MaxConnections, limits.max_connections.saturating_add(pools)),
                (LimitName::MaxRequests, limits.max_requests),
                (LimitName::MaxPendingRequests, limits.max_pending_requests),
                (LimitName::MaxConnectionPools, limits.max_connection_pools),
            ];
            for (limit, most) in within {
                holds(held(limit) <= most, || format!("10: {} holds {} of {most}", limit.name(), held(limit)))?;
            }
        }
        let per_host = self.config.per_host.max_connections;
        for (id, upstream) in self.upstreams.iter() {
            let most = if per_host == UNLIMITED { UNLIMITED } else { per_host.saturating_add(upstream.living_pools) };
            holds(upstream.connections <= most, || format!("10: {id:?} has {} connections", upstream.connections))?;
        }
        Ok(())
    }

    fn check_timers(&self) -> Checked {
        for timer in self.timers.iter() {
            let alive = match timer {
                Timer::Connect(id) => {
                    self.connections.get(id).is_some_and(|found| !found.connected && found.life_timer.is_some())
                }
                Timer::Duration(id) => {
                    self.connections.get(id).is_some_and(|found| found.connected && found.life_timer.is_some())
                }
                Timer::Idle(id) => {
                    self.connections.get(id).is_some_and(|found| found.active == 0 && found.rest_timer.is_some())
                }
                Timer::Drain(id) => self
                    .connections
                    .get(id)
                    .is_some_and(|found| found.state == State::Draining && found.rest_timer.is_some()),
                Timer::Queue(id) => self.streams.get(id).is_some_and(|stream| match &stream.whereabouts {
                    Whereabouts::Queued { timer, .. } => timer.is_some(),
                    Whereabouts::Racing(racing) => racing.timer.is_some(),
                    Whereabouts::Moving | Whereabouts::Attached(_) | Whereabouts::Failing { .. } => false,
                }),
                Timer::HeadStart(id) => self.streams.get(id).is_some_and(
                    |stream| matches!(&stream.whereabouts, Whereabouts::Racing(racing) if racing.delay.is_some()),
                ),
                Timer::Backoff(id) => self.pools.get(id).is_some_and(|pool| pool.backoff_timer.is_some()),
            };
            holds(alive, || format!("14: {timer:?} belongs to nothing"))?;
        }
        let of_connections = self
            .connections
            .iter()
            .map(|(_, found)| usize::from(found.life_timer.is_some()) + usize::from(found.rest_timer.is_some()));
        let of_streams = self.streams.iter().map(|(_, stream)| match &stream.whereabouts {
            Whereabouts::Queued { timer, .. } => usize::from(timer.is_some()),
            Whereabouts::Racing(racing) => usize::from(racing.timer.is_some()) + usize::from(racing.delay.is_some()),
            Whereabouts::Moving | Whereabouts::Attached(_) | Whereabouts::Failing { .. } => 0,
        });
        let of_pools = self.pools.iter().map(|(_, pool)| usize::from(pool.backoff_timer.is_some()));
        let owned: usize = of_connections.chain(of_streams).chain(of_pools).sum();
        holds(owned == self.timers.len(), || format!("14: {} timers, {owned} owned", self.timers.len()))
    }
}
