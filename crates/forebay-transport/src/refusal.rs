//! What the core's reasons are called towards callers.

use std::time::Duration;

use forebay_core::{Class, FailureReason, LimitName, LimitsConfig, Priority};

use crate::config::PoolConfig;
use crate::error::{Code, Failure, Phase};

/// The failure of a request that the core refused, or took from the queue, for a reason of its own. Without a text: the
/// code says it all, and a refusal must be cheap.
pub(crate) fn refused(reason: FailureReason, config: &PoolConfig, priority: Priority, class: Class) -> Failure {
    let upstream = &config.upstream;
    let ms = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
    let (code, phase, number) = match reason {
        FailureReason::Overflow(limit) => overflow(limit, config.group.limits(priority)),
        FailureReason::QueueTimeout => (Code::QueueTimeout, Phase::Queue, upstream.queue_timeout.map_or(0, ms)),
        FailureReason::Timeout => (Code::ConnectTimeout, Phase::Connect, ms(upstream.connect_timeout)),
        FailureReason::GateShut => (Code::BreakerOpen, Phase::Queue, 0),
        FailureReason::RemoteConnectionFailure => (Code::ConnectRefused, Phase::Connect, 0),
        FailureReason::LocalConnectionFailure => (Code::PoolClosed, Phase::Queue, 0),
        // Unprocessed: each connection ended before a byte of it was written.
        FailureReason::ConnectionTermination if class == Class::Unprocessed => (Code::ConnectionClosed, Phase::Send, 0),
        FailureReason::ConnectionTermination => (Code::ConnectionClosed, Phase::Head, 0),
        FailureReason::RemoteReset => (Code::StreamReset, Phase::Head, 0),
        FailureReason::RemoteRefused => (Code::StreamRefused, Phase::Head, 0),
        FailureReason::VersionRequired | FailureReason::VersionUnfit => (Code::VersionRequired, Phase::Head, 0),
        FailureReason::ConnectError => (Code::ProxyFailed, Phase::Connect, 0),
        FailureReason::ProtocolError => (Code::ProtocolError, Phase::Head, 0),
        FailureReason::LocalReset => (Code::Aborted, Phase::Head, 0),
    };
    Failure::new(code, phase, class, "").with_number(number)
}

fn overflow(limit: LimitName, row: &LimitsConfig) -> (Code, Phase, u32) {
    let (code, max) = match limit {
        LimitName::MaxPendingRequests => (Code::PendingOverflow, row.max_pending_requests),
        LimitName::MaxRequests => (Code::RequestOverflow, row.max_requests),
        LimitName::MaxConnectionPools => (Code::PoolOverflow, row.max_connection_pools),
        LimitName::MaxConnections => (Code::PendingOverflow, row.max_connections),
        LimitName::MaxRetries | LimitName::Shed => (Code::ShedOverflow, 0),
    };
    (code, Phase::Admit, max)
}

/// The core's word for a failure of a connection's, and how far the exchange had come.
pub(crate) fn reason_of(code: Code, phase: Phase) -> FailureReason {
    match code {
        // It is not the peer that says so: nothing was sent.
        Code::VersionRequired if phase == Phase::Send => FailureReason::VersionUnfit,
        code if code.is_breach() => FailureReason::ProtocolError,
        Code::HeadersTimeout | Code::BodyTimeout | Code::WriteTimeout | Code::Aborted | Code::Internal => {
            FailureReason::LocalReset
        }
        Code::StreamReset => FailureReason::RemoteReset,
        Code::StreamRefused => FailureReason::RemoteRefused,
        Code::VersionRequired => FailureReason::VersionRequired,
        _ => FailureReason::ConnectionTermination,
    }
}
