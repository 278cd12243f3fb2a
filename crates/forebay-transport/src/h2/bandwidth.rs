//! How much of a body a path holds: the bandwidth-delay product, from the bytes that come while a PING is on its way.
//!
//! ```text
//!   Idle --a byte of a body, not before its time--> Asked --the answer--> Idle: a larger window, or a longer pause
//! ```
//!
//! A window smaller than that product makes the peer wait for our word. As in hyper and gRPC: where at least two thirds of the window came
//! within one round trip, and no slower than ever before, the window becomes twice what came.
//!
//! Promise: pure, time is an argument; the window never falls and never passes its bound; few PINGs where nothing changes. Used by
//! `connection`. Not here: sending PING (`keepalive`), when a window opens (as its reader takes: `stream`).

use std::time::{Duration, Instant};

/// Between two questions at first. Source: hyper.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The pause is no longer made longer from here on. Source: hyper.
const LONG_PAUSE: Duration = Duration::from_secs(10);
/// Answers without news after which the pause is four times as long. Source: hyper.
const STABLE: u32 = 2;
/// The share of a new round trip in the mean. Source: hyper; RFC 6298.
const SHARE: f64 = 0.125;
/// No round trip is shorter: a clock may not tell it from none.
const SHORTEST: Duration = Duration::from_micros(1);

/// The estimate for one connection.
#[derive(Debug)]
pub(super) struct Bandwidth {
    /// Bytes that a stream may be sent ahead.
    window: u32,
    most: u32,
    /// Bytes of bodies in all, when the question left.
    before: u64,
    /// When it left.
    asked: Option<Instant>,
    /// No question before then.
    next: Option<Instant>,
    pause: Duration,
    stable: u32,
    /// Mean round trip, in seconds.
    round_trip: Option<f64>,
    /// The most that ever came, in bytes per second.
    best: f64,
    /// Bytes of bodies in all, when last looked at.
    bytes: u64,
}

impl Bandwidth {
    /// From the window that streams begin with to the widest.
    pub(super) fn new(window: u32, most: u32) -> Self {
        let most = most.max(window);
        Self {
            window,
            most,
            before: 0,
            asked: None,
            next: None,
            pause: FIRST_PAUSE,
            stable: 0,
            round_trip: None,
            best: 0.0,
            bytes: 0,
        }
    }

    /// So many bytes of bodies have come by now, in all. Whether a question is due; if one leaves, `asks` is to be called.
    pub(super) fn received(&mut self, now: Instant, bytes: u64) -> bool {
        let news = bytes > self.bytes;
        if self.asked.is_none() {
            // What made us ask counts with what follows.
            self.before = self.bytes;
        }
        self.bytes = bytes;
        news && self.asked.is_none() && self.window < self.most && self.next.is_none_or(|next| now >= next)
    }

    /// A question leaves.
    pub(super) fn asks(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// The answer is here, with `bytes` of bodies in all before it. A wider window, if it should be.
    pub(super) fn answered(&mut self, now: Instant, bytes: u64) -> Option<u32> {
        let asked = self.asked.take()?;
        let sample = bytes.saturating_sub(self.before);
        self.bytes = bytes;
        let trip = now.saturating_duration_since(asked).max(SHORTEST).as_secs_f64();
        let mean = self.round_trip.map_or(trip, |mean| mean + (trip - mean) * SHARE);
        self.round_trip = Some(mean);
        // A window is not full of anything before 2^53 bytes.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let rate = sample as f64 / (mean * 1.5);
        let wider = rate >= self.best && sample >= u64::from(self.window) * 2 / 3;
        self.best = self.best.max(rate);
        if wider {
            let twice = u32::try_from(sample.saturating_mul(2)).unwrap_or(u32::MAX);
            let window = twice.clamp(self.window, self.most);
            self.stable = 0;
            self.pause /= 2;
            self.next = Some(now + self.pause);
            return (std::mem::replace(&mut self.window, window) < window).then_some(window);
        }
        if self.pause < LONG_PAUSE {
            self.stable += 1;
            if self.stable >= STABLE {
                self.pause *= 4;
                self.stable = 0;
            }
        }
        self.next = Some(now + self.pause);
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A peer that sends what the window allows in each round trip, as fast as `rate` bytes per ms.
    struct Path {
        estimate: Bandwidth,
        now: Instant,
        bytes: u64,
        window: u32,
        asked: u32,
    }

    impl Path {
        fn new(window: u32, most: u32) -> Self {
            Self { estimate: Bandwidth::new(window, most), now: Instant::now(), bytes: 0, window, asked: 0 }
        }

        /// One round trip of `trip` ms.
        fn trip(&mut self, trip: u32, rate: u64) -> Option<u32> {
            let come = u64::from(self.window).min(rate * u64::from(trip));
            // The first of them makes us ask.
            self.bytes += 1;
            let asks = self.estimate.received(self.now, self.bytes);
            if asks {
                self.asked += 1;
                self.estimate.asks(self.now);
            }
            self.now += MS * trip;
            self.bytes += come - 1;
            let wider = if asks { self.estimate.answered(self.now, self.bytes) } else { None };
            if !asks {
                self.estimate.received(self.now, self.bytes);
            }
            self.window = wider.unwrap_or(self.window);
            wider
        }
    }

    #[test]
    fn a_full_window_doubles_until_the_path_is_full() {
        // 100 ms at 10,000 bytes per ms: the path holds 1,000,000 bytes.
        let mut path = Path::new(65_535, 16 * 1024 * 1024);
        for _ in 0..200 {
            path.trip(100, 10_000);
        }
        assert!((1_000_000..=4_000_000).contains(&path.window), "{}", path.window);
    }

    #[test]
    fn the_bound_holds_and_nothing_is_asked_once_it_is_reached() {
        let mut path = Path::new(65_535, 300_000);
        for _ in 0..50 {
            path.trip(100, 100_000);
            assert!(path.window <= 300_000);
        }
        assert_eq!((path.window, path.asked), (300_000, 3));
        let mut wide = Path::new(500_000, 300_000);
        assert_eq!((wide.trip(100, 100_000), wide.asked), (None, 0), "it begins above its bound");
    }

    #[test]
    fn a_window_that_is_not_filled_stays_and_is_asked_about_ever_less_often() {
        let mut path = Path::new(65_535, 1_000_000);
        for _ in 0..6_000 {
            assert_eq!(path.trip(10, 1_000), None);
        }
        // A minute; pauses of 0.1 s (twice), 0.4, 1.6, 6.4, then 25.6 s.
        assert!((8..=14).contains(&path.asked), "{}", path.asked);
    }

    #[test]
    fn a_slower_sample_widens_nothing() {
        let mut path = Path::new(65_535, 1_000_000);
        assert_eq!(path.trip(10, 100_000), Some(131_070));
        path.now += Duration::from_secs(1);
        path.estimate.received(path.now, path.bytes);
        assert_eq!(path.trip(2_000, 100_000), None, "the same bytes in two hundred times the time");
    }

    #[test]
    fn one_question_at_a_time_and_no_answer_without_one() {
        let now = Instant::now();
        let mut estimate = Bandwidth::new(65_535, 1_000_000);
        assert_eq!(estimate.answered(now, 1_000_000), None);
        assert!(!estimate.received(now, 0), "nothing came");
        assert!(estimate.received(now, 1));
        estimate.asks(now);
        assert!(!estimate.received(now, 1_000_000));
        // A clock that did not move must not divide by nothing.
        assert_eq!(estimate.answered(now, 100_000), Some(200_000));
    }
}
