//! Time as the core sees it: an argument.
//!
//! Promise: nothing here reads a clock. The shell picks an epoch (the start of its reactor, say) and hands `now` to each input.
//! Used by all. Not here: what is done at a time (`timer`).

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time, in whole nanoseconds since an epoch of the shell's choice. Good for 584 years.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// The point `since` after the shell's epoch.
    #[must_use]
    pub fn from_epoch(since: Duration) -> Self {
        Self(nanos(since))
    }

    /// How far this is from the shell's epoch.
    #[must_use]
    pub fn since_epoch(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time.
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rhs)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero if `rhs` is later.
    fn sub(self, rhs: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(rhs.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_never_go_below_zero() {
        let early = Instant::from_epoch(Duration::from_millis(5));
        let late = early + Duration::from_millis(7);
        assert_eq!(late - early, Duration::from_millis(7));
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(late.since_epoch(), Duration::from_millis(12));
    }
}
