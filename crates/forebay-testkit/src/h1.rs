//! A fast, well-behaved HTTP/1.1 server.
//!
//! One readiness loop per thread (one thread unless told otherwise), one read and one write for a small request, keep-alive,
//! pipelining, TLS in the same loop.
//!
//! | path | answer |
//! | --- | --- |
//! | any other | 22 bytes of text, see `BODY` |
//! | `/bytes/N` | N bytes of `pattern` with Content-Length |
//! | `/chunked/N/K` | the same N bytes in chunks of K |
//! | `/trailers/N/K` | as `/chunked`, then the trailers `x-length: N` and `x-end: yes` |
//! | `/close-delimited/N` | the same N bytes up to the end of the connection |
//! | `/echo` | the request's body as it arrives, framed as it was |
//! | `/echo-late` | the request's body (up to 64 MiB) once it is whole |
//! | `/headers/N`, `/headers/N/LEN` | N more response fields, `x-header-0` and so on, values of LEN bytes (8) |
//! | `/status/N` | status N from 200 to 999 (204 and 304 without a body) |
//! | `/delay/MS`, `/delay/MS/...` | the rest of the path after MS ms |
//! | `/close` | the text with `Connection: close` |
//! | `/inspect` | JSON of the request: see `route` |
//! | `/early/STATUS/N` | that status with N bytes as soon as the head is there, and the end of the connection |
//! | `/hints/N` | N times 103 with a `link`, then the text |
//! | `/continue/none`, `/continue/refuse` | no 100: the text once the body is whole; 417 at once, and the end of the connection |
//! | `/upgrade` with a field `upgrade` | 101 with that protocol; then what comes goes back |
//! | CONNECT | 200; then what comes goes back. To `refused.test` 403 |
//! | `/1.0`, `/1.0/keep-alive`, `/1.0/close-delimited` | the text as HTTP/1.0: closing, kept alive, without a length |
//!
//! Promise: a request is answered once its body is whole (but `/echo`), HEAD with the head of GET, 100 is sent if it is waited
//! for, what is malformed gets 400 and a close. Memory is bounded whatever N is. `Server::stats` is exact: it is taken between two turns
//! of each loop, after all that had reached the sockets by then.
//! Not here: misbehaviour (`script`), the control lines (`control`).

mod connection;
mod event_loop;
pub(crate) mod route;
mod socket;
mod source;
mod stats;
mod transfer;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::Waker;
use socket2::{Domain, Protocol, Socket, Type};

pub use self::route::BODY;
pub use self::stats::{ConnectionInfo, Stats};

use self::event_loop::{Command, EventLoop};
use self::stats::Shared;
use crate::certificates::Authority;
use crate::tls::{TlsOptions, server_config};
use crate::wait::wait_until;

/// Connections that wait to be accepted. A guess: more than a test opens at once.
const BACKLOG: i32 = 4_096;

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 picks a free one.
    pub address: SocketAddr,
    /// Loops, each on its own thread; at least 1.
    pub threads: usize,
    /// TLS instead of plain TCP.
    pub tls: Option<TlsOptions>,
    /// Closes a connection that has been idle for so long.
    pub idle_timeout: Option<Duration>,
    /// The n-th answer on a connection says `Connection: close`.
    pub max_requests_per_connection: Option<u64>,
    /// Value of a `Keep-Alive` field in each answer that keeps the connection, e.g. `timeout=5`.
    pub keep_alive_field: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads: 1,
            tls: None,
            idle_timeout: None,
            max_requests_per_connection: None,
            keep_alive_field: None,
        }
    }
}

/// Which connections `Server::close_connections` ends, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// Those between two requests, with FIN.
    Idle,
    /// All, with FIN, in the middle of whatever they do.
    All,
    /// All, with RST.
    Reset,
}

/// A running server. Dropping it closes its sockets and ends its threads.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    authority: Arc<Authority>,
    shared: Arc<Shared>,
    loops: Vec<Handle>,
}

#[derive(Debug)]
struct Handle {
    commands: Mutex<Sender<Command>>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts with a certificate authority of its own.
    ///
    /// # Errors
    /// The address cannot be bound, or the system gives no threads or pollers.
    pub fn start(options: &Options) -> io::Result<Self> {
        Self::start_with(options, Arc::new(Authority::new()))
    }

    /// Starts with certificates of this authority.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_with(options: &Options, authority: Arc<Authority>) -> io::Result<Self> {
        let listener = listen(options.address)?;
        let address = listener.local_addr()?;
        let tls = options.tls.as_ref().map(|tls| server_config(&authority, tls));
        let shared = Arc::new(Shared::default());
        let mut server = Self { address, authority, shared, loops: Vec::new() };
        for _ in 0..options.threads.max(1) {
            let (commands, inbox) = channel();
            let listener = listener.try_clone()?;
            let turning = EventLoop::new(listener, inbox, Arc::clone(&server.shared), tls.clone(), options)?;
            let waker = turning.waker();
            let thread = std::thread::Builder::new().name("testkit-h1".to_owned()).spawn(move || turning.run())?;
            server.loops.push(Handle { commands: Mutex::new(commands), waker, thread: Some(thread) });
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The authority whose root clients must trust.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What was counted, after all that had reached the sockets by now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.look();
        self.shared.stats()
    }

    /// The open connections, then the last 1,024 closed ones, each in the order of their ids.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        let mut open = self.look();
        open.sort_by_key(|connection| connection.id);
        open.extend(self.shared.closed());
        open
    }

    /// Waits until the counters are as told; false: they were not within `at_most`.
    pub fn wait_until(&self, at_most: Duration, mut enough: impl FnMut(&Stats) -> bool) -> bool {
        wait_until(at_most, || enough(&self.stats()))
    }

    /// Ends connections; it has happened when this returns.
    pub fn close_connections(&self, closing: Closing) {
        for handle in &self.loops {
            handle.send(Command::Close(closing));
        }
        self.look();
    }

    /// Lets each loop take in what has arrived and say which connections it has.
    fn look(&self) -> Vec<ConnectionInfo> {
        let (answer, answers) = channel();
        for handle in &self.loops {
            handle.send(Command::Look(answer.clone()));
        }
        drop(answer);
        answers.iter().flatten().collect()
    }
}

impl Handle {
    fn send(&self, command: Command) {
        // A loop ends only by Stop or by a broken poller; then there is nobody to tell.
        let sent = self.commands.lock().is_ok_and(|commands| commands.send(command).is_ok());
        if sent {
            let _ = self.waker.wake();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for handle in &self.loops {
            handle.send(Command::Stop);
        }
        for thread in self.loops.iter_mut().filter_map(|handle| handle.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// A listening socket that does not block.
fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this option would let two servers share a port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
