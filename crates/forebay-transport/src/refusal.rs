//! What the core's reasons are called towards callers.

use forebay_core::{Class, FailureReason, LimitName};

use crate::config::PoolConfig;
use crate::error::{Code, Failure, Phase};

/// The failure of a request that the core refused, or took from the queue, for a reason of its own.
pub(crate) fn refused(reason: FailureReason, config: &PoolConfig, class: Class) -> Failure {
    let upstream = &config.upstream;
    let ms = |d: std::time::Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
    let (code, phase, number, text) = match reason {
        FailureReason::Overflow(limit) => return overflow(limit, config),
        FailureReason::QueueTimeout => {
            let limit = upstream.queue_timeout.map_or(0, ms);
            (
                Code::QueueTimeout,
                Phase::Queue,
                limit,
                "no connection became free in time",
            )
        }
        FailureReason::Timeout => (
            Code::ConnectTimeout,
            Phase::Connect,
            ms(upstream.connect_timeout),
            "not connected in time",
        ),
        FailureReason::GateShut => (Code::BreakerOpen, Phase::Queue, 0, "the breaker is open"),
        FailureReason::RemoteConnectionFailure => (Code::ConnectRefused, Phase::Connect, 0, "the peer closed it"),
        FailureReason::LocalConnectionFailure => (Code::PoolClosed, Phase::Queue, 0, "the pool was destroyed"),
        FailureReason::ConnectionTermination => (Code::ConnectionClosed, Phase::Head, 0, "the connection ended"),
        FailureReason::RemoteReset => (Code::StreamReset, Phase::Head, 0, "the peer reset the stream"),
        FailureReason::RemoteRefused => (Code::StreamRefused, Phase::Head, 0, "the peer refused the stream"),
        FailureReason::ConnectError => (
            Code::ProxyFailed,
            Phase::Connect,
            0,
            "the peer could not open the tunnel",
        ),
        FailureReason::ProtocolError => (Code::ProtocolError, Phase::Head, 0, "the peer broke the protocol"),
        FailureReason::LocalReset => (Code::Aborted, Phase::Head, 0, "given up"),
    };
    Failure::new(code, phase, class, text).with_number(number)
}

fn overflow(limit: LimitName, config: &PoolConfig) -> Failure {
    let row = &config.group.default;
    let (code, max) = match limit {
        LimitName::MaxPendingRequests => (Code::PendingOverflow, row.max_pending_requests),
        LimitName::MaxRequests => (Code::RequestOverflow, row.max_requests),
        LimitName::MaxConnectionPools => (Code::PoolOverflow, row.max_connection_pools),
        LimitName::MaxConnections => (Code::PendingOverflow, row.max_connections),
        LimitName::MaxRetries | LimitName::Shed => (Code::ShedOverflow, 0),
    };
    Failure::new(code, Phase::Admit, Class::Unprocessed, "the limit is reached").with_number(max)
}

/// The core's word for a failure of a connection's.
pub(crate) fn reason_of(code: Code) -> FailureReason {
    match code {
        Code::ResponseMalformed
        | Code::ProtocolError
        | Code::Flood
        | Code::UnexpectedUpgrade
        | Code::HeadersTooLarge => FailureReason::ProtocolError,
        Code::HeadersTimeout | Code::BodyTimeout | Code::WriteTimeout | Code::Aborted | Code::Internal => {
            FailureReason::LocalReset
        }
        _ => FailureReason::ConnectionTermination,
    }
}
