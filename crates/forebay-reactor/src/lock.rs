//! A mutex for what objects that must be `Send + Sync` reach into.
//!
//! Promise: never contended in practice, because everything here runs on the owner's thread; never poisoned for good, because no
//! foreign code runs while it is held. Used by `table` and `timers`. Not here: the ready queue, which other threads do touch.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn get(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
