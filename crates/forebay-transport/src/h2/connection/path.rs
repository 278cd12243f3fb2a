//! Windows that follow what the path holds (`bandwidth`), where that is wanted.

use super::H2;
use crate::pool::Pool;

impl H2 {
    /// Learns what the path holds, and lets the peer send so much ahead.
    pub(super) fn follow_the_path(&mut self, pool: &Pool, data: u64) {
        let Some(bandwidth) = &mut self.bandwidth else { return };
        let now = self.handle.now();
        if self.keepalive.take_answered() {
            self.wider = bandwidth.answered(now, data).or(self.wider);
        }
        if bandwidth.received(now, data) && self.keepalive.measure() {
            bandwidth.asks(now);
        }
        let config = &pool.config.http2;
        // While one change is under way the next must wait.
        if let (Some(window), Some(bounds)) = (self.wider, config.adaptive_window)
            && self.inner.set_initial_window_size(window).is_ok()
        {
            self.wider = None;
            self.window = window;
            // As many streams as before may stop the others, within the bound.
            let share = u64::from(config.connection_window) * u64::from(window) / u64::from(config.stream_window);
            let whole = u32::try_from(share).unwrap_or(u32::MAX).min(bounds.max_connection_window);
            self.inner.set_target_window_size(whole.max(config.connection_window));
            self.waker.wake_by_ref();
        }
    }
}
