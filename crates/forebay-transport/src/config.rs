//! What the transport must know of a pool; every number was parsed and bounded by the caller.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use forebay_core::{GroupConfig, UpstreamConfig};
use http::HeaderValue;

use crate::tls::Tls;

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
    /// Whether connections to addresses that left the set take no more requests.
    pub drain_vanished: bool,
    /// Limits.
    pub group: GroupConfig,
    /// How connections live and die.
    pub upstream: UpstreamConfig,
}
