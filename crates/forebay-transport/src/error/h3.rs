//! How HTTP/3 fails: what a peer resets streams with, and faults that the codec finds, as callers are told.

use forebay_core::Class;
use forebay_h3::{Code as Wire, Error, Kind};

use super::{Code, Failure, Lost, Phase};

/// What a fault is called.
const fn code_of(kind: Kind) -> Code {
    match kind {
        Kind::Protocol => Code::ProtocolError,
        Kind::Flood => Code::Flood,
        Kind::Malformed => Code::ResponseMalformed,
        Kind::TooLarge => Code::HeadersTooLarge,
    }
}

/// The peer's message is at fault: its stream ends. `headed`: the final head had come.
pub(crate) fn h3_stream_fault(fault: &Error, headed: bool) -> Failure {
    let phase = if headed { Phase::Body } else { Phase::Head };
    Failure::new(code_of(fault.kind), phase, Class::Never, &fault.to_string())
}

/// The peer broke the protocol: the connection ends.
pub(crate) fn h3_lost(fault: &Error) -> Lost {
    Lost::new(code_of(fault.kind), &fault.to_string())
}

/// The peer reset the stream of a response with `code`.
pub(crate) fn h3_reset(code: u64, headed: bool) -> Failure {
    let wire = Wire(code);
    let (code, phase, class) = match wire {
        _ if headed => (Code::StreamReset, Phase::Body, Class::Never),
        Wire::REQUEST_REJECTED => (Code::StreamRefused, Phase::Head, Class::Unprocessed),
        Wire::VERSION_FALLBACK => (Code::VersionRequired, Phase::Head, Class::Unprocessed),
        _ => (Code::StreamReset, Phase::Head, Class::Maybe),
    };
    Failure::new(code, phase, class, &format!("the peer reset the stream: {wire}"))
}

/// GOAWAY says that the request was not and will not be processed. A peer that has answered it lies.
pub(crate) fn h3_unprocessed(headed: bool) -> Failure {
    let (code, phase, class) = if headed {
        (Code::StreamReset, Phase::Body, Class::Never)
    } else {
        (Code::StreamRefused, Phase::Head, Class::Unprocessed)
    };
    Failure::new(code, phase, class, "GOAWAY: not processed")
}
