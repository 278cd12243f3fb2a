//! The group's own small source of jitter: the shell gives the seed, so that runs repeat.
//!
//! `SplitMix64` (Steele, Lea, Flood 2014): one addition and three mixes; good enough to spread reconnects, not for secrets.

use core::time::Duration;

pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in [`least`, `most`], to the nanosecond.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
        let draw = u128::from(self.next()) * (u128::from(span) + 1);
        least + Duration::from_nanos(u64::try_from(draw >> 64).unwrap_or(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range_reach_both_halves_and_repeat() {
        let (least, most) = (Duration::from_millis(10), Duration::from_millis(20));
        let draw = |seed| {
            let mut random = Random::new(seed);
            [(); 100].map(|()| random.between(least, most))
        };
        let draws = draw(7);
        assert!(draws.iter().all(|wait| (least..=most).contains(wait)));
        assert!(draws.iter().any(|wait| *wait < Duration::from_millis(13)));
        assert!(draws.iter().any(|wait| *wait > Duration::from_millis(17)));
        assert_eq!(draws, draw(7));
        assert_ne!(draws, draw(8));
        assert_eq!(Random::new(1).between(most, most), most);
    }
}
