//! How QUIC fails: in the handshake, and later.

use forebay_core::Class;
use quinn::{ConnectionError, TransportErrorCode};
use rustls::AlertDescription;

use super::{Code, Failure, Lost, Phase, tls_code};
use crate::tls::Noted;

/// Codes of QUIC from here on to 0x1ff are alerts of TLS. Source: RFC 9001, section 4.8.
const ALERTS: u64 = 0x100;

/// Why a dial failed. `noted`: what the verifier of its TLS options last refused.
pub(crate) fn quic_dial_failure(error: &ConnectionError, noted: Option<&Noted>) -> Failure {
    use ConnectionError as E;
    let (code, phase, class) = match error {
        E::VersionMismatch => (Code::PeerIncompatible, Phase::Connect, Class::Never),
        E::TransportError(own) => {
            let (code, class) = match noted.and_then(|noted| noted.refusal(&own.reason)) {
                Some(refusal) => tls_code(&refusal),
                None => own_alert(own.code),
            };
            (code, Phase::Tls, class)
        }
        E::ConnectionClosed(close) if close.error_code == TransportErrorCode::CONNECTION_REFUSED => {
            (Code::ConnectRefused, Phase::Connect, Class::Unprocessed)
        }
        E::ConnectionClosed(close) => match alert(close.error_code) {
            Some(alert) => {
                let (code, class) = tls_code(&rustls::Error::AlertReceived(alert));
                (code, Phase::Tls, class)
            }
            None => (Code::TlsHandshake, Phase::Tls, Class::Unprocessed),
        },
        E::ApplicationClosed(_) => (Code::TlsClosed, Phase::Tls, Class::Unprocessed),
        E::Reset => (Code::ConnectRefused, Phase::Connect, Class::Unprocessed),
        E::TimedOut => (Code::ConnectTimeout, Phase::Connect, Class::Unprocessed),
        E::LocallyClosed | E::CidsExhausted => (Code::LocalResource, Phase::Connect, Class::Unprocessed),
    };
    Failure::new(code, phase, class, &error.to_string())
}

/// Why a connection that was up is over.
pub(crate) fn quic_lost(error: &ConnectionError) -> Lost {
    use ConnectionError as E;
    let code = match error {
        E::VersionMismatch | E::TransportError(_) => Code::ProtocolError,
        E::ConnectionClosed(close) => match alert(close.error_code) {
            // In TLS 1.3 the peer looks at our certificate after we think that we are done.
            Some(alert) if tls_code(&rustls::Error::AlertReceived(alert)).0 == Code::TlsClientCert => {
                Code::TlsClientCert
            }
            _ => Code::ConnectionClosed,
        },
        E::ApplicationClosed(close) => match forebay_h3::Code(close.error_code.into_inner()) {
            forebay_h3::Code::VERSION_FALLBACK => Code::VersionRequired,
            _ => Code::ConnectionClosed,
        },
        E::Reset => Code::ConnectionReset,
        E::TimedOut => Code::KeepaliveTimeout,
        E::LocallyClosed => Code::ConnectionClosed,
        E::CidsExhausted => Code::LocalResource,
    };
    Lost::new(code, &error.to_string())
}

fn alert(code: TransportErrorCode) -> Option<AlertDescription> {
    let number = u64::from(code).checked_sub(ALERTS)?;
    u8::try_from(number).ok().map(AlertDescription::from)
}

/// What our own alert says of the peer, where the reason is not known more precisely.
fn own_alert(code: TransportErrorCode) -> (Code, Class) {
    use AlertDescription as A;
    match alert(code) {
        Some(A::NoApplicationProtocol) => (Code::TlsAlpn, Class::Never),
        Some(A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity) => {
            (Code::PeerIncompatible, Class::Never)
        }
        Some(
            A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA,
        ) => (Code::TlsCertInvalid, Class::Never),
        _ => (Code::TlsHandshake, Class::Unprocessed),
    }
}
