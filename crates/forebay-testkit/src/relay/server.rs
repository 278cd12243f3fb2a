//! The relay: its thread, its sockets, what its owner tells it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};

use super::delay_line::DelayLine;
use super::faults::{Direction, Faults, Hole};
use crate::endpoint::bind;
use crate::json::Json;

/// Largest packet of UDP, in bytes.
const LARGEST: usize = 65_535;

/// Packets read from one socket before the others have their turn. A guess.
const TURN: usize = 64;

const FRONT: Token = Token(0);
const WAKE: Token = Token(1);
const FIRST_CLIENT: usize = 2;

/// What was counted, both directions together unless it says so.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Packets that came from clients.
    pub from_clients: u64,
    /// Packets that came from the server.
    pub from_server: u64,
    /// Packets handed on, copies too.
    pub passed: u64,
    /// Packets lost by chance or size, or because the queue was full.
    pub lost: u64,
    /// Packets lost in a hole.
    pub swallowed: u64,
    /// Packets that came twice.
    pub duplicated: u64,
    /// Packets with a wrong byte.
    pub corrupted: u64,
    /// Packets held back.
    pub overtaken: u64,
    /// Addresses of clients seen.
    pub clients: u64,
    /// Times that clients got another address.
    pub rebinds: u64,
}

impl Stats {
    /// The counters as an object with camelCase keys.
    #[must_use]
    pub fn to_json(self) -> Json {
        Json::object([
            ("fromClients", self.from_clients.into()),
            ("fromServer", self.from_server.into()),
            ("passed", self.passed.into()),
            ("lost", self.lost.into()),
            ("swallowed", self.swallowed.into()),
            ("duplicated", self.duplicated.into()),
            ("corrupted", self.corrupted.into()),
            ("overtaken", self.overtaken.into()),
            ("clients", self.clients.into()),
            ("rebinds", self.rebinds.into()),
        ])
    }
}

#[derive(Default)]
struct Told {
    faults: Faults,
    hole: Hole,
    /// Whether clients are to get other addresses.
    rebind: bool,
    stop: bool,
    stats: Stats,
}

/// A running relay. Dropping it closes its sockets and ends its thread.
pub struct Relay {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay on a free port of loopback.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn start(server: SocketAddr, faults: Faults) -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), server, faults)
    }

    /// Starts a relay at this address.
    ///
    /// # Errors
    /// As `start`; the address cannot be bound.
    pub fn start_at(address: SocketAddr, server: SocketAddr, faults: Faults) -> io::Result<Self> {
        let mut front = UdpSocket::from_std(bind(address)?);
        let address = front.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut front, FRONT, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let told = Arc::new(Mutex::new(Told { faults, ..Told::default() }));
        let mut work = Work {
            poll,
            front,
            server,
            told: told.clone(),
            clients: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_token: FIRST_CLIENT,
            line: DelayLine::new(),
        };
        let thread = std::thread::Builder::new().name("testkit-relay".to_owned()).spawn(move || work.run())?;
        Ok(Self { address, told, waker, thread: Some(thread) })
    }

    /// Where clients find the server.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What the network does.
    #[must_use]
    pub fn faults(&self) -> Faults {
        lock(&self.told).faults
    }

    /// What it does to packets from now on.
    pub fn set_faults(&self, faults: Faults) {
        lock(&self.told).faults = faults;
    }

    /// Where nothing passes from now on. What is on its way arrives.
    pub fn set_hole(&self, hole: Hole) {
        lock(&self.told).hole = hole;
    }

    /// Gives each client another address towards the server, as a NAT that has forgotten them. What the server still sends to the old
    /// ones is lost.
    pub fn rebind(&self) {
        let before = self.stats().rebinds;
        lock(&self.told).rebind = true;
        let _ = self.waker.wake();
        // It is so when this returns: the thread only ever waits for packets.
        while self.stats().rebinds == before {
            std::thread::yield_now();
        }
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.told).stats
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("addr", &self.addr()).finish_non_exhaustive()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        lock(&self.told).stop = true;
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A packet on its way.
struct Packet {
    direction: Direction,
    client: SocketAddr,
    bytes: Vec<u8>,
}

struct Work {
    poll: Poll,
    front: UdpSocket,
    server: SocketAddr,
    told: Arc<Mutex<Told>>,
    /// A client's socket towards the server.
    clients: BTreeMap<SocketAddr, (Token, UdpSocket)>,
    /// Those before the last rebind: while they are held, no client gets its old port again.
    forgotten: BTreeMap<SocketAddr, (Token, UdpSocket)>,
    ports: BTreeMap<Token, SocketAddr>,
    next_token: usize,
    line: DelayLine<Packet>,
}

impl Work {
    fn run(&mut self) {
        let mut events = Events::with_capacity(64);
        loop {
            let wait = self.line.next_arrival().map(|at| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return,
                _ => {}
            }
            let (stop, rebind) = {
                let told = &mut *lock(&self.told);
                (told.stop, std::mem::take(&mut told.rebind))
            };
            if stop {
                return;
            }
            if rebind {
                // The next packet of each opens a new one.
                self.forgotten = std::mem::take(&mut self.clients);
                self.ports.clear();
                lock(&self.told).stats.rebinds += 1;
            }
            // Readiness is told once: each socket is read until it is empty, in turns.
            let mut ready: Vec<Token> = events.iter().map(mio::event::Event::token).collect();
            while !ready.is_empty() {
                ready.retain(|&token| token != WAKE && self.read(token));
                self.deliver();
            }
            self.deliver();
        }
    }

    /// Reads a turn's worth; true: there may be more.
    fn read(&mut self, token: Token) -> bool {
        let mut buffer = vec![0; LARGEST];
        for _ in 0..TURN {
            let received = match self.ports.get(&token) {
                _ if token == FRONT => self.front.recv_from(&mut buffer),
                Some(&client) => match self.clients.get(&client) {
                    Some((_, socket)) => socket.recv(&mut buffer).map(|length| (length, client)),
                    None => return false,
                },
                None => return false,
            };
            match received {
                Ok((length, client)) => {
                    let direction = if token == FRONT { Direction::ToServer } else { Direction::ToClient };
                    self.enter(direction, client, &buffer[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // That the server's port is closed is told once: nobody is told on.
                Err(_) => {}
            }
        }
        true
    }

    /// A packet has come: decides what becomes of it.
    fn enter(&mut self, direction: Direction, client: SocketAddr, bytes: &[u8]) {
        let told = &mut *lock(&self.told);
        let counter = match direction {
            Direction::ToServer => &mut told.stats.from_clients,
            Direction::ToClient => &mut told.stats.from_server,
        };
        let fate = told.faults.fate(direction, *counter, bytes.len());
        *counter += 1;
        if told.hole.swallows(direction) {
            told.stats.swallowed += 1;
            return;
        }
        if fate.lost {
            told.stats.lost += 1;
            return;
        }
        let mut bytes = bytes.to_vec();
        if let Some((place, how)) = fate.wrong
            && !bytes.is_empty()
        {
            told.stats.corrupted += 1;
            let place = place % bytes.len();
            bytes[place] ^= how;
        }
        told.stats.overtaken += u64::from(fate.overtaken);
        told.stats.duplicated += u64::from(fate.twice);
        let at = Instant::now() + fate.delay;
        for _ in 0..=u8::from(fate.twice) {
            if !self.line.put(at, Packet { direction, client, bytes: bytes.clone() }) {
                told.stats.lost += 1;
            }
        }
    }

    /// Hands on what has arrived.
    fn deliver(&mut self) {
        let now = Instant::now();
        while let Some(packet) = self.line.poll_arrived(now) {
            // Counted first: who has received it may look at once.
            lock(&self.told).stats.passed += 1;
            let sent = match packet.direction {
                Direction::ToClient => self.front.send_to(&packet.bytes, packet.client).is_ok(),
                Direction::ToServer => match self.socket_of(packet.client) {
                    Ok(socket) => socket.send(&packet.bytes).is_ok(),
                    Err(_) => false,
                },
            };
            if !sent {
                let stats = &mut lock(&self.told).stats;
                stats.passed -= 1;
                stats.lost += 1;
            }
        }
    }

    fn socket_of(&mut self, client: SocketAddr) -> io::Result<&UdpSocket> {
        if !self.clients.contains_key(&client) {
            let mut socket = UdpSocket::from_std(bind(SocketAddr::new(self.server.ip(), 0))?);
            socket.connect(self.server)?;
            let token = Token(self.next_token);
            self.next_token += 1;
            self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
            self.ports.insert(token, client);
            self.clients.insert(client, (token, socket));
            lock(&self.told).stats.clients += 1;
        }
        self.clients.get(&client).map(|(_, socket)| socket).ok_or(ErrorKind::NotConnected.into())
    }
}

#[cfg(test)]
mod tests;
