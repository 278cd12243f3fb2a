//! A plain client of QUIC for the tests of the servers: requests as bytes, answers as frames.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "a module of test files has no outside")]

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use forebay_testkit::certificates::Authority;
use forebay_testkit::h3::frame;
use forebay_testkit::tls::client_config;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, ReadToEndError, RecvStream, SendStream};
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Longer than anything takes on loopback, also on a machine with much else to do: a test that hangs fails instead.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test's client.
pub fn run<T>(client: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, client).await.expect("in time") })
}

/// Waits for what the server is about to do, while the client goes on.
pub async fn eventually(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn config(authority: &Authority, alpn: &str) -> ClientConfig {
    configured(client_config(authority, false), alpn)
}

/// Of the root that a program has said.
pub fn config_of(pem: &str, alpn: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let crypto = rustls::ClientConfig::builder_with_provider(provider);
    let crypto = crypto.with_protocol_versions(&[&rustls::version::TLS13]).expect("it is known");
    configured(crypto.with_root_certificates(roots).with_no_client_auth(), alpn)
}

fn configured(mut crypto: rustls::ClientConfig, alpn: &str) -> ClientConfig {
    crypto.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    crypto.enable_early_data = true;
    crypto.resumption = Resumption::in_memory_sessions(8);
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto).expect("TLS 1.3")))
}

pub fn endpoint() -> Endpoint {
    Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port")
}

/// A connection whose control stream is open.
pub async fn connect(endpoint: &Endpoint, config: &ClientConfig, to: SocketAddr) -> Result<Connection, String> {
    let connecting = endpoint.connect_with(config.clone(), to, "localhost").map_err(|error| error.to_string())?;
    let connection = connecting.await.map_err(|error| error.to_string())?;
    control(&connection).await;
    Ok(connection)
}

/// Lets what the client has to say leave, then hears nothing until `server_has_it`: the handshake cannot end before, so what came
/// in early data is early to the server.
pub async fn unheard(connection: &Connection, server_has_it: impl FnOnce() -> bool) {
    while connection.stats().udp_tx.datagrams == 0 {
        tokio::task::yield_now().await;
    }
    // The client has one thread, and this keeps it.
    assert!(server_has_it());
}

pub async fn control(connection: &Connection) {
    let mut control = connection.open_uni().await.expect("credit");
    control.write_all(&frame::control(&[])).await.expect("a control stream");
    // It must stay open: a stream that is dropped ends.
    std::mem::forget(control);
}

/// Begins a request; its body is the caller's.
pub async fn begin(connection: &Connection, method: &str, path: &str) -> (SendStream, RecvStream) {
    let (mut send, recv) = connection.open_bi().await.expect("credit");
    let fields = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)];
    send.write_all(&frame::headers(&fields)).await.expect("a request");
    (send, recv)
}

/// A response as it came: the sections of its HEADERS, and its body.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Response {
    pub heads: Vec<Vec<u8>>,
    pub body: Vec<u8>,
}

/// `:status 200` as the h3 crate writes it: the field of the static table.
pub const OK: u8 = 0xd9;

pub async fn read(mut recv: RecvStream) -> Result<Response, ReadToEndError> {
    let bytes = recv.read_to_end(64 << 20).await?;
    let mut response = Response::default();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (kind, length) = (varint(&mut rest), varint(&mut rest));
        let (payload, after) = rest.split_at(usize::try_from(length).expect("a length"));
        rest = after;
        match kind {
            frame::kind::HEADERS => response.heads.push(payload.to_vec()),
            frame::kind::DATA => response.body.extend_from_slice(payload),
            _ => {}
        }
    }
    Ok(response)
}

pub async fn get(connection: &Connection, path: &str) -> Result<Response, ReadToEndError> {
    let (mut send, recv) = begin(connection, "GET", path).await;
    send.finish().expect("open");
    read(recv).await
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let length = 1 << (bytes[0] >> 6);
    let (head, rest) = bytes.split_at(length);
    *bytes = rest;
    head[1..].iter().fold(u64::from(head[0] & 0x3f), |number, byte| number << 8 | u64::from(*byte))
}
