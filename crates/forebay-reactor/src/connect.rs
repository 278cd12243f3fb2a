//! Starting a connection without waiting for it.
//!
//! Promise: the socket is non-blocking before the first packet leaves. Used by `stream`.
//! Not here: when it is connected (`Stream::poll_connected`), racing addresses, timeouts.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// How a TCP connection is made.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The source address; its port is the system's choice. `None`: the system chooses both.
    pub local_address: Option<IpAddr>,
    /// Small writes leave at once instead of waiting for an acknowledgement. On by default, as in Node.
    pub nodelay: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { local_address: None, nodelay: true }
    }
}

pub(crate) fn tcp(peer: SocketAddr, options: &ConnectOptions) -> io::Result<mio::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(options.nodelay)?;
    if let Some(local) = options.local_address {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    match socket.connect(&peer.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(mio::net::TcpStream::from_std(socket.into())),
    }
}

/// What the system says of a connection that was started and is not there yet.
pub(crate) fn is_under_way(error: &io::Error) -> bool {
    // A signal interrupts the call, not the connection.
    if error.kind() == io::ErrorKind::Interrupted {
        return true;
    }
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::WouldBlock;
}
