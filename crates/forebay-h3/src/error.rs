//! How a peer breaks HTTP/3: what ends, what it is told on the wire, and what callers are told. Only here.
//!
//! Promise: texts are ours, no byte of the peer's is in them.

use std::fmt;

/// A code of `RESET_STREAM`, `STOP_SENDING` or `CONNECTION_CLOSE` (RFC 9114, section 8.1; RFC 9204, section 6).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Code(pub u64);

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $value:literal $text:literal,)+) => {
        impl Code {
            $($(#[doc = $doc])+ pub const $name: Self = Self($value);)+

            /// Its name in the RFC, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($value => Some($text),)+ _ => None }
            }
        }
    };
}

codes! {
    /// There is no error.
    NO_ERROR = 0x100 "H3_NO_ERROR",
    /// The peer violates the protocol in a way that no other code names.
    GENERAL_PROTOCOL_ERROR = 0x101 "H3_GENERAL_PROTOCOL_ERROR",
    /// A defect of the sender.
    INTERNAL_ERROR = 0x102 "H3_INTERNAL_ERROR",
    /// A stream that the peer will not take.
    STREAM_CREATION_ERROR = 0x103 "H3_STREAM_CREATION_ERROR",
    /// A control or QPACK stream was closed.
    CLOSED_CRITICAL_STREAM = 0x104 "H3_CLOSED_CRITICAL_STREAM",
    /// A frame that is not permitted now, or here.
    FRAME_UNEXPECTED = 0x105 "H3_FRAME_UNEXPECTED",
    /// A frame whose layout or size is wrong.
    FRAME_ERROR = 0x106 "H3_FRAME_ERROR",
    /// The peer might be causing excessive load.
    EXCESSIVE_LOAD = 0x107 "H3_EXCESSIVE_LOAD",
    /// An id that is wrong, or used wrongly.
    ID_ERROR = 0x108 "H3_ID_ERROR",
    /// A fault in the payload of SETTINGS.
    SETTINGS_ERROR = 0x109 "H3_SETTINGS_ERROR",
    /// The control stream does not begin with SETTINGS.
    MISSING_SETTINGS = 0x10a "H3_MISSING_SETTINGS",
    /// The request was not processed.
    REQUEST_REJECTED = 0x10b "H3_REQUEST_REJECTED",
    /// The request or its response is not wanted any more.
    REQUEST_CANCELLED = 0x10c "H3_REQUEST_CANCELLED",
    /// The request ended before it was whole.
    REQUEST_INCOMPLETE = 0x10d "H3_REQUEST_INCOMPLETE",
    /// A message that is malformed.
    MESSAGE_ERROR = 0x10e "H3_MESSAGE_ERROR",
    /// The connection of a CONNECT was reset or closed.
    CONNECT_ERROR = 0x10f "H3_CONNECT_ERROR",
    /// To be sent again over HTTP/1.1.
    VERSION_FALLBACK = 0x110 "H3_VERSION_FALLBACK",
    /// A field section that cannot be decoded.
    QPACK_DECOMPRESSION_FAILED = 0x200 "QPACK_DECOMPRESSION_FAILED",
    /// A wrong instruction on the encoder stream.
    QPACK_ENCODER_STREAM_ERROR = 0x201 "QPACK_ENCODER_STREAM_ERROR",
    /// A wrong instruction on the decoder stream.
    QPACK_DECODER_STREAM_ERROR = 0x202 "QPACK_DECODER_STREAM_ERROR",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The connection, with all that runs on it: `CONNECTION_CLOSE` with the code.
    Connection,
    /// This stream only: `STOP_SENDING` with the code, and `RESET_STREAM` if the request is not all sent.
    Stream,
}

/// What callers are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The peer broke the protocol. `FB_PROTOCOL_ERROR`.
    Protocol,
    /// The peer went past a flood bound. `FB_FLOOD`.
    Flood,
    /// The message is wrong. `FB_RESPONSE_MALFORMED`.
    Malformed,
    /// A head or trailers past a bound. `FB_HEADERS_TOO_LARGE`.
    TooLarge,
}

/// One way in which the peer is at fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text} ({code})")]
pub struct Error {
    /// What ends.
    pub scope: Scope,
    /// What the peer is told.
    pub code: Code,
    /// What callers are told.
    pub kind: Kind,
    /// What happened; not stable.
    pub text: &'static str,
}

impl Error {
    /// The peer opened a bidirectional stream, which servers may not (RFC 9114, section 6.1).
    pub const SERVER_BIDIRECTIONAL: Self =
        Self::connection(Code::STREAM_CREATION_ERROR, "the server opened a bidirectional stream");

    pub(crate) const fn connection(code: Code, text: &'static str) -> Self {
        Self { scope: Scope::Connection, code, kind: Kind::Protocol, text }
    }

    pub(crate) const fn flood(text: &'static str) -> Self {
        Self { scope: Scope::Connection, code: Code::EXCESSIVE_LOAD, kind: Kind::Flood, text }
    }

    pub(crate) const fn stream_flood(text: &'static str) -> Self {
        Self { scope: Scope::Stream, code: Code::EXCESSIVE_LOAD, kind: Kind::Flood, text }
    }

    pub(crate) const fn malformed(text: &'static str) -> Self {
        Self { scope: Scope::Stream, code: Code::MESSAGE_ERROR, kind: Kind::Malformed, text }
    }

    pub(crate) const fn too_large(text: &'static str) -> Self {
        Self { scope: Scope::Stream, code: Code::EXCESSIVE_LOAD, kind: Kind::TooLarge, text }
    }
}
