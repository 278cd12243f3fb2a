//! The HTTP/2 server as its owner sees it: one thread, one task for each connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use h2::server::Connection;
use h2::{Reason, server};
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

use super::stream::Stream;
use crate::certificates::Authority;
use crate::streams::{ConnectionInfo, Request, Shared, Stats, answer};
use crate::tls::{TlsOptions, server_config};
use crate::wait::wait_until;

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 picks a free one.
    pub address: SocketAddr,
    /// TLS with ALPN; else cleartext with prior knowledge.
    pub tls: Option<TlsOptions>,
    /// `MAX_CONCURRENT_STREAMS` of its SETTINGS; without: none is sent.
    pub max_concurrent_streams: Option<u32>,
    /// Window of each stream, for bodies of requests.
    pub stream_window: u32,
    /// Window of each connection.
    pub connection_window: u32,
    /// How long SETTINGS are held back after the connection (and TLS) is there.
    pub settings_delay: Duration,
    /// A connection goes away after so many streams.
    pub max_streams_per_connection: Option<u64>,
    /// A connection goes away when it is so old.
    pub max_age: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            max_concurrent_streams: Some(100),
            stream_window: 1 << 20,
            connection_window: 16 << 20,
            settings_delay: Duration::ZERO,
            max_streams_per_connection: None,
            max_age: None,
        }
    }
}

/// How `Server::end` ends all connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Going {
    /// Two GOAWAYs, what is open finishes.
    Gracefully,
    /// GOAWAY with `NO_ERROR` at once; what is open is lost.
    Abruptly,
    /// The connection is dropped without a word.
    Silently,
}

/// A running server. Dropping it closes its sockets and ends its thread.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    authority: Arc<Authority>,
    shared: Arc<Shared>,
    going: watch::Sender<Option<Going>>,
    stop: Option<mpsc::Sender<()>>,
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
        let listener = std::net::TcpListener::bind(options.address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tls = options.tls.as_ref().map(|tls| TlsAcceptor::from(server_config(&authority, tls)));
        let shared = Arc::new(Shared::default());
        let (going, goes) = watch::channel(None);
        let (stop, mut stopped) = mpsc::channel::<()>(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let accepting = Accepting { options: options.clone(), tls, shared: shared.clone(), goes };
        let thread = std::thread::Builder::new().name("testkit-h2".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                tokio::select! {
                    () = accepting.run(listener) => {}
                    _ = stopped.recv() => {}
                }
            });
        })?;
        Ok(Self { address, authority, shared, going, stop: Some(stop), thread: Some(thread) })
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
        self.going.send_replace(Some(how));
    }

    /// What answers say in `alt-svc` from now on.
    pub fn set_alt_svc(&self, value: Option<HeaderValue>) {
        self.shared.set_alt_svc(value);
    }

    /// Waits until the counters are as told; false: they were not within `at_most`.
    pub fn wait_until(&self, at_most: Duration, mut enough: impl FnMut(&Stats) -> bool) -> bool {
        wait_until(at_most, || enough(&self.stats()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Accepting {
    options: Options,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    goes: watch::Receiver<Option<Going>>,
}

impl Accepting {
    async fn run(self, listener: std::net::TcpListener) {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        let this = Rc::new(self);
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let (this, id) = (this.clone(), this.shared.accepted());
            spawn_local(async move {
                match &this.tls {
                    None => this.serve(stream, id).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            this.serve(stream, id).await;
                        }
                    }
                }
                this.shared.closed(id);
            });
        }
    }

    async fn serve<T: AsyncRead + AsyncWrite + Unpin>(&self, stream: T, id: u64) {
        let options = &self.options;
        self.shared.shaken_hands();
        tokio::time::sleep(options.settings_delay).await;
        let mut builder = server::Builder::new();
        builder
            .initial_window_size(options.stream_window)
            .initial_connection_window_size(options.connection_window)
            .max_concurrent_reset_streams(10_000)
            .max_pending_accept_reset_streams(10_000)
            .max_header_list_size(1 << 20);
        if let Some(limit) = options.max_concurrent_streams {
            builder.max_concurrent_streams(limit);
        }
        let mut goes = self.goes.clone();
        goes.mark_unchanged();
        let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
        let too_old = tokio::time::sleep(options.max_age.unwrap_or(Duration::from_secs(86_400)));
        tokio::pin!(too_old);
        let mut going = false;
        loop {
            tokio::select! {
                next = connection.accept() => {
                    let Some(Ok((request, to))) = next else { return };
                    let count = self.shared.begun(id);
                    let shared = self.shared.clone();
                    spawn_local(async move {
                        let (head, body) = request.into_parts();
                        let request = Request { head, early: false, shared: &shared };
                        let whole = answer(request, &mut Stream { to, body, out: None }).await.is_ok();
                        shared.ended(id, whole);
                    });
                    if !going && options.max_streams_per_connection.is_some_and(|most| count >= most) {
                        going = true;
                        self.go(&mut connection);
                    }
                }
                () = &mut too_old, if !going => {
                    going = true;
                    self.go(&mut connection);
                }
                changed = goes.changed(), if !going => {
                    let how = *goes.borrow_and_update();
                    match how {
                        Some(Going::Gracefully) if changed.is_ok() => {
                            going = true;
                            self.go(&mut connection);
                        }
                        Some(Going::Abruptly) if changed.is_ok() => {
                            going = true;
                            self.shared.going_away();
                            connection.abrupt_shutdown(Reason::NO_ERROR);
                        }
                        _ => return,
                    }
                }
            }
        }
    }

    fn go<T: AsyncRead + AsyncWrite + Unpin>(&self, connection: &mut Connection<T, Bytes>) {
        self.shared.going_away();
        connection.graceful_shutdown();
    }
}
