//! The time limits of one request.
//!
//! Promise: resolved once, when the request is accepted. Which clock each runs on is said where it runs: in the core (queue),
//! on the connection (head, bodies, expect), in `pool::deadlines` (per try, total, duration).

use std::time::Duration;

use crate::config::PoolConfig;

/// How long a body waits for 100 where nothing else is said. Source: curl's default.
pub const EXPECT: Duration = Duration::from_secs(1);

/// A limit as a request gives it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Limit {
    /// What the pool has.
    #[default]
    Pools,
    /// None.
    Off,
    /// So long.
    After(Duration),
}

impl Limit {
    fn or(self, pools: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Pools => pools,
            Self::Off => None,
            Self::After(limit) => Some(limit),
        }
    }
}

/// What a request gives in place of the pool's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timeouts {
    /// For a connection.
    pub queue: Limit,
    /// From the request sent to the final head.
    pub headers: Limit,
    /// Gap in a body, either way, while our side is ready.
    pub body_idle: Limit,
    /// One attempt, from bound and handed over whole to its end.
    pub per_try: Limit,
    /// The same; bytes of the upstream restart it.
    pub per_try_idle: Limit,
    /// From submission to the end.
    pub total: Limit,
    /// From bound to the end.
    pub duration: Limit,
    /// How long a body waits for 100.
    pub expect: Limit,
}

/// What the connection of a request watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OnWire {
    pub(crate) headers: Option<Duration>,
    pub(crate) body_idle: Option<Duration>,
    pub(crate) expect: Option<Duration>,
}

impl OnWire {
    pub(crate) fn of(request: Option<&Timeouts>, pool: &PoolConfig) -> Self {
        let pools = Timeouts::default();
        let request = request.unwrap_or(&pools);
        Self {
            headers: request.headers.or(pool.headers_timeout),
            body_idle: request.body_idle.or(pool.body_idle_timeout),
            expect: request.expect.or(Some(EXPECT)),
        }
    }
}

/// What runs over a whole exchange, or one try of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Whole {
    pub(crate) per_try: Option<Duration>,
    pub(crate) per_try_idle: Option<Duration>,
    pub(crate) total: Option<Duration>,
    pub(crate) duration: Option<Duration>,
}

impl Whole {
    pub(crate) fn of(request: Option<&Timeouts>, pool: &PoolConfig) -> Self {
        let pools = Timeouts::default();
        let request = request.unwrap_or(&pools);
        Self {
            per_try: request.per_try.or(pool.per_try_timeout),
            per_try_idle: request.per_try_idle.or(pool.per_try_idle_timeout),
            total: request.total.or(pool.total_timeout),
            duration: request.duration.or(pool.max_stream_duration),
        }
    }

    pub(crate) fn is_off(&self) -> bool {
        *self == Self::default()
    }
}
