//! Starting a connection without waiting for it.
//!
//! Promise: the socket is non-blocking before the first packet leaves. Used by `stream`.
//! Not here: when it is connected (`Stream::poll_connected`), racing addresses, timeouts.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// How a TCP connection is made.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The source address; its port is the system's choice. `None`: the system chooses both.
    pub local_address: Option<IpAddr>,
    /// Small writes leave at once instead of waiting for an acknowledgement. On by default, as in Node.
    pub nodelay: bool,
    /// How long sent bytes may stay unacknowledged before the system gives the connection up. `None`: the system's own limit. Only Linux
    /// has it (`TCP_USER_TIMEOUT`); elsewhere it is ignored.
    pub user_timeout: Option<Duration>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { local_address: None, nodelay: true, user_timeout: None }
    }
}

pub(crate) fn tcp(peer: SocketAddr, options: &ConnectOptions) -> io::Result<mio::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(options.nodelay)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout)?;
    }
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

#[cfg(all(test, any(target_os = "android", target_os = "linux")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_system_is_told_how_long_to_wait_for_acknowledgements() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = listener.local_addr().unwrap();
        for limit in [None, Some(Duration::from_millis(12_345))] {
            let options = ConnectOptions { user_timeout: limit, ..ConnectOptions::default() };
            let stream = tcp(peer, &options).unwrap();
            assert_eq!(socket2::SockRef::from(&stream).tcp_user_timeout().unwrap(), limit);
        }
    }
}
