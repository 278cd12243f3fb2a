//! The end of a turn: what the core says against what the model says.

use forebay_core::{ConnectionId, Effect, Event, Group, LimitName, Offer, Priority, Stat, UpstreamId};

use super::World;
use crate::model::{self, Told};

impl World {
    pub(super) fn end_turn(&mut self) -> Result<(), String> {
        self.group.end_turn(self.now);
        let expected = self.model.end_turn();
        let mut told = Vec::new();
        let mut dials = expected.iter().filter_map(|told| match told {
            Told::Connect { birth, .. } => Some(*birth),
            _ => None,
        });
        while let Some(effect) = self.group.poll_effect() {
            if let Effect::Connect { connection, .. } = effect {
                let birth = dials.next().ok_or("more dials than the model makes")?;
                self.births.insert(connection, birth);
                self.connections.insert(birth, connection);
            }
            told.push(self.translate(effect)?);
        }
        self.say(|| format!("  {told:?}"));
        Self::compare_told(&told, &expected)?;
        for told in &told {
            self.follow(told)?;
        }
        while let Some(event) = self.group.poll_event() {
            self.idle_events += u64::from(matches!(event, Event::PoolIdle { .. }));
        }
        self.group.check()?;
        self.compare_state()
    }

    pub(super) fn translate(&self, effect: Effect) -> Result<Told, String> {
        let birth = |connection: ConnectionId| {
            self.births.get(&connection).copied().ok_or(format!("{effect:?} names a stranger"))
        };
        let upstream = |id: UpstreamId| {
            self.upstreams.iter().position(|known| *known == id).ok_or(format!("{effect:?} names a stranger"))
        };
        Ok(match effect {
            Effect::Connect { connection, upstream: id, offer } => {
                let only_h1 = offer == Offer::OnlyH1;
                Told::Connect { birth: birth(connection)?, upstream: upstream(id)?, only_h1 }
            }
            Effect::Open { connection, token, stream } => {
                if self.streams.get(&token).is_none_or(|known| known.id != stream || known.on.is_some()) {
                    return Err(format!("5: {effect:?} opens what is over or open"));
                }
                Told::Open { birth: birth(connection)?, token }
            }
            Effect::Fail { token, failure, .. } => model::fail(token, failure.reason, failure.class),
            Effect::Reset { connection, token, .. } => Told::Reset { birth: birth(connection)?, token },
            Effect::Close { connection, reason } => model::close(birth(connection)?, reason),
            // The upstreams of the model have no HTTP/3 beside TCP: `tests/grid.rs` is about that.
            Effect::Http3 { .. } => return Err(format!("{effect:?} without a race")),
            Effect::UpstreamGone { upstream: id } => Told::Gone { upstream: upstream(id)? },
        })
    }

    /// Opens, failures and dials in order; the rest in any order.
    pub(super) fn compare_told(told: &[Told], expected: &[Told]) -> Result<(), String> {
        let ordered = |all: &[Told], wanted: fn(&Told) -> bool| {
            all.iter().filter(|told| wanted(told)).cloned().collect::<Vec<_>>()
        };
        let kinds: [fn(&Told) -> bool; 3] = [
            |told| matches!(told, Told::Open { .. }),
            |told| matches!(told, Told::Fail { .. }),
            |told| matches!(told, Told::Connect { .. }),
        ];
        for kind in kinds {
            let (said, wanted) = (ordered(told, kind), ordered(expected, kind));
            if said != wanted {
                return Err(format!("the core says {said:?}, the model {wanted:?}"));
            }
        }
        let sorted = |all: &[Told]| {
            let mut all = all.to_vec();
            all.sort();
            all
        };
        let (said, wanted) = (sorted(told), sorted(expected));
        if said == wanted { Ok(()) } else { Err(format!("the core says {said:?}, the model {wanted:?}")) }
    }

    /// What the shell knows from now on.
    pub(super) fn follow(&mut self, told: &Told) -> Result<(), String> {
        match told {
            Told::Open { birth, token } => {
                let known = self.streams.get_mut(token).ok_or("5: an open of an unknown stream")?;
                known.on = Some(*birth);
                known.head = false;
            }
            Told::Fail { token, .. } => {
                if !self.streams.contains_key(token) {
                    return Err(format!("5: {told:?} fails what is over"));
                }
                self.forget(*token);
            }
            Told::Connect { .. } | Told::Reset { .. } | Told::Close { .. } | Told::Gone { .. } => {}
        }
        Ok(())
    }

    pub(super) fn compare_state(&mut self) -> Result<(), String> {
        for stat in Stat::ALL {
            let (said, wanted) = (self.group.stats().get(*stat), self.model.stat(*stat));
            if said != wanted {
                return Err(format!("{} is {said}, the model says {wanted}", stat.name()));
            }
        }
        let held = |group: &Group, limit, priority| group.limit(limit, priority).current;
        for priority in Priority::ALL {
            for limit in LimitName::COUNTED {
                let (said, wanted) = (held(&self.group, limit, priority), self.model.held(limit, priority));
                if said != wanted {
                    return Err(format!("{} of {priority:?} holds {said}, the model {wanted}", limit.name()));
                }
            }
        }
        for (index, upstream) in self.upstreams.iter().enumerate() {
            for priority in Priority::ALL {
                for key in [0, 1] {
                    let said = self.group.pool(*upstream, priority, key);
                    let said = said.map(|pool| {
                        (pool.active, pool.pending, pool.capacity, pool.connecting_capacity, pool.connections)
                    });
                    let wanted = self.model.pool_state(index, priority, key, false);
                    let wanted = wanted.map(|pool| {
                        (pool.active(), pool.pending(), pool.capacity(), pool.connecting(), pool.open().count())
                    });
                    if said != wanted {
                        return Err(format!("pool {index} {priority:?} {key} is {said:?}, the model says {wanted:?}"));
                    }
                }
            }
        }
        if self.idle_events != self.model.idle_events {
            return Err(format!("15: {} idle events, the model has {}", self.idle_events, self.model.idle_events));
        }
        if self.group.next_deadline() != self.model.next_deadline() {
            let (said, wanted) = (self.group.next_deadline(), self.model.next_deadline());
            return Err(format!("14: the deadline is {said:?}, the model says {wanted:?}"));
        }
        // A stream that the core took back silently (cancelled, then cut) is over for the world too.
        let gone: Vec<u64> = self.streams.keys().filter(|token| !self.is_known(**token)).copied().collect();
        for token in gone {
            self.forget(token);
        }
        Ok(())
    }

    pub(super) fn is_known(&self, token: u64) -> bool {
        let queued = self.model.pools.iter().any(|pool| pool.queue.iter().any(|request| request.token == token));
        queued || self.model.runs_on(token).is_some()
    }
}
