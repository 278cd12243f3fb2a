//! The configuration of a pool as it crosses, and what the transport makes of it. Cold.
//!
//! Promise: no defaults, no policy: TypeScript parsed everything; here are conversions only. Names are the options' own.
#![allow(clippy::struct_field_names, reason = "the options' own names")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use forebay_core as core;
use forebay_transport::PoolConfig;
use forebay_transport::config::{AdaptiveWindow, Congestion, Http2Config, Http3Config, PingConfig};
use forebay_transport::tls::{Tls, TlsOptions};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

/// What stands for Infinity in a count.
const UNLIMITED: u32 = u32::MAX;

/// A pool. Durations are whole ms, 0 for off; sizes are bytes; counts use 4294967295 for unlimited.
#[napi(object, use_nullable = true)]
pub struct NativePoolConfig {
    pub name: String,
    pub origin: NativeOrigin,
    pub protocols: Vec<String>,
    pub addresses: Vec<NativeAddress>,
    pub limits: NativeLimitsConfig,
    pub connection: NativeConnectionConfig,
    pub timeouts: NativeTimeouts,
    pub bounds: NativeBounds,
    pub tls: Option<NativeTls>,
    pub replay: String,
    pub body_buffer: u32,
    pub drain_vanished: bool,
    pub http2: NativeHttp2,
    pub http3: Option<NativeHttp3>,
}

/// Connections of HTTP/3.
#[napi(object)]
pub struct NativeHttp3 {
    pub max_concurrent_streams: u32,
    pub idle_timeout: u32,
    pub ping_interval: u32,
    pub stream_window: u32,
    pub connection_window: u32,
    pub congestion: String,
}

/// Connections of HTTP/2.
#[napi(object, use_nullable = true)]
pub struct NativeHttp2 {
    pub max_concurrent_streams: u32,
    pub pre_settings_streams: Option<u32>,
    pub remember: bool,
    pub stream_window: u32,
    pub connection_window: u32,
    pub adaptive_window: Option<NativeAdaptiveWindow>,
    pub ping: Option<NativePing>,
}

/// Up to where windows grow.
#[napi(object)]
pub struct NativeAdaptiveWindow {
    pub max_stream_window: u32,
    pub max_connection_window: u32,
}

/// PING.
#[napi(object)]
pub struct NativePing {
    pub timeout: u32,
    pub interval: u32,
    pub jitter: f64,
    pub idle_interval: u32,
}

/// Whom the pool is for.
#[napi(object)]
pub struct NativeOrigin {
    pub scheme: String,
    pub host: String,
    pub port: u32,
    pub authority: String,
}

/// Where to connect.
#[napi(object)]
pub struct NativeAddress {
    pub address: String,
    pub port: u32,
}

/// Limits of one priority.
#[napi(object, use_nullable = true)]
pub struct NativeLimits {
    pub max_connections: u32,
    pub max_pending_requests: u32,
    pub max_requests: u32,
    pub on_max_requests: String,
    pub max_connection_pools: u32,
    pub max_retries: u32,
    pub retry_budget: Option<NativeRetryBudget>,
}

/// How many retries may be under way, as a share of the requests; wins over `max_retries`.
#[napi(object)]
pub struct NativeRetryBudget {
    pub percent: u32,
    pub min_concurrency: u32,
}

/// Limits of the pool.
#[napi(object)]
pub struct NativeLimitsConfig {
    pub default: NativeLimits,
    pub high: NativeLimits,
    pub per_host_max_connections: u32,
}

/// How connections live and die.
#[napi(object, use_nullable = true)]
pub struct NativeConnectionConfig {
    pub connect_timeout: u32,
    pub address_delay: u32,
    pub idle_timeout: u32,
    pub max_connection_duration: u32,
    pub duration_jitter: f64,
    pub max_requests_per_connection: u32,
    pub drain_timeout: u32,
    pub pick: String,
    pub on_connect_failure: String,
    pub on_cancel: String,
    pub connect_backoff_base: u32,
    pub connect_backoff_max: u32,
    pub preconnect_ratio: f64,
    pub tcp_user_timeout: u32,
    pub local_address: Option<String>,
    pub socket_path: Option<String>,
}

/// Time-outs of a request.
#[napi(object)]
pub struct NativeTimeouts {
    pub queue_timeout: u32,
    pub headers_timeout: u32,
    pub body_idle_timeout: u32,
    pub per_try_timeout: Option<u32>,
    pub per_try_idle_timeout: Option<u32>,
    pub total_timeout: Option<u32>,
    pub max_stream_duration: Option<u32>,
}

/// Bounds on messages.
#[napi(object)]
pub struct NativeBounds {
    pub max_head_size: u32,
    pub max_head_fields: u32,
    pub max_path_size: u32,
    pub max_request_head_size: u32,
    pub max_request_head_fields: u32,
}

/// TLS of an https origin.
#[napi(object, use_nullable = true)]
pub struct NativeTls {
    pub ca: Uint8Array,
    pub crl: Option<Uint8Array>,
    pub cert: Option<Uint8Array>,
    pub key: Option<Uint8Array>,
    pub servername: Option<String>,
    pub min_version: String,
    pub session_cache: u32,
    pub dangerously_skip_verification: bool,
}

/// An option that only native code could refuse: `FB_INVALID_CONFIG|path|reason`, which TypeScript takes apart.
fn refused(path: &str, reason: impl std::fmt::Display) -> napi::Error {
    napi::Error::from_reason(format!("FB_INVALID_CONFIG|{path}|{reason}"))
}

fn off(ms: u32) -> Option<Duration> {
    (ms != 0).then(|| Duration::from_millis(u64::from(ms)))
}

fn ms(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

/// Reads addresses.
pub(crate) fn addresses(list: &[NativeAddress]) -> napi::Result<Vec<SocketAddr>> {
    let one = |a: &NativeAddress| {
        let ip: IpAddr = a.address.parse().map_err(|e| refused("addresses", e))?;
        let port = u16::try_from(a.port).map_err(|e| refused("addresses", e))?;
        Ok(SocketAddr::new(ip, port))
    };
    list.iter().map(one).collect()
}

/// What the transport makes of it.
pub(crate) fn convert(native: &NativePoolConfig) -> napi::Result<PoolConfig> {
    let connection = &native.connection;
    let local_address = match &connection.local_address {
        Some(text) => Some(text.parse().map_err(|e| refused("connection.localAddress", e))?),
        None => None,
    };
    let protocols = protocols(&native.protocols)?;
    let tls = native.tls.as_ref().map(|tls| convert_tls(tls, &native.origin.host, protocols)).transpose()?;
    Ok(PoolConfig {
        name: native.name.clone(),
        authority: native.origin.authority.parse().map_err(|e| refused("origin", e))?,
        addresses: addresses(&native.addresses)?,
        socket_path: connection.socket_path.as_ref().map(Into::into),
        local_address,
        tcp_user_timeout: off(connection.tcp_user_timeout),
        address_delay: ms(connection.address_delay),
        tls,
        headers_timeout: off(native.timeouts.headers_timeout),
        body_idle_timeout: off(native.timeouts.body_idle_timeout),
        per_try_timeout: native.timeouts.per_try_timeout.and_then(off),
        per_try_idle_timeout: native.timeouts.per_try_idle_timeout.and_then(off),
        total_timeout: native.timeouts.total_timeout.and_then(off),
        max_stream_duration: native.timeouts.max_stream_duration.and_then(off),
        max_head_size: native.bounds.max_head_size as usize,
        max_head_fields: native.bounds.max_head_fields as usize,
        body_buffer: native.body_buffer as usize,
        http2: http2(&native.http2),
        http3: native.http3.as_ref().map(http3).transpose()?.unwrap_or_default(),
        drain_vanished: native.drain_vanished,
        group: core::GroupConfig {
            default: limits(&native.limits.default)?,
            high: limits(&native.limits.high)?,
            per_host: core::PerHostConfig { max_connections: native.limits.per_host_max_connections },
        },
        upstream: upstream(native, protocols)?,
    })
}

/// Two are the upstream's choice.
fn protocols(names: &[String]) -> napi::Result<core::Protocols> {
    use core::Protocol::{H1, H2, H3};
    let mut known = names.iter().map(|name| one_of("protocols", name, &[("h1", H1), ("h2", H2), ("h3", H3)]));
    match (known.next().transpose()?, known.next().transpose()?) {
        (Some(one), None) => Ok(core::Protocols::Fixed(one)),
        (Some(_), Some(_)) => Ok(core::Protocols::Mixed),
        (None, _) => Err(refused("protocols", "none")),
    }
}

fn http2(native: &NativeHttp2) -> Http2Config {
    Http2Config {
        stream_window: native.stream_window,
        connection_window: native.connection_window,
        adaptive_window: native.adaptive_window.as_ref().map(|bounds| AdaptiveWindow {
            max_stream_window: bounds.max_stream_window,
            max_connection_window: bounds.max_connection_window,
        }),
        ping: native.ping.as_ref().map(|ping| PingConfig {
            timeout: ms(ping.timeout),
            interval: off(ping.interval),
            jitter: ping.jitter,
            idle_interval: off(ping.idle_interval),
        }),
        ..Http2Config::default()
    }
}

fn http3(native: &NativeHttp3) -> napi::Result<Http3Config> {
    Ok(Http3Config {
        stream_window: native.stream_window,
        connection_window: native.connection_window,
        idle_timeout: off(native.idle_timeout),
        ping_interval: off(native.ping_interval),
        congestion: one_of(
            "http3.congestion",
            &native.congestion,
            &[("cubic", Congestion::Cubic), ("new-reno", Congestion::NewReno), ("bbr", Congestion::Bbr)],
        )?,
    })
}

fn convert_tls(tls: &NativeTls, host: &str, protocols: core::Protocols) -> napi::Result<Tls> {
    let alpn: &[&[u8]] = match protocols {
        core::Protocols::Mixed => &[b"h2", b"http/1.1"],
        core::Protocols::Fixed(core::Protocol::H3) => &[b"h3"],
        core::Protocols::Fixed(core::Protocol::H2) => &[b"h2"],
        core::Protocols::Fixed(core::Protocol::H1) => &[b"http/1.1"],
    };
    let options = TlsOptions {
        ca: &tls.ca,
        crl: tls.crl.as_deref(),
        identity: tls.cert.as_deref().zip(tls.key.as_deref()),
        server_name: tls.servername.as_deref().unwrap_or(host),
        only_tls13: one_of("tls.minVersion", &tls.min_version, &[("TLSv1.2", false), ("TLSv1.3", true)])?,
        alpn,
        session_cache: tls.session_cache as usize,
        skip_verification: tls.dangerously_skip_verification,
        early_data: false,
    };
    Tls::new(&options).map_err(|e| refused(&format!("tls.{}", e.option), e.reason))
}

fn limits(native: &NativeLimits) -> napi::Result<core::LimitsConfig> {
    debug_assert_eq!(UNLIMITED, core::UNLIMITED);
    Ok(core::LimitsConfig {
        max_connections: native.max_connections,
        max_pending_requests: native.max_pending_requests,
        max_requests: native.max_requests,
        on_max_requests: one_of(
            "limits.onMaxRequests",
            &native.on_max_requests,
            &[("reject", core::OnMaxRequests::Reject), ("queue", core::OnMaxRequests::Queue)],
        )?,
        retries: match &native.retry_budget {
            Some(budget) => {
                core::RetryLimit::Budget { percent: budget.percent, min_concurrency: budget.min_concurrency }
            }
            None => core::RetryLimit::Count(native.max_retries),
        },
        max_connection_pools: native.max_connection_pools,
    })
}

fn upstream(native: &NativePoolConfig, protocols: core::Protocols) -> napi::Result<core::UpstreamConfig> {
    use core::{OnCancel, OnConnectFailure, Pick, ReplayPolicy};
    let c = &native.connection;
    Ok(core::UpstreamConfig {
        protocols,
        h2: core::H2Config {
            max_concurrent_streams: native.http2.max_concurrent_streams,
            pre_settings_streams: native.http2.pre_settings_streams,
            remember: native.http2.remember,
        },
        h3: core::H3Config {
            max_concurrent_streams: native
                .http3
                .as_ref()
                .map_or(core::H3Config::default().max_concurrent_streams, |http3| http3.max_concurrent_streams),
            ..core::H3Config::default()
        },
        connect_timeout: ms(c.connect_timeout),
        queue_timeout: off(native.timeouts.queue_timeout),
        idle_timeout: off(c.idle_timeout),
        max_connection_duration: off(c.max_connection_duration),
        duration_jitter: ratio("connection.durationJitter", c.duration_jitter)?,
        drain_timeout: off(c.drain_timeout),
        max_requests_per_connection: c.max_requests_per_connection,
        pick: one_of(
            "connection.pick",
            &c.pick,
            &[
                ("least-loaded", Pick::LeastLoaded),
                ("most-recent", Pick::MostRecent),
                ("round-robin", Pick::RoundRobin),
            ],
        )?,
        on_connect_failure: one_of(
            "connection.onConnectFailure",
            &c.on_connect_failure,
            &[("uncovered", OnConnectFailure::Uncovered), ("all", OnConnectFailure::All)],
        )?,
        on_cancel: one_of(
            "connection.onCancel",
            &c.on_cancel,
            &[("keep", OnCancel::Keep), ("close-excess", OnCancel::CloseExcess)],
        )?,
        backoff: core::BackoffConfig { base: ms(c.connect_backoff_base), max: ms(c.connect_backoff_max) },
        preconnect_ratio: ratio("connection.preconnectRatio", c.preconnect_ratio)?,
        replay: one_of(
            "replay",
            &native.replay,
            &[
                ("idempotent", ReplayPolicy::Idempotent),
                ("unprocessed", ReplayPolicy::Unprocessed),
                ("none", ReplayPolicy::None),
            ],
        )?,
        ..core::UpstreamConfig::default()
    })
}

/// A share, which the core counts in thousandths.
fn ratio(path: &str, value: f64) -> napi::Result<core::Ratio> {
    if !(0.0..=3.0).contains(&value) {
        return Err(refused(path, "from 0 to 3"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 3000, checked above")]
    Ok(core::Ratio::from_thousandths((value * 1000.0).round() as u32))
}

fn one_of<T: Copy>(path: &str, value: &str, choices: &[(&str, T)]) -> napi::Result<T> {
    choices.iter().find(|(name, _)| *name == value).map(|(_, t)| *t).ok_or_else(|| refused(path, "unknown value"))
}
