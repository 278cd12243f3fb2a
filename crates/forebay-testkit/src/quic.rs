//! A QUIC server that does with each connection what its script says: streams, bytes, resets, closes, right or wrong for HTTP/3.
//!
//! The first connection plays the first script, the second the next; the last script serves all that follow. A script is a list of
//! `Step`s. When they are played out, the connection stays open until the peer closes it.
//!
//! Promise: what the client sends is read and recorded per stream, up to `RECORDED` bytes of each, with how it ended each and with what
//! code it closed the connection. QUIC itself is quinn's and sound. One thread. Dropping the server ends all.
//! Not here: good behaviour (`h3`), a bad network (`relay`), what is no QUIC (`udp`), the bytes of frames (`h3::frame`).

mod connection;
mod parse;
mod play;
mod server;
mod shared;
mod step;

pub use self::connection::{ConnectionInfo, End, StreamEnd, StreamInfo};
pub use self::parse::parse;
pub use self::server::{Door, Options, Server};
pub use self::shared::RECORDED;
pub use self::step::{Script, Send, Step, To};
pub use crate::endpoint::Transport;
pub use crate::script::Pieces;
