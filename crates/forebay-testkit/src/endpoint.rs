//! A QUIC endpoint of a server: its socket, its options, and how it forgets all it knew.
//!
//! Promise: `restart` keeps the port and the key of stateless resets, so that peers of forgotten connections are told so.
//! Used by `h3` and `quic`. Not here: connections.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use socket2::SockRef;

use crate::certificates::Authority;
use crate::tls::{TlsOptions, server_config};

/// Buffers of the socket, in bytes. Source: the probes of HTTP/3: the system's 208 KiB lost packets of bursts, these none.
const SOCKET_BUFFERS: usize = 4 << 20;

/// Length of our connection ids, in bytes. Source: quinn's own.
const ID_LENGTH: usize = 8;

/// What a server grants its clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Transport {
    /// Request streams open at once on a connection.
    pub max_bidi_streams: u64,
    /// Streams of one direction.
    pub max_uni_streams: u64,
    /// Bytes of a stream that may wait here.
    pub stream_window: u64,
    /// Bytes of a connection that may wait here.
    pub connection_window: u64,
    /// Silence after which a connection is forgotten without a word.
    pub idle_timeout: Duration,
    /// Whether early data is taken.
    pub early_data: bool,
}

impl Default for Transport {
    /// Streams as many servers; windows as the server of HTTP/2; 30 s of silence (row Q16).
    fn default() -> Self {
        Self {
            max_bidi_streams: 100,
            max_uni_streams: 100,
            stream_window: 1 << 20,
            connection_window: 16 << 20,
            idle_timeout: Duration::from_secs(30),
            early_data: true,
        }
    }
}

/// A number of the wire; larger ones become the largest.
pub(crate) fn varint(number: u64) -> VarInt {
    VarInt::from_u64(number).unwrap_or(VarInt::MAX)
}

/// A bound socket with large buffers.
pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    let buffers = SockRef::from(&socket);
    // The system may grant less.
    let _ = buffers.set_recv_buffer_size(SOCKET_BUFFERS);
    let _ = buffers.set_send_buffer_size(SOCKET_BUFFERS);
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The configuration of a server.
///
/// # Panics
/// Never on what `Authority` issues.
pub(crate) fn configuration(authority: &Authority, tls: &TlsOptions, transport: &Transport) -> ServerConfig {
    let mut crypto = (*server_config(authority, tls)).clone();
    crypto.max_early_data_size = if transport.early_data { u32::MAX } else { 0 };
    let crypto = QuicServerConfig::try_from(Arc::new(crypto)).expect("TLS 1.3 is among the versions");
    let mut limits = TransportConfig::default();
    limits
        .max_concurrent_bidi_streams(varint(transport.max_bidi_streams))
        .max_concurrent_uni_streams(varint(transport.max_uni_streams))
        .stream_receive_window(varint(transport.stream_window))
        .receive_window(varint(transport.connection_window))
        .max_idle_timeout(IdleTimeout::try_from(transport.idle_timeout).ok());
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(limits));
    config
}

/// An endpoint that can forget.
pub(crate) struct Listening {
    socket: UdpSocket,
    endpoint: RefCell<Endpoint>,
    settings: EndpointConfig,
    server: RefCell<ServerConfig>,
}

impl Listening {
    /// Within a runtime of tokio.
    pub(crate) fn new(socket: UdpSocket, server: ServerConfig) -> io::Result<Self> {
        let mut settings = EndpointConfig::default();
        // quinn's own ids are signed with a key of the endpoint: the next one would not know them and stay silent.
        settings.cid_generator(|| Box::new(PlainIds));
        let endpoint = listen(&socket, &settings, &server)?;
        Ok(Self { socket, endpoint: RefCell::new(endpoint), settings, server: RefCell::new(server) })
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.borrow().clone()
    }

    /// New connections are as this says.
    pub(crate) fn reconfigure(&self, server: ServerConfig) {
        self.endpoint.borrow().set_server_config(Some(server.clone()));
        self.server.replace(server);
    }

    /// Forgets all connections: who goes on with one of them gets a stateless reset.
    pub(crate) fn restart(&self) -> io::Result<()> {
        let elsewhere = SocketAddr::new(self.socket.local_addr()?.ip(), 0);
        let before = self.endpoint.replace(listen(&self.socket, &self.settings, &self.server.borrow())?);
        // What it still has to say comes from a port that nobody listens to. Twice: quinn goes on reading the socket before.
        for _ in 0..2 {
            before.rebind(UdpSocket::bind(elsewhere)?)?;
        }
        before.close(VarInt::from_u32(0), b"");
        Ok(())
    }
}

fn listen(socket: &UdpSocket, settings: &EndpointConfig, server: &ServerConfig) -> io::Result<Endpoint> {
    Endpoint::new(settings.clone(), Some(server.clone()), socket.try_clone()?, Arc::new(TokioRuntime))
}

struct PlainIds;

thread_local! {
    static NEXT: Cell<u64> = Cell::new(RandomState::new().hash_one("ids"));
}

impl ConnectionIdGenerator for PlainIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let id = NEXT.with(|next| {
            let id = next.get();
            // The golden ratio: ids look random and never repeat.
            next.set(id.wrapping_add(0x9e37_79b9_7f4a_7c15));
            id
        });
        ConnectionId::new(&id.to_be_bytes())
    }

    fn cid_len(&self) -> usize {
        ID_LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
