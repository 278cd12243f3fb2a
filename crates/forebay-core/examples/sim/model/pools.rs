//! The model's pools: made, drained, destroyed, gated, and gone when they are empty.

use forebay_core::{Class, CloseReason, DrainMode, FailureReason, Gate, LimitName, Priority, Stat};

use super::{Conn, Is, Model, Pool, Told};

/// Which pools a command is about.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    All,
    Of(usize),
}

impl Model {
    pub(super) fn pool_for(
        &mut self,
        upstream: usize,
        priority: Priority,
        key: u64,
        only_h1: bool,
    ) -> Result<u64, FailureReason> {
        if let Some(pool) = self.pool_state(upstream, priority, key, only_h1) {
            return Ok(pool.number);
        }
        if !self.has_room(LimitName::MaxConnectionPools, priority) {
            let same = |pool: &&Pool| {
                pool.upstream == upstream && pool.priority == priority && !pool.deleting && !pool.has_work()
            };
            let spare =
                self.pools.iter().filter(same).min_by_key(|pool| (pool.key, pool.only_h1)).map(|pool| pool.number);
            if let Some(spare) = spare {
                self.destroy_pool(spare);
            }
            if spare.is_none() || !self.has_room(LimitName::MaxConnectionPools, priority) {
                self.count(Stat::CxPoolOverflow);
                return Err(FailureReason::Overflow(LimitName::MaxConnectionPools));
            }
        }
        let (failures, until) = self.upstreams[upstream].lost.remove(&(priority, key, only_h1)).unwrap_or_default();
        self.pool_numbers += 1;
        self.pools.push(Pool {
            number: self.pool_numbers,
            upstream,
            priority,
            key,
            only_h1,
            queue: Vec::new(),
            conns: Vec::new(),
            failures,
            until,
            backoff: None,
            deleting: false,
            gained: false,
            awaits: false,
            ranks: 0,
        });
        Ok(self.pool_numbers)
    }

    pub(super) fn numbers(&self, which: Which) -> Vec<u64> {
        let of = |pool: &&Pool| match which {
            Which::All => true,
            Which::Of(upstream) => pool.upstream == upstream,
        };
        self.pools.iter().filter(of).map(|pool| pool.number).collect()
    }

    pub fn drain(&mut self, which: Which, mode: DrainMode) {
        for pool in self.numbers(which) {
            match mode {
                DrainMode::Existing | DrainMode::ExistingNonMigratable => self.drain_existing(pool),
                DrainMode::Delete => {
                    self.pool(pool).deleting = true;
                    self.grow_if_waiting(pool);
                    self.close_idle(pool);
                }
            }
        }
    }

    pub(super) fn drain_existing(&mut self, pool: u64) {
        let waiting = !self.pool_ref(pool).queue.is_empty();
        let births: Vec<u64> = self.pool_ref(pool).open().map(|conn| conn.birth).collect();
        for birth in births {
            let connecting = self.conn_ref(birth).is_some_and(|conn| conn.is() == Is::Connecting);
            if !connecting {
                self.retire(birth);
            } else if !waiting {
                self.close(birth, Some(CloseReason::Drained), false);
            }
        }
        self.replace(pool);
    }

    /// What is over at the end of the turn: idle connections of deleting pools, and pools without anything.
    pub(super) fn tidy(&mut self) {
        for pool in self.numbers(Which::All) {
            if self.pool_ref(pool).deleting {
                self.close_idle(pool);
            }
            let found = self.pool_ref(pool);
            if found.queue.is_empty() && found.conns.is_empty() {
                self.idle_events += 1;
                self.remove_pool(pool);
            }
        }
    }

    pub(super) fn close_idle(&mut self, pool: u64) {
        let found = self.pool_ref(pool);
        if found.queue.is_empty() {
            let idle: Vec<u64> = found.open().filter(|conn| conn.runs.is_empty()).map(|conn| conn.birth).collect();
            for birth in idle {
                self.close(birth, Some(CloseReason::Drained), false);
            }
        }
    }

    pub(super) fn remove_pool(&mut self, number: u64) {
        let place = self.pools.iter().position(|pool| pool.number == number).expect("a living pool");
        let pool = self.pools.remove(place);
        let upstream = &mut self.upstreams[pool.upstream];
        if !pool.deleting && pool.failures > 0 {
            upstream.lost.insert((pool.priority, pool.key, pool.only_h1), (pool.failures, pool.until));
        }
        self.forget_upstream(pool.upstream);
    }

    pub(super) fn forget_upstream(&mut self, index: usize) {
        let upstream = &mut self.upstreams[index];
        if upstream.removed && !upstream.gone && !self.pools.iter().any(|pool| pool.upstream == index) {
            upstream.gone = true;
            self.told.push(Told::Gone { upstream: index });
        }
    }

    pub fn remove_upstream(&mut self, index: usize) {
        if self.upstreams[index].gone {
            return;
        }
        self.upstreams[index].removed = true;
        self.drain(Which::Of(index), DrainMode::Delete);
        self.forget_upstream(index);
    }

    pub fn destroy(&mut self, which: Which) {
        for pool in self.numbers(which) {
            self.destroy_pool(pool);
        }
    }

    pub(super) fn destroy_pool(&mut self, pool: u64) {
        self.purge(pool, 0, FailureReason::LocalConnectionFailure, Class::Unprocessed, false);
        let (closed, open): (Vec<&Conn>, Vec<&Conn>) = self.pool_ref(pool).conns.iter().partition(|conn| conn.closed);
        let mut closed: Vec<u64> = closed.into_iter().map(|conn| conn.birth).collect();
        closed.sort_by_key(|birth| self.severed.iter().position(|severed| severed == birth));
        let open: Vec<u64> = open.into_iter().map(|conn| conn.birth).collect();
        for birth in open {
            self.close(birth, Some(CloseReason::Destroyed), false);
            self.fail_all(birth);
        }
        for birth in closed {
            self.fail_all(birth);
        }
        self.remove_pool(pool);
    }

    pub(super) fn fail_all(&mut self, birth: u64) {
        let Some(conn) = self.conn(birth) else { return };
        for run in std::mem::take(&mut conn.runs).into_iter().rev().filter(|run| !run.cancelled) {
            let class = match (run.head, run.opened) {
                (true, _) => Class::Never,
                (false, true) => Class::Maybe,
                (false, false) => Class::Unprocessed,
            };
            self.failing.push((run.request.token, false));
            self.told.push(super::fail(run.request.token, FailureReason::LocalConnectionFailure, class));
        }
        self.forget(birth);
    }

    pub fn gate(&mut self, upstream: usize, gate: Gate) {
        if self.upstreams[upstream].gone {
            return;
        }
        self.upstreams[upstream].gate = gate;
        if gate == Gate::Shut {
            for pool in self.numbers(Which::Of(upstream)) {
                self.purge(pool, 0, FailureReason::GateShut, Class::Unprocessed, false);
            }
        }
    }

    pub fn shed(&mut self, shut: bool) {
        let opens = std::mem::replace(&mut self.shed, shut) && !shut;
        if opens {
            for pool in self.numbers(Which::All) {
                self.grow_if_waiting(pool);
            }
        }
    }

    pub fn dialable(&mut self, upstream: usize, dialable: bool) {
        if self.upstreams[upstream].gone {
            return;
        }
        self.upstreams[upstream].dialable = dialable;
        for pool in self.numbers(Which::Of(upstream)) {
            if dialable {
                self.grow_if_waiting(pool);
            } else if self.pool_ref(pool).open().next().is_none() {
                self.purge(pool, 0, FailureReason::LocalConnectionFailure, Class::Unprocessed, false);
            }
        }
    }
}
