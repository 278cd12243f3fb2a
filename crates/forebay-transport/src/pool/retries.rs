//! Tries after the first, which policy asks for: granted or refused by the core, then kept until their back-off is over.
//!
//! ```text
//!   asked --limit or budget--> refused
//!     \--granted--> waiting --back-off over--> as any other request
//!                      \--cancel, total time-out, destroy--> failed
//! ```
//!
//! Promise: the ticket of a retry goes back to the core once, with the end of its exchange. A pool that closes waits for those that wait
//! here. Used by `pool`. Not here: whether to ask, and how long to wait (TypeScript).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use forebay_core::{Admission, Class, FailureReason};

use super::Pool;
use crate::exchange::Retry;
use crate::refusal;
use crate::request::Submission;
use crate::sink::RequestId;

/// Those that wait, in the order in which they are due.
#[derive(Debug, Default)]
pub(super) struct Retries {
    waiting: RefCell<BTreeSet<(Instant, RequestId)>>,
    /// The pool is to close once none waits.
    closing: Cell<bool>,
}

impl Retries {
    pub(super) fn first(&self) -> Option<Instant> {
        self.waiting.borrow().first().map(|(at, _)| *at)
    }

    /// The pool is told to close.
    pub(super) fn close(&self) {
        self.closing.set(true);
    }
}

impl Pool {
    /// Another try, after `backoff`, if the core grants it.
    pub(super) fn retry(self: &Rc<Self>, submission: Submission, backoff: Duration) {
        let id = submission.id;
        self.limbo.set(Some(id));
        let ticket = self.core.borrow_mut().retry(submission.priority);
        self.limbo.set(None);
        self.shared.sink.retry(id, ticket.is_some());
        if let Some(ticket) = ticket {
            let starts = self.shared.handle.now() + backoff;
            self.retries.waiting.borrow_mut().insert((starts, id));
            self.admit(submission, None, Some(Retry { ticket, starts: Some(starts) }));
            self.begin_retries();
        }
        self.turn();
    }

    /// Hands over to the core what has waited long enough.
    pub(super) fn begin_retries(self: &Rc<Self>) {
        let now = self.shared.handle.now();
        loop {
            let first = self.retries.waiting.borrow().first().copied();
            let Some(due) = first.filter(|(at, _)| *at <= now) else { return };
            self.retries.waiting.borrow_mut().remove(&due);
            self.begin_retry(due.1);
        }
    }

    fn begin_retry(self: &Rc<Self>, id: RequestId) {
        let now = self.shared.handle.now();
        let asked = self.shared.exchanges.with(id, |e| {
            e.submitted = now;
            if let Some(retry) = &mut e.retry {
                retry.starts = None;
            }
            (self.ask(&e.submission), e.submission.priority)
        });
        match asked {
            None => {}
            Some((Admission::Attached(stream) | Admission::Queued(stream), _)) => {
                self.shared.exchanges.with(id, |e| e.stream = Some(stream));
            }
            Some((Admission::Refused(reason), priority)) => {
                let failure = refusal::refused(reason, &self.config, priority, Class::Unprocessed);
                self.release(id);
                self.shared.sink.fail(id, &failure, None);
            }
        }
    }

    /// Its exchange is over, or was never taken in.
    pub(super) fn retry_ended(&self, request: RequestId, retry: Retry) {
        if let Some(at) = retry.starts {
            self.retries.waiting.borrow_mut().remove(&(at, request));
        }
        // A core that panicked is not asked, and the one in its place gave no ticket.
        if !self.is_poisoned() {
            self.core.borrow_mut().retry_ended(retry.ticket);
        }
    }

    /// The pool is destroyed.
    pub(super) fn fail_waiting_retries(&self) {
        let waiting: Vec<_> = self.retries.waiting.borrow().iter().map(|(_, request)| *request).collect();
        for request in waiting {
            if let Some(exchange) = self.release(request) {
                let (reason, priority) = (FailureReason::LocalConnectionFailure, exchange.submission.priority);
                let failure = refusal::refused(reason, &self.config, priority, Class::Unprocessed);
                self.shared.sink.fail(request, &failure, None);
            }
        }
    }

    /// Closes the pool if it was told to and nothing waits here any more.
    pub(super) fn close_behind_retries(&self) {
        if self.retries.closing.get() && self.retries.waiting.borrow().is_empty() {
            self.retries.closing.set(false);
            self.core.borrow_mut().remove_upstream(self.shared.now(), self.upstream);
        }
    }
}
