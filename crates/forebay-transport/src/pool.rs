//! A pool as the transport sees it: the core's machine, and what must be remembered to carry out what it says.
//!
//! Promise: the core is told everything and asked everything; after each batch of inputs its effects are carried out in
//! order (`turn`). Each request that it was given reaches a terminal call of the sink once. Used by `driver` and by the
//! tasks of connections. Not here: any decision.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use forebay_core::{
    Admission, Class, ConnectFailure, ConnectFailureReason, ConnectionEnd, ConnectionId, DrainReason, Effect, Event,
    Group, LimitName, NewStream, Priority, Scope, Stat, StreamEnd, StreamFailure, StreamId, UpstreamId,
};
use forebay_reactor::{Handle, Timer};
use http::{Request, StatusCode};

use crate::body::RequestBody;
use crate::config::PoolConfig;
use crate::connection::{Connection, Interrupted, Link};
use crate::dial::Dialled;
use crate::error::{Code, Failure, Phase};
use crate::exchange::{Exchange, Exchanges};
use crate::refusal;
use crate::request::Submission;
use crate::sink::{Connected, ConnectionNumber, PoolId, RequestId, Sink};

/// What all pools of a driver share.
pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) sink: Rc<dyn Sink>,
    pub(crate) exchanges: Exchanges,
    /// Where the core's time begins.
    pub(crate) epoch: Instant,
    /// The last connection number.
    pub(crate) numbers: Cell<ConnectionNumber>,
}

impl Shared {
    /// The core's time.
    fn now(&self) -> forebay_core::Instant {
        forebay_core::Instant::from_epoch(self.handle.now().saturating_duration_since(self.epoch))
    }

    /// Ends a request with a failure.
    fn fail(&self, request: RequestId, failure: &Failure, via: Option<(ConnectionNumber, bool)>) {
        if self.exchanges.remove(request).is_some() {
            self.sink.fail(request, failure, via);
        }
    }
}

/// How a connection ended that the core did not close.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    ByPeer,
    ByUs,
    /// The peer broke the protocol.
    Violation,
}

impl Ended {
    const fn to_core(self) -> ConnectionEnd {
        match self {
            Self::ByPeer => ConnectionEnd::REMOTE,
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

/// One pool: a lone upstream, which is a group of one.
pub(crate) struct Pool {
    pub(crate) shared: Rc<Shared>,
    pub(crate) id: PoolId,
    pub(crate) config: PoolConfig,
    addresses: RefCell<Rc<[SocketAddr]>>,
    core: RefCell<Group>,
    upstream: UpstreamId,
    /// By the core's index.
    links: RefCell<Vec<Option<Rc<Link>>>>,
    alarm: RefCell<Timer>,
    /// Why the last dial failed; the core's failures name the connection.
    dial_failure: RefCell<Option<(ConnectionId, Failure)>>,
    closed: Cell<bool>,
    /// Calls of `close` and `destroy` that the sink has not answered.
    closings: Cell<u32>,
}

impl Pool {
    pub(crate) fn new(shared: Rc<Shared>, id: PoolId, config: PoolConfig, seed: u64) -> Rc<Self> {
        let mut core = Group::new(config.group.clone(), seed);
        let upstream = core.add_upstream(config.upstream.clone());
        let pool = Rc::new(Self {
            addresses: RefCell::new(config.addresses.clone().into()),
            core: RefCell::new(core),
            upstream,
            links: RefCell::default(),
            alarm: RefCell::new(shared.handle.timer()),
            dial_failure: RefCell::default(),
            closed: Cell::new(false),
            closings: Cell::new(0),
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

    /// Looks at what the core counts.
    pub(crate) fn with_core<R>(&self, look: impl FnOnce(&Group) -> R) -> R {
        look(&self.core.borrow())
    }

    // ---- from the caller ----

    /// The core is asked first: a refusal costs nothing more.
    pub(crate) fn request(self: &Rc<Self>, submission: Submission) {
        let (id, priority) = (submission.id, submission.priority);
        let stream = NewStream {
            priority,
            replayable: true,
            method: submission.method_class(),
            ..NewStream::new(u64::from(id), self.upstream)
        };
        let admission = self.core.borrow_mut().request(self.shared.now(), stream);
        match admission {
            Admission::Attached(stream) | Admission::Queued(stream) => self.admit(submission, stream),
            Admission::Refused(reason) => {
                let failure = refusal::refused(reason, &self.config, priority, Class::Unprocessed);
                self.shared.sink.fail(id, &failure, None);
            }
        }
        self.turn();
    }

    fn admit(self: &Rc<Self>, submission: Submission, stream: StreamId) {
        let id = submission.id;
        let built = submission.to_h1(&self.config.authority);
        let now = self.shared.handle.now();
        let refused = match built {
            Err(failure) => Some(failure),
            Ok(message) => {
                let exchange = Box::new(Exchange {
                    pool: self.clone(),
                    stream,
                    credit: u64::from(submission.credit),
                    submission,
                    message: Some(message),
                    link: None,
                    submitted: now,
                    bound: now,
                    failure: None,
                });
                let taken = self.shared.exchanges.insert(exchange).is_ok();
                let why = || Failure::new(Code::Internal, Phase::Admit, Class::Unprocessed, "request number in use");
                (!taken).then(why)
            }
        };
        if let Some(failure) = refused {
            self.core.borrow_mut().cancel(self.shared.now(), stream);
            self.shared.sink.fail(id, &failure, None);
        }
    }

    pub(crate) fn cancel(self: &Rc<Self>, request: RequestId) {
        let Some(exchange) = self.shared.exchanges.remove(request) else {
            return;
        };
        self.core.borrow_mut().cancel(self.shared.now(), exchange.stream);
        let phase = if exchange.link.is_some() { Phase::Head } else { Phase::Queue };
        self.shared.sink.fail(request, &Failure::new(Code::Aborted, phase, Class::Never, "aborted"), None);
        self.turn();
    }

    /// No new work; gone when the rest is done.
    pub(crate) fn close(self: &Rc<Self>) {
        self.closings.set(self.closings.get() + 1);
        self.core.borrow_mut().remove_upstream(self.shared.now(), self.upstream);
        self.turn();
    }

    /// Everything open fails now.
    pub(crate) fn destroy(self: &Rc<Self>) {
        self.closings.set(self.closings.get() + 1);
        let now = self.shared.now();
        {
            let mut core = self.core.borrow_mut();
            core.remove_upstream(now, self.upstream);
            core.destroy(now, Scope::Upstream(self.upstream));
        }
        self.turn();
    }

    // ---- from the tasks of connections ----

    /// The request is bound to `link`: what is to be sent. `None` if its caller has gone.
    pub(crate) fn begin(&self, request: RequestId, link: &Rc<Link>) -> Option<Request<RequestBody>> {
        let now = self.shared.handle.now();
        self.shared.exchanges.with(request, |e| {
            e.bound = now;
            e.link = Some(link.clone());
            // A repeat is built again from what was submitted, which was good the first time.
            e.message.take().or_else(|| e.submission.to_h1(&self.config.authority).ok())
        })?
    }

    /// The final head came: how long the request waited for a connection, and for the head.
    pub(crate) fn head_arrived(
        &self,
        request: RequestId,
        stream: StreamId,
        status: StatusCode,
    ) -> (Duration, Duration) {
        {
            let mut core = self.core.borrow_mut();
            core.response_head(self.shared.now(), stream);
            core.bump(Stat::RqCompleted);
            match status.as_u16() / 100 {
                1 => core.bump(Stat::Rq1xx),
                2 => core.bump(Stat::Rq2xx),
                3 => core.bump(Stat::Rq3xx),
                4 => core.bump(Stat::Rq4xx),
                5 => core.bump(Stat::Rq5xx),
                // Statuses from 600 on have no class.
                _ => {}
            }
        }
        let now = self.shared.handle.now();
        self.shared.exchanges.with(request, |e| e.waits(now)).unwrap_or_default()
    }

    /// The exchange is complete and its caller was told. With it the connection may have ended.
    pub(crate) fn finished(self: &Rc<Self>, link: &Link, request: RequestId, stream: StreamId, ended: Option<Ended>) {
        self.shared.exchanges.remove(request);
        let now = self.shared.now();
        {
            let mut core = self.core.borrow_mut();
            core.stream_ended(now, stream, StreamEnd::Complete);
            if let Some(ended) = ended {
                core.connection_closed(now, link.id, ended.to_core());
            }
        }
        if ended.is_some() {
            self.gone(link, None);
        }
        self.turn();
    }

    pub(crate) fn failed(self: &Rc<Self>, link: &Link, broken: Broken) {
        let Broken { request, stream, failure, ended, reused, started } = broken;
        let now = self.shared.now();
        let end = StreamEnd::Failed {
            class: failure.class,
            reason: refusal::reason_of(failure.code),
            response_started: started,
        };
        let fault = failure.code;
        self.shared.exchanges.with(request, |e| {
            e.failure = Some((failure, Some((link.number, reused))));
            e.link = None;
        });
        {
            let mut core = self.core.borrow_mut();
            if fault == Code::HeadersTimeout {
                core.bump(Stat::RqTimeout);
            }
            // Closed first: nothing may be attached to a connection that dies.
            core.connection_closed(now, link.id, ended.to_core());
            core.stream_ended(now, stream, end);
        }
        self.gone(link, Some(fault));
        self.turn();
    }

    /// An idle connection ended. A request may have been bound to it already: not a byte of it was written.
    pub(crate) fn lost_idle(self: &Rc<Self>, link: &Link, violation: bool) {
        let bound = link.take_next();
        let ended = if violation { Ended::Violation } else { Ended::ByPeer };
        self.lost_unwritten(link, bound.map(|(_, stream)| stream), ended);
    }

    /// The connection ended before a byte of the exchange was written: it goes back to the queue.
    pub(crate) fn lost_unwritten(self: &Rc<Self>, link: &Link, stream: Option<StreamId>, ended: Ended) {
        let now = self.shared.now();
        {
            let mut core = self.core.borrow_mut();
            if let Some(stream) = stream {
                core.stream_ended(now, stream, StreamEnd::Requeue);
            }
            core.connection_closed(now, link.id, ended.to_core());
        }
        self.gone(link, None);
        self.turn();
    }

    pub(crate) fn connected(self: &Rc<Self>, link: &Link, dialled: &Dialled) {
        let info = Connected {
            connection: link.number,
            peer: dialled.peer.clone(),
            connect: dialled.connect,
            tls: dialled.tls,
        };
        link.announce(&dialled.peer);
        self.shared.sink.connected(self.id, &info);
        self.core.borrow_mut().connected(self.shared.now(), link.id, forebay_core::Connected::H1);
        self.turn();
    }

    pub(crate) fn dial_failed(self: &Rc<Self>, link: &Link, failure: Failure) {
        let reason = match failure.code {
            Code::ConnectTimeout => ConnectFailureReason::Timeout,
            Code::LocalResource => ConnectFailureReason::Local,
            _ => ConnectFailureReason::Remote,
        };
        let why = ConnectFailure { reason, class: failure.class };
        *self.dial_failure.borrow_mut() = Some((link.id, failure));
        self.core.borrow_mut().connect_failed(self.shared.now(), link.id, why);
        self.gone(link, None);
        self.turn();
    }

    /// The peer said that it will close after this response.
    pub(crate) fn peer_closes(&self, link: &Link) {
        self.core.borrow_mut().go_away(self.shared.now(), link.id);
    }

    pub(crate) fn keep_alive_hint(&self, link: &Link, hint: Duration) {
        self.core.borrow_mut().keep_alive_hint(self.shared.now(), link.id, hint);
    }

    /// The task of a connection was dropped in the middle of its work: a panic of ours, or the end of the reactor.
    pub(crate) fn broke(self: &Rc<Self>, link: &Link, interrupted: Interrupted) {
        let text = "defect in Forebay: a task ended early";
        let bound = link.take_next().map(|(request, stream)| Interrupted::Open { request, stream, answered: false });
        match bound.unwrap_or(interrupted) {
            Interrupted::Open { request, stream, answered } => {
                let (phase, class) = if answered { (Phase::Body, Class::Never) } else { (Phase::Head, Class::Maybe) };
                let failure = Failure::new(Code::Internal, phase, class, text);
                let ended = Ended::ByUs;
                self.failed(link, Broken { request, stream, failure, ended, reused: false, started: true });
            }
            Interrupted::Told { request, stream } => self.finished(link, request, stream, Some(Ended::ByUs)),
            Interrupted::Nothing if link.is_announced() => {
                self.core.borrow_mut().connection_closed(self.shared.now(), link.id, ConnectionEnd::LOCAL);
                self.gone(link, Some(Code::Internal));
                self.turn();
            }
            Interrupted::Nothing => {
                self.dial_failed(link, Failure::new(Code::Internal, Phase::Connect, Class::Maybe, text));
            }
        }
    }

    pub(crate) fn credit_of(&self, request: RequestId) -> usize {
        let credit = self.shared.exchanges.with(request, |e| e.credit).unwrap_or_default();
        usize::try_from(credit).unwrap_or(usize::MAX)
    }

    /// Uses up to `wanted` bytes of credit; gives how many.
    pub(crate) fn take_credit(&self, request: RequestId, wanted: usize) -> usize {
        let taken = self.shared.exchanges.with(request, |e| {
            let taken = e.credit.min(wanted as u64);
            e.credit -= taken;
            taken
        });
        // Nobody waits for it any more: let it pass.
        taken.map_or(wanted, |t| usize::try_from(t).unwrap_or(wanted))
    }

    // ---- what the core says ----

    /// Ends a batch of inputs: lets the core serve what waits, does what it says, sets the alarm.
    pub(crate) fn turn(self: &Rc<Self>) {
        self.core.borrow_mut().end_turn(self.shared.now());
        loop {
            let effect = self.core.borrow_mut().poll_effect();
            let Some(effect) = effect else { break };
            self.act(effect);
        }
        self.dial_failure.take();
        self.tell();
        let deadline = self.core.borrow().next_deadline();
        let mut alarm = self.alarm.borrow_mut();
        match deadline {
            _ if self.closed.get() => {}
            Some(at) => alarm.reset(self.shared.epoch + at.since_epoch()),
            None => alarm.clear(),
        }
    }

    fn act(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Connect { connection, .. } => self.connect(connection),
            Effect::Open { connection, stream, token } => {
                let request = request_of(token);
                self.shared.exchanges.with(request, |e| e.stream = stream);
                if let Some(link) = self.link(connection) {
                    link.open(request, stream);
                }
            }
            Effect::Fail { token, failure, .. } => self.fail(request_of(token), failure),
            // On HTTP/1.1 a `Close` follows, and the caller was told when it cancelled.
            Effect::Reset { .. } => {}
            Effect::Close { connection, .. } => {
                if let Some(link) = self.link(connection) {
                    self.gone(&link, None);
                    link.close();
                }
            }
            Effect::UpstreamGone { .. } => {
                self.closed.set(true);
                self.alarm.borrow_mut().reset(self.shared.handle.now());
                for _ in 0..self.closings.take() {
                    self.shared.sink.pool_closed(self.id);
                }
            }
        }
    }

    /// Passes on what observers may know, overflows of one kind together. A connection that is gone within the turn is
    /// not reported as draining.
    fn tell(&self) {
        let mut overflow: Option<(Priority, LimitName, u32)> = None;
        loop {
            let event = self.core.borrow_mut().poll_event();
            match event {
                Some(Event::Overflow { priority, limit }) => match &mut overflow {
                    Some((p, l, count)) if (*p, *l) == (priority, limit) => *count += 1,
                    other => {
                        if let Some((p, l, count)) = other.replace((priority, limit, 1)) {
                            self.shared.sink.overflow(self.id, p, l, count);
                        }
                    }
                },
                Some(Event::Draining { connection, reason, .. }) => {
                    tracing::debug!(pool = %self.config.name, ?connection, ?reason, "draining");
                    if let Some(link) = self.link(connection) {
                        self.shared.sink.draining(self.id, link.number, reason);
                    }
                }
                Some(Event::Closed { connection, cause, active, .. }) => {
                    tracing::info!(pool = %self.config.name, ?connection, ?cause, active, "connection closed");
                }
                Some(Event::Connected { connection, protocol, .. }) => {
                    tracing::info!(pool = %self.config.name, ?connection, ?protocol, "connection ready");
                }
                Some(Event::Replay { token, .. }) => {
                    tracing::debug!(pool = %self.config.name, request = token, "replay");
                }
                Some(Event::PoolIdle { .. }) => {}
                None => break,
            }
        }
        if let Some((priority, limit, count)) = overflow {
            self.shared.sink.overflow(self.id, priority, limit, count);
        }
    }

    fn connect(self: &Rc<Self>, connection: ConnectionId) {
        let number = self.shared.numbers.get() + 1;
        self.shared.numbers.set(number);
        let link = Link::new(connection, number);
        let mut links = self.links.borrow_mut();
        let index = connection.index();
        if index >= links.len() {
            links.resize_with(index + 1, || None);
        }
        links[index] = Some(link.clone());
        drop(links);
        self.shared.handle.spawn(Connection::new(self.clone(), link));
    }

    fn link(&self, connection: ConnectionId) -> Option<Rc<Link>> {
        self.links.borrow().get(connection.index()).cloned().flatten().filter(|l| l.id == connection)
    }

    /// The link is of no more use; who was told that it came up is told that it is gone.
    fn gone(&self, link: &Link, fault: Option<Code>) {
        let mut links = self.links.borrow_mut();
        if let Some(slot) = links.get_mut(link.id.index())
            && slot.as_ref().is_some_and(|l| l.id == link.id)
        {
            *slot = None;
        }
        drop(links);
        if link.take_announced() {
            self.shared.sink.disconnected(self.id, link.number, fault);
        }
    }

    fn fail(&self, request: RequestId, failure: StreamFailure) {
        let known = self.shared.exchanges.with(request, |e| (e.failure.take(), e.submission.priority));
        let (known, priority) = known.unwrap_or_default();
        let dial = self
            .dial_failure
            .borrow()
            .as_ref()
            .filter(|(id, _)| Some(*id) == failure.connection)
            .map(|(_, f)| f.clone());
        let (told, via) = match (known, dial) {
            (Some(known), _) => known,
            (None, Some(dial)) => (dial, None),
            (None, None) => {
                let refused = refusal::refused(failure.reason, &self.config, priority, failure.class);
                let tried = self.addresses().first().copied().filter(|_| refused.code == Code::ConnectTimeout);
                (
                    match tried {
                        Some(address) => refused.at(address),
                        None => refused,
                    },
                    None,
                )
            }
        };
        self.shared.fail(request, &told, via);
    }
}

/// Tokens of the core are request numbers.
fn request_of(token: u64) -> RequestId {
    RequestId::try_from(token).unwrap_or(RequestId::MAX)
}

/// Tells the core when its deadline has come.
struct Alarm {
    pool: Rc<Pool>,
    /// In the middle of `poll`; still so when it is dropped: something panicked.
    running: bool,
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
        if self.running {
            self.pool.shared.handle.spawn(Alarm { pool: self.pool.clone(), running: false });
        }
    }
}
