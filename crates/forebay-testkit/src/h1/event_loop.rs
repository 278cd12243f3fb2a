//! The loop of one thread: accepts, gives each connection its turns, keeps its timers, takes commands.
//!
//! Promise: before it answers `Look` it has done all that the sockets asked for by then. Not here: HTTP (`connection`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::{ServerConfig, ServerConnection};
use slab::Slab;
use socket2::SockRef;

use super::connection::{Connection, Surroundings, Turn};
use super::socket::Socket;
use super::stats::{ConnectionInfo, Shared};
use super::{Closing, Options};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// Tokens of connections: slab key plus this.
const FIRST: usize = 2;

/// Events taken from the system at once. A guess.
const EVENTS: usize = 1_024;

/// Bytes read at once. A guess: one large TCP window on loopback.
const SCRATCH: usize = 64 * 1024;

/// Pause after an `accept` that failed for want of files. A guess.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Rounds before a `Look` is answered although events still come in. A guess: a server under load never falls silent.
const LOOK_ROUNDS: u32 = 32;

/// What other threads ask of a loop.
pub(super) enum Command {
    /// Take in all that has arrived, then say which connections there are.
    Look(Sender<Vec<ConnectionInfo>>),
    /// End connections.
    Close(Closing),
    /// End all.
    Stop,
}

pub(super) struct EventLoop {
    poll: Poll,
    waker: Arc<Waker>,
    listener: TcpListener,
    accept_at: Option<Instant>,
    inbox: Receiver<Command>,
    shared: Arc<Shared>,
    tls: Option<Arc<ServerConfig>>,
    options: Options,
    connections: Slab<Connection>,
    /// Deadline, slab key, id (a key may have been used again since).
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    /// Connections that used up a turn and have more to do.
    runnable: VecDeque<(usize, u64)>,
    scratch: Vec<u8>,
}

impl EventLoop {
    pub(super) fn new(
        listener: std::net::TcpListener,
        inbox: Receiver<Command>,
        shared: Arc<Shared>,
        tls: Option<Arc<ServerConfig>>,
        options: &Options,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self {
            poll,
            waker,
            listener,
            accept_at: None,
            inbox,
            shared,
            tls,
            options: options.clone(),
            connections: Slab::new(),
            timers: BinaryHeap::new(),
            runnable: VecDeque::new(),
            scratch: vec![0; SCRATCH],
        })
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Turns until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let Ok(woken) = self.round(&mut events, self.patience()) else {
                return;
            };
            if !woken {
                continue;
            }
            while let Ok(command) = self.inbox.try_recv() {
                match command {
                    Command::Look(answer) => {
                        for _ in 0..LOOK_ROUNDS {
                            match self.round(&mut events, Some(Duration::ZERO)) {
                                Ok(_) if events.is_empty() && self.runnable.is_empty() => break,
                                Ok(_) => {}
                                Err(_) => return,
                            }
                        }
                        let _ = answer.send(self.connections.iter().map(|(_, connection)| connection.info()).collect());
                    }
                    Command::Close(closing) => self.close(closing),
                    Command::Stop => {
                        self.close_all();
                        return;
                    }
                }
            }
        }
    }

    /// How long the poller may wait.
    fn patience(&self) -> Option<Duration> {
        if !self.runnable.is_empty() {
            return Some(Duration::ZERO);
        }
        let timer = self.timers.peek().map(|&Reverse((at, _, _))| at);
        let next = [timer, self.accept_at].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// One turn of the loop; says whether commands wait.
    fn round(&mut self, events: &mut Events, patience: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(events, patience) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(false),
            done => done?,
        }
        let now = Instant::now();
        let mut woken = false;
        for _ in 0..self.runnable.len() {
            let Some((key, id)) = self.runnable.pop_front() else {
                break;
            };
            if self.connections.get(key).is_some_and(|connection| connection.id() == id) {
                self.turn(key, now);
            }
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept(now),
                WAKER => woken = true,
                Token(token) => {
                    let key = token - FIRST;
                    if let Some(connection) = self.connections.get_mut(key) {
                        connection.ready(event.is_readable(), event.is_read_closed());
                        self.turn(key, now);
                    }
                }
            }
        }
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept(now);
        }
        while let Some(&Reverse((at, key, id))) = self.timers.peek() {
            if at > now {
                break;
            }
            self.timers.pop();
            if let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.id() == id) {
                connection.armed = None;
                self.turn(key, now);
            }
        }
        Ok(woken)
    }

    fn accept(&mut self, now: Instant) {
        self.accept_at = None;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.accepted(stream, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(_) => {
                    self.accept_at = Some(now + ACCEPT_AGAIN);
                    return;
                }
            }
        }
    }

    fn accepted(&mut self, mut stream: TcpStream, now: Instant) {
        let _ = stream.set_nodelay(true);
        let id = self.shared.accepted();
        let key = self.connections.vacant_key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, Token(key + FIRST), interest);
        let socket = match &self.tls {
            None => Some(Socket::Plain(stream)),
            Some(config) => ServerConnection::new(Arc::clone(config)).ok().map(|tls| Socket::Tls {
                stream,
                tls: Box::new(tls),
                shaken: false,
            }),
        };
        let (Some(socket), Ok(())) = (socket, registered) else {
            self.shared.connection_closed(id, 0, false);
            return;
        };
        let connection =
            Connection::new(id, socket, &surroundings(now, &self.shared, &mut self.scratch, &self.options));
        self.connections.insert(connection);
        self.turn(key, now);
    }

    fn turn(&mut self, key: usize, now: Instant) {
        let connection = &mut self.connections[key];
        let turn = connection.turn(&mut surroundings(now, &self.shared, &mut self.scratch, &self.options));
        match turn {
            Turn::Closed => self.drop_connection(key),
            Turn::Again => self.runnable.push_back((key, connection.id())),
            Turn::Waits => {
                let Some(deadline) = connection.deadline() else { return };
                // An earlier timer looks at the deadline again when it fires.
                if connection.armed.is_none_or(|armed| deadline < armed) {
                    connection.armed = Some(deadline);
                    self.timers.push(Reverse((deadline, key, connection.id())));
                }
            }
        }
    }

    fn drop_connection(&mut self, key: usize) {
        let mut connection = self.connections.remove(key);
        let _ = self.poll.registry().deregister(connection.socket().stream());
        let (info, active) = (connection.info(), connection.is_active());
        drop(connection);
        self.shared.connection_closed(info.id, info.requests, active);
    }

    fn close(&mut self, closing: Closing) {
        let now = Instant::now();
        let all = self.connections.iter();
        let keys: Vec<usize> =
            all.filter(|(_, it)| closing != Closing::Idle || it.is_idle()).map(|(key, _)| key).collect();
        for key in keys {
            let connection = &mut self.connections[key];
            match closing {
                Closing::Idle | Closing::All => {
                    if connection.is_active() {
                        // Its answer is lost: it is over here and now.
                        connection.socket().end();
                        self.drop_connection(key);
                    } else {
                        connection.end(now);
                        self.turn(key, now);
                    }
                }
                Closing::Reset => {
                    let _ = SockRef::from(&*connection.socket().stream()).set_linger(Some(Duration::ZERO));
                    self.drop_connection(key);
                }
            }
        }
    }

    fn close_all(&mut self) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.drop_connection(key);
        }
    }
}

fn surroundings<'a>(now: Instant, shared: &'a Shared, scratch: &'a mut [u8], options: &'a Options) -> Surroundings<'a> {
    Surroundings {
        now,
        shared,
        scratch,
        idle_timeout: options.idle_timeout,
        max_requests: options.max_requests_per_connection,
        keep_alive_field: options.keep_alive_field.as_deref(),
    }
}
