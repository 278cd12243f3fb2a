//! The scripted QUIC server as its owner sees it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

use super::connection::ConnectionInfo;
use super::play::serve;
use super::shared::Shared;
use super::step::Script;
use crate::certificates::Authority;
use crate::endpoint::{Listening, Transport, bind, configuration, varint};
use crate::tls::TlsOptions;

/// How long what is said last may take to leave. A guess.
const FAREWELL: Duration = Duration::from_millis(10);

/// What becomes of a client's first packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Door {
    /// A handshake.
    #[default]
    Open,
    /// Retry; with its token, a handshake.
    Retry,
    /// `CONNECTION_CLOSE` with `CONNECTION_REFUSED`.
    Refuse,
    /// Nothing.
    Ignore,
}

/// How a server is to listen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where; port 0 picks a free one.
    pub address: SocketAddr,
    /// Certificate and ALPN.
    pub tls: TlsOptions,
    /// What it grants.
    pub transport: Transport,
    /// What becomes of a first packet, from the start.
    pub door: Door,
    /// Whether requests are read; if not, their windows fill.
    pub reads: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: TlsOptions { alpn: vec!["h3".to_owned()], ..TlsOptions::default() },
            transport: Transport::default(),
            door: Door::Open,
            reads: true,
        }
    }
}

enum Command {
    Reconfigure(Box<quinn::ServerConfig>),
    Forget,
    Stop,
}

/// A running server. Dropping it closes its socket and ends its thread.
pub struct Server {
    address: SocketAddr,
    authority: Arc<Authority>,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts with a certificate authority of its own. No scripts: all connections are recorded only.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn start(scripts: Vec<Script>) -> io::Result<Self> {
        Self::start_with(&Options::default(), Arc::new(Authority::new()), scripts)
    }

    /// Starts.
    ///
    /// # Errors
    /// As `start`; the address cannot be bound.
    pub fn start_with(options: &Options, authority: Arc<Authority>, scripts: Vec<Script>) -> io::Result<Self> {
        let socket = bind(options.address)?;
        let address = socket.local_addr()?;
        let config = configuration(&authority, &options.tls, &options.transport);
        let shared = Arc::new(Shared::new(scripts, options.door));
        let (commands, commanded) = mpsc::unbounded_channel();
        let (at, reads) = (shared.clone(), options.reads);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("testkit-quic".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(at, socket, config, reads, commanded));
        })?;
        Ok(Self { address, authority, shared, commands, thread: Some(thread) })
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

    /// Replaces the scripts, from the next accepted connection on.
    pub fn set_scripts(&self, scripts: Vec<Script>) {
        self.shared.change(|state| {
            state.scripts = scripts.into_iter().map(Arc::new).collect();
            state.scripts_from = state.connections.len();
        });
    }

    /// What becomes of first packets from now on.
    pub fn set_door(&self, door: Door) {
        self.shared.change(|state| state.door = door);
    }

    /// Handshakes from now on have this certificate and ALPN, and grant this. Tickets of before are not known any more.
    pub fn set_options(&self, tls: &TlsOptions, transport: &Transport) {
        let config = configuration(&self.authority, tls, transport);
        let _ = self.commands.send(Command::Reconfigure(Box::new(config)));
    }

    /// Forgets all connections, as a process that dies and is started again: stateless resets answer who goes on.
    pub fn forget(&self) {
        let _ = self.commands.send(Command::Forget);
    }

    /// What is known of the connections, in the order of acceptance.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.shared.lock().infos()
    }

    /// What was read of a request, up to `RECORDED` bytes.
    #[must_use]
    pub fn received(&self, connection: usize, request: usize) -> Option<Vec<u8>> {
        self.shared.lock().connections.get(connection)?.requests.get(request).cloned()
    }

    /// What was read of a unidirectional stream of the client's, its type first.
    #[must_use]
    pub fn received_unidirectional(&self, connection: usize, stream: usize) -> Option<Vec<u8>> {
        self.shared.lock().connections.get(connection)?.unidirectional.get(stream).cloned()
    }

    /// Signals one connection, which may come later.
    pub fn signal(&self, connection: usize) {
        self.shared.change(|state| state.signal(connection));
    }

    /// Signals each connection accepted so far.
    pub fn signal_all(&self) {
        self.shared.change(|state| (0..state.connections.len()).for_each(|index| state.signal(index)));
    }

    /// Waits until the connections are as told; false: they were not within `at_most`.
    pub fn wait_until(&self, at_most: Duration, mut enough: impl FnMut(&[ConnectionInfo]) -> bool) -> bool {
        self.shared.wait_until(at_most, |state| enough(&state.infos()))
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addr", &self.addr()).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(
    shared: Arc<Shared>,
    socket: UdpSocket,
    config: quinn::ServerConfig,
    reads: bool,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let Ok(listening) = Listening::new(socket, config) else { return };
    loop {
        let endpoint = listening.endpoint();
        tokio::select! {
            // Commands first: who sends one and then a packet finds it done.
            biased;
            command = commands.recv() => match command {
                Some(Command::Reconfigure(config)) => listening.reconfigure(*config),
                Some(Command::Forget) if listening.restart().is_ok() => {}
                _ => break,
            },
            incoming = endpoint.accept() => {
                let Some(incoming) = incoming else { return };
                let door = shared.lock().door;
                match door {
                    Door::Retry if !incoming.remote_address_validated() => {
                        // It may be retried: its address has not been proven.
                        let _ = incoming.retry();
                    }
                    Door::Open | Door::Retry => {
                        if let Ok(connecting) = incoming.accept() {
                            spawn_local(serve(shared.clone(), connecting, reads));
                        }
                    }
                    Door::Refuse => incoming.refuse(),
                    Door::Ignore => incoming.ignore(),
                }
            }
        }
    }
    listening.endpoint().close(varint(0x100), b"stopped");
    let _ = tokio::time::timeout(FAREWELL, listening.endpoint().wait_idle()).await;
}
