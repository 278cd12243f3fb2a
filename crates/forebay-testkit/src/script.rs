//! A server that does with each connection what its script says, right or wrong, on raw sockets.
//!
//! The first connection plays the first script, the second the next; the last script serves all that follow. A script is a list of
//! `Step`s. When they are played out, the connection stays open and records what arrives until the peer closes it.
//! Nothing is read but by steps that read; `park` never reads.
//!
//! Promise: what was read is recorded per connection (`received`), up to `RECORDED` bytes; each step is finished (its bytes with the
//! system) before the next begins; the end of a connection is known after its socket is closed. Dropping the server closes all.
//! One thread per connection. Not here: good behaviour (`h1`), the text form of scripts (`parse`).

mod channel;
mod connection;
mod door;
mod parse;
mod play;
mod server;
mod shared;
mod step;

pub use self::connection::{ConnectionInfo, End, TlsInfo};
pub use self::door::Door;
pub use self::parse::parse;
pub use self::server::{Options, Server};
pub use self::shared::RECORDED;
pub use self::step::{Handshake, Pieces, Script, Send, Step};
