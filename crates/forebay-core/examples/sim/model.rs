//! The reference model: the contract as plain as it can be said, to be compared with the core after each turn.
//!
//! It keeps lists and adds up; nothing is remembered that can be counted. No sums, no heaps, no places, no links: a mistake in one of
//! the core's is a difference here. HTTP/3 early data is not modelled. Where the contract leaves an order open it takes the core's.

#[path = "model/clock.rs"]
pub mod clock;
#[path = "model/connections.rs"]
pub mod connections;
#[path = "model/fallback.rs"]
pub mod fallback;
#[path = "model/growth.rs"]
pub mod growth;
#[path = "model/pools.rs"]
pub mod pools;
#[path = "model/streams.rs"]
pub mod streams;

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::{
    BackoffConfig, Class, CloseReason, FailureReason, Gate, GroupConfig, Health, Instant, LimitName, MethodClass, Pick,
    Priority, Protocol, Protocols, Stat, UpstreamConfig,
};

/// What the core is expected to tell its shell in a turn.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Told {
    Connect { birth: u64, upstream: usize, only_h1: bool },
    Open { birth: u64, token: u64 },
    Fail { token: u64, reason: String, class: Class },
    Reset { birth: u64, token: u64 },
    Close { birth: u64, reason: String },
    Gone { upstream: usize },
}

pub fn fail(token: u64, reason: FailureReason, class: Class) -> Told {
    Told::Fail { token, reason: format!("{reason:?}"), class }
}

pub fn close(birth: u64, reason: CloseReason) -> Told {
    Told::Close { birth, reason: format!("{reason:?}") }
}

/// A timer: when, and its number in the order of arming.
pub type Timer = Option<(Instant, u64)>;

#[derive(Clone)]
pub struct Request {
    pub token: u64,
    pub arrival: u64,
    pub replayable: bool,
    pub method: MethodClass,
    pub queue_timeout: Option<Duration>,
    pub charged: bool,
    pub timer: Timer,
    pub requeues: u32,
    pub replays: u32,
    pub risky: u32,
}

#[allow(clippy::struct_excessive_bools)]
pub struct Run {
    pub request: Request,
    pub opened: bool,
    pub head: bool,
    pub reused: bool,
    pub cancelled: bool,
}

#[allow(clippy::struct_excessive_bools)]
pub struct Conn {
    pub birth: u64,
    pub protocol: Option<Protocol>,
    pub dialled: bool,
    pub connected: bool,
    pub draining: bool,
    pub closed: bool,
    pub remaining: i64,
    pub concurrent: i64,
    pub credit: i64,
    /// Oldest first.
    pub runs: Vec<Run>,
    pub served: u32,
    pub heads: u32,
    pub blamed: bool,
    pub notified: bool,
    pub hint: Option<Duration>,
    /// While Ready: its number in the order of becoming so (round robin: of its last turn).
    pub rank: Option<u64>,
    pub connect: Timer,
    pub duration: Timer,
    pub idle: Timer,
    pub drain: Timer,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Is {
    Connecting,
    Ready,
    Busy,
    Draining,
    Closed,
}

#[allow(clippy::struct_excessive_bools)]
pub struct Pool {
    pub number: u64,
    pub upstream: usize,
    pub priority: Priority,
    pub key: u64,
    /// Of a mixed upstream: HTTP/1.1 is offered alone.
    pub only_h1: bool,
    /// By arrival.
    pub queue: Vec<Request>,
    /// By birth; closed ones until their last stream has ended.
    pub conns: Vec<Conn>,
    pub failures: u32,
    pub until: Option<Instant>,
    pub backoff: Timer,
    pub deleting: bool,
    pub gained: bool,
    pub awaits: bool,
    pub ranks: u64,
}

pub struct Upstream {
    pub config: UpstreamConfig,
    pub gate: Gate,
    pub health: Health,
    pub dialable: bool,
    pub removed: bool,
    pub gone: bool,
    pub lost: BTreeMap<(Priority, u64, bool), (u32, Option<Instant>)>,
    /// Demands for HTTP/1.1 since the last head over HTTP/2, if there was one.
    pub demands: Option<u32>,
    /// Times in a row that HTTP/1.1 was taken for all, and until when.
    pub fallbacks: u32,
    pub fallen_back: Option<Instant>,
}

pub struct Model {
    pub config: GroupConfig,
    pub now: Instant,
    pub upstreams: Vec<Upstream>,
    pub pools: Vec<Pool>,
    pub stats: BTreeMap<Stat, u64>,
    pub told: Vec<Told>,
    pub idle_events: u64,
    pub shed: bool,
    pub retries: [u32; 2],
    pub births: u64,
    arrivals: u64,
    pool_numbers: u64,
    armed: u64,
    random: u64,
    gained: Vec<u64>,
    severed: Vec<u64>,
    awaiting: [Vec<u64>; 2],
    /// Failures on their way to the shell: token, and whether they count as thrown out of the queue.
    failing: Vec<(u64, bool)>,
}

impl Conn {
    pub fn usable(&self) -> i64 {
        let remaining = if self.draining { 0 } else { self.remaining };
        remaining.min(self.concurrent - self.active()).min(self.credit)
    }

    pub fn active(&self) -> i64 {
        i64::try_from(self.runs.len()).unwrap()
    }

    pub fn is(&self) -> Is {
        if self.closed {
            Is::Closed
        } else if self.draining {
            Is::Draining
        } else if !self.connected {
            Is::Connecting
        } else if self.usable() > 0 {
            Is::Ready
        } else {
            Is::Busy
        }
    }

    pub fn is_h1(&self) -> bool {
        self.protocol == Some(Protocol::H1)
    }
}

impl Pool {
    pub fn open(&self) -> impl Iterator<Item = &Conn> {
        self.conns.iter().filter(|conn| !conn.closed)
    }

    fn sum(&self, of: impl Fn(&Conn) -> i64) -> i64 {
        self.open().map(of).sum()
    }

    pub fn active(&self) -> i64 {
        self.conns.iter().map(Conn::active).sum()
    }

    pub fn pending(&self) -> i64 {
        i64::try_from(self.queue.len()).unwrap()
    }

    pub fn free(&self) -> i64 {
        self.sum(|conn| conn.usable().max(0))
    }

    pub fn capacity(&self) -> i64 {
        self.sum(Conn::usable)
    }

    pub fn connecting(&self) -> i64 {
        self.sum(|conn| if conn.is() == Is::Connecting { conn.usable() } else { 0 })
    }

    pub fn ready(&self) -> i64 {
        self.sum(|conn| if conn.is() == Is::Ready { conn.usable() } else { 0 })
    }

    pub fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.active() > 0
    }

    pub fn pick(&self, pick: Pick) -> Option<u64> {
        let ready = self.open().filter(|conn| conn.is() == Is::Ready);
        let chosen = match pick {
            Pick::LeastLoaded => ready.min_by_key(|conn| (conn.active(), std::cmp::Reverse(conn.rank))),
            Pick::MostRecent => ready.max_by_key(|conn| conn.rank),
            Pick::RoundRobin => ready.min_by_key(|conn| conn.rank),
        };
        chosen.map(|conn| conn.birth)
    }
}

impl Model {
    pub fn new(config: GroupConfig, seed: u64) -> Self {
        Self {
            config,
            now: Instant::default(),
            upstreams: Vec::new(),
            pools: Vec::new(),
            stats: BTreeMap::new(),
            told: Vec::new(),
            idle_events: 0,
            shed: false,
            retries: [0; 2],
            births: 0,
            arrivals: 0,
            pool_numbers: 0,
            armed: 0,
            random: seed,
            gained: Vec::new(),
            severed: Vec::new(),
            awaiting: [Vec::new(), Vec::new()],
            failing: Vec::new(),
        }
    }

    pub fn add_upstream(&mut self, config: UpstreamConfig) {
        let (gate, health) = (Gate::Open, Health::Healthy);
        let upstream = Upstream {
            config,
            gate,
            health,
            dialable: true,
            removed: false,
            gone: false,
            lost: BTreeMap::new(),
            demands: None,
            fallbacks: 0,
            fallen_back: None,
        };
        self.upstreams.push(upstream);
    }

    pub fn pool_state(&self, upstream: usize, priority: Priority, key: u64, only_h1: bool) -> Option<&Pool> {
        self.pools
            .iter()
            .filter(|pool| pool.upstream == upstream && pool.priority == priority && pool.key == key)
            .find(|pool| pool.only_h1 == only_h1 && !pool.deleting)
    }

    pub fn held(&self, limit: LimitName, priority: Priority) -> u32 {
        let pools = self.pools.iter().filter(|pool| pool.priority == priority);
        let held = match limit {
            LimitName::MaxConnections => pools.map(|pool| pool.open().count()).sum(),
            LimitName::MaxPendingRequests => {
                pools.map(|pool| pool.queue.iter().filter(|request| request.charged).count()).sum()
            }
            LimitName::MaxRequests => pools.map(|pool| usize::try_from(pool.active()).unwrap()).sum(),
            LimitName::MaxConnectionPools => pools.count(),
            LimitName::MaxRetries => self.retries[usize::from(priority == Priority::High)] as usize,
            LimitName::Shed => 0,
        };
        u32::try_from(held).unwrap()
    }

    pub fn has_room(&self, limit: LimitName, priority: Priority) -> bool {
        let limits = self.config.limits(priority);
        let max = match limit {
            LimitName::MaxConnections => limits.max_connections,
            LimitName::MaxPendingRequests => limits.max_pending_requests,
            LimitName::MaxRequests => limits.max_requests,
            LimitName::MaxConnectionPools => limits.max_connection_pools,
            LimitName::MaxRetries | LimitName::Shed => unreachable!("not asked"),
        };
        self.held(limit, priority) < max
    }

    pub fn count(&mut self, stat: Stat) {
        *self.stats.entry(stat).or_default() += 1;
    }

    pub fn stat(&self, stat: Stat) -> u64 {
        let streams = |of: fn(&Pool) -> i64| self.pools.iter().map(|pool| u64::try_from(of(pool)).unwrap()).sum();
        match stat {
            Stat::CxActive => self.pools.iter().map(|pool| pool.open().count() as u64).sum(),
            Stat::RqActive => streams(Pool::active),
            Stat::RqPendingActive => streams(Pool::pending),
            counter => self.stats.get(&counter).copied().unwrap_or(0),
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.due().map(|(at, _, _)| at)
    }

    pub fn retry(&mut self, priority: Priority) -> bool {
        let streams: i64 =
            self.pools.iter().filter(|pool| pool.priority == priority).map(|pool| pool.active() + pool.pending()).sum();
        let most = match self.config.limits(priority).retries {
            forebay_core::RetryLimit::Count(count) => i64::from(count),
            forebay_core::RetryLimit::Budget { percent, min_concurrency } => {
                (streams * i64::from(percent) / 100).max(i64::from(min_concurrency))
            }
        };
        let row = usize::from(priority == Priority::High);
        let granted = i64::from(self.retries[row]) < most;
        self.retries[row] += u32::from(granted);
        self.count(if granted { Stat::RqRetry } else { Stat::RqRetryOverflow });
        granted
    }

    fn pool(&mut self, number: u64) -> &mut Pool {
        self.pools.iter_mut().find(|pool| pool.number == number).expect("a living pool")
    }

    fn pool_ref(&self, number: u64) -> &Pool {
        self.pools.iter().find(|pool| pool.number == number).expect("a living pool")
    }

    fn config_of(&self, pool: u64) -> &UpstreamConfig {
        &self.upstreams[self.pool_ref(pool).upstream].config
    }

    /// The pool of a connection that is not forgotten.
    pub fn pool_of(&self, birth: u64) -> Option<u64> {
        self.pools.iter().find(|pool| pool.conns.iter().any(|conn| conn.birth == birth)).map(|pool| pool.number)
    }

    fn conn(&mut self, birth: u64) -> Option<&mut Conn> {
        self.pools.iter_mut().flat_map(|pool| pool.conns.iter_mut()).find(|conn| conn.birth == birth)
    }

    fn conn_ref(&self, birth: u64) -> Option<&Conn> {
        self.pools.iter().flat_map(|pool| pool.conns.iter()).find(|conn| conn.birth == birth)
    }

    #[allow(clippy::unnecessary_wraps, reason = "a timer that is armed is a timer")]
    fn arm(&mut self, after: Duration) -> Timer {
        self.armed += 1;
        Some((self.now + after, self.armed))
    }

    /// The core's own generator, draw for draw.
    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let span = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap();
        least + Duration::from_nanos(u64::try_from((u128::from(mixed) * (u128::from(span) + 1)) >> 64).unwrap())
    }

    fn blame(&mut self, birth: u64) {
        let now = self.now;
        let number = self.pool_of(birth).expect("a living connection");
        let BackoffConfig { base, max } = self.config_of(number).backoff;
        let conn = self.conn(birth).expect("a living connection");
        if conn.blamed || conn.heads > 0 {
            return;
        }
        conn.blamed = true;
        let pool = self.pool(number);
        pool.failures += 1;
        if pool.failures >= 2 && !base.is_zero() {
            let wait = base.saturating_mul(1 << (pool.failures - 2).min(31)).min(max);
            let drawn = self.between(wait / 2, wait);
            self.pool(number).until = Some(now + drawn);
        }
    }

    /// Ranks follow the states; called after each change of a connection.
    fn settle(&mut self, birth: u64, attached: bool) {
        let number = self.pool_of(birth).expect("a living connection");
        let round_robin = self.config_of(number).pick == Pick::RoundRobin;
        let pool = self.pool(number);
        let next = pool.ranks + 1;
        let conn = pool.conns.iter_mut().find(|conn| conn.birth == birth).expect("found above");
        if conn.is() != Is::Ready {
            conn.rank = None;
        } else if conn.rank.is_none() || (round_robin && attached) {
            conn.rank = Some(next);
            pool.ranks = next;
        }
    }

    fn serves_at_once(&self, pool: u64) -> bool {
        matches!(self.config_of(pool).protocols, Protocols::Fixed(Protocol::H2 | Protocol::H3))
    }
}
