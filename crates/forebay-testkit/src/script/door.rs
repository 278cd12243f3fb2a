//! Who may come in: the listening socket, the thread that accepts, and how it is stopped from accepting.
//!
//! ```text
//!   Open <--> Deaf <--> Shut      the thread is in `accept` only while Open; a connection of our own gets it out
//! ```
//!
//! Promise: the port stays ours while the door is shut. Used by `server`. Not here: what is played (`play`).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::channel::Channel;
use super::connection::{ConnectionInfo, End};
use super::play::Player;
use super::shared::{Connection, Shared};

/// Stack of a thread that plays a script, in bytes. A guess: `repeat` nests little.
const STACK: usize = 256 * 1024;

/// Patience of the sockets that fill our backlog. A guess: loopback connects in far less.
pub(super) const FILL_PATIENCE: Duration = Duration::from_millis(100);

/// What a client meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// Connections are accepted.
    Open,
    /// They wait in the backlog.
    Deaf,
    /// They are refused: the port is ours, but nobody listens at it.
    Shut,
}

/// What the accepting thread has of the port.
pub(super) enum Place {
    /// Bound, so that nobody else gets it.
    Held(Socket),
    Listening(TcpListener),
}

impl Shared {
    pub(super) fn accept_all(self: Arc<Self>, mut place: Place) {
        loop {
            let mut state = self.lock();
            if state.stop {
                return;
            }
            let wanted = state.wanted;
            match self.move_to(wanted, place) {
                Ok(moved) => {
                    place = moved;
                    state.actual = Ok(wanted);
                }
                Err(error) => {
                    state.actual = Err(format!("the port is lost: {error}"));
                    self.changed.notify_all();
                    return;
                }
            }
            if wanted == Door::Shut {
                // None of them can be accepted any more, and their ports go to others.
                state.own_ports.clear();
            }
            self.changed.notify_all();
            match &place {
                Place::Listening(listener) if wanted == Door::Open => {
                    drop(state);
                    match listener.accept() {
                        Ok((stream, peer)) => self.accepted(stream, peer),
                        // Out of files, perhaps: others may close some.
                        Err(_) => std::thread::sleep(Duration::from_millis(1)),
                    }
                }
                _ => drop(self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)),
            }
        }
    }

    /// Listens or only holds the port, as the door wants it.
    fn move_to(&self, door: Door, place: Place) -> io::Result<Place> {
        match (place, door) {
            (Place::Held(socket), Door::Open | Door::Deaf) => listen(socket, self.backlog),
            (Place::Listening(listener), Door::Shut) => {
                drop(listener);
                Ok(Place::Held(bind(self.address)?))
            }
            (place, _) => Ok(place),
        }
    }

    fn accepted(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let mut state = self.lock();
        if state.own_ports.remove(&peer.port()) || state.stop {
            return;
        }
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let index = state.connections.len();
        let info = ConnectionInfo {
            index,
            accepted_at: self.started.elapsed(),
            peer_port: peer.port(),
            step: 0,
            received: 0,
            sent: 0,
            requests: 0,
            tls: None,
            end: None,
        };
        let signals = state.early_signals.remove(&index).unwrap_or(0);
        let kept = Some(Arc::clone(&stream));
        state.connections.push(Connection { info, received: Vec::new(), signals, stream: kept });
        let script = state.script(index);
        let shared = Arc::clone(self);
        let playing = move || {
            let channel = Channel::new(stream);
            let mut player = Player { index, shared: Arc::clone(&shared), channel, buffer: Vec::new(), signals: 0 };
            let end = player.play(&script);
            shared.lock().connections[index].stream = None;
            // The last handle: the socket closes here, before anybody can learn of the end.
            drop(player);
            let end = if shared.running().is_err() { End::Stopped } else { end };
            shared.update(index, |connection| connection.end = Some(end));
        };
        match std::thread::Builder::new().name("testkit-script".to_owned()).stack_size(STACK).spawn(playing) {
            Ok(thread) => {
                state.threads.retain(|thread| !thread.is_finished());
                state.threads.push(thread);
            }
            Err(error) => {
                state.connections[index].stream = None;
                state.connections[index].info.end = Some(End::Io(error.to_string()));
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Lets the accepting thread look at the door again.
    pub(super) fn wake_accept(&self) {
        let Ok(socket) = self.own_socket() else { return };
        let refused = socket.connect_timeout(&self.address.into(), FILL_PATIENCE).is_err();
        if let (true, Ok(address)) = (refused, socket.local_addr())
            && let Some(address) = address.as_socket()
        {
            self.lock().own_ports.remove(&address.port());
        }
    }

    /// A socket of ours to ourselves, known by its port.
    pub(super) fn own_socket(&self) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        let any = match self.address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        socket.bind(&any.into())?;
        if let Some(address) = socket.local_addr()?.as_socket() {
            self.lock().own_ports.insert(address.port());
        }
        Ok(socket)
    }
}

/// Takes the port. With reuse, because connections of its last use may still be in `TIME_WAIT`; on Windows the option means something else.
pub(super) fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    reuse(&socket, true)?;
    socket.bind(&address.into())?;
    // While it is only held, nobody else may bind it.
    reuse(&socket, false)?;
    Ok(socket)
}

/// Its accepts will block.
pub(super) fn listen(socket: Socket, backlog: i32) -> io::Result<Place> {
    reuse(&socket, true)?;
    socket.listen(backlog)?;
    Ok(Place::Listening(socket.into()))
}

fn reuse(socket: &Socket, allowed: bool) -> io::Result<()> {
    if cfg!(unix) { socket.set_reuse_address(allowed) } else { Ok(()) }
}
