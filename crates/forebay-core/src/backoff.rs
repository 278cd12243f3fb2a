//! How long a pool waits to dial again when its connections fail in a row.
//!
//! n failures in a row: none for the first; from the second uniformly between half and all of base x 2^(n-2), at most `max`.
//! A response head ends the row. Used by `group` and, after a pool's end, by `upstream`.

use crate::config::BackoffConfig;
use crate::random::Random;
use crate::time::Instant;

/// The first failure in a row that makes the next creation wait.
const FIRST_TO_WAIT: u32 = 2;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Failures {
    in_a_row: u32,
    until: Option<Instant>,
}

impl Failures {
    pub(crate) fn in_a_row(self) -> u32 {
        self.in_a_row
    }

    /// When the pool may dial again, if that is later than `now`.
    pub(crate) fn wait_until(self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    pub(crate) fn add(&mut self, now: Instant, config: &BackoffConfig, random: &mut Random) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row >= FIRST_TO_WAIT && !config.base.is_zero() {
            let doublings = (self.in_a_row - FIRST_TO_WAIT).min(31);
            let wait = config.base.saturating_mul(1 << doublings).min(config.max);
            self.until = Some(now + random.between(wait / 2, wait));
        }
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn inventory_144_waits_grow_from_none_to_the_most_and_a_response_ends_them() {
        let config = BackoffConfig::default();
        let now = Instant::from_epoch(Duration::from_secs(1));
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let mut failures = Failures::default();
            let mut wait = || {
                failures.add(now, &config, &mut random);
                failures.wait_until(now).map(|until| until - now)
            };
            assert_eq!(wait(), None);
            for most in [25_000, 50_000, 100_000, 200_000, 250_000, 250_000] {
                let wait = wait().expect("from the second on");
                assert!(wait >= Duration::from_micros(most / 2) && wait <= Duration::from_micros(most));
            }
            failures.forget();
            assert_eq!((failures.in_a_row(), failures.wait_until(now)), (0, None));
        }
    }

    #[test]
    fn a_base_of_zero_never_waits() {
        let config = BackoffConfig { base: Duration::ZERO, ..BackoffConfig::default() };
        let mut failures = Failures::default();
        for _ in 0..5 {
            failures.add(Instant::default(), &config, &mut Random::new(1));
        }
        assert_eq!((failures.in_a_row(), failures.wait_until(Instant::default())), (5, None));
    }
}
