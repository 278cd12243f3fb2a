//! The model's time: every timer there is, looked for each time.

use forebay_core::{Class, CloseReason, FailureReason, Instant, Stat};

use super::Model;

/// What is due.
#[derive(Clone, Copy, Debug)]
enum Due {
    Connect(u64),
    Duration(u64),
    Idle(u64),
    Drain(u64),
    Queue(u64),
    Backoff(u64),
}

impl Model {
    pub(super) fn due(&self) -> Option<(Instant, u64, u64)> {
        self.timers().into_iter().map(|((at, number), _)| (at, number, 0)).min()
    }

    fn timers(&self) -> Vec<((Instant, u64), Due)> {
        let mut timers = Vec::new();
        for pool in &self.pools {
            timers.extend(pool.backoff.map(|timer| (timer, Due::Backoff(pool.number))));
            for request in &pool.queue {
                timers.extend(request.timer.map(|timer| (timer, Due::Queue(request.token))));
            }
            for conn in &pool.conns {
                timers.extend(conn.connect.map(|timer| (timer, Due::Connect(conn.birth))));
                timers.extend(conn.duration.map(|timer| (timer, Due::Duration(conn.birth))));
                timers.extend(conn.idle.map(|timer| (timer, Due::Idle(conn.birth))));
                timers.extend(conn.drain.map(|timer| (timer, Due::Drain(conn.birth))));
            }
        }
        timers
    }

    pub fn timeout(&mut self) {
        while let Some((_, due)) =
            self.timers().into_iter().filter(|((at, _), _)| *at <= self.now).min_by_key(|(timer, _)| *timer)
        {
            match due {
                Due::Connect(birth) => {
                    self.failed(
                        birth,
                        Some(CloseReason::ConnectTimeout),
                        false,
                        FailureReason::Timeout,
                        Class::Unprocessed,
                    );
                }
                Due::Idle(birth) => {
                    let pool = self.pool_of(birth).expect("alive");
                    self.count(Stat::CxIdleTimeout);
                    self.close(birth, Some(CloseReason::IdleTimeout), false);
                    self.grow_if_waiting(pool);
                }
                Due::Duration(birth) => {
                    let pool = self.pool_of(birth).expect("alive");
                    let conn = self.conn(birth).expect("alive");
                    conn.duration = None;
                    if !conn.draining {
                        self.count(Stat::CxMaxDurationReached);
                        self.retire(birth);
                        self.replace(pool);
                    }
                }
                Due::Drain(birth) => {
                    let pool = self.pool_of(birth).expect("alive");
                    self.close(birth, Some(CloseReason::DrainTimeout), false);
                    self.cut(birth, FailureReason::ConnectionTermination);
                    self.grow_if_waiting(pool);
                }
                Due::Queue(token) => self.queued_too_long(token),
                Due::Backoff(pool) => {
                    self.pool(pool).backoff = None;
                    self.grow_if_waiting(pool);
                }
            }
        }
    }
}
