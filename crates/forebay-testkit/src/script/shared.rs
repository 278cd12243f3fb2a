//! What the threads of a scripted server share: the connections, the scripts, the signals, the door.
//!
//! Promise: all of it is behind one lock, and each change wakes whoever waits. Used by `server`, `door` and `play`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::connection::{ConnectionInfo, End};
use super::door::Door;
use super::step::Script;
use crate::certificates::Authority;
use crate::tls::{TlsOptions, server_config};

/// Bytes of a connection that are kept; more are counted only. A guess: more than a test looks at.
pub const RECORDED: usize = 4 * 1024 * 1024;

pub(super) struct Connection {
    pub(super) info: ConnectionInfo,
    pub(super) received: Vec<u8>,
    pub(super) signals: u64,
    /// To wake its thread out of a read or write; taken away before the socket is to close.
    pub(super) stream: Option<Arc<TcpStream>>,
}

pub(super) struct State {
    pub(super) connections: Vec<Connection>,
    pub(super) scripts: Vec<Arc<Script>>,
    /// Connection that plays the first of `scripts`.
    pub(super) scripts_from: usize,
    /// Signals to connections that are not there yet.
    pub(super) early_signals: BTreeMap<usize, u64>,
    pub(super) wanted: Door,
    /// Where the accepting thread is, or why it could not get there.
    pub(super) actual: Result<Door, String>,
    /// Ports of our own sockets, which are no connections.
    pub(super) own_ports: BTreeSet<u16>,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) configs: Vec<(TlsOptions, Arc<ServerConfig>)>,
    pub(super) stop: bool,
}

/// What the threads share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) address: SocketAddr,
    pub(super) backlog: i32,
    pub(super) started: Instant,
    pub(super) authority: Arc<Authority>,
}

impl State {
    pub(super) fn infos(&self) -> Vec<ConnectionInfo> {
        self.connections.iter().map(|connection| connection.info.clone()).collect()
    }

    pub(super) fn signal(&mut self, index: usize) {
        match self.connections.get_mut(index) {
            Some(connection) => connection.signals += 1,
            None => *self.early_signals.entry(index).or_default() += 1,
        }
    }

    pub(super) fn script(&self, index: usize) -> Arc<Script> {
        let place = index - self.scripts_from;
        self.scripts.get(place).or(self.scripts.last()).map(Arc::clone).unwrap_or_default()
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics while it looks must not hide the connections from its own teardown.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
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
}
