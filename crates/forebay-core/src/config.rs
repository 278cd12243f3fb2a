//! What a group and an upstream are told once: parsed numbers.
//!
//! Promise: the defaults are the contract's; `number` turns what a user wrote into these types or an error with the field's path.
//! Used by all. Not here: options of protocols and TLS that only the transport reads.

pub mod number;

use core::time::Duration;

pub use number::{ConfigError, Ratio};

use crate::outcome::{Priority, Protocol};

/// Stands for Infinity where a limit is a number.
pub const UNLIMITED: u32 = u32::MAX;

/// What a group is told.
#[derive(Clone, Debug, Default)]
pub struct GroupConfig {
    /// The limits of default priority.
    pub default: LimitsConfig,
    /// The limits of high priority.
    pub high: LimitsConfig,
    /// `perHost.maxConnections`: connections of one upstream, both priorities.
    pub per_host: PerHostConfig,
}

impl GroupConfig {
    /// The row of a priority.
    #[must_use]
    pub const fn limits(&self, priority: Priority) -> &LimitsConfig {
        match priority {
            Priority::Default => &self.default,
            Priority::High => &self.high,
        }
    }
}

/// The limits of each upstream.
#[derive(Clone, Copy, Debug)]
pub struct PerHostConfig {
    /// Connections, both priorities. Default: unlimited (Envoy, `per_host_thresholds`).
    pub max_connections: u32,
}

impl Default for PerHostConfig {
    fn default() -> Self {
        Self { max_connections: UNLIMITED }
    }
}

/// The limits of one priority. 0: nothing; `UNLIMITED`: no limit.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Default: 1024 (Envoy, `CircuitBreakers.Thresholds`).
    pub max_connections: u32,
    /// Default: 1024 (Envoy).
    pub max_pending_requests: u32,
    /// Default: 1024 (Envoy).
    pub max_requests: u32,
    /// What happens at `max_requests`. Default: refuse (Envoy).
    pub on_max_requests: OnMaxRequests,
    /// Default: a budget of 20 %, at least 3 (Envoy's numbers for a budget; Envoy's own default is 3 retries).
    pub retries: RetryLimit,
    /// Default: unlimited (Envoy).
    pub max_connection_pools: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            on_max_requests: OnMaxRequests::Reject,
            retries: RetryLimit::Budget { percent: 20, min_concurrency: 3 },
            max_connection_pools: UNLIMITED,
        }
    }
}

/// What happens to a stream when `max_requests` are running.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnMaxRequests {
    /// It fails.
    #[default]
    Reject,
    /// It waits until one of them ends.
    Queue,
}

/// How many retries may be under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryLimit {
    /// A plain number.
    Count(u32),
    /// A share of the streams that are active or wait, and at least a number.
    Budget {
        /// In percent, 0 to 100.
        percent: u32,
        /// The floor.
        min_concurrency: u32,
    },
}

/// What an upstream is told.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// What is offered. Default: HTTP/1.1.
    pub protocols: Protocols,
    /// Creation to ready. Default: 5 s (Envoy, `Cluster.connect_timeout`).
    pub connect_timeout: Duration,
    /// Enqueue to attach. Default: 15 s (Envoy bounds it by its route time-out alone).
    pub queue_timeout: Option<Duration>,
    /// Connected without a stream. Default: 55 s (under the 60 s of common load balancers).
    pub idle_timeout: Option<Duration>,
    /// Connected to draining. Default: off (Envoy).
    pub max_connection_duration: Option<Duration>,
    /// How much of it is taken off at random. Default: 10 % (a guess; Envoy has none).
    pub duration_jitter: Ratio,
    /// Draining to closed by force. Default: off.
    pub drain_timeout: Option<Duration>,
    /// Streams of a connection before it drains; 0: no bound. Default: 0 (Envoy).
    pub max_requests_per_connection: u32,
    /// Which of several free connections takes a stream.
    pub pick: Pick,
    /// Which waiting streams fail with a connection.
    pub on_connect_failure: OnConnectFailure,
    /// What becomes of a connection that a cancelled stream had asked for.
    pub on_cancel: OnCancel,
    /// The wait between attempts when they fail in a row.
    pub backoff: BackoffConfig,
    /// Capacity to build for each stream, from 1 to 3. Default: 1 (Envoy).
    pub preconnect_ratio: Ratio,
    /// The same for a stream yet to come, from 0 (off) to 3. Default: 0 (Envoy).
    pub predictive_preconnect_ratio: Ratio,
    /// What the pool itself sends again.
    pub replay: ReplayPolicy,
    /// HTTP/2.
    pub h2: H2Config,
    /// HTTP/3.
    pub h3: H3Config,
    /// HTTP/3 beside a mixed offer, for the streams that ask for it. Default: none.
    pub http3: Option<Http3Config>,
    /// What is known of the origin from before.
    pub memory: OriginMemory,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            protocols: Protocols::Fixed(Protocol::H1),
            connect_timeout: Duration::from_secs(5),
            queue_timeout: Some(Duration::from_secs(15)),
            idle_timeout: Some(Duration::from_secs(55)),
            max_connection_duration: None,
            duration_jitter: Ratio::from_thousandths(100),
            drain_timeout: None,
            max_requests_per_connection: 0,
            pick: Pick::LeastLoaded,
            on_connect_failure: OnConnectFailure::Uncovered,
            on_cancel: OnCancel::Keep,
            backoff: BackoffConfig::default(),
            preconnect_ratio: Ratio::ONE,
            predictive_preconnect_ratio: Ratio::ZERO,
            replay: ReplayPolicy::Idempotent,
            h2: H2Config::default(),
            h3: H3Config::default(),
            http3: None,
            memory: OriginMemory::default(),
        }
    }
}

/// What a pool offers its upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocols {
    /// One, without fallback.
    Fixed(Protocol),
    /// HTTP/2 or HTTP/1.1, as the upstream chooses.
    Mixed,
}

/// Which of several free connections takes a stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pick {
    /// The one with the fewest streams; of these the one that became free last.
    #[default]
    LeastLoaded,
    /// The one that became free last. Envoy's choice; packs one connection full.
    MostRecent,
    /// Each in turn.
    RoundRobin,
}

/// Which waiting streams fail with a connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnConnectFailure {
    /// Those that nothing else under way can serve.
    #[default]
    Uncovered,
    /// All. Envoy's choice.
    All,
}

/// What becomes of a connection that a cancelled stream had asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnCancel {
    /// It is kept for the next. Envoy's default.
    #[default]
    Keep,
    /// It is closed if the rest does not need it.
    CloseExcess,
}

/// What the pool itself sends again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReplayPolicy {
    /// What was not processed; and once an idempotent request that a reused connection lost.
    #[default]
    Idempotent,
    /// What was not processed.
    Unprocessed,
    /// Nothing.
    None,
}

/// Waits from the second failure in a row: between half and all of `base`, doubled each time up to `max`. A `base` of zero is off.
#[derive(Clone, Copy, Debug)]
pub struct BackoffConfig {
    /// Default: 25 ms (Envoy's retry back-off).
    pub base: Duration,
    /// Default: 250 ms (Envoy's retry back-off).
    pub max: Duration,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self { base: Duration::from_millis(25), max: Duration::from_millis(250) }
    }
}

/// HTTP/2 as the core needs it.
#[derive(Clone, Copy, Debug)]
pub struct H2Config {
    /// The peer's lower limit wins. Default: 1024 (Envoy).
    pub max_concurrent_streams: u32,
    /// Streams to assume before SETTINGS. Default: none, and then the transport awaits SETTINGS.
    pub pre_settings_streams: Option<u32>,
    /// Whether the peer's limit is kept for its next connection. Default: yes.
    pub remember: bool,
}

impl Default for H2Config {
    fn default() -> Self {
        Self { max_concurrent_streams: 1024, pre_settings_streams: None, remember: true }
    }
}

/// HTTP/3 as the core needs it.
#[derive(Clone, Copy, Debug)]
pub struct H3Config {
    /// A bound of ours beside the peer's credit. Default: 100 (Envoy).
    pub max_concurrent_streams: u32,
    /// Whether safe methods go before the handshake is done. Default: no.
    pub early_data: bool,
    /// Whether connections survive a change of network: `DrainMode::ExistingNonMigratable` leaves them alone. Default: no.
    pub migrates: bool,
}

impl Default for H3Config {
    fn default() -> Self {
        Self { max_concurrent_streams: 100, early_data: false, migrates: false }
    }
}

/// HTTP/3 beside TCP.
#[derive(Clone, Copy, Debug)]
pub struct Http3Config {
    /// Creation to ready, where TCP can take over; never longer than `UpstreamConfig::connect_timeout`. Default: 3 s (a guess: a closed UDP
    /// port is silent).
    pub connect_timeout: Duration,
}

impl Default for Http3Config {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(3) }
    }
}

/// What earlier connections taught about an origin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OriginMemory {
    /// It chose HTTP/1.1 of a mixed offer.
    pub h1: bool,
    /// The stream limit of its HTTP/2 SETTINGS; `u32::MAX` if they had none.
    pub stream_limit: Option<u32>,
}
