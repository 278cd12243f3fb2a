//! The life of one connection as a task: dial, then speak. The core decides; orders come through the `Link`.
//!
//! Promise: whatever ends the task, a panic included, the pool is told once and the exchange on it gets its answer.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use forebay_core::{ConnectionId, Protocol, Protocols, StreamId};

use crate::dial::{Dialled, dial};
use crate::error::{Failure, Phase};
use crate::h1::{Bounds, Done, H1, Tunnel};
use crate::h2::H2;
use crate::h3::H3;
use crate::io::Io;
use crate::pool::Pool;
use crate::quic;
use crate::sink::{ConnectionNumber, Peer, RequestId};

/// What the pool wants of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// Go on.
    Go,
    /// Close at once.
    Close,
}

/// What a panic of ours found in the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Interrupted {
    /// No exchange.
    Nothing,
    /// One that its caller waits for; `answered`: it may have the head.
    Open { request: RequestId, stream: StreamId, answered: bool },
    /// One whose end its caller was just told.
    Told { request: RequestId, stream: StreamId },
}

/// What the pool and the task of a connection share.
#[derive(Debug)]
pub(crate) struct Link {
    /// What the core calls it.
    pub(crate) id: ConnectionId,
    /// What callers call it.
    pub(crate) number: ConnectionNumber,
    order: Cell<Order>,
    next: RefCell<VecDeque<(RequestId, StreamId)>>,
    /// It carries several exchanges at once.
    multiplexed: Cell<bool>,
    /// HTTP/2: exchanges that are to be given up.
    resets: RefCell<Vec<StreamId>>,
    /// HTTP/2: places of streams for which the reader or the writer did something.
    touched: RefCell<Vec<u32>>,
    waker: RefCell<Option<Waker>>,
    /// The task runs now and looks again before it rests: no wake is needed.
    running: Cell<bool>,
    /// Whether the sink was told that it is up, and not yet that it is gone.
    announced: Cell<bool>,
    /// Where it is connected to, by TCP.
    address: Cell<Option<SocketAddr>>,
    /// How far the dial has come.
    phase: Cell<Phase>,
    /// A response came over it.
    answered: Cell<bool>,
    /// It became a tunnel.
    tunnel: Cell<bool>,
    /// Of several addresses those that were tried, and what those failed with that did.
    tries: RefCell<Vec<(SocketAddr, Option<String>)>>,
}

impl Link {
    pub(crate) fn new(id: ConnectionId, number: ConnectionNumber) -> Rc<Self> {
        Rc::new(Self {
            id,
            number,
            order: Cell::new(Order::Go),
            next: RefCell::default(),
            multiplexed: Cell::new(false),
            resets: RefCell::default(),
            touched: RefCell::default(),
            waker: RefCell::new(None),
            running: Cell::new(false),
            announced: Cell::new(false),
            address: Cell::new(None),
            phase: Cell::new(Phase::Connect),
            answered: Cell::new(false),
            tunnel: Cell::new(false),
            tries: RefCell::default(),
        })
    }

    pub(crate) fn order(&self) -> Order {
        self.order.get()
    }

    /// The core closes it.
    pub(crate) fn close(&self) {
        self.order.set(Order::Close);
        self.wake();
    }

    /// The next exchange for it.
    pub(crate) fn open(&self, request: RequestId, stream: StreamId) {
        self.next.borrow_mut().push_back((request, stream));
        self.wake();
    }

    pub(crate) fn take_next(&self) -> Option<(RequestId, StreamId)> {
        self.next.borrow_mut().pop_front()
    }

    /// The caller of an exchange no longer wants it. On HTTP/1.1 the core closes the connection instead.
    pub(crate) fn reset(&self, stream: StreamId) {
        if self.multiplexed.get() {
            self.resets.borrow_mut().push(stream);
            self.wake();
        }
    }

    /// It carries several exchanges at once.
    pub(crate) fn multiplex(&self) {
        self.multiplexed.set(true);
    }

    /// Exchanges that are to be given up.
    pub(crate) fn take_resets(&self) -> Vec<StreamId> {
        self.resets.take()
    }

    /// Something changed for the exchange in this place.
    pub(crate) fn touch(&self, place: u32) {
        if self.multiplexed.get() {
            self.touched.borrow_mut().push(place);
        }
        self.wake();
    }

    /// Places that something changed for.
    pub(crate) fn take_touched(&self) -> Vec<u32> {
        self.touched.take()
    }

    pub(crate) fn announce(&self, peer: &Peer) {
        self.announced.set(true);
        self.reach(peer);
    }

    /// The address was reached; the TLS handshake begins.
    pub(crate) fn shaking(&self, peer: &Peer) {
        self.phase.set(Phase::Tls);
        self.reach(peer);
    }

    /// A response came over it.
    pub(crate) fn answer(&self) {
        self.answered.set(true);
    }

    /// One of several addresses is tried.
    pub(crate) fn tries(&self, address: SocketAddr) {
        self.tries.borrow_mut().push((address, None));
    }

    /// It failed.
    pub(crate) fn tried(&self, address: SocketAddr, why: &str) {
        let mut tries = self.tries.borrow_mut();
        if let Some((_, failure)) = tries.iter_mut().find(|(tried, _)| *tried == address) {
            *failure = Some(why.to_owned());
        }
    }

    /// What became of each address that was tried, where there are several; `None` where there is one.
    pub(crate) fn list_tries(&self) -> Option<String> {
        let tries = self.tries.borrow();
        let list = tries.iter().map(|(address, why)| format!("{address}: {}", why.as_deref().unwrap_or("no answer")));
        (tries.len() > 1).then(|| list.collect::<Vec<_>>().join("; "))
    }

    /// It became a tunnel.
    pub(crate) fn become_tunnel(&self) {
        self.tunnel.set(true);
    }

    pub(crate) fn is_tunnel(&self) -> bool {
        self.tunnel.get()
    }

    /// Whether a response had come over it.
    pub(crate) fn is_reused(&self) -> bool {
        self.answered.get()
    }

    /// How far the dial has come.
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// The address that was reached, if any.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address.get()
    }

    /// The address was reached.
    pub(crate) fn reached(&self, peer: &Peer) {
        self.reach(peer);
    }

    fn reach(&self, peer: &Peer) {
        if let Peer::Ip(ip, port) = peer {
            self.address.set(Some(SocketAddr::new(*ip, *port)));
        }
    }

    /// Whether it is up and leads to none of `addresses`.
    pub(crate) fn leads_elsewhere(&self, addresses: &[SocketAddr]) -> bool {
        self.announced.get() && self.address.get().is_some_and(|address| !addresses.contains(&address))
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.announced.get()
    }

    pub(crate) fn take_announced(&self) -> bool {
        self.announced.replace(false)
    }

    /// Something changed that the task should look at.
    pub(crate) fn wake(&self) {
        if !self.running.get()
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    fn enter(&self, waker: &Waker) {
        self.running.set(true);
        let mut slot = self.waker.borrow_mut();
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    fn leave(&self) {
        self.running.set(false);
    }

    fn has_news(&self) -> bool {
        !self.next.borrow().is_empty() || self.order.get() != Order::Go
    }
}

/// The task.
pub(crate) struct Connection {
    pool: Rc<Pool>,
    link: Rc<Link>,
    stage: Stage,
}

type Dialling = Pin<Box<dyn Future<Output = Result<(Dialled, Session), Failure>>>>;

enum Session {
    H1(Box<H1>),
    H2(Box<H2>),
    H3(Box<H3>),
}

enum Stage {
    Dialling(Dialling),
    Http1(Box<H1>),
    Http2(Box<H2>),
    Http3(Box<H3>),
    Tunnel(Box<Tunnel>),
    Gone,
}

impl Connection {
    /// A connection that is about to be dialled; `only_h1`: for HTTP/1.1, whatever else the pool speaks.
    pub(crate) fn new(pool: Rc<Pool>, link: Rc<Link>, only_h1: bool) -> Self {
        let dialling = {
            let (pool, link) = (pool.clone(), link.clone());
            Box::pin(async move {
                // Only now is it polled for the first time.
                pool.dialling(&link);
                let config = &pool.config;
                if config.upstream.protocols == Protocols::Fixed(Protocol::H3) {
                    let quic = quic::dial(&pool, &link, &pool.addresses()).await?;
                    let (dialled, h3) = H3::start(&pool, &link, quic).await?;
                    return Ok((dialled, Session::H3(Box::new(h3))));
                }
                let (dialled, wire) = dial(&pool.shared.handle, config, &pool.addresses(), &link, only_h1).await?;
                if dialled.protocol == Protocol::H2 {
                    let h2 = H2::start(&pool, &link, wire).await?;
                    return Ok((dialled, Session::H2(Box::new(h2))));
                }
                let bounds = Bounds { head_bytes: config.max_head_size, head_fields: config.max_head_fields };
                let io = Io::on(wire, bounds);
                let h1 = H1::start(&pool, io).await.map_err(|e| crate::error::h1_head_failure(&e, false))?;
                Ok((dialled, Session::H1(Box::new(h1))))
            })
        };
        Self { pool, link, stage: Stage::Dialling(dialling) }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.stage {
                Stage::Dialling(dialling) => {
                    if self.link.order() != Order::Go {
                        self.stage = Stage::Gone;
                        return Poll::Ready(());
                    }
                    match dialling.as_mut().poll(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok((dialled, Session::H1(h1)))) => {
                            self.stage = Stage::Http1(h1);
                            self.pool.connected(&self.link, &dialled);
                        }
                        Poll::Ready(Ok((dialled, Session::H2(mut h2)))) => {
                            h2.dialled(&self.pool, &self.link, dialled);
                            self.stage = Stage::Http2(h2);
                        }
                        Poll::Ready(Ok((dialled, Session::H3(mut h3)))) => {
                            h3.dialled(&self.pool, &self.link, &dialled);
                            self.stage = Stage::Http3(h3);
                        }
                        Poll::Ready(Err(failure)) => {
                            self.stage = Stage::Gone;
                            self.pool.dial_failed(&self.link, failure);
                            return Poll::Ready(());
                        }
                    }
                }
                Stage::Http1(h1) => {
                    let done = h1.poll(cx, &self.pool, &self.link);
                    match done {
                        Poll::Ready(Done::Gone) => {
                            self.stage = Stage::Gone;
                            return Poll::Ready(());
                        }
                        Poll::Ready(Done::Tunnel) => {
                            if let Stage::Http1(h1) = std::mem::replace(&mut self.stage, Stage::Gone) {
                                self.stage =
                                    h1.into_tunnel().map_or(Stage::Gone, |tunnel| Stage::Tunnel(Box::new(tunnel)));
                            }
                        }
                        Poll::Pending if !self.link.has_news() => return Poll::Pending,
                        Poll::Pending => {}
                    }
                }
                Stage::Tunnel(tunnel) => {
                    if tunnel.poll(cx, &self.pool, &self.link).is_pending() {
                        return Poll::Pending;
                    }
                    self.stage = Stage::Gone;
                }
                Stage::Http2(h2) => {
                    let done = h2.poll(cx, &self.pool, &self.link);
                    if done.is_ready() {
                        self.stage = Stage::Gone;
                    }
                    return done;
                }
                Stage::Http3(h3) => {
                    let done = h3.poll(cx, &self.pool, &self.link);
                    if done.is_ready() {
                        self.stage = Stage::Gone;
                    }
                    return done;
                }
                Stage::Gone => return Poll::Ready(()),
            }
        }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.link.enter(cx.waker());
        let done = self.step(cx);
        self.link.leave();
        done
    }
}

impl Drop for Connection {
    /// Only a panic, or the end of the reactor, drops a task that is not done.
    fn drop(&mut self) {
        match &self.stage {
            Stage::Gone => {}
            Stage::Dialling(_) => self.pool.broke(&self.link, Interrupted::Nothing),
            Stage::Http1(h1) => self.pool.broke(&self.link, h1.interrupted()),
            Stage::Http2(h2) => self.pool.broke_all(&self.link, h2.interrupted()),
            Stage::Http3(h3) => self.pool.broke_all(&self.link, h3.interrupted()),
            Stage::Tunnel(tunnel) => self.pool.broke(&self.link, tunnel.interrupted()),
        }
    }
}
