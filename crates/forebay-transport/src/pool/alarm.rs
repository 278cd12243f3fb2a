//! Tells the core when its deadline has come.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::Pool;

/// The task that does so for one pool, until that has closed.
pub(super) struct Alarm {
    pub(super) pool: Rc<Pool>,
    /// In the middle of `poll`; still so when it is dropped: something panicked.
    pub(super) running: bool,
}

impl Alarm {
    fn ring(&self, cx: &Context<'_>) -> Poll<()> {
        let pool = &self.pool;
        loop {
            if pool.closed.get() {
                return Poll::Ready(());
            }
            if pool.alarm.borrow_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            pool.core.borrow_mut().timeout(pool.shared.now());
            pool.expire();
            pool.begin_retries();
            pool.turn();
        }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.running = true;
        let done = self.ring(cx);
        self.running = false;
        done
    }
}

impl Drop for Alarm {
    /// A panic must not leave the pool without its timers.
    fn drop(&mut self) {
        if self.running && !self.pool.is_lost() {
            self.pool.shared.handle.spawn(Alarm { pool: self.pool.clone(), running: false });
        }
    }
}
