//! What quinn wants of a runtime, on the reactor.
//!
//! Promise: everything runs on the reactor's thread, though quinn's objects may be shared; a task keeps its waker for its life (quinn's
//! endpoint keeps the first it sees).

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use forebay_reactor::{Datagrams, SharedHandle, Timer, Writer};
use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, UdpPoller};

/// The reactor as a runtime.
#[derive(Debug)]
pub(super) struct OnReactor(pub(super) SharedHandle);

impl Runtime for OnReactor {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        let mut timer = self.0.timer();
        timer.reset(at);
        Box::pin(Alarm(timer))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.spawn(future);
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        // It also makes the socket non-blocking and turns on what the system offers: GRO, ECN, no fragments.
        let state = UdpSocketState::new((&socket).into())?;
        let socket = Arc::new(self.0.datagrams(socket)?);
        Ok(Arc::new(Udp { socket, state }))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}

#[derive(Debug)]
struct Alarm(Timer);

impl AsyncTimer for Alarm {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.0.reset(at);
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

#[derive(Debug)]
struct Udp {
    socket: Arc<Datagrams>,
    state: UdpSocketState,
}

impl AsyncUdpSocket for Udp {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room(self.socket.writer()))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(|raw| self.state.send(raw.into(), transmit))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_receive(cx, bufs.len(), |raw| self.state.recv(raw.into(), bufs, meta))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    // The defaults of these three would turn GSO, GRO and the discovery of the path's MTU off.

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

#[derive(Debug)]
struct Room(Writer);

impl UdpPoller for Room {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_writable(cx)
    }
}
