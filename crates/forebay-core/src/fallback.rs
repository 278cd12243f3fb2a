//! Whether an upstream that speaks HTTP/2 wants HTTP/1.1 instead, as far as its refusals tell (`HTTP_1_1_REQUIRED`).
//!
//! ```text
//!              a refusal, trust used up                 the time is over
//!   Trusted ------------------------------> Remembered ------------------> on trial: one refusal more, and twice the time
//!      ^                                         |                             |
//!      +------------- a head over HTTP/2 --------+-----------------------------+
//! ```
//!
//! A refusal is about one request: a server may want HTTP/1.1 for some of its resources. While HTTP/2 answers others, only what
//! was refused goes over HTTP/1.1. Where HTTP/2 answers nothing, what follows goes there at once, for a while.
//!
//! Promise: pure; HTTP/2 is tried again, ever less often. Used by `group`, which keeps one for each upstream.

use core::time::Duration;

use crate::time::Instant;

/// Refusals in a row for which HTTP/2 is still offered to others, once it has answered. A guess: as many as a request may be repeated.
const TRUST: u8 = 8;
/// How long the first refusal is remembered. Source: what the contract, 6.3, has for HTTP/3 that does not work (Envoy's).
const FIRST: Duration = Duration::from_secs(1);
/// How often that doubles: up to 131,072 s. Source: the same.
const MOST_DOUBLINGS: u32 = 17;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fallback {
    /// Refusals that may follow before it is the upstream that is meant, and not a resource.
    trust: u8,
    /// How often it was remembered since a head came.
    times: u32,
    until: Option<Instant>,
}

impl Fallback {
    /// Whether new streams go over HTTP/1.1.
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    /// The peer wants HTTP/1.1 for a stream.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.trust = self.trust.saturating_sub(1);
        if self.trust > 0 || self.is_on(now) {
            return;
        }
        self.until = Some(now + FIRST * (1 << self.times.min(MOST_DOUBLINGS)));
        self.times = self.times.saturating_add(1);
    }

    /// A response came over HTTP/2.
    pub(crate) fn answered(&mut self) {
        *self = Self { trust: TRUST, times: 0, until: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn where_nothing_was_answered_the_first_refusal_is_remembered_and_each_time_twice_as_long() {
        let mut fallback = Fallback::default();
        let mut now = 10;
        for doubling in (0..=17).chain([17, 17]) {
            assert!(!fallback.is_on(at(now)));
            fallback.refused(at(now));
            fallback.refused(at(now));
            let end = now + (1 << doubling);
            assert!(fallback.is_on(at(end - 1)), "{doubling}");
            assert!(!fallback.is_on(at(end)), "{doubling}");
            now = end;
        }
    }

    #[test]
    fn a_head_ends_it_and_then_eight_refusals_in_a_row_bring_it_back() {
        let mut fallback = Fallback::default();
        fallback.refused(at(1));
        fallback.answered();
        assert!(!fallback.is_on(at(1)));
        for _ in 0..100 {
            (0..7).for_each(|_| fallback.refused(at(1)));
            assert!(!fallback.is_on(at(1)));
            fallback.answered();
        }
        (0..8).for_each(|_| fallback.refused(at(1)));
        assert!(fallback.is_on(at(1)) && !fallback.is_on(at(2)), "from the first time again");
    }
}
