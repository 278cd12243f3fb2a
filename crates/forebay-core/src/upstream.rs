//! One upstream: its options, its gates, and its pools by priority and key.
//!
//! Used by `group`. Not here: the pools themselves.

use alloc::collections::BTreeMap;

use crate::backoff::Failures;
use crate::config::{Protocols, UpstreamConfig};
use crate::fallback::Fallback;
use crate::id::PoolId;
use crate::outcome::Priority;
use crate::time::Instant;

/// How many pools' failures are kept after their pools are gone. A guess: one is usual; keys are few.
const REMEMBERED_FAILURES: usize = 64;

/// The breaker's gate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Gate {
    /// Streams pass.
    #[default]
    Open,
    /// New and waiting streams fail; nothing is created; what runs goes on.
    Shut,
}

/// What the balancer thinks of an upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Health {
    /// Usable.
    #[default]
    Healthy,
    /// Usable if there is nothing better: no connection ahead of need.
    Degraded,
    /// Not to be used: no connection ahead of need.
    Unhealthy,
}

/// What tells the pools of an upstream apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct PoolKey {
    pub(crate) priority: Priority,
    /// The caller's.
    pub(crate) key: u64,
    /// A mixed upstream is offered HTTP/1.1 alone.
    pub(crate) only_h1: bool,
}

pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    pub(crate) gate: Gate,
    pub(crate) health: Health,
    /// Whether a dial could be begun at all (HTTP/3 needs its TLS configuration).
    pub(crate) dialable: bool,
    /// It takes no new streams and goes with its last pool.
    pub(crate) removed: bool,
    /// The pools that take new streams. Deleting ones are not here.
    pub(crate) pools: BTreeMap<PoolKey, PoolId>,
    /// All pools, deleting ones too.
    pub(crate) living_pools: u32,
    /// Connections, both priorities.
    pub(crate) connections: u32,
    failures: BTreeMap<PoolKey, Failures>,
    /// Whether it wants HTTP/1.1 although it speaks HTTP/2.
    pub(crate) fallback: Fallback,
}

impl Upstream {
    pub(crate) fn new(config: UpstreamConfig) -> Self {
        Self {
            config,
            gate: Gate::Open,
            health: Health::Healthy,
            dialable: true,
            removed: false,
            pools: BTreeMap::new(),
            living_pools: 0,
            connections: 0,
            failures: BTreeMap::new(),
            fallback: Fallback::default(),
        }
    }

    /// The pool that a new stream goes to.
    pub(crate) fn key_of_new(&self, now: Instant, priority: Priority, key: u64) -> PoolKey {
        let only_h1 = self.config.protocols == Protocols::Mixed && self.fallback.is_on(now);
        PoolKey { priority, key, only_h1 }
    }

    /// A pool that failed to the end must not start afresh with its next stream, or dials would loop.
    pub(crate) fn keep_failures(&mut self, key: PoolKey, failures: Failures) {
        if failures.in_a_row() == 0 {
            return;
        }
        if self.failures.len() >= REMEMBERED_FAILURES && !self.failures.contains_key(&key) {
            self.failures.pop_first();
        }
        self.failures.insert(key, failures);
    }

    pub(crate) fn take_failures(&mut self, key: PoolKey) -> Failures {
        self.failures.remove(&key).unwrap_or_default()
    }
}
