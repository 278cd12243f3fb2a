//! The thresholds of a group and what is held of each, by priority.
//!
//! Promise: check and count are one step, so a limit is exact; what was taken is a `Place`, which must be handed back once.
//! Connections may exceed theirs by one for each pool (at-least-one). Used by `group`. Not here: who is refused (`group::*`).

use crate::config::{GroupConfig, RetryLimit, UNLIMITED};
use crate::outcome::Priority;

/// What can be full.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LimitName {
    /// Connections.
    MaxConnections,
    /// Streams that wait.
    MaxPendingRequests,
    /// Streams that run.
    MaxRequests,
    /// Retries under way, as a number or as a budget.
    MaxRetries,
    /// Pools.
    MaxConnectionPools,
    /// The shed gate: not a number, but it refuses alike.
    Shed,
}

impl LimitName {
    /// The limits that are numbers.
    pub const COUNTED: [Self; 5] =
        [Self::MaxConnections, Self::MaxPendingRequests, Self::MaxRequests, Self::MaxRetries, Self::MaxConnectionPools];

    /// The option's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxConnections => "maxConnections",
            Self::MaxPendingRequests => "maxPendingRequests",
            Self::MaxRequests => "maxRequests",
            Self::MaxRetries => "maxRetries",
            Self::MaxConnectionPools => "maxConnectionPools",
            Self::Shed => "shed",
        }
    }
}

/// What a limit shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LimitGauge {
    /// Envoy's `*_open`: nothing more may be taken.
    pub open: bool,
    /// Envoy's `remaining_*`; `UNLIMITED` stands for no limit. With a retry budget always 0.
    pub remaining: u32,
    /// What is held now.
    pub current: u32,
}

/// Something held under a limit. To be handed back to `Limits::give_back`, once.
#[must_use]
#[derive(Debug)]
pub(crate) struct Place {
    limit: LimitName,
    priority: Priority,
}

/// Permission to repeat a request, held until the next decision about it or its end. To be handed back to `Group::retry_ended`.
#[must_use]
#[derive(Debug)]
pub struct RetryTicket(pub(crate) Place);

#[derive(Clone, Copy, Default)]
struct Count {
    current: u32,
    max: u32,
}

struct Row {
    connections: Count,
    pending: Count,
    requests: Count,
    pools: Count,
    retries: u32,
    retry_limit: RetryLimit,
}

/// All rows of a group.
pub(crate) struct Limits {
    rows: [Row; 2],
}

impl Limits {
    pub(crate) fn new(config: &GroupConfig) -> Self {
        let rows = Priority::ALL.map(|priority| {
            let limits = config.limits(priority);
            let count = |max| Count { current: 0, max };
            Row {
                connections: count(limits.max_connections),
                pending: count(limits.max_pending_requests),
                requests: count(limits.max_requests),
                pools: count(limits.max_connection_pools),
                retries: 0,
                retry_limit: limits.retries,
            }
        });
        Self { rows }
    }

    /// Takes a place if there is one.
    pub(crate) fn take(&mut self, limit: LimitName, priority: Priority) -> Option<Place> {
        self.has_room(limit, priority).then(|| self.take_anyway(limit, priority))
    }

    /// Takes a place above the limit: the connection that each pool may have, and a retry that the budget was asked about.
    pub(crate) fn take_anyway(&mut self, limit: LimitName, priority: Priority) -> Place {
        *self.current_mut(limit, priority) += 1;
        Place { limit, priority }
    }

    #[expect(clippy::needless_pass_by_value, reason = "a place is used up by handing it back")]
    pub(crate) fn give_back(&mut self, place: Place) {
        let current = self.current_mut(place.limit, place.priority);
        debug_assert!(*current > 0, "a place is handed back once");
        *current = current.saturating_sub(1);
    }

    pub(crate) fn has_room(&self, limit: LimitName, priority: Priority) -> bool {
        let count = self.count(limit, priority);
        count.current < count.max
    }

    /// Whether one more retry may start while `streams` of the priority are active or wait.
    pub(crate) fn may_retry(&self, priority: Priority, streams: u64) -> bool {
        u64::from(self.rows[priority.row()].retries) < self.most_retries(priority, streams)
    }

    pub(crate) fn gauge(&self, limit: LimitName, priority: Priority, streams: u64) -> LimitGauge {
        let row = &self.rows[priority.row()];
        if limit == LimitName::MaxRetries {
            let most = self.most_retries(priority, streams);
            let remaining = match row.retry_limit {
                RetryLimit::Budget { .. } => 0,
                RetryLimit::Count(UNLIMITED) => UNLIMITED,
                RetryLimit::Count(max) => max.saturating_sub(row.retries),
            };
            return LimitGauge { open: u64::from(row.retries) >= most, remaining, current: row.retries };
        }
        let Count { current, max } = self.count(limit, priority);
        let remaining = if max == UNLIMITED { UNLIMITED } else { max.saturating_sub(current) };
        LimitGauge { open: current >= max, remaining, current }
    }

    fn most_retries(&self, priority: Priority, streams: u64) -> u64 {
        match self.rows[priority.row()].retry_limit {
            RetryLimit::Count(max) => u64::from(max),
            RetryLimit::Budget { percent, min_concurrency } => {
                (streams * u64::from(percent) / 100).max(u64::from(min_concurrency))
            }
        }
    }

    fn count(&self, limit: LimitName, priority: Priority) -> Count {
        let row = &self.rows[priority.row()];
        match limit {
            LimitName::MaxConnections => row.connections,
            LimitName::MaxPendingRequests => row.pending,
            LimitName::MaxRequests => row.requests,
            LimitName::MaxConnectionPools => row.pools,
            LimitName::MaxRetries => Count { current: row.retries, max: UNLIMITED },
            LimitName::Shed => Count { current: 0, max: UNLIMITED },
        }
    }

    fn current_mut(&mut self, limit: LimitName, priority: Priority) -> &mut u32 {
        let row = &mut self.rows[priority.row()];
        match limit {
            LimitName::MaxConnections => &mut row.connections.current,
            LimitName::MaxPendingRequests => &mut row.pending.current,
            LimitName::MaxRequests => &mut row.requests.current,
            LimitName::MaxConnectionPools => &mut row.pools.current,
            LimitName::MaxRetries | LimitName::Shed => &mut row.retries,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::LimitsConfig;

    fn limits(max: u32, retries: RetryLimit) -> Limits {
        let row = LimitsConfig { max_connections: max, retries, ..LimitsConfig::default() };
        Limits::new(&GroupConfig { default: row, ..GroupConfig::default() })
    }

    #[test]
    fn a_limit_opens_when_its_last_place_is_taken_and_shuts_when_one_returns() {
        let mut limits = limits(2, RetryLimit::Count(3));
        let gauge = |limits: &Limits| limits.gauge(LimitName::MaxConnections, Priority::Default, 0);
        let first = limits.take(LimitName::MaxConnections, Priority::Default).unwrap();
        assert_eq!(gauge(&limits), LimitGauge { open: false, remaining: 1, current: 1 });
        let second = limits.take(LimitName::MaxConnections, Priority::Default).unwrap();
        assert!(limits.take(LimitName::MaxConnections, Priority::Default).is_none());
        let above = limits.take_anyway(LimitName::MaxConnections, Priority::Default);
        assert_eq!(gauge(&limits), LimitGauge { open: true, remaining: 0, current: 3 });
        limits.give_back(above);
        limits.give_back(first);
        assert_eq!(gauge(&limits), LimitGauge { open: false, remaining: 1, current: 1 });
        limits.give_back(second);
    }

    #[test]
    fn priorities_do_not_share_places() {
        let mut limits = limits(0, RetryLimit::Count(3));
        assert!(limits.take(LimitName::MaxConnections, Priority::Default).is_none());
        assert!(limits.has_room(LimitName::MaxConnections, Priority::High));
    }

    #[test]
    fn a_retry_budget_is_a_share_of_the_streams_with_a_floor() {
        let mut limits = limits(1, RetryLimit::Budget { percent: 20, min_concurrency: 3 });
        let held: [Place; 3] = [(); 3].map(|()| limits.take_anyway(LimitName::MaxRetries, Priority::Default));
        assert!(!limits.may_retry(Priority::Default, 10), "20 % of 10 is below the floor of 3, and 3 are held");
        assert!(!limits.may_retry(Priority::Default, 19));
        assert!(limits.may_retry(Priority::Default, 20));
        let gauge = limits.gauge(LimitName::MaxRetries, Priority::Default, 100);
        assert_eq!(gauge, LimitGauge { open: false, remaining: 0, current: 3 });
        for place in held {
            limits.give_back(place);
        }
    }
}
