//! What is counted, by the contract's names.
//!
//! Promise: exact after each turn. Numbers lie in one flat row with a stable order, so that a shell can copy them at once.
//! Used by `group`, which counts; the shell adds what only it can see through `Group::bump`. Not here: limit gauges (`limits`).

use alloc::collections::BTreeMap;
use core::time::Duration;

macro_rules! stats {
    ($($name:ident $text:literal,)*) => {
        /// A counter, or a gauge where it says so. The order is stable: new ones go to the end.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(usize)]
        pub enum Stat {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl Stat {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The public name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

stats! {
    // Gauges.
    CxActive "cxActive",
    RqActive "rqActive",
    RqPendingActive "rqPendingActive",
    // Counters of the core.
    CxTotal "cxTotal",
    CxHttp1Total "cxHttp1Total",
    CxHttp2Total "cxHttp2Total",
    CxHttp3Total "cxHttp3Total",
    CxConnectFail "cxConnectFail",
    CxConnectTimeout "cxConnectTimeout",
    CxConnectWith0Rtt "cxConnectWith0Rtt",
    CxIdleTimeout "cxIdleTimeout",
    CxMaxDurationReached "cxMaxDurationReached",
    CxMaxRequests "cxMaxRequests",
    CxOverflow "cxOverflow",
    CxPoolOverflow "cxPoolOverflow",
    CxNoneHealthy "cxNoneHealthy",
    CxCloseNotify "cxCloseNotify",
    CxProtocolError "cxProtocolError",
    CxDestroy "cxDestroy",
    CxDestroyLocal "cxDestroyLocal",
    CxDestroyRemote "cxDestroyRemote",
    CxDestroyWithActiveRq "cxDestroyWithActiveRq",
    CxDestroyLocalWithActiveRq "cxDestroyLocalWithActiveRq",
    CxDestroyRemoteWithActiveRq "cxDestroyRemoteWithActiveRq",
    RqTotal "rqTotal",
    Rq0Rtt "rq0Rtt",
    RqPendingTotal "rqPendingTotal",
    RqPendingOverflow "rqPendingOverflow",
    RqOverflowPending "rqOverflowPending",
    RqOverflowRequests "rqOverflowRequests",
    RqPendingFailureEject "rqPendingFailureEject",
    RqCancelled "rqCancelled",
    RqPendingTimeout "rqPendingTimeout",
    RqRequeued "rqRequeued",
    RqReplay "rqReplay",
    RqRxReset "rqRxReset",
    RqTxReset "rqTxReset",
    RqRetry "rqRetry",
    RqRetryOverflow "rqRetryOverflow",
    // Counted by the shell.
    RqRetrySuccess "rqRetrySuccess",
    RqRetryLimitExceeded "rqRetryLimitExceeded",
    RqTimeout "rqTimeout",
    RqPerTryTimeout "rqPerTryTimeout",
    RqPerTryIdleTimeout "rqPerTryIdleTimeout",
    RqMaxDurationReached "rqMaxDurationReached",
    RqCompleted "rqCompleted",
    Http3Broken "http3Broken",
    Http2KeepaliveTimeout "http2KeepaliveTimeout",
    Rq1xx "rq1xx",
    Rq2xx "rq2xx",
    Rq3xx "rq3xx",
    Rq4xx "rq4xx",
    Rq5xx "rq5xx",
    Http2RxBytes "http2RxBytes",
    Http2RxFrames "http2RxFrames",
    Http2RxData "http2RxData",
    Http2RxHeaders "http2RxHeaders",
    Http2RxReset "http2RxReset",
    Http2RxSettings "http2RxSettings",
    Http2RxPing "http2RxPing",
    Http2RxGoaway "http2RxGoaway",
    Http2RxWindowUpdate "http2RxWindowUpdate",
    Http2TxBytes "http2TxBytes",
    Http2TxFrames "http2TxFrames",
    Http2TxData "http2TxData",
    Http2TxHeaders "http2TxHeaders",
    Http2TxReset "http2TxReset",
    Http2TxSettings "http2TxSettings",
    Http2TxPing "http2TxPing",
    Http2TxGoaway "http2TxGoaway",
    Http2TxWindowUpdate "http2TxWindowUpdate",
}

/// How many there are.
pub const STATS: usize = Stat::ALL.len();

/// Upper bounds of the buckets, in ms or requests; one more bucket is above the last. Source: Envoy's default histogram buckets, without
/// the half.
pub const BUCKET_BOUNDS: [u64; 18] = [
    1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
    3_600_000,
];

/// How often a value fell into each bucket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Histogram {
    counts: [u64; BUCKET_BOUNDS.len() + 1],
    sum: u64,
}

impl Histogram {
    /// By bucket: `counts()[i]` were at most `BUCKET_BOUNDS[i]` and above the bound before it.
    #[must_use]
    pub const fn counts(&self) -> &[u64; BUCKET_BOUNDS.len() + 1] {
        &self.counts
    }

    /// Of all values.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn record(&mut self, value: u64) {
        self.counts[BUCKET_BOUNDS.partition_point(|bound| *bound < value)] += 1;
        self.sum = self.sum.saturating_add(value);
    }
}

/// Everything that a group counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stats {
    values: [u64; STATS],
    /// `rqQueueMs`: time in the queue, of those that were attached from it.
    pub rq_queue_ms: Histogram,
    /// `cxConnectMs`: from creation to ready.
    pub cx_connect_ms: Histogram,
    /// `cxLengthMs`: from ready to closed.
    pub cx_length_ms: Histogram,
    /// `rqPerCx`: streams that ran on a connection, when it is closed.
    pub rq_per_cx: Histogram,
    /// Final responses by status.
    statuses: BTreeMap<u16, u64>,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            values: [0; STATS],
            rq_queue_ms: Histogram::default(),
            cx_connect_ms: Histogram::default(),
            cx_length_ms: Histogram::default(),
            rq_per_cx: Histogram::default(),
            statuses: BTreeMap::new(),
        }
    }

    /// One of them.
    #[must_use]
    pub const fn get(&self, stat: Stat) -> u64 {
        self.values[stat as usize]
    }

    /// All of them, in the order of `Stat::ALL`.
    #[must_use]
    pub const fn values(&self) -> &[u64; STATS] {
        &self.values
    }

    /// `rq200` and so on: final responses by status, lowest first.
    #[must_use]
    pub const fn statuses(&self) -> &BTreeMap<u16, u64> {
        &self.statuses
    }

    pub(crate) fn responded(&mut self, status: u16) {
        let class = match status / 100 {
            1 => Some(Stat::Rq1xx),
            2 => Some(Stat::Rq2xx),
            3 => Some(Stat::Rq3xx),
            4 => Some(Stat::Rq4xx),
            5 => Some(Stat::Rq5xx),
            // Statuses from 600 on have no class.
            _ => None,
        };
        self.bump(Stat::RqCompleted);
        if let Some(class) = class {
            self.bump(class);
        }
        *self.statuses.entry(status).or_default() += 1;
    }

    pub(crate) fn bump(&mut self, stat: Stat) {
        self.values[stat as usize] += 1;
    }

    pub(crate) fn add(&mut self, stat: Stat, count: u64) {
        self.values[stat as usize] += count;
    }

    pub(crate) fn fall(&mut self, gauge: Stat) {
        let value = &mut self.values[gauge as usize];
        debug_assert!(*value > 0, "a gauge falls only after it rose");
        *value = value.saturating_sub(1);
    }

    pub(crate) fn queued_for(&mut self, wait: Duration) {
        self.rq_queue_ms.record(millis(wait));
    }

    pub(crate) fn connected_after(&mut self, wait: Duration) {
        self.cx_connect_ms.record(millis(wait));
    }

    pub(crate) fn lived(&mut self, length: Duration, streams: u32) {
        self.cx_length_ms.record(millis(length));
        self.rq_per_cx.record(u64::from(streams));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn names_are_in_camel_case_and_differ() {
        for (index, stat) in Stat::ALL.iter().enumerate() {
            assert_eq!(*stat as usize, index);
            assert!(stat.name().chars().all(|letter| letter.is_ascii_alphanumeric()));
            assert!(Stat::ALL[index + 1..].iter().all(|other| other.name() != stat.name()));
        }
    }

    #[test]
    fn a_response_counts_by_status_and_class() {
        let mut stats = Stats::new();
        for status in [200, 204, 200, 503, 999] {
            stats.responded(status);
        }
        assert_eq!(
            stats.statuses().iter().map(|(s, n)| (*s, *n)).collect::<Vec<_>>(),
            [(200, 2), (204, 1), (503, 1), (999, 1)]
        );
        assert_eq!([Stat::RqCompleted, Stat::Rq2xx, Stat::Rq5xx].map(|s| stats.get(s)), [5, 3, 1]);
    }

    #[test]
    fn a_value_on_a_bound_falls_below_it() {
        let mut histogram = Histogram::default();
        for value in [0, 1, 2, 3_600_000, 3_600_001] {
            histogram.record(value);
        }
        assert_eq!(histogram.counts()[0], 2);
        assert_eq!(histogram.counts()[1], 1);
        assert_eq!(histogram.counts()[17], 1);
        assert_eq!(histogram.counts()[18], 1);
        assert_eq!(histogram.count(), 5);
        assert_eq!(histogram.sum(), 7_200_004);
    }
}
