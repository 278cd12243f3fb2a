//! HTTP/3 as a client speaks it (RFC 9114, with QPACK, RFC 9204), without I/O: bytes in, events out, and the other way.
//!
//! ```text
//!                     bytes of one stream                      what they mean
//!   request stream    receive(Bytes), finish() --> ResponseReader --> Interim* Head Data* [Trailers]
//!   peer's uni stream receive(&[u8]), closed() --> Peer, UniStream --> Settings, GoAway, Unwanted
//!   request           encode_head, DataHead, encode_trailers --> bytes of one stream
//!   own uni streams   control_stream, ENCODER_STREAM, DECODER_STREAM, GOAWAY --> bytes
//! ```
//!
//! Promise: every length is looked at before its first byte is kept; what is kept for a stream is one field section within its bound
//! ([`ResponseReader::kept`]); frames that carry nothing are counted ([`Budget`]). What the RFCs forbid is an [`Error`] that says
//! what ends, with which code, and what callers are told. No panic, whatever comes.
//!
//! One [`Peer`] and one [`Budget`] for each connection, one [`UniStream`] for each unidirectional stream of the peer, one
//! [`ResponseReader`] for each request. Not here: QUIC, timers, which connection a request goes to (forebay-transport).
#![forbid(unsafe_code)]

mod budget;
mod control;
mod error;
mod fields;
mod frame;
mod opening;
mod peer;
pub mod qpack;
mod request;
mod response;
mod settings;
pub mod varint;

pub use budget::{Budget, CONTROL_FRAMES, CONTROL_FRAMES_MORE};
pub use error::{Code, Error, Kind, Scope};
pub use fields::Bounds;
pub use frame::{DataHead, grease};
pub use opening::{DECODER_STREAM, ENCODER_STREAM, GOAWAY, control_stream};
pub use peer::{OWN_STREAM_STOPPED, Peer, PeerEvent, UniStream};
pub use request::{Target, Unsendable, encode_head, encode_trailers};
pub use response::{Answers, Event, Limits, ResponseReader};
pub use settings::{MAX_SETTINGS, Settings};
