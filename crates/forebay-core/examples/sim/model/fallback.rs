//! The model's answer to upstreams that want HTTP/1.1 of what they were sent over HTTP/2.

use std::time::Duration;

use forebay_core::Protocols;

use super::{Model, Pool};

impl Model {
    /// Whether HTTP/1.1 is taken for all, for now.
    pub fn falls_back(&self, upstream: usize) -> bool {
        let found = &self.upstreams[upstream];
        found.config.protocols == Protocols::Mixed && found.fallen_back.is_some_and(|until| until > self.now)
    }

    /// The peer wants HTTP/1.1: what HTTP/2 has answered gets eight chances, what it has not gets none.
    pub(super) fn wants_http1(&mut self, index: usize) {
        let on = self.upstreams[index].fallen_back.is_some_and(|until| until > self.now);
        let upstream = &mut self.upstreams[index];
        if let Some(demands) = &mut upstream.demands {
            *demands += 1;
            if *demands < 8 {
                return;
            }
        }
        if !on {
            upstream.fallen_back = Some(self.now + Duration::from_secs(1 << upstream.fallbacks.min(17)));
            upstream.fallbacks += 1;
        }
    }

    /// Where a stream goes that the peer wants over HTTP/1.1.
    pub(super) fn http1_pool(&mut self, pool: u64) -> Option<u64> {
        let found = self.pool_ref(pool);
        let (upstream, priority, key) = (found.upstream, found.priority, found.key);
        if found.only_h1 || self.upstreams[upstream].config.protocols != Protocols::Mixed {
            return None;
        }
        if !self.upstreams[upstream].removed {
            return self.pool_for(upstream, priority, key, true).ok();
        }
        let same =
            |pool: &&Pool| (pool.upstream, pool.priority, pool.key, pool.only_h1) == (upstream, priority, key, true);
        if let Some(leaving) = self.pools.iter().find(same) {
            return Some(leaving.number);
        }
        let made = self.pool_for(upstream, priority, key, true).ok()?;
        self.pool(made).deleting = true;
        Some(made)
    }
}
