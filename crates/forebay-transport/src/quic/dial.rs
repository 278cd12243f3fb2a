//! From a list of addresses to a QUIC connection: each address a while after the one before, or when that failed; the first
//! handshake that is complete wins.
//!
//! Promise: one answer; the losers are closed. A port where nobody listens gives no error, so the time limit, which is the core's,
//! ends most dials that fail: it drops the future.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_core::Class;
use forebay_reactor::{Handle, Timer};

use super::endpoint::Endpoint;
use crate::connection::Link;
use crate::dial::all_failed;
use crate::error::{Code, Failure, Phase, connect_failure, quic_dial_failure};
use crate::pool::Pool;
use crate::sink::Peer;

/// A connection that is up.
#[derive(Debug)]
pub(crate) struct Quic {
    pub(crate) connection: quinn::Connection,
    /// Kept while the connection is.
    pub(crate) endpoint: Rc<Endpoint>,
    pub(crate) peer: Peer,
    /// The handshake, which is that of TLS too.
    pub(crate) handshake: Duration,
}

struct Attempt {
    address: SocketAddr,
    endpoint: Rc<Endpoint>,
    connecting: quinn::Connecting,
}

type Winner = (quinn::Connection, Rc<Endpoint>, SocketAddr);

struct Race<'a> {
    pool: &'a Pool,
    link: &'a Link,
    handle: &'a Handle,
    waiting: std::slice::Iter<'a, SocketAddr>,
    running: Vec<Attempt>,
    failed: Vec<(SocketAddr, Failure)>,
    next: Timer,
    several: bool,
}

/// Connects to the first of `addresses` that shakes hands.
pub(crate) async fn dial(pool: &Pool, link: &Link, addresses: &[SocketAddr]) -> Result<Quic, Failure> {
    let handle = &pool.shared.handle;
    let started = handle.now();
    let mut race = Race {
        pool,
        link,
        handle,
        waiting: addresses.iter(),
        running: Vec::new(),
        failed: Vec::new(),
        next: handle.timer(),
        several: addresses.len() > 1,
    };
    race.start_next();
    let (connection, endpoint, address) = poll_fn(|cx| race.poll(cx)).await?;
    let handshake = handle.now().saturating_duration_since(started);
    Ok(Quic { connection, endpoint, peer: Peer::Ip(address.ip(), address.port()), handshake })
}

impl Race<'_> {
    fn start_next(&mut self) {
        let delay = self.pool.config.address_delay;
        while let Some(&address) = self.waiting.next() {
            match self.start(address) {
                Ok(attempt) => {
                    self.running.push(attempt);
                    if self.several {
                        self.link.tries(address);
                    }
                    if !delay.is_zero() {
                        break;
                    }
                }
                Err(failure) => self.failed.push((address, failure)),
            }
        }
        if self.waiting.len() == 0 {
            self.next.clear();
        } else {
            self.next.reset(self.handle.now() + delay);
        }
    }

    fn start(&self, address: SocketAddr) -> Result<Attempt, Failure> {
        let config = &self.pool.config;
        let internal = |text: &str| Failure::new(Code::Internal, Phase::Connect, Class::Never, text);
        let tls = config.tls.as_ref().ok_or_else(|| internal("HTTP/3 without TLS"))?;
        let client = self.pool.quic_client().ok_or_else(|| internal("HTTP/3 was not offered"))?;
        let endpoint = self.pool.quic_endpoint(address).map_err(|e| connect_failure(&e))?;
        let connecting = endpoint.connect(client, address, &tls.server_name.to_str()).map_err(|error| {
            let code = match error {
                quinn::ConnectError::InvalidRemoteAddress(_) => Code::ConnectUnreachable,
                quinn::ConnectError::CidsExhausted | quinn::ConnectError::EndpointStopping => Code::LocalResource,
                _ => Code::Internal,
            };
            Failure::new(code, Phase::Connect, Class::Unprocessed, &error.to_string())
        })?;
        Ok(Attempt { address, endpoint, connecting })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Winner, Failure>> {
        loop {
            let mut lost = false;
            let mut at = 0;
            while let Some(attempt) = self.running.get_mut(at) {
                match Pin::new(&mut attempt.connecting).poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(connection)) => {
                        let Attempt { address, endpoint, .. } = self.running.swap_remove(at);
                        return Poll::Ready(Ok((connection, endpoint, address)));
                    }
                    Poll::Ready(Err(error)) => {
                        let noted = self.pool.config.tls.as_ref().and_then(|tls| tls.quic.as_ref());
                        let failure = quic_dial_failure(&error, noted.map(|quic| &*quic.noted));
                        let address = self.running.remove(at).address;
                        self.link.tried(address, &failure.text);
                        self.failed.push((address, failure));
                        lost = true;
                    }
                }
            }
            if self.running.is_empty() && self.waiting.len() == 0 {
                return Poll::Ready(Err(self.failure()));
            }
            if !lost && self.next.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.start_next();
        }
    }

    /// Why none of them is there: what another try would repeat, if anything.
    fn failure(&self) -> Failure {
        let hopeless = self.failed.iter().find(|(_, failure)| failure.class == Class::Never);
        hopeless.map_or_else(|| all_failed(&self.failed), |(address, failure)| failure.clone().at(*address))
    }
}
