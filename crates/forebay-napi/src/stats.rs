//! What the core counts, as one row of numbers that crosses at once: those of `names`, in that order, then how many statuses
//! there were and, for each, the status and its count.

use std::sync::OnceLock;

use forebay_core::{BUCKET_BOUNDS, Group, Histogram, LimitName, Priority, STATS, Stat, Stats, UNLIMITED};

/// The limits that have gauges, with the names of their two (Envoy's).
const GAUGES: [(LimitName, &str, &str); 5] = [
    (LimitName::MaxConnections, "cx_open", "remaining_cx"),
    (LimitName::MaxConnectionPools, "cx_pool_open", "remaining_cx_pools"),
    (LimitName::MaxPendingRequests, "rq_pending_open", "remaining_pending"),
    (LimitName::MaxRequests, "rq_open", "remaining_rq"),
    (LimitName::MaxRetries, "rq_retry_open", "remaining_retries"),
];

type Pick = fn(&Stats) -> &Histogram;

const HISTOGRAMS: [(&str, Pick); 4] = [
    ("rq_queue_ms", |s| &s.rq_queue_ms),
    ("cx_connect_ms", |s| &s.cx_connect_ms),
    ("cx_length_ms", |s| &s.cx_length_ms),
    ("rq_per_cx", |s| &s.rq_per_cx),
];

const PRIORITIES: [(Priority, &str); 2] = [(Priority::Default, "default"), (Priority::High, "high")];

/// A name for each number of a row.
pub(crate) fn names() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names: Vec<String> = Stat::ALL.iter().map(|s| s.name().to_owned()).collect();
        for (_, priority) in PRIORITIES {
            for (_, open, remaining) in GAUGES {
                names.push(format!("circuit_breakers.{priority}.{open}"));
                names.push(format!("circuit_breakers.{priority}.{remaining}"));
            }
        }
        for (histogram, _) in HISTOGRAMS {
            names.extend(BUCKET_BOUNDS.iter().map(|bound| format!("{histogram}.le.{bound}")));
            names.push(format!("{histogram}.le.inf"));
            names.push(format!("{histogram}.sum"));
        }
        names
    })
}

/// How long a row is now.
pub(crate) fn length(core: &Group) -> usize {
    names().len() + 1 + 2 * core.stats().statuses().len()
}

/// Writes a row; a place that is too short gets the first numbers.
pub(crate) fn read(core: &Group, into: &mut [f64]) {
    let stats = core.stats();
    let mut into = into.iter_mut();
    let mut put = |value: f64| {
        if let Some(slot) = into.next() {
            *slot = value;
        }
    };
    debug_assert_eq!(stats.values().len(), STATS);
    stats.values().iter().for_each(|v| put(number(*v)));
    for (priority, _) in PRIORITIES {
        for (limit, ..) in GAUGES {
            let gauge = core.limit(limit, priority);
            put(f64::from(u8::from(gauge.open)));
            put(if gauge.remaining == UNLIMITED { f64::INFINITY } else { f64::from(gauge.remaining) });
        }
    }
    for (_, pick) in HISTOGRAMS {
        let histogram = pick(stats);
        histogram.counts().iter().for_each(|c| put(number(*c)));
        put(number(histogram.sum()));
    }
    let statuses = stats.statuses();
    put(number(statuses.len() as u64));
    for (status, count) in statuses {
        put(f64::from(*status));
        put(number(*count));
    }
}

/// Counters stay below 2^53, where numbers of JavaScript end, for ages.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn number(value: u64) -> f64 {
    value as f64
}
