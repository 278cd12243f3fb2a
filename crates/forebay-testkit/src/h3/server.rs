//! The HTTP/3 server as its owner sees it: one thread, one task for each connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use super::connection::{Common, serve};
use crate::certificates::Authority;
use crate::endpoint::{Listening, Transport, bind, configuration};
use crate::streams::{ConnectionInfo, Shared, Stats};
use crate::tls::TlsOptions;
use crate::wait::wait_until;

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 picks a free one.
    pub address: SocketAddr,
    /// Certificate and ALPN.
    pub tls: TlsOptions,
    /// What it grants.
    pub transport: Transport,
    /// Whether each address must prove itself (Retry) before a handshake.
    pub retry: bool,
    /// A connection goes away after so many requests.
    pub max_streams_per_connection: Option<u64>,
    /// A connection goes away when it is so old.
    pub max_age: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: TlsOptions { alpn: vec!["h3".to_owned()], ..TlsOptions::default() },
            transport: Transport::default(),
            retry: false,
            max_streams_per_connection: None,
            max_age: None,
        }
    }
}

/// How `Server::end` ends all connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Going {
    /// GOAWAY; what is open finishes, the client closes.
    Gracefully,
    /// `CONNECTION_CLOSE` of the application with this code, without a GOAWAY.
    Abruptly(u64),
    /// They are forgotten, as by a process that dies and is started again: stateless resets answer who goes on.
    Forgotten,
}

enum Command {
    Forget,
    Stop,
}

/// A running server. Dropping it closes its socket and ends its thread.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    authority: Arc<Authority>,
    shared: Arc<Shared>,
    going: watch::Sender<Option<Going>>,
    credit: watch::Sender<u64>,
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts with a certificate authority of its own.
    ///
    /// # Errors
    /// The address cannot be bound, or the system gives no thread.
    pub fn start(options: &Options) -> io::Result<Self> {
        Self::start_with(options, Arc::new(Authority::new()))
    }

    /// Starts with certificates of this authority.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_with(options: &Options, authority: Arc<Authority>) -> io::Result<Self> {
        let socket = bind(options.address)?;
        let address = socket.local_addr()?;
        let config = configuration(&authority, &options.tls, &options.transport);
        let shared = Arc::new(Shared::default());
        let (going, goes) = watch::channel(None);
        let (credit, credits) = watch::channel(options.transport.max_bidi_streams);
        let (commands, commanded) = mpsc::unbounded_channel();
        let common = Common { options: options.clone(), shared: shared.clone(), goes, credit: credits };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("testkit-h3".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(common, socket, config, commanded));
        })?;
        Ok(Self { address, authority, shared, going, credit, commands, thread: Some(thread) })
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

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// All connections that ever were, in the order of their ids.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.shared.connections()
    }

    /// Ends all connections that there are.
    pub fn end(&self, how: Going) {
        if how == Going::Forgotten {
            let _ = self.commands.send(Command::Forget);
        } else {
            self.going.send_replace(Some(how));
        }
    }

    /// How many requests each connection may have open at once from now on. What was granted stays granted.
    pub fn set_credit(&self, streams: u64) {
        self.credit.send_replace(streams);
    }

    /// Waits until the counters are as told; false: they were not within `at_most`.
    pub fn wait_until(&self, at_most: Duration, mut enough: impl FnMut(&Stats) -> bool) -> bool {
        wait_until(at_most, || enough(&self.stats()))
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
    common: Common,
    socket: UdpSocket,
    config: quinn::ServerConfig,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let Ok(listening) = Listening::new(socket, config) else { return };
    let common = Rc::new(common);
    let mut retried = None;
    loop {
        let endpoint = listening.endpoint();
        tokio::select! {
            // Commands first: who sends one and then a packet finds it done.
            biased;
            command = commands.recv() => match command {
                Some(Command::Forget) if listening.restart().is_ok() => {}
                _ => break,
            },
            incoming = endpoint.accept() => {
                let Some(incoming) = incoming else { return };
                if common.options.retry && !incoming.remote_address_validated() {
                    // A first message may be more than one packet, and each that comes alone is told.
                    let id = incoming.orig_dst_cid();
                    if retried.replace(id) != Some(id) {
                        common.shared.retried();
                    }
                    // It may be retried: its address has not been proven.
                    let _ = incoming.retry();
                    continue;
                }
                let Ok(connecting) = incoming.accept() else { continue };
                let (common, id) = (common.clone(), common.shared.accepted());
                spawn_local(async move {
                    serve(common.clone(), connecting, id).await;
                    common.shared.closed(id);
                });
            }
        }
    }
    // Peers are told. What is on its way to them may be lost, as it may with any process that ends.
    listening.endpoint().close(crate::endpoint::varint(0x100), b"stopped");
    let _ = tokio::time::timeout(Duration::from_millis(100), listening.endpoint().wait_idle()).await;
}
