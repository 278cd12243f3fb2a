//! The door of the transport: pools on one reactor, requests in, answers to the sink.
//!
//! Promise: a call does its work at once or leaves it to tasks; nothing blocks. Calls about something that is gone change
//! nothing. Used by forebay-napi and by tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use forebay_core::{Class, Group, Stat};
use forebay_reactor::Handle;

use crate::config::PoolConfig;
use crate::error::{Code, Failure, Phase};
use crate::exchange::Exchanges;
use crate::pool::{Pool, Shared, defect};
use crate::quic::{Buffers, Endpoints};
use crate::request::{self, Submission};
use crate::sink::{PoolId, RequestId, Sink};
use crate::upload;

/// Pools on one reactor.
pub struct Driver {
    shared: Rc<Shared>,
    pools: RefCell<BTreeMap<PoolId, Rc<Pool>>>,
}

impl Driver {
    /// A driver without pools, which answers to `sink`.
    #[must_use]
    pub fn new(handle: Handle, sink: Rc<dyn Sink>) -> Self {
        let epoch = handle.now();
        let shared = Shared {
            handle,
            sink,
            exchanges: Exchanges::default(),
            changed: RefCell::default(),
            epoch,
            numbers: Cell::new(0),
            endpoints: Endpoints::default(),
        };
        Self { shared: Rc::new(shared), pools: RefCell::default() }
    }

    /// Adds a pool under a number of the caller's choice. `seed`: for jitter and back-off.
    pub fn add_pool(&self, id: PoolId, config: PoolConfig, seed: u64) {
        let pool = Pool::new(self.shared.clone(), id, config, seed);
        self.pools.borrow_mut().insert(id, pool);
    }

    /// Where a pool connects from now on.
    pub fn set_addresses(&self, pool: PoolId, addresses: Vec<SocketAddr>) {
        if let Some(pool) = self.pool(pool) {
            pool.contain(|| pool.set_addresses(addresses));
        }
    }

    /// Takes a request. Its answer comes through the sink, maybe before this returns.
    pub fn request(&self, submission: Submission) {
        if let Some(pool) = self.pool(submission.pool) {
            pool.contain(|| pool.request(submission));
            return;
        }
        let broke = self.pools.borrow().get(&submission.pool).is_some_and(|pool| pool.is_poisoned());
        let closed = || Failure::new(Code::PoolClosed, Phase::Admit, Class::Unprocessed, "the pool is closed");
        let failure = if broke { defect(Phase::Admit) } else { closed() };
        self.shared.sink.fail(submission.id, &failure, None);
    }

    /// The caller no longer wants the answer: ends with `FB_ABORTED`, unless it has ended already.
    pub fn cancel(&self, request: RequestId) {
        if let Some(pool) = self.shared.exchanges.with(request, |e| e.pool.clone()) {
            pool.contain(|| pool.cancel(request));
        }
    }

    /// A part of a body that is being produced; `end`: it is the last, and these trailers follow (`name NUL value NUL` for
    /// each). In a tunnel, what goes in.
    pub fn body(&self, request: RequestId, part: Bytes, end: bool, trailers: &[u8]) {
        let open =
            self.shared.exchanges.with(request, |e| Some((e.upload.clone()?, e.link.clone(), e.place, e.pool.clone())));
        let Some((upload, link, place, pool)) = open.flatten() else { return };
        let pushed = match trailers {
            [] => upload.push(part, end, None),
            bytes => match request::trailers(bytes) {
                Some(fields) => upload.push(part, end, Some(fields)),
                None => Err(upload::failed("trailers that cannot be sent")),
            },
        };
        match pushed {
            Ok(()) => {
                if let Some(link) = link {
                    link.touch(place);
                }
                if end {
                    pool.contain(|| pool.handed_over(request));
                }
            }
            Err(failure) => pool.contain(|| pool.abandon(request, |_| failure)),
        }
    }

    /// Who produces the body failed: the request ends with `FB_REQUEST_BODY_FAILED`, and what was sent never looks complete.
    pub fn body_failed(&self, request: RequestId) {
        let open = self.shared.exchanges.with(request, |e| e.upload.is_some().then(|| e.pool.clone()));
        if let Some(pool) = open.flatten() {
            pool.contain(|| pool.abandon(request, |_| upload::failed("the body failed")));
        }
    }

    /// The reader took bytes: as many more may be delivered.
    pub fn grant(&self, request: RequestId, bytes: u32) {
        let link = self.shared.exchanges.with(request, |e| {
            e.credit = e.credit.saturating_add(u64::from(bytes));
            e.link.clone().map(|link| (link, e.place))
        });
        if let Some((link, place)) = link.flatten() {
            link.touch(place);
        }
    }

    /// The breaker's gate. Shut: what waits for a connection fails with `FB_BREAKER_OPEN`, and what comes is refused with it; what
    /// runs goes on.
    pub fn gate(&self, pool: PoolId, shut: bool) {
        if let Some(pool) = self.pool(pool) {
            pool.contain(|| pool.gate(shut));
        }
    }

    /// The connections of the pool take no more requests and close when what they have is done; new ones are made as needed.
    pub fn drain_pool(&self, pool: PoolId) {
        if let Some(pool) = self.pool(pool) {
            pool.contain(|| pool.drain());
        }
    }

    /// Counts what only policy can see.
    pub fn count(&self, pool: PoolId, stat: Stat) {
        if let Some(pool) = self.pool(pool) {
            pool.contain(|| pool.count(stat));
        }
    }

    /// No new work for the pool; the sink hears when the rest is done.
    pub fn close_pool(&self, pool: PoolId) {
        match self.pool(pool) {
            Some(pool) => pool.contain(|| pool.close()),
            None => self.shared.sink.pool_closed(pool),
        }
    }

    /// What is open in the pool fails with `FB_POOL_CLOSED`; the sink hears when all is gone.
    pub fn destroy_pool(&self, pool: PoolId) {
        match self.pool(pool) {
            Some(pool) => pool.contain(|| pool.destroy()),
            None => self.shared.sink.pool_closed(pool),
        }
    }

    /// Destroys every pool. For the end of an environment: nobody listens any more.
    pub fn shutdown(&self) {
        let pools = std::mem::take(&mut *self.pools.borrow_mut());
        for pool in pools.into_values() {
            pool.contain(|| pool.destroy());
        }
    }

    /// To be called before answers are taken away: tells what was gathered since the last call, and shows the core of each
    /// pool that may count differently now.
    pub fn settle(&self, mut show: impl FnMut(PoolId, &Group)) {
        let changed = std::mem::take(&mut *self.shared.changed.borrow_mut());
        for id in changed {
            let found = self.pools.borrow().get(&id).cloned();
            if let Some(pool) = found {
                pool.settle();
                pool.with_core(|core| show(id, core));
            }
        }
    }

    /// Looks at what the core of a pool counts, also after the pool has closed, until it is forgotten.
    pub fn with_core<R>(&self, pool: PoolId, look: impl FnOnce(&Group) -> R) -> Option<R> {
        let found = self.pools.borrow().get(&pool).cloned();
        found.map(|p| p.with_core(look))
    }

    /// What the system granted the UDP sockets that are open, where it is least. `None`: there is none.
    #[must_use]
    pub fn udp_buffers(&self) -> Option<Buffers> {
        self.shared.endpoints.buffers()
    }

    /// Lets go of the counters of a closed pool.
    pub fn forget_pool(&self, pool: PoolId) {
        self.pools.borrow_mut().retain(|id, p| *id != pool || !p.is_closed());
    }

    #[cfg(test)]
    pub(crate) fn pool_for_test(&self, id: PoolId) -> Rc<Pool> {
        self.pool(id).expect("the pool is there")
    }

    /// A pool that is not gone.
    fn pool(&self, id: PoolId) -> Option<Rc<Pool>> {
        self.pools.borrow().get(&id).filter(|p| !p.is_closed()).cloned()
    }
}
