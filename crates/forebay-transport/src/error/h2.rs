//! How HTTP/2 fails: errors of the `h2` crate and faults of the meter, as callers are told.

use std::io::ErrorKind;

use forebay_core::Class;
use h2::{Error, Reason};

use super::{Code, Failure, Phase, describe, tls_lost};
use crate::h2::{Fault, ReadEnd};

/// What the `h2` crate says of a peer that sends CONTINUATION without end, or a head far past the bound. A test holds them.
const WAY_TOO_LARGE: &str = "header_list_way_too_large";

/// Why a connection is over, and with it what ran on it.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    /// Before the head of a response.
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Lost {
    pub(crate) fn new(code: Code, text: &str) -> Self {
        Self { code, text: text.to_owned() }
    }

    /// What it means for an exchange: `headed`: its head had come; `culprit`: it is the one that broke the rule.
    pub(crate) fn failure(&self, headed: bool, culprit: bool) -> Failure {
        let phase = if headed { Phase::Body } else { Phase::Head };
        let class = if headed || (culprit && self.code.is_breach()) || self.code == Code::TlsClientCert {
            Class::Never
        } else {
            Class::Maybe
        };
        let code = match self.code {
            Code::ConnectionClosed | Code::ConnectionReset | Code::SettingsTimeout if headed => Code::BodyIncomplete,
            code => code,
        };
        Failure::new(code, phase, class, &self.text)
    }
}

/// Why a connection is over: what the meter found first, then what the crate says, then how reading ended.
pub(crate) fn h2_lost(error: Option<&Error>, fault: Option<Fault>, end: Option<&ReadEnd>) -> Lost {
    if let Some(fault) = fault {
        let code = match fault {
            Fault::TooManyControlFrames | Fault::TlsOverhead => Code::Flood,
            Fault::NotSettings | Fault::LooksLikeHttp1 | Fault::Push | Fault::ConnectProtocolTakenBack => {
                Code::ProtocolError
            }
        };
        return Lost { code, text: fault.to_string() };
    }
    if let Some(error) = error.filter(|e| e.is_go_away() && e.is_library()) {
        let text = error.to_string();
        let code = match error.reason() {
            Some(Reason::ENHANCE_YOUR_CALM) if text.contains(WAY_TOO_LARGE) => Code::HeadersTooLarge,
            Some(Reason::ENHANCE_YOUR_CALM) => Code::Flood,
            // It does not go on decoding a string past the bound.
            Some(Reason::COMPRESSION_ERROR) => Code::HeadersTooLarge,
            _ => Code::ProtocolError,
        };
        return Lost { code, text };
    }
    let text = error.map_or_else(|| "the connection ended".to_owned(), |e| describe(e));
    let code = match end {
        Some(ReadEnd::Tls(tls)) => tls_lost(tls),
        Some(ReadEnd::Io(ErrorKind::UnexpectedEof) | ReadEnd::Closed) | None => Code::ConnectionClosed,
        Some(ReadEnd::Io(_)) => Code::ConnectionReset,
    };
    Lost { code, text }
}

/// Why one stream failed; `None`: with its connection. `headed`: the final head had come.
pub(crate) fn h2_stream_failure(error: &Error, headed: bool) -> Option<Failure> {
    let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
    let phase = if headed { Phase::Body } else { Phase::Head };
    let sent = if headed { Class::Never } else { Class::Maybe };
    let (code, class) = if error.is_go_away() && error.is_remote() {
        // Exactly the streams above the last one that the peer will process.
        match reason {
            _ if headed => (Code::StreamReset, Class::Never),
            Reason::HTTP_1_1_REQUIRED => (Code::VersionRequired, Class::Unprocessed),
            _ => (Code::StreamRefused, Class::Unprocessed),
        }
    } else if error.is_reset() && error.is_remote() {
        match reason {
            Reason::REFUSED_STREAM if !headed => (Code::StreamRefused, Class::Unprocessed),
            Reason::HTTP_1_1_REQUIRED if !headed => (Code::VersionRequired, Class::Unprocessed),
            _ => (Code::StreamReset, sent),
        }
    } else if error.is_reset() && error.is_library() {
        match reason {
            Reason::PROTOCOL_ERROR => (Code::ResponseMalformed, Class::Never),
            // How the crate answers a head that is larger than it was told to take.
            Reason::REFUSED_STREAM => (Code::HeadersTooLarge, Class::Never),
            _ => (Code::ProtocolError, Class::Never),
        }
    } else if error.is_go_away() || error.is_io() {
        return None;
    } else {
        (Code::Internal, sent)
    };
    Some(Failure::new(code, phase, class, &error.to_string()))
}
