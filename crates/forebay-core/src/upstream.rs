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
    pub(crate) offer: Offer,
}

/// What the connections of a pool are offered. A mixed upstream has a pool for each that is needed.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Offer {
    /// All that the upstream speaks over its transport.
    #[default]
    All,
    /// Only HTTP/1.1: the peer wants that for what waits.
    OnlyH1,
    /// Only HTTP/3, which races against the others.
    Http3,
    /// The same, by another of its addresses than the first.
    Http3Alternate,
}

impl Offer {
    pub(crate) const fn is_http3(self) -> bool {
        matches!(self, Self::Http3 | Self::Http3Alternate)
    }

    /// Whether its pool is one of those that count as one: HTTP/3 and what it races against.
    pub(crate) const fn is_of_grid(self) -> bool {
        !matches!(self, Self::OnlyH1)
    }
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
        PoolKey { priority, key, offer: if only_h1 { Offer::OnlyH1 } else { Offer::All } }
    }

    /// Whether HTTP/3 may race here.
    pub(crate) fn is_grid(&self) -> bool {
        self.config.protocols == Protocols::Mixed && self.config.http3.is_some()
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
