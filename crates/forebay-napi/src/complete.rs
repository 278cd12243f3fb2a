//! What the transport says becomes records.
//!
//! Promise: records stand in the order of the calls, each whole. Used by the runners. Not here: how they get to JavaScript
//! (`outbox`), who calls it (`runner`).

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Class, DrainReason, LimitName, Priority, Protocol};
use forebay_transport::error::{Code, Failure};
use forebay_transport::sink::{Connected, ConnectionNumber, Head, Peer, PoolId, RequestId, Sink};
use http::{HeaderMap, StatusCode};

use crate::outbox::Outbox;
use crate::record::{
    connected, deliver_kind, disconnected, draining, end, fail, fail_flag, informational, overflow, replayed,
    retry_flag, taken,
};

/// The sink of one channel: what the transport says, as records.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    out: RefCell<Outbox>,
}

impl Outlet {
    /// What waits, to be copied or moved on.
    pub(crate) fn outbox(&self) -> &RefCell<Outbox> {
        &self.out
    }
}

impl Sink for Outlet {
    fn connected(&self, pool: PoolId, info: &Connected) {
        let (address, port) = match &info.peer {
            Peer::Ip(ip, port) => (ip.to_string(), *port),
            Peer::Unix(path) => (path.clone(), 0),
        };
        let words = [
            deliver_kind::CONNECTED,
            info.connection,
            pool,
            match info.protocol {
                Protocol::H1 => 0,
                Protocol::H2 => 1,
                Protocol::H3 => 2,
            },
            u32::from(port),
            micros(info.connect),
            micros(info.tls),
            to_u32(address.len()),
        ];
        debug_assert_eq!(words.len() + 1, connected::WORDS as usize);
        self.out.borrow_mut().record(&words, |out| out.extend_from_slice(address.as_bytes()));
    }

    fn disconnected(&self, pool: PoolId, connection: ConnectionNumber, fault: Option<Code>) {
        let code = fault.map_or(0, |c| c as u32 + 1);
        let words = [deliver_kind::DISCONNECTED, connection, pool, code];
        debug_assert_eq!(words.len() + 1, disconnected::WORDS as usize);
        self.out.borrow_mut().record(&words, |_| {});
    }

    fn draining(&self, pool: PoolId, connection: ConnectionNumber, reason: DrainReason) {
        let reason = match reason {
            DrainReason::GoAway => 0,
            DrainReason::MaxDuration => 1,
            DrainReason::MaxRequests => 2,
            DrainReason::CloseHeader => 3,
            DrainReason::KeepAliveHint => 4,
            DrainReason::Manual => 5,
            DrainReason::AddressGone => 6,
            DrainReason::Unhealthy => 7,
            DrainReason::LocalErrors => 8,
        };
        let words = [deliver_kind::DRAINING, connection, pool, reason];
        debug_assert_eq!(words.len() + 1, draining::WORDS as usize);
        self.out.borrow_mut().record(&words, |_| {});
    }

    fn overflow(&self, pool: PoolId, priority: Priority, limit: LimitName, count: u32) {
        let priority = match priority {
            Priority::Default => 0,
            Priority::High => 1,
        };
        let limit = match limit {
            LimitName::MaxConnections => 0,
            LimitName::MaxPendingRequests => 1,
            LimitName::MaxRequests => 2,
            LimitName::MaxRetries => 3,
            LimitName::MaxConnectionPools => 4,
            LimitName::Shed => 5,
        };
        let words = [deliver_kind::OVERFLOW, pool, priority, limit, count];
        debug_assert_eq!(words.len() + 1, overflow::WORDS as usize);
        self.out.borrow_mut().record(&words, |_| {});
    }

    fn response(&self, request: RequestId, head: &Head, body: &[Bytes]) {
        let mut out = self.out.borrow_mut();
        out.terminals += 1;
        out.response(request, head, Some(body));
    }

    fn head(&self, request: RequestId, head: &Head) {
        self.out.borrow_mut().response(request, head, None);
    }

    fn data(&self, request: RequestId, part: Bytes) {
        self.out.borrow_mut().data(request, part);
    }

    fn end(&self, request: RequestId, trailers: Option<&HeaderMap>) {
        let mut out = self.out.borrow_mut();
        out.terminals += 1;
        let begin = out.run.len();
        debug_assert_eq!(end::WORDS, 4);
        out.record(&[deliver_kind::END, request, 0], |out| {
            if let Some(fields) = trailers {
                let from = out.len();
                put_fields(out, fields);
                let length = to_u32(out.len() - from).to_le_bytes();
                let slot = begin + (end::TRAILERS_LENGTH * 4) as usize;
                out[slot..slot + 4].copy_from_slice(&length);
            }
        });
    }

    fn taken(&self, request: RequestId, bytes: u32) {
        debug_assert_eq!(taken::WORDS, 4);
        self.out.borrow_mut().record(&[deliver_kind::TAKEN, request, bytes], |_| {});
    }

    fn stopped(&self, request: RequestId) {
        self.out.borrow_mut().record(&[deliver_kind::STOPPED, request], |_| {});
    }

    fn peer_ended(&self, request: RequestId) {
        self.out.borrow_mut().record(&[deliver_kind::PEER_ENDED, request], |_| {});
    }

    fn informational(&self, request: RequestId, status: StatusCode, fields: &HeaderMap) {
        let mut out = self.out.borrow_mut();
        let begin = out.run.len();
        let words = [deliver_kind::INFORMATIONAL, request, u32::from(status.as_u16()), 0];
        debug_assert_eq!(words.len() + 1, informational::WORDS as usize);
        out.record(&words, |out| {
            let from = out.len();
            out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
            out.push(0);
            put_fields(out, fields);
            let length = to_u32(out.len() - from).to_le_bytes();
            let slot = begin + (informational::HEAD_LENGTH * 4) as usize;
            out[slot..slot + 4].copy_from_slice(&length);
        });
    }

    fn replayed(&self, request: RequestId, code: Code, via: Option<ConnectionNumber>, time: Duration) {
        let words = [deliver_kind::REPLAYED, request, code as u32, via.unwrap_or(0), micros(time)];
        debug_assert_eq!(words.len() + 1, replayed::WORDS as usize);
        self.out.borrow_mut().record(&words, |_| {});
    }

    fn retry(&self, request: RequestId, granted: bool) {
        let mut out = self.out.borrow_mut();
        out.terminals += usize::from(!granted);
        let flags = if granted { retry_flag::GRANTED } else { 0 };
        out.record(&[deliver_kind::RETRY | flags << 8, request], |_| {});
    }

    fn fail(&self, request: RequestId, failure: &Failure, via: Option<(ConnectionNumber, bool)>) {
        let (connection, reused) = via.unwrap_or_default();
        let flags = if reused { fail_flag::REUSED } else { 0 };
        let retryable = match failure.class {
            Class::Never => 0,
            Class::Maybe => 1,
            Class::Unprocessed => 2,
        };
        let endpoint = failure.endpoint.map(|e| e.to_string()).unwrap_or_default();
        let words = [
            deliver_kind::FAIL | flags << 8,
            request,
            failure.code as u32,
            retryable,
            failure.phase as u32,
            connection,
            failure.number,
            to_u32(failure.text.len()),
            to_u32(endpoint.len()),
        ];
        debug_assert_eq!(words.len() + 1, fail::WORDS as usize);
        let mut out = self.out.borrow_mut();
        out.terminals += 1;
        out.record(&words, |out| {
            out.extend_from_slice(failure.text.as_bytes());
            out.extend_from_slice(endpoint.as_bytes());
        });
    }

    fn pool_closed(&self, pool: PoolId) {
        let mut out = self.out.borrow_mut();
        out.terminals += 1;
        out.record(&[deliver_kind::POOL_CLOSED, pool], |_| {});
    }
}

/// `name NUL value NUL` for each.
pub(crate) fn put_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.push(0);
        out.extend_from_slice(value.as_bytes());
        out.push(0);
    }
}

/// Lengths are bounded far below: heads by their bound, parts by `MAX_PART`.
pub(crate) fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(crate) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
