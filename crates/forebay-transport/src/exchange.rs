//! The requests that are open, by the number their caller gave them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use forebay_core::{RetryTicket, StreamId};
use http::Request;

use crate::connection::Link;
use crate::error::{Failure, Phase};
use crate::pool::{Clocks, Pool};
use crate::request::Submission;
use crate::sink::{ConnectionNumber, RequestId};
use crate::upload::Upload;

/// Numbers from here on are not taken: a caller that counts so high does not use them again. Source: a table of this size
/// costs 8 MiB; requests in the queue and in flight are bounded far below by the limits.
const MAX_REQUESTS: RequestId = 1 << 20;

/// What makes a request a retry.
pub(crate) struct Retry {
    pub(crate) ticket: RetryTicket,
    /// When its wait is over; `None`: it is.
    pub(crate) starts: Option<Instant>,
}

/// One open request.
pub(crate) struct Exchange {
    pub(crate) pool: Rc<Pool>,
    /// What the core calls it; `None` as long as it waits to be tried again.
    pub(crate) stream: Option<StreamId>,
    /// Of a retry.
    pub(crate) retry: Option<Retry>,
    /// Kept until the head has come: a repeat is built from it.
    pub(crate) submission: Submission,
    /// Built and checked at submission, for the first try.
    pub(crate) head: Option<Request<()>>,
    /// The body, where it is produced while it is sent.
    pub(crate) upload: Option<Rc<Upload>>,
    /// Limits that run over it as a whole.
    pub(crate) clocks: Option<Box<Clocks>>,
    /// How far it has come.
    pub(crate) phase: Phase,
    /// Bytes of body that may be delivered.
    pub(crate) credit: u64,
    /// The connection that it is on.
    pub(crate) link: Option<Rc<Link>>,
    /// Where on it, if it carries several.
    pub(crate) place: u32,
    pub(crate) submitted: Instant,
    pub(crate) bound: Instant,
    /// What the last try failed with, for the caller if there is no further one.
    pub(crate) failure: Option<(Failure, Option<(ConnectionNumber, bool)>)>,
}

impl Exchange {
    /// From submission to binding, and from binding to `now`.
    pub(crate) fn waits(&self, now: Instant) -> (Duration, Duration) {
        (self.bound.saturating_duration_since(self.submitted), now.saturating_duration_since(self.bound))
    }
}

/// All that are open.
#[derive(Default)]
pub(crate) struct Exchanges {
    slots: RefCell<Vec<Option<Box<Exchange>>>>,
}

impl Exchanges {
    /// Takes one in; gives it back where the number is in use or too high, which a sound caller never does.
    pub(crate) fn insert(&self, exchange: Box<Exchange>) -> Result<(), Box<Exchange>> {
        let id = exchange.submission.id;
        if id >= MAX_REQUESTS {
            return Err(exchange);
        }
        let mut slots = self.slots.borrow_mut();
        let index = id as usize;
        if index >= slots.len() {
            slots.resize_with(index + 1, || None);
        }
        if slots[index].is_some() {
            return Err(exchange);
        }
        slots[index] = Some(exchange);
        Ok(())
    }

    /// Looks at one; `None` if it is not open.
    pub(crate) fn with<R>(&self, id: RequestId, look: impl FnOnce(&mut Exchange) -> R) -> Option<R> {
        self.slots.borrow_mut().get_mut(id as usize)?.as_deref_mut().map(look)
    }

    /// Those of a pool.
    pub(crate) fn of(&self, pool: &Rc<Pool>) -> Vec<RequestId> {
        let slots = self.slots.borrow();
        slots.iter().flatten().filter(|e| Rc::ptr_eq(&e.pool, pool)).map(|e| e.submission.id).collect()
    }

    /// Takes one out.
    pub(crate) fn remove(&self, id: RequestId) -> Option<Box<Exchange>> {
        self.slots.borrow_mut().get_mut(id as usize)?.take()
    }
}
