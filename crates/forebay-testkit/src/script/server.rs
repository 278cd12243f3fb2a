//! The server as its owner sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::connection::ConnectionInfo;
use super::door::{Door, FILL_PATIENCE, Place, bind, listen};
use super::shared::{Shared, State};
use super::step::Script;
use crate::certificates::Authority;

/// Most sockets that fill our backlog. A guess: above any backlog that is asked for.
const MAX_FILL: usize = 256;

/// Pause before the accepting thread is woken once more. A guess: it usually answers within microseconds.
const DOOR_AGAIN: Duration = Duration::from_millis(5);

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
        Self { address, backlog: 1_024, door: Door::Open, full_backlog: false }
    }
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
        let socket = bind(options.address)?;
        let address = socket.local_addr()?.as_socket().ok_or(ErrorKind::AddrNotAvailable)?;
        let place = if options.door == Door::Shut { Place::Held(socket) } else { listen(socket, options.backlog)? };
        let state = State {
            connections: Vec::new(),
            scripts: scripts.into_iter().map(Arc::new).collect(),
            scripts_from: 0,
            early_signals: BTreeMap::new(),
            wanted: options.door,
            actual: Ok(if options.door == Door::Shut { Door::Shut } else { Door::Deaf }),
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
        let accepting =
            std::thread::Builder::new().name("testkit-accept".to_owned()).spawn(move || accepting.accept_all(place))?;
        Ok(Self { shared, accepting: Some(accepting), _fill: fill })
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
        self.shared.lock().connections.get(index).map(|connection| connection.received.clone())
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
        f.debug_struct("Server").field("addr", &self.addr()).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stop = true;
        for stream in state.connections.iter().filter_map(|connection| connection.stream.as_ref()) {
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
