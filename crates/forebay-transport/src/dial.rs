//! From a list of addresses to a connection that can speak: the race of RFC 8305, then TLS.
//!
//! Promise: one answer; the losers' sockets are closed. The time limit is the core's: it drops the future.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_core::{Class, Protocol, Protocols};
use forebay_reactor::{ConnectOptions, Handle, Stream, Timer};
use tokio_rustls::TlsConnector;

use crate::config::PoolConfig;
use crate::connection::Link;
use crate::counted::Counted;
use crate::error::{Code, Failure, Phase, connect_failure, tls_failure};
use crate::sink::Peer;
use crate::tls::H1;
use crate::wire::Wire;

/// HTTP/2 as ALPN names it.
const H2: &[u8] = b"h2";

/// What a dial found out.
#[derive(Clone, Debug)]
pub(crate) struct Dialled {
    pub(crate) peer: Peer,
    /// What is spoken.
    pub(crate) protocol: Protocol,
    /// Until the transport was there.
    pub(crate) connect: Duration,
    /// The TLS handshake; zero without.
    pub(crate) tls: Duration,
}

/// Connects to the first of `addresses` that answers, and shakes hands.
pub(crate) async fn dial(
    handle: &Handle,
    config: &PoolConfig,
    addresses: &[SocketAddr],
    link: &Link,
    only_h1: bool,
) -> Result<(Dialled, Wire), Failure> {
    let started = handle.now();
    let (stream, peer) = if let Some(path) = &config.socket_path {
        (unix(handle, path).await?, Peer::Unix(path.display().to_string()))
    } else {
        let (stream, peer) = Race::new(handle, config, addresses, link).run().await?;
        (stream, Peer::Ip(peer.ip(), peer.port()))
    };
    let connected = handle.now();
    let connect = connected.saturating_duration_since(started);
    let protocols = config.upstream.protocols;
    let Some(tls) = &config.tls else {
        // In clear nothing is agreed on: HTTP/2 is spoken only where it is known.
        let protocol = if protocols == Protocols::Fixed(Protocol::H2) { Protocol::H2 } else { Protocol::H1 };
        return Ok((Dialled { peer, protocol, connect, tls: Duration::ZERO }, Wire::Clear(stream)));
    };
    link.shaking(&peer);
    let place = |failure: Failure| match peer {
        Peer::Ip(ip, port) => failure.at(SocketAddr::new(ip, port)),
        Peer::Unix(_) => failure,
    };
    let offer = if only_h1 { &tls.only_h1 } else { &tls.config };
    let shaken = TlsConnector::from(offer.clone()).connect(tls.server_name.clone(), Counted::new(stream)).await;
    let stream = shaken.map_err(|e| place(tls_failure(&e)))?;
    let Some(protocol) = agreed(stream.get_ref().1.alpn_protocol(), &offer.alpn_protocols, protocols) else {
        let text = "the peer selected no protocol that was offered, or one that is not spoken here";
        return Err(place(Failure::new(Code::TlsAlpn, Phase::Tls, Class::Never, text)));
    };
    let tls = handle.now().saturating_duration_since(connected);
    Ok((Dialled { peer, protocol, connect, tls }, Wire::Tls(Box::new(stream))))
}

/// What both sides speak. A peer without ALPN speaks HTTP/1.1, where that is wanted.
fn agreed(selected: Option<&[u8]>, offered: &[Vec<u8>], protocols: Protocols) -> Option<Protocol> {
    let may = |protocol| matches!(protocols, Protocols::Mixed) || protocols == Protocols::Fixed(protocol);
    let protocol = match selected {
        None if offered.is_empty() || offered.iter().any(|p| p == H1) => Protocol::H1,
        Some(H1) => Protocol::H1,
        Some(H2) => Protocol::H2,
        None | Some(_) => return None,
    };
    may(protocol).then_some(protocol)
}

#[cfg(unix)]
async fn unix(handle: &Handle, path: &std::path::Path) -> Result<Stream, Failure> {
    let stream = Stream::connect_unix(handle, path).map_err(|e| connect_failure(&e))?;
    poll_fn(|cx| stream.poll_connected(cx)).await.map_err(|e| connect_failure(&e))?;
    Ok(stream)
}

#[cfg(not(unix))]
#[allow(clippy::unused_async, reason = "the same shape on every system")]
async fn unix(_: &Handle, _: &std::path::Path) -> Result<Stream, Failure> {
    Err(Failure::new(Code::ConnectUnreachable, Phase::Connect, Class::Never, "no Unix sockets on this system"))
}

/// Attempts to connect, each a while after the one before or when that failed.
struct Race<'a> {
    handle: &'a Handle,
    options: ConnectOptions,
    delay: Duration,
    waiting: std::slice::Iter<'a, SocketAddr>,
    running: Vec<(SocketAddr, Stream)>,
    failed: Vec<(SocketAddr, Failure)>,
    next: Timer,
    /// Hears of each, where there are several: if the time runs out, nobody else can tell.
    link: &'a Link,
    several: bool,
}

impl<'a> Race<'a> {
    fn new(handle: &'a Handle, config: &PoolConfig, addresses: &'a [SocketAddr], link: &'a Link) -> Self {
        Self {
            handle,
            options: ConnectOptions {
                local_address: config.local_address,
                user_timeout: config.tcp_user_timeout,
                ..ConnectOptions::default()
            },
            delay: config.address_delay,
            waiting: addresses.iter(),
            running: Vec::new(),
            failed: Vec::new(),
            next: handle.timer(),
            link,
            several: addresses.len() > 1,
        }
    }

    async fn run(mut self) -> Result<(Stream, SocketAddr), Failure> {
        self.start_next();
        poll_fn(|cx| self.poll(cx)).await
    }

    fn start_next(&mut self) {
        for address in self.waiting.by_ref() {
            match Stream::connect(self.handle, *address, &self.options) {
                Ok(stream) => {
                    self.running.push((*address, stream));
                    if self.several {
                        self.link.tries(*address);
                    }
                    if !self.delay.is_zero() {
                        break;
                    }
                }
                Err(error) => self.failed.push((*address, connect_failure(&error))),
            }
        }
        if self.waiting.len() == 0 {
            self.next.clear();
        } else {
            self.next.reset(self.handle.now() + self.delay);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Stream, SocketAddr), Failure>> {
        loop {
            let mut lost = false;
            let mut at = 0;
            while let Some((address, stream)) = self.running.get(at) {
                match stream.poll_connected(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(())) => {
                        let address = *address;
                        let (_, stream) = self.running.swap_remove(at);
                        return Poll::Ready(Ok((stream, address)));
                    }
                    Poll::Ready(Err(error)) => {
                        let failure = connect_failure(&error);
                        self.link.tried(*address, &failure.text);
                        self.failed.push((*address, failure));
                        self.running.remove(at);
                        lost = true;
                    }
                }
            }
            if lost || self.next.poll(cx).is_ready() {
                // What it starts must be polled too, or nobody wakes us for it.
                self.start_next();
            } else if self.running.is_empty() {
                return Poll::Ready(Err(all_failed(&self.failed)));
            } else {
                return Poll::Pending;
            }
        }
    }
}

/// One address: its failure. Several: one failure that lists each.
pub(crate) fn all_failed(failed: &[(SocketAddr, Failure)]) -> Failure {
    match failed {
        [] => Failure::new(Code::ConnectUnreachable, Phase::Connect, Class::Unprocessed, "no address to connect to"),
        [(address, failure)] => failure.clone().at(*address),
        several => {
            let list: Vec<_> = several.iter().map(|(address, f)| format!("{address}: {}", f.text)).collect();
            Failure::new(Code::ConnectFailed, Phase::Connect, Class::Unprocessed, &list.join("; "))
                .at(several[several.len() - 1].0)
        }
    }
}
