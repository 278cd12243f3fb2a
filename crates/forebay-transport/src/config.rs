//! What the transport must know of a pool; every number was parsed and bounded by the caller.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use forebay_core::{GroupConfig, UpstreamConfig};
use http::HeaderValue;

use crate::tls::Tls;

/// HTTP/2 as the transport needs it; what the core needs is in `UpstreamConfig::h2`.
#[derive(Clone, Copy, Debug)]
pub struct Http2Config {
    /// Bytes of a body that a peer may send ahead of the reader, for each stream. Default: 262,144 (undici).
    pub stream_window: u32,
    /// The same for all streams of a connection. Default: 16 times that (a guess).
    pub connection_window: u32,
    /// How long the peer has for its first SETTINGS, and to acknowledge ours. Default: 10 s (a guess; the bounds of the hostile
    /// upstream rows).
    pub settings_timeout: Duration,
    /// Whether the windows grow to what the path holds. Default: no (hyper; Envoy has no such option).
    pub adaptive_window: Option<AdaptiveWindow>,
    /// Whether the peer is still there. Default: asked only after a time-out (Envoy asks never).
    pub ping: Option<PingConfig>,
}

impl Default for Http2Config {
    fn default() -> Self {
        Self {
            stream_window: 262_144,
            connection_window: 16 * 262_144,
            settings_timeout: Duration::from_secs(10),
            adaptive_window: None,
            ping: None,
        }
    }
}

/// Up to where windows grow, if the path holds more than they allow. What a peer may send ahead of the readers, and with it memory, is
/// bounded by these.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveWindow {
    /// Bytes for each stream. Default: 16 MiB (Envoy, `initial_stream_window_size`; hyper's bound too).
    pub max_stream_window: u32,
    /// Bytes for a connection. Default: 24 MiB (Envoy, `initial_connection_window_size`).
    pub max_connection_window: u32,
}

impl Default for AdaptiveWindow {
    fn default() -> Self {
        Self { max_stream_window: 16 * 1024 * 1024, max_connection_window: 24 * 1024 * 1024 }
    }
}

/// HTTP/3 as the transport needs it; what the core needs is in `UpstreamConfig::h3`.
#[derive(Clone, Copy, Debug)]
pub struct Http3Config {
    /// Bytes of a body that a peer may send ahead of the reader, for each stream. Default: 262,144 (undici's for HTTP/2).
    pub stream_window: u32,
    /// The same for all streams of a connection; as many of ours may be under way unacknowledged. Default: 16 times that (a guess).
    pub connection_window: u32,
    /// A connection on which nothing comes for so long is over; the peer may say less. `None`: only what the peer says. Default: 600 s
    /// (Envoy).
    pub idle_timeout: Option<Duration>,
    /// After so much silence the peer is asked. `None`: never. Default: 15 s (Envoy).
    pub ping_interval: Option<Duration>,
    /// How the rate is found at which a path takes what we send.
    pub congestion: Congestion,
}

impl Default for Http3Config {
    fn default() -> Self {
        Self {
            stream_window: 262_144,
            connection_window: 16 * 262_144,
            idle_timeout: Some(Duration::from_secs(600)),
            ping_interval: Some(Duration::from_secs(15)),
            congestion: Congestion::Cubic,
        }
    }
}

/// A congestion controller.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Congestion {
    /// RFC 9438. quinn's default, and that of most systems for TCP.
    #[default]
    Cubic,
    /// RFC 9002, section 7.
    NewReno,
    /// By bandwidth and delay instead of loss; experimental in quinn.
    Bbr,
}

/// PING on connections of HTTP/2.
#[derive(Clone, Copy, Debug)]
pub struct PingConfig {
    /// Without an answer for so long the connection is dead.
    pub timeout: Duration,
    /// After so much silence the peer is asked. `None`: not on its own.
    pub interval: Option<Duration>,
    /// The interval is longer by up to this share of it, 0 to 1. Default: 0.15 (Envoy).
    pub jitter: f64,
    /// After more silence than this the peer is asked when the next request is sent. `None`: never.
    pub idle_interval: Option<Duration>,
}

/// One pool: a lone upstream, which is a group of one.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// For logs.
    pub name: String,
    /// Value of `Host`.
    pub authority: HeaderValue,
    /// Where to connect, in order of preference. Empty only with `socket_path`, or until `set_addresses`.
    pub addresses: Vec<SocketAddr>,
    /// A Unix socket instead.
    pub socket_path: Option<PathBuf>,
    /// Source address.
    pub local_address: Option<IpAddr>,
    /// How long sent bytes may stay unacknowledged before the system gives a connection up, where the system can (Linux, `TCP_USER_TIMEOUT`).
    /// `None`: the system's own limit, minutes.
    pub tcp_user_timeout: Option<Duration>,
    /// Until the next address is tried beside the first. Zero: all at once.
    pub address_delay: Duration,
    /// For an https origin.
    pub tls: Option<Tls>,
    /// From the request sent to the final head. `None`: no bound.
    pub headers_timeout: Option<Duration>,
    /// Gap in a body while our side is ready. `None`: no bound.
    pub body_idle_timeout: Option<Duration>,
    /// One attempt, from bound and handed over whole to its end. `None`: no bound, as for those that follow.
    pub per_try_timeout: Option<Duration>,
    /// The same; bytes of the upstream restart it.
    pub per_try_idle_timeout: Option<Duration>,
    /// From submission to the end.
    pub total_timeout: Option<Duration>,
    /// From bound to the end.
    pub max_stream_duration: Option<Duration>,
    /// Largest head of a response, in bytes.
    pub max_head_size: usize,
    /// Most fields in the head of a response.
    pub max_head_fields: usize,
    /// Bytes of a body that may wait in native memory, for each exchange and direction.
    pub body_buffer: usize,
    /// HTTP/2.
    pub http2: Http2Config,
    /// HTTP/3.
    pub http3: Http3Config,
    /// Whether connections to addresses that left the set take no more requests.
    pub drain_vanished: bool,
    /// Limits.
    pub group: GroupConfig,
    /// How connections live and die.
    pub upstream: UpstreamConfig,
}
