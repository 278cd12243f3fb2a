//! Waits for what another thread does without telling, by looking again and again.
//!
//! Used by `h1`, `h2`, `h3` and `control`. Not here: `script` and `quic`, whose changes wake who waits for them.

use std::time::{Duration, Instant};

/// Pause between two looks. A guess: short for who waits, long for who is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Waits until it is so; false: it was not within `at_most`. It is looked at once at least.
pub(crate) fn wait_until(at_most: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + at_most;
    while !is_so() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    true
}
