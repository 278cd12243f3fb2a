//! Retries that policy decides in TypeScript: whether one more may be under way.

use super::Group;
use crate::limits::{LimitName, RetryTicket};
use crate::outcome::Priority;
use crate::stats::Stat;

impl Group {
    /// Asks for one more retry, back-off included. None: the limit or the budget is used up, and the original result stands.
    pub fn retry(&mut self, priority: Priority) -> Option<RetryTicket> {
        if self.limits.may_retry(priority, self.streams_of(priority)) {
            self.stats.bump(Stat::RqRetry);
            return Some(RetryTicket(self.limits.take_anyway(LimitName::MaxRetries, priority)));
        }
        self.stats.bump(Stat::RqRetryOverflow);
        self.overflowed(priority, LimitName::MaxRetries);
        None
    }

    /// The next decision about the request fell, or it ended.
    pub fn retry_ended(&mut self, ticket: RetryTicket) {
        self.limits.give_back(ticket.0);
    }
}
