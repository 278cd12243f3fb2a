//! Where the reactor's time comes from: the system, or a test.
//!
//! Promise: time never goes back. Used by `reactor` and `handle`.
//! Not here: the budget of a turn, which is real time under either clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// The source of time of a reactor.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The monotonic clock of the system.
    #[default]
    System,
    /// A clock that moves only when a test says so. Deadlines then bound no wait: `turn` waits as long as it is told.
    Settable(ManualClock),
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Settable(clock) => clock.now(),
        }
    }
}

/// A clock that tests move by hand. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    start: Instant,
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that stands still at the present.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), nanos: Arc::default() }
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.nanos.load(SeqCst))
    }

    /// Moves the clock forward. The reactor sees it at its next turn.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}
