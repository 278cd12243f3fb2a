//! PING: whether the peer of a connection is still there.
//!
//! ```text
//!   Quiet --interval of silence, a time-out without a byte, a request after long silence--> Asked --any frame--> Quiet
//!                                                                                            \--timeout--> dead
//! ```
//!
//! Promise: one question at a time; any frame is an answer. Used by `connection`. Not here: what becomes of a dead connection.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use forebay_reactor::{Handle, Timer};
use h2::{Ping, PingPong};

use crate::config::PingConfig;

/// How long the peer has for an answer where pings are off. Source: the contract, 3.14.
const PROBE: Duration = Duration::from_secs(5);

/// Pings of one connection.
pub(super) struct KeepAlive {
    config: Option<PingConfig>,
    pings: Option<PingPong>,
    timer: Timer,
    handle: Handle,
    /// When the last frame came.
    heard: Instant,
    /// Frames that had come by then.
    frames: u64,
    asked: bool,
    /// A PING was answered.
    answered: bool,
    /// The interval of this connection, with its share of the jitter.
    interval: Option<Duration>,
}

impl KeepAlive {
    /// `number`: of the connection, for the jitter.
    pub(super) fn new(handle: &Handle, config: Option<PingConfig>, pings: Option<PingPong>, number: u32) -> Self {
        let interval = config.and_then(|c| Some(c.interval? + spread(c.interval?, c.jitter, number)));
        let heard = handle.now();
        let mut timer = handle.timer();
        if let Some(interval) = interval {
            timer.reset(heard + interval);
        }
        Self { config, pings, timer, handle: handle.clone(), heard, frames: 0, asked: false, answered: false, interval }
    }

    /// So many frames have come by now.
    pub(super) fn heard(&mut self, frames: u64) {
        if frames == self.frames {
            return;
        }
        self.frames = frames;
        if !self.asked && self.config.is_none() {
            return;
        }
        self.heard = self.handle.now();
        self.asked = false;
        match self.interval {
            Some(interval) => self.timer.reset(self.heard + interval),
            None => self.timer.clear(),
        }
    }

    /// A request is about to be sent: after long silence a question goes before it.
    pub(super) fn before_request(&mut self) {
        let limit = self.config.and_then(|c| c.idle_interval);
        if limit.is_some_and(|limit| self.handle.now().saturating_duration_since(self.heard) > limit) {
            self.ask();
        }
    }

    /// Nothing came in time: is anybody there?
    pub(super) fn ask(&mut self) {
        if self.asked {
            return;
        }
        if let Some(pings) = &mut self.pings {
            // One that another frame answered may still be open: then that is the question.
            let _ = pings.send_ping(Ping::opaque());
            self.asked = true;
            self.timer.reset(self.handle.now() + self.config.map_or(PROBE, |c| c.timeout));
        }
    }

    /// Sends a PING whose answer nobody waits for, to learn how long that takes. Whether it could.
    pub(super) fn measure(&mut self) -> bool {
        let sent = self.pings.as_mut().is_some_and(|pings| pings.send_ping(Ping::opaque()).is_ok());
        self.answered &= !sent;
        sent
    }

    /// Whether a PING was answered since the last time.
    pub(super) fn take_answered(&mut self) -> bool {
        std::mem::take(&mut self.answered)
    }

    /// Ready: the peer is not there.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pings) = &mut self.pings {
            // Makes room for the next question.
            self.answered |= pings.poll_pong(cx).is_ready();
        }
        while self.timer.poll(cx).is_ready() {
            if self.asked {
                return Poll::Ready(());
            }
            self.timer.clear();
            self.ask();
            if !self.asked {
                break;
            }
        }
        Poll::Pending
    }
}

/// Up to `jitter` of `interval`, by the connection's number.
fn spread(interval: Duration, jitter: f64, number: u32) -> Duration {
    // Fibonacci hashing: neighbours land far apart.
    let share = f64::from(number.wrapping_mul(0x9e37_79b9)) / f64::from(u32::MAX);
    interval.mul_f64(jitter.clamp(0.0, 1.0) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_share() {
        let interval = Duration::from_secs(10);
        let all: Vec<_> = (1..100).map(|number| spread(interval, 0.15, number)).collect();
        assert!(all.iter().all(|d| *d <= Duration::from_millis(1_500)));
        assert!(all.iter().max() > all.iter().min());
        assert_eq!(spread(interval, 0.0, 5), Duration::ZERO);
    }
}
