//! What is known of a connection, and how it ended.

use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::json::Json;

/// How a connection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// By a step of ours.
    Closed,
    /// By `reset`.
    Reset,
    /// The peer sent FIN (or `close_notify`) when more was wanted.
    PeerClosed,
    /// The peer reset it.
    PeerReset,
    /// The server stopped.
    Stopped,
    /// TLS failed on our side; what rustls says, the peer's alert included.
    Tls(String),
    /// The script could not go on.
    Script(String),
    /// Any other error of the socket.
    Io(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Self::PeerReset,
            _ => Self::Io(error.to_string()),
        }
    }
}

/// What a finished handshake agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsInfo {
    /// As rustls names it, e.g. `TLSv1_3`.
    pub version: String,
    /// SNI.
    pub server_name: Option<String>,
    /// The selected protocol.
    pub alpn: Option<String>,
    /// Whether a session was resumed.
    pub resumed: bool,
    /// Whether the client showed a certificate.
    pub client_certificate: bool,
}

/// What is known of a connection at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectionInfo {
    /// Its place in the order of acceptance, from 0.
    pub index: usize,
    /// Time of acceptance since the server started.
    pub accepted_at: Duration,
    /// The client's port.
    pub peer_port: u16,
    /// Top-level step that it is at; the number of steps when the script is played out.
    pub step: usize,
    /// Bytes read (after decryption).
    pub received: u64,
    /// Bytes sent by steps (before encryption), without handshakes and records.
    pub sent: u64,
    /// Requests read by `head` and `request`.
    pub requests: u64,
    /// The finished handshake.
    pub tls: Option<TlsInfo>,
    /// How it ended; `None`: it is open.
    pub end: Option<End>,
}

impl ConnectionInfo {
    /// The same as an object with camelCase keys.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let text = |text: &Option<String>| text.as_deref().map_or(Json::Null, Json::from);
        let tls = self.tls.as_ref().map_or(Json::Null, |tls| {
            Json::object([
                ("version", tls.version.as_str().into()),
                ("serverName", text(&tls.server_name)),
                ("alpn", text(&tls.alpn)),
                ("resumed", tls.resumed.into()),
                ("clientCertificate", tls.client_certificate.into()),
            ])
        });
        let (end, detail) = match &self.end {
            None => (Json::Null, Json::Null),
            Some(End::Closed) => ("closed".into(), Json::Null),
            Some(End::Reset) => ("reset".into(), Json::Null),
            Some(End::PeerClosed) => ("peerClosed".into(), Json::Null),
            Some(End::PeerReset) => ("peerReset".into(), Json::Null),
            Some(End::Stopped) => ("stopped".into(), Json::Null),
            Some(End::Tls(why)) => ("tls".into(), why.as_str().into()),
            Some(End::Script(why)) => ("script".into(), why.as_str().into()),
            Some(End::Io(why)) => ("io".into(), why.as_str().into()),
        };
        Json::object([
            ("index", self.index.into()),
            ("acceptedAtMs", u64::try_from(self.accepted_at.as_millis()).unwrap_or(u64::MAX).into()),
            ("peerPort", u64::from(self.peer_port).into()),
            ("step", self.step.into()),
            ("received", self.received.into()),
            ("sent", self.sent.into()),
            ("requests", self.requests.into()),
            ("tls", tls),
            ("end", end),
            ("detail", detail),
        ])
    }
}
