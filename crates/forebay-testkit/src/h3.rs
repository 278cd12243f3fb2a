//! HTTP/3: a well-behaved server, and the frames for scripts that misbehave (`frame`, with the steps of `quic`).
//!
//! The server is quinn and the `h3` crate, neither of which the client under test shares above QUIC. It answers the paths of
//! `streams`. Promise: counters are exact between two requests; dropping the server closes all. A request at or above the id of a
//! GOAWAY is rejected, which the crate does but for the first of them.
//! Not here: misbehaviour (`quic`), a bad network (`relay`).

pub mod frame;

mod adapter;
mod connection;
mod server;
mod stream;

pub use self::server::{Going, Options, Server};
pub use crate::endpoint::Transport;
pub use crate::streams::{ConnectionInfo, Stats};
