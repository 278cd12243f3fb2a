//! A connection, TCP or Unix.
//!
//! ```text
//!   connect --> connecting --poll_connected--> connected --read 0--> the peer has closed
//!                    |                             |
//!                    +--> refused, reset ...       +--poll_shutdown--> we have closed
//! ```
//!
//! Promises: one system call for each transfer and none to learn that nothing is there; errors are the system's own; dropping it
//! closes and forgets the socket. Used by `forebay-transport`; the traits over it are in `stream_io`.
//! Not here: which address and how long (transport), what readiness is known (`table`).

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mio::event;
use mio::{Interest, Registry, Token};

use crate::connect::{self, ConnectOptions};
use crate::handle::{Handle, Local};
use crate::table::Source;

/// A byte stream to a peer. Speaks the IO traits of hyper and of tokio.
pub struct Stream {
    pub(crate) local: Rc<Local>,
    socket: Socket,
    source: Arc<Source>,
    key: usize,
}

impl Stream {
    /// Starts to connect to `peer`. Await `poll_connected` before use.
    ///
    /// # Errors
    /// What the system says at once: no descriptor left, no such local address, no route.
    pub fn connect(handle: &Handle, peer: SocketAddr, options: &ConnectOptions) -> io::Result<Self> {
        Self::watch(handle, Socket::Tcp(connect::tcp(peer, options)?))
    }

    /// Connects to the Unix socket at `path`. Await `poll_connected` before use.
    ///
    /// # Errors
    /// What the system says at once: nobody listens, no permission. `WouldBlock` on Linux: the listener's queue is full.
    #[cfg(unix)]
    pub fn connect_unix(handle: &Handle, path: &Path) -> io::Result<Self> {
        Self::watch(handle, Socket::Unix(mio::net::UnixStream::connect(path)?))
    }

    fn watch(handle: &Handle, mut socket: Socket) -> io::Result<Self> {
        let local = Rc::clone(&handle.local);
        let (key, source) = local.shared.register(&mut socket)?;
        Ok(Self { local, socket, source, key })
    }

    /// Ready when the connection is made, or with the reason why it is not.
    ///
    /// A socket that was connected to itself, as happens with a free local port in the ephemeral range, is `ConnectionRefused`.
    pub fn poll_connected(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if !self.source.is_writable() {
            self.source.park_writer(cx);
            return Poll::Pending;
        }
        if let Some(error) = self.socket.take_error()? {
            return Poll::Ready(Err(error));
        }
        match self.socket.check_connected() {
            // Writable came too early: seen on some systems.
            Err(error) if is_not_yet(&error) && !self.source.is_closed() => {
                self.source.write_blocked();
                self.source.park_writer(cx);
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    /// Our address.
    ///
    /// # Errors
    /// `Unsupported` for a Unix socket; otherwise what the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.local_addr(),
            #[cfg(unix)]
            Socket::Unix(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `Unsupported` for a Unix socket; otherwise what the system says, such as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.peer_addr(),
            #[cfg(unix)]
            Socket::Unix(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// When it is dropped, the peer gets a reset instead of an end in order, and what was not sent is thrown away. Over TCP.
    pub fn reset_on_drop(&self) {
        match &self.socket {
            Socket::Tcp(tcp) => {
                // Where the system refuses, the end is in order.
                let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
            }
            #[cfg(unix)]
            Socket::Unix(_) => {}
        }
    }

    /// As far as the poll has said, nothing waits to be read and the peer has not closed. Asks the system nothing.
    ///
    /// False may mean no more than that the last read took exactly what was there.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.source.is_readable() && !self.source.is_closed()
    }

    /// Takes up to `wanted` bytes in one `read` as soon as some are there.
    pub(crate) fn poll_read_with(
        &self,
        cx: &Context<'_>,
        wanted: usize,
        mut read: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.source.is_readable() {
                self.source.park_reader(cx);
                return Poll::Pending;
            }
            if !self.local.may_do_io(cx) {
                return Poll::Pending;
            }
            match read(&self.socket) {
                Ok(got) => {
                    self.source.read(got, wanted);
                    return Poll::Ready(Ok(got));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.source.read_blocked(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Gives up to `offered` bytes in one `write` as soon as there is room.
    pub(crate) fn poll_write_with(
        &self,
        cx: &Context<'_>,
        offered: usize,
        mut write: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.source.is_writable() {
                self.source.park_writer(cx);
                return Poll::Pending;
            }
            if !self.local.may_do_io(cx) {
                return Poll::Pending;
            }
            match write(&self.socket) {
                Ok(took) => {
                    self.source.wrote(took, offered);
                    return Poll::Ready(Ok(took));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.source.write_blocked(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Says to the peer that nothing more comes. It may still send.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self.socket.shutdown(Shutdown::Write) {
            // The peer is gone: there is nobody to tell.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.local.shared.deregister(self.key, &mut self.socket);
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotConnected || connect::is_under_way(error)
}

/// Either kind of socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(mio::net::TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

/// The same call on either kind.
macro_rules! each {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($inner) => $call,
            #[cfg(unix)]
            Socket::Unix($inner) => $call,
        }
    };
}

impl Socket {
    fn take_error(&self) -> io::Result<Option<io::Error>> {
        each!(self, socket => socket.take_error())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        each!(self, socket => socket.shutdown(how))
    }

    fn check_connected(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => {
                let peer = tcp.peer_addr()?;
                if tcp.local_addr()? == peer { Err(ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
            }
            #[cfg(unix)]
            Self::Unix(unix) => unix.peer_addr().map(drop),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        each!(self, socket => (&*socket).read(into))
    }
}

impl Write for &Socket {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        each!(self, socket => (&*socket).write(from))
    }

    fn write_vectored(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(self, socket => (&*socket).write_vectored(from))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl event::Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        each!(self, socket => socket.register(registry, token, interests))
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        each!(self, socket => socket.reregister(registry, token, interests))
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        each!(self, socket => socket.deregister(registry))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use std::net::Ipv4Addr;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::{Clock, Reactor};

    /// Bound and connected to one address, as the system does by chance when it picks the port that is dialled.
    #[test]
    fn c15_a_connection_to_itself_is_refused() {
        let reactor = Reactor::new(Clock::System).unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = Socket::Tcp(mio::net::TcpStream::from_std(socket.into()));
        let stream = Stream::watch(&reactor.handle(), socket).unwrap();

        reactor.select(Some(Duration::from_secs(20)));
        let Poll::Ready(result) = stream.poll_connected(&Context::from_waker(Waker::noop())) else {
            panic!("the socket is writable");
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    /// Other systems may refuse at once; then there is no stream to ask twice.
    #[test]
    fn a_failed_connect_fails_again_when_it_is_asked_again() {
        let reactor = Reactor::new(Clock::System).unwrap();
        let taken = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        taken.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let peer = taken.local_addr().unwrap().as_socket().unwrap();
        let stream = Stream::connect(&reactor.handle(), peer, &ConnectOptions::default()).unwrap();
        reactor.select(Some(Duration::from_secs(20)));

        let cx = Context::from_waker(Waker::noop());
        let kind = || match stream.poll_connected(&cx) {
            Poll::Ready(result) => result.map_err(|error| error.kind()),
            Poll::Pending => panic!("the answer has come"),
        };
        assert_eq!(kind(), Err(ErrorKind::ConnectionRefused));
        assert_eq!(kind(), Err(ErrorKind::NotConnected));
    }
}
