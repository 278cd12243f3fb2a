//! What the thread of a scripted server and its owner share: the connections, the scripts, the signals.
//!
//! Promise: all of it is behind one lock, and each change wakes whoever waits, a task (`until`) or a thread (`wait_until`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::connection::{ConnectionInfo, StreamInfo};
use super::server::Door;
use super::step::Script;

/// Bytes of a stream that are kept; more are counted only. A guess: more than a test looks at.
pub const RECORDED: usize = 1024 * 1024;

/// A kind of stream of the client's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Request,
    Unidirectional,
}

pub(super) struct Connection {
    pub(super) info: ConnectionInfo,
    pub(super) requests: Vec<Vec<u8>>,
    pub(super) unidirectional: Vec<Vec<u8>>,
    pub(super) signals: u64,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) connections: Vec<Connection>,
    pub(super) scripts: Vec<Arc<Script>>,
    /// Connection that plays the first of `scripts`.
    pub(super) scripts_from: usize,
    /// Signals to connections that are not there yet.
    pub(super) early_signals: BTreeMap<usize, u64>,
    pub(super) door: Door,
}

pub(super) struct Shared {
    state: Mutex<State>,
    condition: Condvar,
    changes: watch::Sender<()>,
    started: Instant,
}

impl Shared {
    pub(super) fn new(scripts: Vec<Script>, door: Door) -> Self {
        let scripts = scripts.into_iter().map(Arc::new).collect();
        Self {
            state: Mutex::new(State { scripts, door, ..State::default() }),
            condition: Condvar::new(),
            changes: watch::Sender::new(()),
            started: Instant::now(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics while it looks must not hide the connections from its own teardown.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes who waits.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.condition.notify_all();
        self.changes.send_replace(());
        result
    }

    pub(super) fn update<T>(&self, index: usize, change: impl FnOnce(&mut Connection) -> T) -> T {
        self.change(|state| change(&mut state.connections[index]))
    }

    /// Waits, as a task, until it is so.
    pub(super) async fn until(&self, mut holds: impl FnMut(&State) -> bool) {
        let mut changes = self.changes.subscribe();
        while !holds(&self.lock()) {
            // The sender is in `self`: it does not end.
            let _ = changes.changed().await;
        }
    }

    /// Waits, as a thread, until it is so; false: it was not within `at_most`.
    pub(super) fn wait_until(&self, at_most: Duration, mut holds: impl FnMut(&State) -> bool) -> bool {
        let end = Instant::now() + at_most;
        let mut state = self.lock();
        loop {
            if holds(&state) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.condition.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A connection has come: its place and its script.
    pub(super) fn accepted(&self, peer: SocketAddr) -> (usize, Arc<Script>) {
        let accepted_at = self.started.elapsed();
        self.change(|state| {
            let index = state.connections.len();
            let place = index - state.scripts_from;
            let script = state.scripts.get(place).or(state.scripts.last()).map(Arc::clone).unwrap_or_default();
            let info = ConnectionInfo {
                index,
                accepted_at,
                peer,
                server_name: None,
                alpn: None,
                shaken: false,
                step: 0,
                flooded: 0,
                requests: Vec::new(),
                unidirectional: Vec::new(),
                end: None,
            };
            let signals = state.early_signals.remove(&index).unwrap_or_default();
            let (requests, unidirectional) = (Vec::new(), Vec::new());
            state.connections.push(Connection { info, requests, unidirectional, signals });
            (index, script)
        })
    }

    /// A stream has come: its place.
    pub(super) fn begun(&self, index: usize, kind: Kind, early: bool) -> usize {
        self.update(index, |connection| {
            let (infos, bytes) = connection.of(kind);
            infos.push(StreamInfo { early, ..StreamInfo::default() });
            bytes.push(Vec::new());
            infos.len() - 1
        })
    }

    pub(super) fn received(&self, index: usize, kind: Kind, stream: usize, part: &[u8]) {
        self.update(index, |connection| {
            let (infos, bytes) = connection.of(kind);
            infos[stream].received += part.len() as u64;
            let room = RECORDED - bytes[stream].len();
            bytes[stream].extend_from_slice(&part[..part.len().min(room)]);
        });
    }

    pub(super) fn stream(&self, index: usize, kind: Kind, stream: usize, change: impl FnOnce(&mut StreamInfo)) {
        self.update(index, |connection| change(&mut connection.of(kind).0[stream]));
    }
}

impl Connection {
    fn of(&mut self, kind: Kind) -> (&mut Vec<StreamInfo>, &mut Vec<Vec<u8>>) {
        match kind {
            Kind::Request => (&mut self.info.requests, &mut self.requests),
            Kind::Unidirectional => (&mut self.info.unidirectional, &mut self.unidirectional),
        }
    }
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
}
