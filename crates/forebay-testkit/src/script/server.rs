//! The listening side of scripts: who accepts, what is known of each connection, who may signal.
//!
//! One thread accepts, one plays each connection. All that they share is behind one lock; each change wakes whoever waits.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};

use super::channel::Channel;
use super::play::Player;
use super::step::Script;
use crate::certificates::Authority;
use crate::json::Json;
use crate::tls::{TlsOptions, server_config};

/// Bytes of a connection that are kept; more are counted only. A guess: more than a test looks at.
pub const RECORDED: usize = 4 * 1024 * 1024;

/// Stack of a thread that plays a script, in bytes. A guess: `repeat` nests little.
const STACK: usize = 256 * 1024;

/// Patience of the sockets that fill our backlog. A guess: loopback connects in far less.
const FILL_PATIENCE: Duration = Duration::from_millis(100);

/// Most sockets that fill our backlog. A guess: above any backlog that is asked for.
const MAX_FILL: usize = 256;

/// How a server is to listen.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where; port 0 picks a free one.
    pub address: SocketAddr,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// Whether it accepts, from the start.
    pub door: Door,
    /// Whether it fills its own backlog before `start` returns, so that a SYN gets no answer. Needs a small backlog and
    /// `Door::Deaf`. On Linux; elsewhere a full backlog refuses.
    pub full_backlog: bool,
}

impl Default for Options {
    fn default() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            address,
            backlog: 1_024,
            door: Door::Open,
            full_backlog: false,
        }
    }
}

/// Pause before the accepting thread is woken once more. A guess: it usually answers within microseconds.
const DOOR_AGAIN: Duration = Duration::from_millis(5);

/// What a client meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// Connections are accepted.
    Open,
    /// They wait in the backlog.
    Deaf,
    /// They are refused: nobody listens at the port.
    Shut,
}

/// How a connection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// By a step of ours.
    Closed,
    /// By `reset`.
    Reset,
    /// The peer sent FIN (or `close_notify`) when more was wanted.
    PeerClosed,
    /// The peer reset it.
    PeerReset,
    /// The server stopped.
    Stopped,
    /// TLS failed on our side; what rustls says, the peer's alert included.
    Tls(String),
    /// The script could not go on.
    Script(String),
    /// Any other error of the socket.
    Io(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Self::PeerReset,
            _ => Self::Io(error.to_string()),
        }
    }
}

/// What a finished handshake agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsInfo {
    /// As rustls names it, e.g. `TLSv1_3`.
    pub version: String,
    /// SNI.
    pub server_name: Option<String>,
    /// The selected protocol.
    pub alpn: Option<String>,
    /// Whether a session was resumed.
    pub resumed: bool,
    /// Whether the client showed a certificate.
    pub client_certificate: bool,
}

/// What is known of a connection at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectionInfo {
    /// Its place in the order of acceptance, from 0.
    pub index: usize,
    /// Time of acceptance since the server started.
    pub accepted_at: Duration,
    /// The client's port.
    pub peer_port: u16,
    /// Top-level step that it is at; the number of steps when the script is played out.
    pub step: usize,
    /// Bytes read (after decryption).
    pub received: u64,
    /// Bytes sent by steps (before encryption), without handshakes and records.
    pub sent: u64,
    /// Requests read by `head` and `request`.
    pub requests: u64,
    /// The finished handshake.
    pub tls: Option<TlsInfo>,
    /// How it ended; `None`: it is open.
    pub end: Option<End>,
}

impl ConnectionInfo {
    /// The same as an object with camelCase keys.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let text = |text: &Option<String>| text.as_deref().map_or(Json::Null, Json::from);
        let tls = self.tls.as_ref().map_or(Json::Null, |tls| {
            Json::object([
                ("version", tls.version.as_str().into()),
                ("serverName", text(&tls.server_name)),
                ("alpn", text(&tls.alpn)),
                ("resumed", tls.resumed.into()),
                ("clientCertificate", tls.client_certificate.into()),
            ])
        });
        let (end, detail) = match &self.end {
            None => (Json::Null, Json::Null),
            Some(End::Closed) => ("closed".into(), Json::Null),
            Some(End::Reset) => ("reset".into(), Json::Null),
            Some(End::PeerClosed) => ("peerClosed".into(), Json::Null),
            Some(End::PeerReset) => ("peerReset".into(), Json::Null),
            Some(End::Stopped) => ("stopped".into(), Json::Null),
            Some(End::Tls(why)) => ("tls".into(), why.as_str().into()),
            Some(End::Script(why)) => ("script".into(), why.as_str().into()),
            Some(End::Io(why)) => ("io".into(), why.as_str().into()),
        };
        Json::object([
            ("index", self.index.into()),
            (
                "acceptedAtMs",
                u64::try_from(self.accepted_at.as_millis()).unwrap_or(u64::MAX).into(),
            ),
            ("peerPort", u64::from(self.peer_port).into()),
            ("step", self.step.into()),
            ("received", self.received.into()),
            ("sent", self.sent.into()),
            ("requests", self.requests.into()),
            ("tls", tls),
            ("end", end),
            ("detail", detail),
        ])
    }
}

struct Connection {
    info: ConnectionInfo,
    received: Vec<u8>,
    signals: u64,
    /// To wake its thread out of a read or write; taken away before the socket is to close.
    stream: Option<Arc<TcpStream>>,
}

struct State {
    connections: Vec<Connection>,
    scripts: Vec<Arc<Script>>,
    /// Connection that plays the first of `scripts`.
    scripts_from: usize,
    /// Signals to connections that are not there yet.
    early_signals: BTreeMap<usize, u64>,
    wanted: Door,
    /// Where the accepting thread is, or why it could not get there.
    actual: Result<Door, String>,
    /// Ports of our own sockets, which are no connections.
    own_ports: BTreeSet<u16>,
    threads: Vec<JoinHandle<()>>,
    configs: Vec<(TlsOptions, Arc<ServerConfig>)>,
    stop: bool,
}

/// What the threads share.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    address: SocketAddr,
    backlog: i32,
    started: Instant,
    authority: Arc<Authority>,
}

/// A running server. Dropping it closes its sockets and ends its threads.
pub struct Server {
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    /// They fill the backlog.
    _fill: Vec<Socket>,
}

impl Server {
    /// Starts with a certificate authority of its own. No scripts: all connections are recorded only.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn start(scripts: Vec<Script>) -> io::Result<Self> {
        Self::start_with(Options::default(), Arc::new(Authority::new()), scripts)
    }

    /// Starts.
    ///
    /// # Errors
    /// As `start`; the address cannot be bound.
    pub fn start_with(options: Options, authority: Arc<Authority>, scripts: Vec<Script>) -> io::Result<Self> {
        let listener = listen(options.address, options.backlog)?;
        let address = listener.local_addr()?;
        let state = State {
            connections: Vec::new(),
            scripts: scripts.into_iter().map(Arc::new).collect(),
            scripts_from: 0,
            early_signals: BTreeMap::new(),
            wanted: options.door,
            actual: Ok(Door::Deaf),
            own_ports: BTreeSet::new(),
            threads: Vec::new(),
            configs: Vec::new(),
            stop: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            address,
            backlog: options.backlog,
            started: Instant::now(),
            authority,
        });
        let mut fill = Vec::new();
        while options.full_backlog && fill.len() < MAX_FILL {
            let socket = shared.own_socket()?;
            let connected = socket.connect_timeout(&address.into(), FILL_PATIENCE).is_ok();
            fill.push(socket);
            if !connected {
                break;
            }
        }
        let accepting = Arc::clone(&shared);
        let accepting = std::thread::Builder::new()
            .name("testkit-accept".to_owned())
            .spawn(move || accepting.accept_all(listener))?;
        Ok(Self {
            shared,
            accepting: Some(accepting),
            _fill: fill,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// The authority whose root clients must trust.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.shared.authority
    }

    /// Replaces the scripts, from the next accepted connection on.
    pub fn set_scripts(&self, scripts: Vec<Script>) {
        let mut state = self.shared.lock();
        state.scripts = scripts.into_iter().map(Arc::new).collect();
        state.scripts_from = state.connections.len();
    }

    /// What is known of the connections, in the order of acceptance.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.shared.lock().infos()
    }

    /// What was read on this connection (after decryption), up to `RECORDED` bytes.
    #[must_use]
    pub fn received(&self, index: usize) -> Option<Vec<u8>> {
        self.shared
            .lock()
            .connections
            .get(index)
            .map(|connection| connection.received.clone())
    }

    /// Signals one connection, which may come later.
    pub fn signal(&self, index: usize) {
        self.shared.lock().signal(index);
        self.shared.changed.notify_all();
    }

    /// Signals each connection accepted so far.
    pub fn signal_all(&self) {
        let mut state = self.shared.lock();
        (0..state.connections.len()).for_each(|index| state.signal(index));
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until the connections are as told; false: they were not within `at_most`.
    pub fn wait_until(&self, at_most: Duration, mut enough: impl FnMut(&[ConnectionInfo]) -> bool) -> bool {
        let end = Instant::now() + at_most;
        let mut state = self.shared.lock();
        loop {
            if enough(&state.infos()) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.wait(state, left);
        }
    }

    /// Opens, deafens or shuts the door; it is so when this returns.
    ///
    /// # Errors
    /// The port has been taken by another since it was shut.
    pub fn set_door(&self, door: Door) -> Result<(), String> {
        let mut state = self.shared.lock();
        state.wanted = door;
        if state.actual.is_err() {
            state.actual = Ok(Door::Shut);
        }
        self.shared.changed.notify_all();
        loop {
            let accepts = match &state.actual {
                Ok(actual) if *actual == door => return Ok(()),
                Ok(actual) => *actual == Door::Open,
                Err(why) => return Err(why.clone()),
            };
            drop(state);
            if accepts {
                self.shared.wake_accept();
            }
            state = self.shared.wait(self.shared.lock(), DOOR_AGAIN);
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stop = true;
        for stream in state
            .connections
            .iter()
            .filter_map(|connection| connection.stream.as_ref())
        {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let accepts = state.actual == Ok(Door::Open);
        drop(state);
        self.shared.changed.notify_all();
        if accepts {
            self.shared.wake_accept();
        }
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        let threads = std::mem::take(&mut self.shared.lock().threads);
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl State {
    fn infos(&self) -> Vec<ConnectionInfo> {
        self.connections
            .iter()
            .map(|connection| connection.info.clone())
            .collect()
    }

    fn signal(&mut self, index: usize) {
        match self.connections.get_mut(index) {
            Some(connection) => connection.signals += 1,
            None => *self.early_signals.entry(index).or_default() += 1,
        }
    }

    fn script(&self, index: usize) -> Arc<Script> {
        let place = index - self.scripts_from;
        self.scripts
            .get(place)
            .or(self.scripts.last())
            .map(Arc::clone)
            .unwrap_or_default()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics while it looks must not hide the connections from its own teardown.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, at_most)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    pub(super) fn update(&self, index: usize, change: impl FnOnce(&mut ConnectionInfo)) {
        change(&mut self.lock().connections[index].info);
        self.changed.notify_all();
    }

    pub(super) fn received(&self, index: usize, bytes: &[u8]) {
        let mut state = self.lock();
        let connection = &mut state.connections[index];
        connection.info.received += bytes.len() as u64;
        let room = RECORDED - connection.received.len();
        connection.received.extend_from_slice(&bytes[..bytes.len().min(room)]);
        drop(state);
        self.changed.notify_all();
    }

    /// Ok unless the server stops.
    pub(super) fn running(&self) -> Result<(), End> {
        if self.lock().stop { Err(End::Stopped) } else { Ok(()) }
    }

    pub(super) fn pause(&self, pause: Duration) -> Result<(), End> {
        let end = Instant::now() + pause;
        let mut state = self.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if state.stop {
                return Err(End::Stopped);
            }
            if left.is_zero() {
                return Ok(());
            }
            state = self.wait(state, left);
        }
    }

    pub(super) fn park(&self) -> End {
        let mut state = self.lock();
        while !state.stop {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        End::Stopped
    }

    /// Waits for the `nth` signal to this connection.
    pub(super) fn await_signal(&self, index: usize, nth: u64) -> Result<(), End> {
        let mut state = self.lock();
        while state.connections[index].signals < nth {
            if state.stop {
                return Err(End::Stopped);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// The same options share a configuration, so that sessions can be resumed.
    pub(super) fn tls_config(&self, options: &TlsOptions) -> Arc<ServerConfig> {
        let mut state = self.lock();
        if let Some((_, config)) = state.configs.iter().find(|(known, _)| known == options) {
            return Arc::clone(config);
        }
        let config = server_config(&self.authority, options);
        state.configs.push((options.clone(), Arc::clone(&config)));
        config
    }

    fn accept_all(self: Arc<Self>, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            let mut state = self.lock();
            if state.stop {
                return;
            }
            if state.wanted == Door::Shut {
                listener = None;
                // None of them can be accepted any more, and their ports go to others.
                state.own_ports.clear();
            } else if listener.is_none() {
                match listen(self.address, self.backlog) {
                    Ok(bound) => listener = Some(bound),
                    Err(error) => {
                        state.actual = Err(format!("cannot listen again: {error}"));
                        state.wanted = Door::Shut;
                        self.changed.notify_all();
                        continue;
                    }
                }
            }
            if state.wanted != Door::Shut || state.actual.is_ok() {
                state.actual = Ok(state.wanted);
            }
            self.changed.notify_all();
            match &listener {
                Some(listener) if state.wanted == Door::Open => {
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
        state.connections.push(Connection {
            info,
            received: Vec::new(),
            signals,
            stream: kept,
        });
        let script = state.script(index);
        let shared = Arc::clone(self);
        let playing = move || {
            let channel = Channel::new(stream);
            let mut player = Player {
                index,
                shared: Arc::clone(&shared),
                channel,
                buffer: Vec::new(),
                signals: 0,
            };
            let end = player.play(&script);
            shared.lock().connections[index].stream = None;
            // The last handle: the socket closes here, before anybody can learn of the end.
            drop(player);
            let end = if shared.running().is_err() { End::Stopped } else { end };
            shared.update(index, |connection| connection.end = Some(end));
        };
        match std::thread::Builder::new()
            .name("testkit-script".to_owned())
            .stack_size(STACK)
            .spawn(playing)
        {
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
    fn wake_accept(&self) {
        let Ok(socket) = self.own_socket() else { return };
        let refused = socket.connect_timeout(&self.address.into(), FILL_PATIENCE).is_err();
        if let (true, Ok(address)) = (refused, socket.local_addr())
            && let Some(address) = address.as_socket()
        {
            self.lock().own_ports.remove(&address.port());
        }
    }

    /// A socket of ours to ourselves, known by its port.
    fn own_socket(&self) -> io::Result<Socket> {
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

/// A listening socket that blocks.
fn listen(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this option would let two servers share a port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}
