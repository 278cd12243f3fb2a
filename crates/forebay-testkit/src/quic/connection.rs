//! What is known of a connection and its streams, and how they ended.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::ConnectionError;

use crate::json::Json;

/// How a connection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// By a step of ours, or because the server stopped.
    Closed,
    /// The client closed it with this code of HTTP/3.
    PeerClosed(u64),
    /// The client's QUIC closed it with this code of the transport.
    PeerFailed(u64),
    /// Our QUIC closed it: the client broke a rule of the transport. What quinn says.
    Failed(String),
    /// Nothing was heard for the idle time-out.
    TimedOut,
}

impl From<&ConnectionError> for End {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::LocallyClosed => Self::Closed,
            ConnectionError::ApplicationClosed(close) => Self::PeerClosed(close.error_code.into_inner()),
            ConnectionError::ConnectionClosed(close) => Self::PeerFailed(close.error_code.into()),
            ConnectionError::TimedOut => Self::TimedOut,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// How the client ended its side of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamEnd {
    /// In order.
    Fin,
    /// With this code.
    Reset(u64),
    /// Not: we have asked it to stop, and look no more.
    Stopped,
    /// With its connection.
    Lost,
}

/// What is known of a stream of the client's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StreamInfo {
    /// Bytes that came.
    pub received: u64,
    /// Whether it came in early data.
    pub early: bool,
    /// How its side ended; `None`: it is open.
    pub end: Option<StreamEnd>,
    /// The code with which it asked us to stop sending.
    pub stopped: Option<u64>,
}

/// What is known of a connection at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectionInfo {
    /// Its place in the order of acceptance, from 0.
    pub index: usize,
    /// Time of acceptance since the server started.
    pub accepted_at: Duration,
    /// The client's address at first.
    pub peer: SocketAddr,
    /// SNI.
    pub server_name: Option<String>,
    /// The selected protocol.
    pub alpn: Option<String>,
    /// Whether its handshake is over.
    pub shaken: bool,
    /// Top-level step that it is at; the number of steps when the script is played out.
    pub step: usize,
    /// Unidirectional streams that `Step::Flood` has opened.
    pub flooded: u64,
    /// The client's requests.
    pub requests: Vec<StreamInfo>,
    /// The client's unidirectional streams, in the order of their ids.
    pub unidirectional: Vec<StreamInfo>,
    /// How it ended; `None`: it is open.
    pub end: Option<End>,
}

impl StreamInfo {
    fn to_json(&self) -> Json {
        let (end, code) = match self.end {
            None => (Json::Null, Json::Null),
            Some(StreamEnd::Fin) => ("fin".into(), Json::Null),
            Some(StreamEnd::Reset(code)) => ("reset".into(), code.into()),
            Some(StreamEnd::Stopped) => ("stopped".into(), Json::Null),
            Some(StreamEnd::Lost) => ("lost".into(), Json::Null),
        };
        Json::object([
            ("received", self.received.into()),
            ("early", self.early.into()),
            ("end", end),
            ("code", code),
            ("stopped", self.stopped.map_or(Json::Null, Json::from)),
        ])
    }
}

impl ConnectionInfo {
    /// The same as an object with camelCase keys; `code` and `detail` tell of the end.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let text = |text: &Option<String>| text.as_deref().map_or(Json::Null, Json::from);
        let streams = |list: &[StreamInfo]| Json::from(list.iter().map(StreamInfo::to_json).collect::<Vec<_>>());
        let (end, code, detail) = match &self.end {
            None => (Json::Null, Json::Null, Json::Null),
            Some(End::Closed) => ("closed".into(), Json::Null, Json::Null),
            Some(End::PeerClosed(code)) => ("peerClosed".into(), (*code).into(), Json::Null),
            Some(End::PeerFailed(code)) => ("peerFailed".into(), (*code).into(), Json::Null),
            Some(End::Failed(why)) => ("failed".into(), Json::Null, why.as_str().into()),
            Some(End::TimedOut) => ("timedOut".into(), Json::Null, Json::Null),
        };
        Json::object([
            ("index", self.index.into()),
            ("acceptedAtMs", u64::try_from(self.accepted_at.as_millis()).unwrap_or(u64::MAX).into()),
            ("peerPort", u64::from(self.peer.port()).into()),
            ("serverName", text(&self.server_name)),
            ("alpn", text(&self.alpn)),
            ("shaken", self.shaken.into()),
            ("step", self.step.into()),
            ("flooded", self.flooded.into()),
            ("requests", streams(&self.requests)),
            ("unidirectional", streams(&self.unidirectional)),
            ("end", end),
            ("code", code),
            ("detail", detail),
        ])
    }
}
