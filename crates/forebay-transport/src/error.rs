//! What a request can fail with, and how causes of I/O, TLS and protocol become such a failure. Only here.
//!
//! Promise: every failure has a code of the table, a phase, and says whether another try is safe. Text that came from a
//! peer is capped and escaped. Used by the whole crate and by the sink; the core knows classes and reasons only.

mod h2;
mod h3;
mod quic;

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use forebay_core::Class;

use crate::h1::Fault;

pub(crate) use self::h2::{Lost, h2_lost, h2_stream_failure};
pub(crate) use self::h3::{h3_lost, h3_reset, h3_stream_fault, h3_unprocessed};
pub(crate) use self::quic::{quic_dial_failure, quic_lost};

/// Longest text that a failure carries, in bytes. Source: the bound on text from a peer.
const MAX_TEXT: usize = 512;

/// What hyper says of a head past its bounds; it has a predicate for it on servers only. A test holds it.
const TOO_LARGE: &str = "message head is too large";

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// The code of a failure: the contract with callers. In the order of the table in `ts/errors/codes.ts`.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[repr(u8)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// As callers see it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Code::$name => $text),+ }
            }
        }
    };
}

codes! {
    /// Our API refuses the bytes.
    InvalidRequest = "FB_INVALID_REQUEST",
    /// Configuration refused.
    InvalidConfig = "FB_INVALID_CONFIG",
    /// No native binary for this platform.
    BinaryMissing = "FB_BINARY_MISSING",
    /// Pool closed or destroyed.
    PoolClosed = "FB_POOL_CLOSED",
    /// The breaker is open.
    BreakerOpen = "FB_BREAKER_OPEN",
    /// No endpoint, or all ejected.
    NoHealthyUpstream = "FB_NO_HEALTHY_UPSTREAM",
    /// Limit of pending requests.
    PendingOverflow = "FB_PENDING_OVERFLOW",
    /// Limit of requests.
    RequestOverflow = "FB_REQUEST_OVERFLOW",
    /// Limit of connection pools.
    PoolOverflow = "FB_POOL_OVERFLOW",
    /// The shed gate is shut.
    ShedOverflow = "FB_SHED_OVERFLOW",
    /// Waited too long for a connection.
    QueueTimeout = "FB_QUEUE_TIMEOUT",
    /// The name does not exist.
    DnsNotFound = "FB_DNS_NOT_FOUND",
    /// The lookup failed.
    DnsFailed = "FB_DNS_FAILED",
    /// The lookup took too long.
    DnsTimeout = "FB_DNS_TIMEOUT",
    /// The address filter refused each address.
    AddressDenied = "FB_ADDRESS_DENIED",
    /// The peer refused.
    ConnectRefused = "FB_CONNECT_REFUSED",
    /// No route to the host.
    ConnectUnreachable = "FB_CONNECT_UNREACHABLE",
    /// Not connected within the limit.
    ConnectTimeout = "FB_CONNECT_TIMEOUT",
    /// Several addresses failed.
    ConnectFailed = "FB_CONNECT_FAILED",
    /// The proxy refused or spoiled the tunnel.
    ProxyFailed = "FB_PROXY_FAILED",
    /// We ran out of files, ports or buffers.
    LocalResource = "FB_LOCAL_RESOURCE",
    /// No path to a trusted root.
    TlsUntrusted = "FB_TLS_UNTRUSTED",
    /// The certificate is for another name.
    TlsHostMismatch = "FB_TLS_HOST_MISMATCH",
    /// Expired or not yet valid.
    TlsCertExpired = "FB_TLS_CERT_EXPIRED",
    /// Revoked.
    TlsCertRevoked = "FB_TLS_CERT_REVOKED",
    /// Any other fault of the certificate or its chain.
    TlsCertInvalid = "FB_TLS_CERT_INVALID",
    /// The peer refuses or misses our certificate.
    TlsClientCert = "FB_TLS_CLIENT_CERT",
    /// None, or a wrong one, of the protocols we offered.
    TlsAlpn = "FB_TLS_ALPN",
    /// Not TLS, or no common version or suite.
    PeerIncompatible = "FB_PEER_INCOMPATIBLE",
    /// Anything else that breaks a handshake.
    TlsHandshake = "FB_TLS_HANDSHAKE",
    /// The peer closed or reset in the handshake.
    TlsClosed = "FB_TLS_CLOSED",
    /// The connection ended in order before the head.
    ConnectionClosed = "FB_CONNECTION_CLOSED",
    /// The connection was lost before the head.
    ConnectionReset = "FB_CONNECTION_RESET",
    /// The peer stopped answering probes.
    KeepaliveTimeout = "FB_KEEPALIVE_TIMEOUT",
    /// No SETTINGS from the peer.
    SettingsTimeout = "FB_SETTINGS_TIMEOUT",
    /// The peer says that it did not process the request.
    StreamRefused = "FB_STREAM_REFUSED",
    /// The peer reset the stream.
    StreamReset = "FB_STREAM_RESET",
    /// The peer demands another version of HTTP.
    VersionRequired = "FB_VERSION_REQUIRED",
    /// The peer broke the protocol.
    ProtocolError = "FB_PROTOCOL_ERROR",
    /// The peer went past a flood bound.
    Flood = "FB_FLOOD",
    /// The message is wrong.
    ResponseMalformed = "FB_RESPONSE_MALFORMED",
    /// A 101 that nobody asked for.
    UnexpectedUpgrade = "FB_UNEXPECTED_UPGRADE",
    /// A head or trailers past a bound.
    HeadersTooLarge = "FB_HEADERS_TOO_LARGE",
    /// Past the caller's bound on the body.
    BodyTooLarge = "FB_BODY_TOO_LARGE",
    /// The connection ended before the body did.
    BodyIncomplete = "FB_BODY_INCOMPLETE",
    /// No final head in time.
    HeadersTimeout = "FB_HEADERS_TIMEOUT",
    /// Gap in the body too long.
    BodyTimeout = "FB_BODY_TIMEOUT",
    /// The peer does not take our body.
    WriteTimeout = "FB_WRITE_TIMEOUT",
    /// Per-try limit.
    TryTimeout = "FB_TRY_TIMEOUT",
    /// Per-try idle limit.
    TryIdleTimeout = "FB_TRY_IDLE_TIMEOUT",
    /// Maximum stream duration.
    StreamDuration = "FB_STREAM_DURATION",
    /// Total limit of the request.
    DeadlineExceeded = "FB_DEADLINE_EXCEEDED",
    /// The caller cancelled.
    Aborted = "FB_ABORTED",
    /// The caller's body threw or had the wrong length.
    RequestBodyFailed = "FB_REQUEST_BODY_FAILED",
    /// A defect of ours, caught.
    Internal = "FB_INTERNAL",
}

impl Code {
    /// Whether it says that the peer broke the protocol.
    #[must_use]
    pub const fn is_breach(self) -> bool {
        matches!(
            self,
            Self::ResponseMalformed
                | Self::ProtocolError
                | Self::Flood
                | Self::UnexpectedUpgrade
                | Self::HeadersTooLarge
        )
    }
}

/// Where an exchange was when it failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Phase {
    /// Reading configuration.
    Setup,
    /// Before it was accepted.
    Admit,
    /// Waiting for a connection.
    Queue,
    /// Looking the name up.
    Dns,
    /// Connecting.
    Connect,
    /// In the TLS handshake.
    Tls,
    /// Sending the request.
    Send,
    /// Waiting for the head.
    Head,
    /// Reading the body.
    Body,
}

impl Phase {
    /// Every phase with its name, in order.
    pub const ALL: &'static [(Phase, &'static str)] = &[
        (Phase::Setup, "setup"),
        (Phase::Admit, "admit"),
        (Phase::Queue, "queue"),
        (Phase::Dns, "dns"),
        (Phase::Connect, "connect"),
        (Phase::Tls, "tls"),
        (Phase::Send, "send"),
        (Phase::Head, "head"),
        (Phase::Body, "body"),
    ];
}

/// Why a request failed, as its caller is told.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {text}", code.name())]
pub struct Failure {
    /// The contract.
    pub code: Code,
    /// Where it happened.
    pub phase: Phase,
    /// Whether another try is safe.
    pub class: Class,
    /// What happened, in words; not stable.
    pub text: String,
    /// The address that was tried last; of a known connection `None`, because its number says it.
    pub endpoint: Option<SocketAddr>,
    /// Belongs to the code: the limit that was met, the time-out in ms; else 0.
    pub number: u32,
}

impl Failure {
    /// A failure with a text of ours, or of a peer: capped and escaped.
    #[must_use]
    pub fn new(code: Code, phase: Phase, class: Class, text: &str) -> Self {
        Self { code, phase, class, text: plain(text), endpoint: None, number: 0 }
    }

    /// The same with the address that was tried.
    #[must_use]
    pub fn at(mut self, endpoint: SocketAddr) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// The same with the number that belongs to the code.
    #[must_use]
    pub fn with_number(mut self, number: u32) -> Self {
        self.number = number;
        self
    }
}

/// Control characters escaped, length capped.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT));
    for c in text.chars() {
        if out.len() >= MAX_TEXT {
            out.push_str("...");
            break;
        }
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Why an attempt to connect to one address gave nothing.
#[must_use]
pub fn connect_failure(error: &io::Error) -> Failure {
    use io::ErrorKind as K;
    let (code, class) = match error.kind() {
        K::ConnectionRefused | K::ConnectionReset | K::ConnectionAborted | K::NotFound => {
            (Code::ConnectRefused, Class::Unprocessed)
        }
        K::TimedOut => (Code::ConnectTimeout, Class::Unprocessed),
        K::AddrNotAvailable | K::AddrInUse | K::OutOfMemory | K::QuotaExceeded | K::ResourceBusy => {
            (Code::LocalResource, Class::Unprocessed)
        }
        _ if is_out_of_resources(error) => (Code::LocalResource, Class::Unprocessed),
        _ => (Code::ConnectUnreachable, Class::Unprocessed),
    };
    Failure::new(code, Phase::Connect, class, &error.to_string())
}

/// EMFILE, ENFILE and ENOBUFS have no kind of their own.
fn is_out_of_resources(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    cfg!(unix) && matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS))
}

/// Why a TLS handshake failed.
#[must_use]
pub fn tls_failure(error: &io::Error) -> Failure {
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    let (code, class) = cause.map_or((Code::TlsClosed, Class::Unprocessed), tls_code);
    let text = match cause {
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
            format!("what the peer says is not TLS: {error}")
        }
        _ => error.to_string(),
    };
    Failure::new(code, Phase::Tls, class, &text)
}

fn tls_code(error: &rustls::Error) -> (Code, Class) {
    use rustls::AlertDescription as A;
    use rustls::Error as E;
    let never = |code| (code, Class::Never);
    match error {
        E::InvalidCertificate(e) => never(certificate_code(e)),
        E::NoCertificatesPresented | E::UnsupportedNameType => never(Code::TlsCertInvalid),
        E::NoApplicationProtocol | E::PeerMisbehaved(rustls::PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            never(Code::TlsAlpn)
        }
        // The second: bytes that are no TLS record at all.
        E::PeerIncompatible(_) | E::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            never(Code::PeerIncompatible)
        }
        E::AlertReceived(alert) => match alert {
            A::NoApplicationProtocol => never(Code::TlsAlpn),
            A::ProtocolVersion | A::InsufficientSecurity | A::UnrecognisedName | A::HandshakeFailure => {
                never(Code::PeerIncompatible)
            }
            A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::NoCertificate => never(Code::TlsClientCert),
            _ => (Code::TlsHandshake, Class::Unprocessed),
        },
        _ => (Code::TlsHandshake, Class::Unprocessed),
    }
}

fn certificate_code(error: &rustls::CertificateError) -> Code {
    use rustls::CertificateError as C;
    match error {
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => Code::TlsCertExpired,
        C::NotValidForName | C::NotValidForNameContext { .. } => Code::TlsHostMismatch,
        C::UnknownIssuer => Code::TlsUntrusted,
        C::Revoked => Code::TlsCertRevoked,
        _ => Code::TlsCertInvalid,
    }
}

/// Why an exchange on an HTTP/1.1 connection failed before its final head. `written`: a byte of it may have left.
#[must_use]
pub fn h1_head_failure(error: &hyper::Error, written: bool) -> Failure {
    if let Some(failure) = ours(error) {
        return failure.clone();
    }
    let sent = if written { Class::Maybe } else { Class::Unprocessed };
    let phase = if written { Phase::Head } else { Phase::Send };
    let text = describe(error);
    let (code, phase, class) = match cause(error) {
        // Below HTTP: no word of the response is wrong.
        Cause::Fault(Fault::TlsOverhead) => (Code::Flood, phase, sent),
        Cause::Fault(fault) => (fault_code(fault), Phase::Head, Class::Never),
        Cause::Tls(tls) => match tls_lost(tls) {
            Code::TlsClientCert => (Code::TlsClientCert, phase, Class::Never),
            code => (code, phase, sent),
        },
        Cause::Io(ErrorKind::UnexpectedEof) => (Code::ConnectionClosed, phase, sent),
        Cause::Io(_) => (Code::ConnectionReset, phase, sent),
        Cause::Hyper if error.is_parse() && error.to_string() == TOO_LARGE => {
            (Code::HeadersTooLarge, Phase::Head, Class::Never)
        }
        Cause::Hyper if error.is_parse() => (Code::ResponseMalformed, Phase::Head, Class::Never),
        // What it will not send was not checked well enough.
        Cause::Hyper if error.is_user() => (Code::InvalidRequest, Phase::Send, Class::Never),
        Cause::Hyper => (Code::ConnectionClosed, phase, sent),
    };
    Failure::new(code, phase, class, &text)
}

/// What the body of the request failed with.
pub(crate) fn ours(error: &hyper::Error) -> Option<&Failure> {
    error.source()?.downcast_ref()
}

/// Why the body of a response on an HTTP/1.1 connection broke off.
#[must_use]
pub fn h1_body_failure(error: &hyper::Error) -> Failure {
    let code = match cause(error) {
        Cause::Fault(fault) => fault_code(fault),
        Cause::Tls(tls) => match tls_lost(tls) {
            code @ (Code::Flood | Code::ProtocolError) => code,
            _ => Code::BodyIncomplete,
        },
        // hyper's own view of chunks and trailers.
        Cause::Io(ErrorKind::InvalidInput | ErrorKind::InvalidData) => Code::ResponseMalformed,
        Cause::Io(_) | Cause::Hyper => Code::BodyIncomplete,
    };
    Failure::new(code, Phase::Body, Class::Never, &describe(error))
}

/// Whether the peer broke the protocol, rather than the connection.
#[must_use]
pub fn is_violation(error: &hyper::Error) -> bool {
    match cause(error) {
        Cause::Fault(fault) => is_breach(fault),
        Cause::Tls(tls) => tls_lost(tls).is_breach(),
        Cause::Io(_) => false,
        Cause::Hyper => !(error.is_incomplete_message() || error.is_canceled() || error.is_closed() || error.is_user()),
    }
}

/// Whether the connection was broken off, rather than ended in order.
#[must_use]
pub fn is_reset(error: &hyper::Error) -> bool {
    matches!(cause(error), Cause::Io(kind) if kind != ErrorKind::UnexpectedEof)
}

/// Whether the fault breaks the protocol.
pub(crate) const fn is_breach(fault: Fault) -> bool {
    !matches!(fault, Fault::IdleTimeoutNotice)
}

/// What a fault of the peer's is called.
const fn fault_code(fault: Fault) -> Code {
    match fault {
        Fault::LooksLikeTls | Fault::LooksLikeHttp2 | Fault::Stray | Fault::IdleTimeoutNotice => Code::ProtocolError,
        Fault::Upgrade => Code::UnexpectedUpgrade,
        Fault::HeadTooLarge | Fault::TooManyFields | Fault::TrailersTooLarge | Fault::TooManyTrailers => {
            Code::HeadersTooLarge
        }
        Fault::TooManyInterim | Fault::TooManyExtensions | Fault::Overhead | Fault::TlsOverhead => Code::Flood,
        Fault::StatusLine
        | Fault::EmptyLines
        | Fault::LineEnd
        | Fault::Length
        | Fault::TwoLengths
        | Fault::LengthAndCoding
        | Fault::Coding
        | Fault::BodyAnnounced
        | Fault::ChunkSize
        | Fault::ChunkExtension
        | Fault::ChunkEnd => Code::ResponseMalformed,
    }
}

/// How TLS broke after the handshake.
fn tls_lost(error: &rustls::Error) -> Code {
    use rustls::Error as E;
    use rustls::PeerMisbehaved as P;
    match error {
        E::PeerMisbehaved(
            P::TooManyEmptyFragments
            | P::TooManyKeyUpdateRequests
            | P::TooManyWarningAlertsReceived
            | P::IllegalMiddleboxChangeCipherSpec,
        )
        // Allowed to be ignored in the handshake only, so the first one afterwards counts as too many.
        | E::InappropriateMessage { got_type: rustls::ContentType::ChangeCipherSpec, .. } => Code::Flood,
        E::AlertReceived(_) => match tls_code(error) {
            (Code::TlsClientCert, _) => Code::TlsClientCert,
            _ => Code::ConnectionReset,
        },
        E::PeerMisbehaved(_)
        | E::InappropriateMessage { .. }
        | E::InappropriateHandshakeMessage { .. }
        | E::InvalidMessage(_)
        | E::PeerSentOversizedRecord
        | E::DecryptError => Code::ProtocolError,
        _ => Code::ConnectionReset,
    }
}

/// What is behind an error of hyper's.
enum Cause<'a> {
    Fault(Fault),
    Tls(&'a rustls::Error),
    Io(ErrorKind),
    Hyper,
}

fn cause(error: &hyper::Error) -> Cause<'_> {
    let mut next = error.source();
    while let Some(e) = next {
        if let Some(io) = e.downcast_ref::<io::Error>() {
            let inner = io.get_ref();
            if let Some(fault) = inner.and_then(|e| e.downcast_ref::<Fault>()) {
                return Cause::Fault(*fault);
            }
            return match inner.and_then(|e| e.downcast_ref::<rustls::Error>()) {
                Some(tls) => Cause::Tls(tls),
                None => Cause::Io(io.kind()),
            };
        }
        next = e.source();
    }
    Cause::Hyper
}

/// The error and its causes in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let _ = write!(text, ": {e}");
        cause = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_peer_is_capped_and_escaped() {
        let failure = Failure::new(Code::Internal, Phase::Body, Class::Never, &"a\r\n\u{1b}[31m".repeat(200));
        assert!(failure.text.len() < MAX_TEXT + 16);
        assert!(!failure.text.chars().any(char::is_control));
    }

    #[test]
    fn an_unknown_issuer_is_untrusted_and_never_tried_again() {
        let error = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let failure = tls_failure(&io::Error::other(error));
        assert_eq!((failure.code, failure.class, failure.phase), (Code::TlsUntrusted, Class::Never, Phase::Tls));
    }

    #[test]
    fn a_refused_connect_may_be_tried_elsewhere() {
        let failure = connect_failure(&io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!((failure.code, failure.class), (Code::ConnectRefused, Class::Unprocessed));
    }
}
