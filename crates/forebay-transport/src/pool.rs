//! A pool as the transport sees it: the core's machine, and what must be remembered to carry out what it says.
//!
//! Promise: the core is told everything and asked everything; after each batch of inputs its effects are carried out in
//! order (`turn`). Each request that it was given reaches a terminal call of the sink once. Used by `driver` and by the
//! tasks of connections. Not here: any decision.

mod alarm;
mod deadlines;
mod effects;
mod guarded;
mod inputs;
mod multiplexed;
mod policy;
mod quic;
mod retries;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use forebay_core::{
    Admission, Class, ConnectionEnd, ConnectionId, DrainMode, DrainReason, Group, LimitName, NewStream, Priority,
    Scope, StreamId, UpstreamId,
};
use forebay_reactor::{Handle, Timer};

use self::alarm::Alarm;
pub(crate) use self::deadlines::Clocks;
use self::deadlines::Deadlines;
use self::guarded::Guarded;
pub(crate) use self::guarded::defect;
use self::retries::Retries;
use crate::config::PoolConfig;
use crate::connection::Link;
use crate::error::{Code, Failure, Phase};
use crate::exchange::{Exchange, Exchanges, Retry};
use crate::h2::Traffic;
use crate::quic::{Endpoint, Endpoints};
use crate::refusal;
use crate::request::{Content, Submission};
use crate::sink::{ConnectionNumber, PoolId, RequestId, Sink};
use crate::timeouts::{Limit, Whole};
use crate::upload::Upload;

/// What all pools of a driver share.
pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) sink: Rc<dyn Sink>,
    pub(crate) exchanges: Exchanges,
    /// Pools whose counters changed, or that have overflows to tell, since the driver last settled.
    pub(crate) changed: RefCell<Vec<PoolId>>,
    /// Where the core's time begins.
    pub(crate) epoch: Instant,
    /// The last connection number.
    pub(crate) numbers: Cell<ConnectionNumber>,
    /// UDP sockets.
    pub(crate) endpoints: Endpoints,
}

impl Shared {
    /// The core's time.
    fn now(&self) -> forebay_core::Instant {
        forebay_core::Instant::from_epoch(self.handle.now().saturating_duration_since(self.epoch))
    }
}

/// How a connection ended that the core did not close.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    ByPeer,
    /// The peer or the network broke it off.
    Reset,
    ByUs,
    /// The peer broke the protocol.
    Violation,
}

impl Ended {
    /// What observers are told; `None`: it ended in order.
    const fn fault(self) -> Option<Code> {
        match self {
            Self::ByPeer | Self::ByUs => None,
            Self::Reset => Some(Code::ConnectionReset),
            Self::Violation => Some(Code::ProtocolError),
        }
    }

    const fn to_core(self) -> ConnectionEnd {
        match self {
            Self::ByPeer | Self::Reset => ConnectionEnd::REMOTE,
            Self::ByUs => ConnectionEnd::LOCAL,
            Self::Violation => ConnectionEnd::PROTOCOL_ERROR,
        }
    }
}

/// An exchange that failed, and its connection with it.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) request: RequestId,
    pub(crate) stream: StreamId,
    pub(crate) failure: Failure,
    pub(crate) ended: Ended,
    /// Whether the connection had answered before.
    pub(crate) reused: bool,
    /// Whether any byte of an answer came.
    pub(crate) started: bool,
}

type Overflows = BTreeMap<(Priority, LimitName), u32>;

/// One pool: a lone upstream, which is a group of one.
pub(crate) struct Pool {
    pub(crate) shared: Rc<Shared>,
    pub(crate) id: PoolId,
    pub(crate) config: PoolConfig,
    addresses: RefCell<Rc<[SocketAddr]>>,
    core: Guarded,
    upstream: UpstreamId,
    /// By the core's index.
    links: RefCell<Vec<Option<Rc<Link>>>>,
    alarm: RefCell<Timer>,
    deadlines: Deadlines,
    retries: Retries,
    /// Why the last dial failed; the core's failures name the connection.
    dial_failure: RefCell<Option<(ConnectionId, Failure)>>,
    closed: Cell<bool>,
    /// The request that the core is told of, and that is nowhere else: if the core panics, it must hear of that.
    limbo: Cell<Option<RequestId>>,
    /// Whether it is among `Shared::changed`.
    changed: Cell<bool>,
    /// Refusals that were not told yet, by priority and limit.
    overflows: RefCell<Overflows>,
    /// What passed over its HTTP/2 connections and was not counted in the core yet.
    pub(crate) traffic: Rc<Traffic>,
    /// Calls of `close` and `destroy` that the sink has not answered.
    closings: Cell<u32>,
    /// What its HTTP/3 connections share; none before the first.
    quic: RefCell<Option<quinn::ClientConfig>>,
    /// The UDP sockets that it keeps between connections.
    sockets: RefCell<Vec<Rc<Endpoint>>>,
}

impl Pool {
    pub(crate) fn new(shared: Rc<Shared>, id: PoolId, config: PoolConfig, seed: u64) -> Rc<Self> {
        let mut core = Group::new(config.group.clone(), seed);
        let upstream = core.add_upstream(config.upstream.clone());
        let pool = Rc::new(Self {
            addresses: RefCell::new(config.addresses.clone().into()),
            core: Guarded::new(core),
            upstream,
            links: RefCell::default(),
            alarm: RefCell::new(shared.handle.timer()),
            deadlines: Deadlines::default(),
            retries: Retries::default(),
            dial_failure: RefCell::default(),
            closed: Cell::new(false),
            limbo: Cell::new(None),
            changed: Cell::new(false),
            overflows: RefCell::default(),
            closings: Cell::new(0),
            traffic: Rc::default(),
            quic: RefCell::default(),
            sockets: RefCell::default(),
            shared,
            id,
            config,
        });
        pool.shared.handle.spawn(Alarm { pool: pool.clone(), running: false });
        pool
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    pub(crate) fn addresses(&self) -> Rc<[SocketAddr]> {
        self.addresses.borrow().clone()
    }

    pub(crate) fn set_addresses(self: &Rc<Self>, addresses: Vec<SocketAddr>) {
        *self.addresses.borrow_mut() = addresses.into();
        if !self.config.drain_vanished {
            return;
        }
        let addresses = self.addresses();
        let links: Vec<_> = self.links.borrow().iter().flatten().cloned().collect();
        for link in links.iter().filter(|link| link.leads_elsewhere(&addresses)) {
            self.core.borrow_mut().drain_connection(self.shared.now(), link.id, DrainReason::AddressGone);
        }
        self.turn();
    }

    /// Its counters may have changed.
    pub(crate) fn mark(&self) {
        if !self.changed.replace(true) {
            self.shared.changed.borrow_mut().push(self.id);
        }
    }

    /// Tells what was gathered over many turns of the core: refusals of one kind together.
    pub(crate) fn settle(&self) {
        self.changed.set(false);
        for ((priority, limit), count) in self.overflows.take() {
            self.shared.sink.overflow(self.id, priority, limit, count);
        }
    }

    /// Looks at what the core counts.
    pub(crate) fn with_core<R>(&self, look: impl FnOnce(&Group) -> R) -> R {
        let mut core = self.core.borrow_mut();
        self.traffic.drain(|stat, count| core.add(stat, count));
        look(&core)
    }

    /// The core is asked first: a refusal costs nothing more.
    pub(crate) fn request(self: &Rc<Self>, submission: Submission) {
        if let Some(backoff) = submission.retry {
            self.retry(submission, backoff);
            return;
        }
        let (id, priority) = (submission.id, submission.priority);
        self.limbo.set(Some(id));
        let admission = self.ask(&submission);
        self.limbo.set(None);
        match admission {
            Admission::Attached(stream) | Admission::Queued(stream) => self.admit(submission, Some(stream), None),
            Admission::Refused(reason) => {
                let failure = refusal::refused(reason, &self.config, priority, Class::Unprocessed);
                self.shared.sink.fail(id, &failure, None);
            }
        }
        self.turn();
    }

    /// What the core says to it.
    fn ask(&self, submission: &Submission) -> Admission {
        let stream = NewStream {
            priority: submission.priority,
            replayable: true,
            method: submission.method_class(),
            queue_timeout: match submission.timeouts.as_deref().map(|t| t.queue) {
                None | Some(Limit::Pools) => None,
                Some(Limit::Off) => Some(Duration::ZERO),
                Some(Limit::After(limit)) => Some(limit),
            },
            ..NewStream::new(u64::from(submission.id), self.upstream)
        };
        self.core.borrow_mut().request(self.shared.now(), stream)
    }

    fn admit(self: &Rc<Self>, submission: Submission, stream: Option<StreamId>, retry: Option<Retry>) {
        let id = submission.id;
        let now = self.shared.handle.now();
        let refused = match submission.head() {
            Err(failure) => Some((failure, retry)),
            Ok(head) => {
                let upload = match &submission.body {
                    Content::Stream(length) => Some(Rc::new(Upload::new(*length, self.config.body_buffer))),
                    Content::None | Content::Whole(_) => None,
                };
                let clocks = Clocks::new(Whole::of(submission.timeouts.as_deref(), &self.config), now);
                let timed = clocks.is_some();
                let exchange = Box::new(Exchange {
                    pool: self.clone(),
                    stream,
                    retry,
                    credit: u64::from(submission.credit),
                    submission,
                    head: Some(head),
                    upload,
                    clocks,
                    phase: Phase::Queue,
                    link: None,
                    place: 0,
                    submitted: now,
                    bound: now,
                    failure: None,
                });
                let taken = self.shared.exchanges.insert(exchange);
                if taken.is_ok() && timed {
                    self.clocks_begin(id);
                }
                let why = || Failure::new(Code::Internal, Phase::Admit, Class::Unprocessed, "request number in use");
                taken.err().map(|exchange| (why(), exchange.retry))
            }
        };
        if let Some((failure, retry)) = refused {
            if let Some(retry) = retry {
                self.retry_ended(id, retry);
            }
            if let Some(stream) = stream {
                self.forget_in_core(id, stream);
            }
            self.shared.sink.fail(id, &failure, None);
        }
    }

    /// Its caller gave it up.
    pub(crate) fn cancel(self: &Rc<Self>, request: RequestId) {
        self.abandon(request, |e| Failure::new(Code::Aborted, e.phase, Class::Never, "aborted"));
    }

    /// We give it up, wherever it is: the stream is reset, on HTTP/1.1 the connection with it.
    pub(crate) fn abandon(self: &Rc<Self>, request: RequestId, why: impl FnOnce(&Exchange) -> Failure) {
        let Some(exchange) = self.release(request) else {
            return;
        };
        if let Some(stream) = exchange.stream {
            self.forget_in_core(request, stream);
        }
        let via = exchange.link.as_ref().map(|link| (link.number, link.is_reused()));
        self.shared.sink.fail(request, &why(&exchange), via);
        self.turn();
    }

    fn forget_in_core(&self, request: RequestId, stream: StreamId) {
        self.limbo.set(Some(request));
        self.core.borrow_mut().cancel(self.shared.now(), stream);
        self.limbo.set(None);
    }

    /// What is connected finishes what it has.
    pub(crate) fn drain(self: &Rc<Self>) {
        let scope = Scope::Upstream(self.upstream);
        self.core.borrow_mut().drain(self.shared.now(), scope, DrainMode::Existing);
        self.turn();
    }

    /// No new work; gone when the rest is done.
    pub(crate) fn close(self: &Rc<Self>) {
        self.closings.set(self.closings.get() + 1);
        self.retries.close();
        self.turn();
    }

    /// Everything open fails now.
    pub(crate) fn destroy(self: &Rc<Self>) {
        self.closings.set(self.closings.get() + 1);
        self.fail_waiting_retries();
        let now = self.shared.now();
        {
            let mut core = self.core.borrow_mut();
            core.remove_upstream(now, self.upstream);
            core.destroy(now, Scope::Upstream(self.upstream));
        }
        self.turn();
    }
}
